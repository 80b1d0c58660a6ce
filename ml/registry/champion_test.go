package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestChampion(t *testing.T) {
	r, st := newFolder(t)
	a, b, c := put(t, r, 1), put(t, r, 2), put(t, r, 3)
	must := func(p Pointer, err error) Pointer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		read, err := r.Champion(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, read); diff != "" {
			t.Errorf("-returned +read:\n%s", diff)
		}
		return p
	}
	want := func(p Pointer, champion, challenger string, share float64, earlier ...string) {
		t.Helper()
		found := Pointer{Champion: p.Champion, Challenger: p.Challenger, Share: p.Share, Earlier: p.Earlier}
		if diff := cmp.Diff(Pointer{Champion: champion, Challenger: challenger, Share: share, Earlier: earlier}, found, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
	refused := func(_ Pointer, err error, is error, text string) {
		t.Helper()
		if err == nil || is != nil && !errors.Is(err, is) || !strings.Contains(err.Error(), text) {
			t.Errorf("expected an error with %q, found %v", text, err)
		}
	}
	p, err := r.Champion(t.Context(), "m")
	refused(p, err, ErrNoChampion, "promote one")
	p, err = r.Rollback(t.Context(), "m", "why")
	refused(p, err, ErrNoChampion, "")
	p, err = r.SetChallenger(t.Context(), "m", b, 0.5, "why")
	refused(p, err, ErrNoChampion, "before another challenges it")
	p, err = r.Promote(t.Context(), "m", "20260301T120000Z-00000000", "why")
	refused(p, err, fs.ErrNotExist, "no such version")
	for _, reason := range []string{"", "  ", "two\nlines", strings.Repeat("x", 501), "\xff"} {
		p, err = r.Promote(t.Context(), "m", a, reason)
		refused(p, err, nil, "reason: expected")
	}
	if p, err := r.Newest(t.Context(), "m"); err != nil || p.Number != 0 {
		t.Errorf("refused changes were written: %+v, %v", p, err)
	}

	want(must(r.Promote(t.Context(), "m", a, "the first")), a, "", 0)
	p, err = r.Rollback(t.Context(), "m", "why")
	refused(p, err, nil, "found none: promote another version")
	p, err = r.SetChallenger(t.Context(), "m", a, 0.5, "why")
	refused(p, err, nil, "expected another than the champion")
	for _, share := range []float64{0, 1, -0.1, 2} {
		p, err = r.SetChallenger(t.Context(), "m", b, share, "why")
		refused(p, err, nil, "expected a number between 0 and 1")
	}
	want(must(r.SetChallenger(t.Context(), "m", b, 0.1, "try it")), a, b, 0.1)
	want(must(r.SetChallenger(t.Context(), "m", b, 0.2, "more of it")), a, b, 0.2)
	want(must(r.Promote(t.Context(), "m", b, "it won")), b, "", 0, a)
	want(must(r.Promote(t.Context(), "m", c, "newer")), c, "", 0, a, b)
	if p := must(r.Promote(t.Context(), "m", c, "again")); p.Number != 5 {
		t.Errorf("promoting the champion was a change: %+v", p)
	}
	want(must(r.SetChallenger(t.Context(), "m", b, 0.3, "again")), c, b, 0.3, a, b)
	want(must(r.Rollback(t.Context(), "m", "it is worse")), b, "", 0, a)
	want(must(r.SetChallenger(t.Context(), "m", c, 0.3, "again")), b, c, 0.3, a)
	want(must(r.SetChallenger(t.Context(), "m", "", 0, "no")), b, "", 0, a)
	p = must(r.Rollback(t.Context(), "m", "that, too"))
	want(p, a, "", 0)
	since, ok := p.Since()
	if diff := cmp.Diff(Entry{Number: 10, Action: RolledBack, Champion: a, Changed: since.Changed, Reason: "that, too"}, since); diff != "" || !ok {
		t.Error(diff)
	}
	var told []string
	for _, e := range p.History {
		told = append(told, fmt.Sprintf("%d %s: %s", e.Number, e.Action, e.Reason))
	}
	if diff := cmp.Diff([]string{
		"1 promote: the first", "2 challenger: try it", "3 challenger: more of it", "4 promote: it won", "5 promote: newer", "6 challenger: again",
		"7 rollback: it is worse", "8 challenger: again", "9 challenger: no", "10 rollback: that, too",
	}, told); diff != "" {
		t.Error(diff)
	}

	// A damaged newest change is an error, and names itself; without it, the one before holds.
	at := pointerName("m", 10)
	if err := st.Put(t.Context(), at, []byte("{")); err != nil {
		t.Fatal(err)
	}
	p, err = r.Champion(t.Context(), "m")
	refused(p, err, ErrCorrupt, at)
	p, err = r.Promote(t.Context(), "m", c, "why")
	refused(p, err, ErrCorrupt, "the change before it holds again")
	if err := st.Delete(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	p, err = r.Champion(t.Context(), "m")
	refused(p, err, ErrCorrupt, "pointer.was/000010.json says that it was")
	if err := st.Delete(t.Context(), witnessName("m", 10)); err != nil {
		t.Fatal(err)
	}
	if p, err := r.Champion(t.Context(), "m"); err != nil || p.Champion != b {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestConcurrentPromotes: of many writers, each with a store of its own, none is
// lost.
func TestConcurrentPromotes(t *testing.T) {
	const writers = 12
	for place, newStore := range stores {
		t.Run(place, func(t *testing.T) {
			uri := newStore(t)
			registries := make([]*Registry, writers)
			versions := make([]string, writers)
			for i := range writers {
				registries[i] = Open(openStore(t, uri))
				versions[i] = put(t, registries[i], uint64(i))
			}
			var wg sync.WaitGroup
			for i, r := range registries {
				wg.Go(func() {
					if _, err := r.Promote(t.Context(), "m", versions[i], fmt.Sprint("writer ", i)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			p, err := registries[0].Champion(t.Context(), "m")
			if err != nil {
				t.Fatal(err)
			}
			var order []string
			for _, e := range p.History {
				order = append(order, e.Champion)
			}
			if diff := cmp.Diff(slices.Concat(p.Earlier, []string{p.Champion}), order); diff != "" || p.Number != writers {
				t.Errorf("%d changes; -earlier +history:\n%s", p.Number, diff)
			}
			slices.Sort(order)
			slices.Sort(versions)
			if diff := cmp.Diff(versions, order); diff != "" {
				t.Errorf("-promoted +found:\n%s", diff)
			}

			// Of those that decided over one pointer, one writes.
			var mu sync.Mutex
			won := map[string]bool{}
			for i, r := range registries {
				if versions[i] == p.Champion {
					continue
				}
				wg.Go(func() {
					_, err := r.PromoteIf(t.Context(), "m", p.Number, versions[i], "better than the champion")
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won[versions[i]] = true
					case !errors.Is(err, ErrChanged):
						t.Error(err)
					}
				})
			}
			wg.Wait()
			after, err := registries[0].Champion(t.Context(), "m")
			if err != nil || len(won) != 1 || !won[after.Champion] || after.Number != p.Number+1 {
				t.Errorf("won: %v; then %+v, %v", won, after, err)
			}
		})
	}
}

// TestRollbackOnce: a rollback is of the champion that was seen.
func TestRollbackOnce(t *testing.T) {
	r, st := newFolder(t)
	for seed := range uint64(3) {
		if _, err := r.Promote(t.Context(), "m", put(t, r, seed), "next"); err != nil {
			t.Fatal(err)
		}
	}
	first := true
	slow := Open(hooked{st, func(op, _ string) error {
		if first && op == "put" {
			first = false
			_, err := r.Rollback(t.Context(), "m", "faster")
			return err
		}
		return nil
	}})
	if _, err := slow.Rollback(t.Context(), "m", "slower"); !errors.Is(err, ErrChanged) {
		t.Errorf("expected %v, found %v", ErrChanged, err)
	}
	if p, err := r.Champion(t.Context(), "m"); err != nil || p.Number != 4 || len(p.Earlier) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestInTheWay: a taken number that cannot be listed is an error, not a loop.
func TestInTheWay(t *testing.T) {
	r, st := newFolder(t)
	version := put(t, r, 1)
	if err := st.Put(t.Context(), pointerName("m", 1)+"/x", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(t.Context(), "m", version, "why"); err == nil || !strings.Contains(err.Error(), "in the way of models/m/pointer/000001.json") {
		t.Error(err)
	}
}

// TestHistoryIsBounded: a pointer never gets too large to be read, and after many
// changes still knows the newest.
func TestHistoryIsBounded(t *testing.T) {
	r, _ := newFolder(t)
	a, b := put(t, r, 1), put(t, r, 2)
	for i := range maxHistory + 10 {
		if _, err := r.Promote(t.Context(), "m", []string{a, b}[i%2], strings.Repeat(`"`, maxReason)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := r.Champion(t.Context(), "m")
	if err != nil || len(p.History) != maxHistory || len(p.Earlier) != maxEarlier || p.Number != maxHistory+10 {
		t.Fatalf("%d changes, %d earlier, number %d, %v", len(p.History), len(p.Earlier), p.Number, err)
	}
	for i := range p.History {
		p.History[i].Removed = slices.Repeat([]string{a}, maxRemoved)
	}
	text, err := encodePointer(pointerName("m", p.Number), p)
	if err != nil || len(text) > maxManifestBytes {
		t.Errorf("the largest pointer has %d bytes, %v", len(text), err)
	}
}

// TestAgainstModel makes random changes, prunings among them, and compares with a
// model in memory.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		r, _ := newFolder(t)
		var (
			versions []string // that are there, oldest first
			gone     []string
			lineage  []string // champions, the current one last
			rival    string
			changes  int
		)
		champion := func() string {
			if len(lineage) == 0 {
				return ""
			}
			return lineage[len(lineage)-1]
		}
		crown := func() {
			changes++
			if rival == champion() {
				rival = ""
			}
		}
		pick := func(t *rapid.T) string {
			if len(versions) == 0 {
				t.Skip("no version")
			}
			return rapid.SampledFrom(versions).Draw(t, "version")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) { versions = append(versions, put(t, r, uint64(len(versions)+len(gone)))) },
			"promote": func(t *rapid.T) {
				v := pick(t)
				if _, err := r.Promote(ctx, "m", v, "why"); err != nil {
					t.Fatal(err)
				}
				if v != champion() {
					lineage = append(lineage, v)
					crown()
				}
			},
			"promote what is gone": func(t *rapid.T) {
				if len(gone) == 0 {
					t.Skip("nothing is gone")
				}
				if _, err := r.Promote(ctx, "m", rapid.SampledFrom(gone).Draw(t, "version"), "why"); !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			},
			"rollback": func(t *rapid.T) {
				possible := len(lineage) > 1 && slices.Contains(versions, lineage[len(lineage)-2])
				_, err := r.Rollback(ctx, "m", "why")
				if (err == nil) != possible {
					t.Fatalf("of %v: %v", lineage, err)
				}
				if possible {
					lineage = lineage[:len(lineage)-1]
					crown()
				}
			},
			"challenge": func(t *rapid.T) {
				v := pick(t)
				_, err := r.SetChallenger(ctx, "m", v, 0.5, "why")
				if (err == nil) != (champion() != "" && v != champion()) {
					t.Fatal(err)
				}
				if err == nil && v != rival {
					rival = v
					changes++
				}
			},
			"prune": func(t *rapid.T) {
				keep := rapid.IntRange(1, 3).Draw(t, "keep")
				got, err := r.Prune(ctx, "m", keep)
				if err != nil {
					t.Fatal(err)
				}
				var want, stay []string
				for i, v := range versions {
					back := len(lineage) > 1 && v == lineage[len(lineage)-2]
					if len(versions)-i <= keep || v == champion() || v == rival || back {
						stay = append(stay, v)
					} else {
						want = append(want, v)
					}
				}
				if diff := cmp.Diff(Removed{Versions: want}, got); diff != "" {
					t.Fatal(diff)
				}
				versions, gone = stay, append(gone, want...)
				if len(want) > 0 {
					changes++
				}
			},
			"": func(t *rapid.T) {
				p, err := r.Newest(ctx, "m")
				if err != nil || p.Champion != champion() || p.Challenger != rival || p.Number != changes {
					t.Fatalf("expected champion %q, challenger %q, %d changes, found %+v, %v", champion(), rival, changes, p, err)
				}
				list, err := r.List(ctx, "m")
				var found []string
				for _, m := range list {
					found = append(found, m.Version)
				}
				if diff := cmp.Diff(versions, found, cmpopts.EquateEmpty()); diff != "" || err != nil {
					t.Fatal(diff, err)
				}
			},
		})
	})
}
