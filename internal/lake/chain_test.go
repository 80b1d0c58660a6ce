package lake

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/kafkaio"
)

// begin is a lake that this process writes.
func begin(t testing.TB) Store {
	t.Helper()
	st := newLake(t)
	if _, err := Continue(t.Context(), st, readLedger(t, st).Resume()); err != nil {
		t.Fatal(err)
	}
	return st
}

// newOldLake is a lake of format 2, whose objects have no checksums.
func newOldLake(t testing.TB) Store {
	t.Helper()
	st := newLocal(t)
	old := anySettings
	old.Format, old.State = formatUnsummed, StateLedger
	putPlain(t, st, settingsName, old)
	return st
}

// putPlain writes an object as format 2 had it.
func putPlain(t testing.TB, st Store, name string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = st.Put(t.Context(), name, append(data, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// plain takes the checksums out of what is in a lake, and what else format 2 had not.
func plain(t testing.TB, st Store) {
	t.Helper()
	for _, name := range names(t, st) {
		if strings.HasSuffix(name, witnessSuffix) {
			if err := st.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := st.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if json.Unmarshal(data, &v) != nil {
			continue
		}
		for _, key := range []string{"sum", "chain", "metrics_chain", "from"} {
			delete(v, key)
		}
		if name == settingsName {
			v["format"] = formatUnsummed
		}
		putPlain(t, st, name, v)
	}
}

// TestObjectDamage: whatever bit of an object of the ledger flips, wherever it is
// cut, and under whatever other name it lies, it is not taken.
func TestObjectDamage(t *testing.T) {
	t.Parallel()
	row := withFiles(Row{Window: w(3), End: w(4), Read: 12, Silver: 7, Late: 2, Duplicates: 1, Dead: map[string]int64{"json": 2}, Next: map[int32]int64{0: 99}})
	name := windowName(rowsDir, row.Window, ".json")
	data, _, err := encodeObject(name, row)
	if err != nil {
		t.Fatal(err)
	}
	var back Row
	if _, err := decodeObject(name, data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(row, back); diff != "" {
		t.Errorf("(-put +got):\n%s", diff)
	}
	for i := range data {
		for bit := range 8 {
			bad := slices.Clone(data)
			bad[i] ^= 1 << bit
			if _, err := decodeObject(name, bad, new(Row)); err == nil {
				t.Errorf("bit %d of byte %d (%q): taken", bit, i, data[i])
			}
		}
		if _, err := decodeObject(name, data[:i], new(Row)); err == nil {
			t.Errorf("cut at %d: taken", i)
		}
	}
	if _, err := decodeObject(windowName(rowsDir, w(4), ".json"), data, new(Row)); err == nil {
		t.Error("under another name: taken")
	}
	if _, err := decodeObject(name, append(slices.Clone(data), data...), new(Row)); err == nil {
		t.Error("twice: taken")
	}
}

func FuzzObject(f *testing.F) {
	data, _, _ := encodeObject("a", GoldSettings{TimeZone: "UTC"})
	f.Add(data)
	f.Add([]byte(`{"time_zone":"UTC"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s GoldSettings
		if _, err := decodeObject("a", data, &s); err == nil {
			if again, _, err := encodeObject("a", s); err != nil || len(again) == 0 {
				t.Errorf("%q is taken as %+v, which cannot be written: %v", data, s, err)
			}
		}
	})
}

// TestChain writes rows and seals in any order, in several runs, and damages one
// row after the other: readers and the next run notice each.
func TestChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		st := begin(t)
		at := int64(0)
		for range rapid.IntRange(1, 3).Draw(rt, "runs") {
			n := rapid.Int64Range(1, 8).Draw(rt, "rows")
			for _, i := range rand.Perm(int(n)) {
				window := w(at + int64(i))
				r := withFiles(Row{Window: window, End: window + 60_000, Read: at + int64(i) + 1, Silver: at + int64(i) + 1, Mark: &kafkaio.Mark{Watermark: window + 60_000}})
				if err := PutRow(t.Context(), st, r); err != nil {
					rt.Fatal(err)
				}
			}
			for range rapid.IntRange(1, 3).Draw(rt, "seals") {
				if err := PutSeal(t.Context(), st, w(at+rapid.Int64Range(0, n-1).Draw(rt, "seal"))); err != nil {
					rt.Fatal(err)
				}
			}
			l := readLedger(t, st)
			if l.chain == nil {
				rt.Fatal("the seal has no chain")
			}
			sealed, _ := l.Sealed()
			at = (sealed.Window-w(0))/60_000 + 1
			if _, err := Continue(t.Context(), st, l.Resume()); err != nil {
				rt.Fatal(err)
			}
		}
		closed := rapid.Bool().Draw(rt, "closed")
		if closed {
			if _, err := Close(t.Context(), st); err != nil {
				rt.Fatal(err)
			}
		}
		window := w(rapid.Int64Range(0, at-1).Draw(rt, "damaged"))
		name := windowName(rowsDir, window, ".json")
		whole, err := st.Get(t.Context(), name)
		if err != nil {
			rt.Fatal(err)
		}
		switch rapid.SampledFrom([]string{"deleted", "another version"}).Draw(rt, "how") {
		case "deleted":
			if err := st.Delete(t.Context(), name); err != nil {
				rt.Fatal(err)
			}
		case "another version":
			other, _, err := encodeObject(name, withFiles(Row{Window: window, End: window + 60_000, Read: 1000, Silver: 1000, Mark: &kafkaio.Mark{}}))
			if err == nil {
				err = st.Put(t.Context(), name, other)
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		_, err = ReadLedger(t.Context(), st)
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "ledger/rows") {
			rt.Fatalf("error %v", err)
		}
		if _, err := Close(t.Context(), st); err == nil {
			rt.Fatal("it can be closed")
		}
		if err := st.Put(t.Context(), name, whole); err != nil {
			rt.Fatal(err)
		}
		if _, err := ReadLedger(t.Context(), st); err != nil {
			rt.Fatalf("restored: %v", err)
		}
	})
}

// TestLostRowIsNamed: files of a window say which row is missing.
func TestLostRowIsNamed(t *testing.T) {
	t.Parallel()
	st := begin(t)
	state{rows: []int64{0, 1, 2}, marked: []int64{1, 2}, seals: []int64{2}, metrics: []int64{0, 5}, metricSeals: []int64{0}}.put(t, st)
	put(t, st, SilverName(w(0), "toys", 0), MetricsName("5m", w(-5)))
	for _, name := range []string{windowName(rowsDir, w(0), ".json"), windowName(metricsRowsDir, w(-5), ".json")} {
		whole, err := st.Get(t.Context(), name)
		if err == nil {
			err = st.Delete(t.Context(), name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLedger(t.Context(), st); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one that names %s", err, name)
		}
		if err := st.Put(t.Context(), name, whole); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFinalRowsStay: a row that is sealed is not replaced by another one.
func TestFinalRowsStay(t *testing.T) {
	t.Parallel()
	st := begin(t)
	state{rows: []int64{0, 1}, marked: []int64{0, 1}, seals: []int64{1}}.put(t, st)
	state{rows: []int64{0, 1}, marked: []int64{0, 1}}.put(t, st) // a bundle that is tried again
	err := PutRow(t.Context(), st, withFiles(Row{Window: w(0), End: w(1), Read: 3, Silver: 3}))
	if err == nil || !strings.Contains(err.Error(), windowName(rowsDir, w(0), ".json")) {
		t.Errorf("another row: %v", err)
	}
	readLedger(t, st)
}

// TestLost: what is not there but was is no lake without it.
func TestLost(t *testing.T) {
	t.Parallel()
	full := state{rows: []int64{0, 1}, marked: []int64{1}, seals: []int64{1}, metrics: []int64{0}, metricSeals: []int64{0}, closed: true}
	for _, name := range []string{settingsName, sealName, metricsSealName, closedName} {
		st := begin(t)
		full.put(t, st)
		if err := st.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		before := names(t, st)
		_, err := ReadLedger(t.Context(), st)
		if !errors.Is(err, ErrMissing) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if name == settingsName {
			if err := Init(t.Context(), st, anySettings); !errors.Is(err, ErrMissing) {
				t.Errorf("a new lake over the old one: %v", err)
			}
			if err := st.Delete(t.Context(), witnessOf(name)); err != nil {
				t.Fatal(err)
			}
			if err := Init(t.Context(), st, anySettings); !errors.Is(err, ErrMissing) {
				t.Errorf("a new lake over the old one, whose copy is gone, too: %v", err)
			}
			continue
		}
		if diff := cmp.Diff(before, names(t, st)); diff != "" {
			t.Errorf("%s: something was written:\n%s", name, diff)
		}
		// As the message says.
		if was, err := st.Get(t.Context(), witnessOf(name)); err == nil && name == closedName {
			if err := st.Put(t.Context(), name, was); err != nil {
				t.Fatal(err)
			}
			readLedger(t, st)
		}
	}
}

// TestOldLake reads a lake of format 2, raises it, and finds damage to what it
// had: not what it was before.
func TestOldLake(t *testing.T) {
	t.Parallel()
	full := state{rows: []int64{0, 1, 2, 3}, marked: []int64{1, 2}, seals: []int64{2}, metrics: []int64{0, 5}, metricSeals: []int64{0}}
	for _, closed := range []bool{false, true} {
		st := newLake(t)
		full.closed = closed
		full.put(t, st)
		want := readLedger(t, st)
		plain(t, st)
		l := readLedger(t, st)
		if diff := cmp.Diff(want.Visible(), l.Visible()); diff != "" || l.Settings.Format != formatUnsummed || (l.Closed != nil) != closed {
			t.Errorf("closed %v: format %d, visible rows (-with +without checksums):\n%s", closed, l.Settings.Format, diff)
		}
		if err := Init(t.Context(), st, anySettings); err != nil {
			t.Error(err)
		}
		if _, err := Continue(t.Context(), st, l.Resume()); err != nil {
			t.Fatal(err)
		}
		l = readLedger(t, st)
		if len(l.Visible()) != 3 || l.Settings.Format != formatVersion || !l.Settings.Upgraded || l.chain == nil || l.metricsChain == nil {
			t.Errorf("closed %v: raised to %+v, %d rows, chains %v, %v", closed, l.Settings, len(l.Visible()), l.chain, l.metricsChain)
		}
		if err := Init(t.Context(), st, anySettings); err != nil {
			t.Errorf("raised, and continued with the same settings: %v", err)
		}
		name := windowName(rowsDir, w(0), ".json")
		whole, err := st.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for how, data := range map[string]string{
			"other numbers":           strings.NewReplacer(`"read":10`, `"read":11`, `"silver":10`, `"silver":11`, `"rows":10`, `"rows":11`).Replace(string(whole)),
			"a checksum that is none": strings.Replace(string(whole), "}\n", `,"sun":"0123456789abcdef"}`+"\n", 1),
		} {
			if data == string(whole) {
				t.Fatal(how)
			}
			if err := st.Put(t.Context(), name, []byte(data)); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadLedger(t.Context(), st); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", how, err)
			}
		}
	}
}

// TestRowProof: a row whose counts are not those of its files, or whose records
// another row has, is not taken, even with the right checksum.
func TestRowProof(t *testing.T) {
	t.Parallel()
	good := func() Row {
		r := withFiles(Row{Window: w(1), End: w(2), Read: 12, Silver: 7, Late: 2, Duplicates: 1, Dead: map[string]int64{"json": 2}})
		r.From, r.Next = map[int32]int64{0: 10}, map[int32]int64{0: 25} // a gap, as a transaction makes it
		return r
	}
	for want, change := range map[string]func(r *Row){
		"":                                    func(*Row) {},
		"expected files of 13 records read":   func(r *Row) { r.Read++ },
		"expected files of 6 silver rows":     func(r *Row) { r.Silver-- },
		"expected files of 3 late rows":       func(r *Row) { r.Late++ },
		"expected files of 1 dead letters":    func(r *Row) { r.Dead["json"]-- },
		"expected files of 2 late rows by":    func(r *Row) { r.LateDates["2026-02-25"]-- },
		"expected 12 records of partition 0":  func(r *Row) { r.Next[0] = 21 },
		"expected 0 records of partition 1":   func(r *Row) { r.From[1] = 0 },
		"expected partition 0 from offset 10": func(r *Row) { r.From[0] = 9 },
	} {
		st := newLake(t)
		before := withFiles(Row{Window: w(0), End: w(1), Read: 4, Silver: 4})
		before.From, before.Next = map[int32]int64{0: 3}, map[int32]int64{0: 10}
		r := good()
		change(&r)
		for _, r := range []Row{before, r} {
			if err := PutRow(t.Context(), st, r); err != nil {
				t.Fatal(err)
			}
		}
		_, err := ReadLedger(t.Context(), st)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), windowName(rowsDir, w(1), ".json"))) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestForeignFiles: what other programs put beside the ledger's objects is left
// alone and does not count.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	st := begin(t)
	state{rows: []int64{0, 1, 2}, marked: []int64{1}, seals: []int64{1}, metrics: []int64{0}, metricSeals: []int64{0}}.put(t, st)
	want := readLedger(t, st)
	row, err := st.Get(t.Context(), windowName(rowsDir, w(2), ".json"))
	if err != nil {
		t.Fatal(err)
	}
	var foreign []string
	for _, dir := range []string{rowsDir, rowsDir + "/date=2026-02-25", metricsRowsDir, compactionsDir, publicationsDir, incrementsDir, string(Bronze), string(Silver) + "/date=2026-02-25"} {
		for _, name := range []string{"Thumbs.db", "desktop.ini", "notes.json", "20260225T061600Z (1).json", "3-20260225T061600Z (1).parquet", "date=2026-02-25 (1).json", "20260225T061600Z.json~"} {
			foreign = append(foreign, dir+"/"+name)
		}
	}
	for _, name := range foreign {
		if err := st.Put(t.Context(), name, row); err != nil {
			t.Fatal(err)
		}
	}
	l := readLedger(t, st)
	if diff := cmp.Diff(want.Rows, l.Rows); diff != "" {
		t.Errorf("rows (-without +with foreign files):\n%s", diff)
	}
	if p, err := ReadPublications(t.Context(), st); err != nil || len(p) != 0 {
		t.Errorf("publications %v, %v", p, err)
	}
	if _, err := Continue(t.Context(), st, l.Resume()); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, name := range names(t, st) {
		left[name] = true
	}
	for _, name := range foreign {
		if !left[name] {
			t.Errorf("%s was removed", name)
		}
	}
	if name := windowName(rowsDir, w(2), ".json"); left[name] {
		t.Errorf("%s was left, though it is not sealed", name)
	}
}
