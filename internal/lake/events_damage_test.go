package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// oneObject is a store with one object of any name.
type oneObject struct {
	Store
	data []byte
}

type inMemory []byte

func (m inMemory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }
func (m inMemory) Size() int64                             { return int64(len(m)) }
func (m inMemory) Close() error                            { return nil }

func (s oneObject) Open(context.Context, string) (Object, error) { return inMemory(s.data), nil }
func (s oneObject) URI() string                                  { return "memory" }

// TestDamagedEvents cuts a file at every place and flips bits everywhere: the
// rows come out as they were written, or not at all.
func TestDamagedEvents(t *testing.T) {
	rows := silverRows(40)
	for i := range rows {
		rows[i].EventID += "x" // texts of one length, and others
	}
	rows[7].ProductName = ""
	data, err := EncodeSilver(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	f := File{Lane: Silver, Name: SilverName(0, "toys", 0), Rows: 40, Bytes: int64(len(data))}
	var want []LateRow
	for _, r := range rows {
		want = append(want, inCategory(r, "toys"))
	}
	unnoticed := 0
	read := func(damage string, data []byte) {
		f.Bytes = int64(len(data))
		for _, quarantine := range []bool{false, true} {
			got, err := scan(t, oneObject{data: data}, []File{f}, ReadOptions{Columns: AllColumns, Quarantine: quarantine})
			switch {
			case err == nil && !slices.Equal(got, want):
				t.Errorf("%s: wrong rows and no error", damage)
			case err == nil:
				unnoticed++
			case !errors.Is(err, ErrBroken):
				t.Errorf("%s: %v, want %v", damage, err, ErrBroken)
			case len(got) > 0:
				t.Errorf("%s: %d rows before the error", damage, len(got))
			}
		}
	}
	for n := range data {
		read(fmt.Sprintf("cut after %d bytes", n), data[:n])
	}
	if unnoticed > 0 {
		t.Errorf("%d cuts were not noticed", unnoticed)
	}
	for i := range data {
		for _, bit := range []int{0, 3, 7} {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			read(fmt.Sprintf("bit %d of byte %d of %d flipped", bit, i, len(data)), changed)
		}
	}
	t.Logf("%d of %d changes were in what is not read", unnoticed/2, 3*len(data))
}

// TestDamagedPagesOfLargeFile: a fault far into a file of many batches. With
// quarantine nothing comes out before it is found.
func TestDamagedPagesOfLargeFile(t *testing.T) {
	rows := silverRows(60_000)
	data, err := EncodeSilver(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	f := File{Lane: Silver, Name: SilverName(0, "toys", 0), Rows: int64(len(rows)), Bytes: int64(len(data))}
	data[int(float64(len(data))*0.54)] ^= 1 // in the last pages of event_id
	for _, quarantine := range []bool{false, true} {
		got, err := scan(t, oneObject{data: data}, []File{f}, ReadOptions{Columns: ColEventID, Quarantine: quarantine})
		if !errors.Is(err, ErrBroken) || (len(got) == 0) != quarantine {
			t.Errorf("quarantine %t: %d rows, %v", quarantine, len(got), err)
		}
	}
}

func FuzzScanEvents(f *testing.F) {
	for _, n := range []int{0, 1, 40, 300} {
		rows := silverRows(n)
		silver, err := EncodeSilver(nil, rows)
		if err != nil {
			f.Fatal(err)
		}
		var late []LateRow
		for _, r := range rows {
			late = append(late, inCategory(r, "toys"))
		}
		lateFile, err := EncodeLate(nil, late)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(silver, int64(n), false)
		f.Add(lateFile, int64(n), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, rows int64, late bool) {
		file := File{Lane: Silver, Name: SilverName(0, "toys", 0), Rows: rows & 0xffff, Bytes: int64(len(data))}
		if late {
			file.Lane, file.Name = Late, LaneName(Late, 0, 0)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := int64(0)
		for e, err := range ScanEvents(t.Context(), oneObject{data: data}, []File{file}, ReadOptions{Columns: AllColumns}) {
			if err != nil && !errors.Is(err, ErrBroken) {
				t.Fatal(err)
			}
			n += int64(e.N)
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20+uint64(maxPageBytes) {
			t.Fatalf("%d MB for a file of %d bytes", taken>>20, len(data))
		}
		if n > file.Rows {
			t.Fatalf("%d rows of %d", n, file.Rows)
		}
	})
}

// FuzzPages gives the decoders of values bytes of any content: checksums keep
// those from them in files.
func FuzzPages(f *testing.F) {
	f.Add([]byte{16, 1, 2, 3}, uint16(3), uint16(2))
	f.Add([]byte{128, 1, 4, 3, 2, 4, 1, 2, 3, 4, 0, 0}, uint16(3), uint16(2))
	f.Add([]byte{3, 3, 0x88, 0xc6, 0xfa}, uint16(8), uint16(8))
	f.Fuzz(func(t *testing.T, data []byte, n, limit uint16) {
		if levels, err := decodeLevels(nil, data, int(n)); err == nil && len(levels) != int(n) {
			t.Fatalf("%d levels of %d", len(levels), n)
		}
		if indexes, err := decodeIndexes(nil, data, int(n), int(limit)); err == nil && len(indexes) != int(n) {
			t.Fatalf("%d indexes of %d", len(indexes), n)
		}
		if lengths, rest, err := decodeLengths(nil, data, int(n)); err == nil && (len(lengths) != int(n) || len(rest) > len(data)) {
			t.Fatalf("%d lengths of %d", len(lengths), n)
		}
		if texts, err := decodeDictionary(data, int(n)); err == nil && len(texts) != int(n) {
			t.Fatalf("%d texts of %d", len(texts), n)
		}
		_, _, _ = readPageHeader(data)
		_, _ = unpackFiles(data)
		_, _ = decodeEvents(data)
	})
}

// TestPruning compares what is read of a range of times and some categories
// with all rows filtered.
func TestPruning(t *testing.T) {
	st := newLocal(t)
	files, all := manyFiles(t, st)
	times := []int64{0, w(0) * 1000, w(1) * 1000, w(1)*1000 + 44_000, w(9)*1000 + 89_000, w(10) * 1000, 1_772_359_200_000_000, 1_772_359_201_500_000, 1 << 60}
	rapid.Check(t, func(rt *rapid.T) {
		o := ReadOptions{
			Columns:    Columns(rapid.Uint32Range(0, uint32(AllColumns)).Draw(rt, "columns")),
			From:       rapid.SampledFrom(times).Draw(rt, "from") + rapid.Int64Range(-1, 1).Draw(rt, "more"),
			To:         rapid.SampledFrom(times).Draw(rt, "to") + rapid.Int64Range(-1, 1).Draw(rt, "more"),
			Categories: rapid.SampledFrom([][]string{nil, {"toys"}, {"books"}, {"NULL", "books"}, {"none"}}).Draw(rt, "categories"),
			BaseWindow: rapid.SampledFrom([]int64{0, 60_000}).Draw(rt, "base window"),
			Quarantine: rapid.Bool().Draw(rt, "quarantine"),
		}
		var want []LateRow
		for _, r := range all {
			if (!o.ranged() || r.EventTime >= o.From && r.EventTime < o.To) && (o.Categories == nil || slices.Contains(o.Categories, r.Category)) {
				want = append(want, r)
			}
		}
		got, err := scan(t, st, files, o)
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(got, project(want, o.Columns)) {
			rt.Fatalf("%d rows, want these %d", len(got), len(want))
		}
	})
}

// TestPrunedByName: files that cannot have a row that is asked for are not
// opened.
func TestPrunedByName(t *testing.T) {
	day := int64(86_400_000)
	file := func(name string) File { return File{Lane: Silver, Name: name, Rows: 1, Bytes: 1} }
	files := []File{
		file(SilverName(9*day-60_000, "toys", 0)),
		file(compactedName("1970-01-10", "toys", 0, 0)), // its last window may reach beyond the date
		file(SilverName(10*day, "toys", 0)),
		file(SilverName(10*day, "books", 0)),
		file(compactedName("1970-01-11", "toys", 0, 0)),
		file(SilverName(11*day, "toys", 0)),
		file(compactedName("1970-01-12", "toys", 0, 0)),
	}
	for _, c := range []struct {
		window int64
		want   []int
	}{{60_000, []int{1, 2, 4}}, {0, []int{0, 1, 2, 4}}} {
		o := ReadOptions{From: 10 * day * 1000, To: 11 * day * 1000, BaseWindow: c.window, Categories: []string{"toys"}}
		var got []int
		for i, f := range files {
			if o.wants(f) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("base window %d: files %v, want %v", c.window, got, c.want)
		}
	}
}
