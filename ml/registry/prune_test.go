package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
)

func TestPrune(t *testing.T) {
	for place, newStore := range stores {
		t.Run(place, func(t *testing.T) {
			r := ticking(openStore(t, newStore(t)))
			var v []string
			for seed := range uint64(8) {
				v = append(v, put(t, r, seed))
			}
			for _, i := range []int{0, 1, 2} {
				if _, err := r.Promote(t.Context(), "m", v[i], "next"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.SetChallenger(t.Context(), "m", v[4], 0.5, "try it"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Prune(t.Context(), "m", 0); err == nil {
				t.Error("all were to be removed")
			}
			removed, err := r.Prune(t.Context(), "m", 2)
			if err != nil {
				t.Fatal(err)
			}
			// 1 is what Rollback goes back to, 2 the champion, 4 the challenger, 6 and 7 are the newest.
			if diff := cmp.Diff(Removed{Versions: []string{v[0], v[3], v[5]}}, removed); diff != "" {
				t.Error(diff)
			}
			if again, err := r.Prune(t.Context(), "m", 2); err != nil || len(again.Versions) != 0 {
				t.Errorf("again: %v, %v", again, err)
			}
			p, err := r.Rollback(t.Context(), "m", "worse")
			if err != nil || p.Champion != v[1] {
				t.Errorf("%+v, %v", p, err)
			}
			if _, err := r.Rollback(t.Context(), "m", "worse"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "promote another version") {
				t.Errorf("back to a version that was pruned: %v", err)
			}
		})
	}
}

// TestPruneMany: more versions than one change may name.
func TestPruneMany(t *testing.T) {
	r, _ := newFolder(t)
	for seed := range uint64(maxRemoved + 20) {
		put(t, r, seed)
	}
	removed, err := r.Prune(t.Context(), "m", 5)
	if err != nil || len(removed.Versions) != maxRemoved+15 {
		t.Errorf("removed %d, %v", len(removed.Versions), err)
	}
	if list, err := r.List(t.Context(), "m"); err != nil || len(list) != 5 {
		t.Errorf("%d are left, %v", len(list), err)
	}
}

// TestPruneAgainstPromote lets each come between the other's look and its write:
// the champion is always a version that is there.
func TestPruneAgainstPromote(t *testing.T) {
	setUp := func(t *testing.T) (r *Registry, st lake.Store, old string) {
		r, st = newFolder(t)
		old = put(t, r, 1)
		if _, err := r.Promote(t.Context(), "m", put(t, r, 2), "first"); err != nil {
			t.Fatal(err)
		}
		put(t, r, 3)
		return r, st, old
	}
	// once runs what before the first write of a change.
	once := func(st lake.Store, what func()) lake.Store {
		var first sync.Once
		return hooked{st, func(op, name string) error {
			if op == "put" && strings.Contains(name, "/pointer/") {
				first.Do(what)
			}
			return nil
		}}
	}
	t.Run("promoted before the pruning is written", func(t *testing.T) {
		r, st, old := setUp(t)
		slow := Open(once(st, func() {
			if _, err := r.Promote(t.Context(), "m", old, "faster"); err != nil {
				t.Error(err)
			}
		}))
		if removed, err := slow.Prune(t.Context(), "m", 1); err != nil || len(removed.Versions) != 0 {
			t.Errorf("removed %v, %v", removed, err)
		}
		if _, err := r.Verify(t.Context(), "m", old); err != nil {
			t.Error(err)
		}
	})
	t.Run("pruned before the promotion is written", func(t *testing.T) {
		r, st, old := setUp(t)
		slow := Open(once(st, func() {
			if removed, err := r.Prune(t.Context(), "m", 1); err != nil || !cmp.Equal(removed.Versions, []string{old}) {
				t.Errorf("removed %v, %v", removed, err)
			}
		}))
		if _, err := slow.Promote(t.Context(), "m", old, "slower"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "it was pruned") {
			t.Errorf("promoted a version that is gone: %v", err)
		}
	})
	t.Run("promoted between the pruning's change and its deletes", func(t *testing.T) {
		r, st, old := setUp(t)
		killed := Open(hooked{st, func(op, _ string) error {
			if op == "delete" {
				return errKilled
			}
			return nil
		}})
		if _, err := killed.Prune(t.Context(), "m", 1); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		if _, err := r.Promote(t.Context(), "m", old, "why"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("promoted a version that was given up: %v", err)
		}
		if _, err := r.SetChallenger(t.Context(), "m", old, 0.5, "why"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("so is its challenge: %v", err)
		}
		if removed, err := r.Prune(t.Context(), "m", 1); err != nil || !cmp.Equal(removed.Versions, []string{old}) {
			t.Errorf("the next one removed %v, %v", removed, err)
		}
	})
}

// TestKilledPrune ends Prune before each of its deletes: what is left of a version
// is no version, and the next Prune names and removes it.
func TestKilledPrune(t *testing.T) {
	for deletes := range 2 {
		t.Run(fmt.Sprint(deletes), func(t *testing.T) {
			r, st := newFolder(t)
			old, kept := put(t, r, 1), put(t, r, 2)
			left := deletes
			killed := Open(hooked{st, func(op, _ string) error {
				if op == "delete" {
					if left--; left < 0 {
						return errKilled
					}
				}
				return nil
			}})
			if _, err := killed.Prune(t.Context(), "m", 1); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			r.now = func() time.Time { return time.Now().Add(2 * leftoverAge) }
			removed, err := r.Prune(t.Context(), "m", 1)
			want := Removed{Versions: []string{old}}
			if deletes > 0 {
				want = Removed{Leftovers: []string{old}}
			}
			if diff := cmp.Diff(want, removed); diff != "" || err != nil {
				t.Error(diff, err)
			}
			for _, name := range objects(t, st, "models/m/"+old) {
				t.Errorf("%s is left", name)
			}
			if _, err := r.Verify(t.Context(), "m", kept); err != nil {
				t.Error(err)
			}
		})
	}
}
