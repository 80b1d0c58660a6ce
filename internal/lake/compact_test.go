package lake

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
)

// The lakes of these tests have base windows of an hour, from noon of the first
// date on.
const hour = 3_600_000

var (
	firstDate = civil.Date{Year: 2026, Month: 3, Day: 1}
	noon      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
)

// fillSilver writes the windows [from, to), hours after noon, of two categories
// with two shards each, and a late file; all rows have marks.
func fillSilver(t testing.TB, st Store, from, to int64) {
	t.Helper()
	for i := from; i < to; i++ {
		window := noon + i*hour
		row := Row{Window: window, End: window + hour, Mark: &kafkaio.Mark{Watermark: window + hour}}
		for c, category := range []string{"toys", "home & garden"} {
			for shard := range 2 {
				rows := silverRows(20 + int(i))
				for j := range rows {
					rows[j].KafkaPartition, rows[j].KafkaOffset = int32(2*c+shard), 1000*i+int64(j)
					rows[j].EventTime = window*1000 + int64(j*7919%20)*1_000_000
				}
				row.Files = append(row.Files, putFile(t, st, SilverName(window, category, shard), rows, EncodeSilver))
				row.Silver += int64(len(rows))
			}
		}
		late := inCategory(silverRows(1)[0], "toys")
		late.KafkaPartition, late.KafkaOffset = 9, i
		row.Files = append(row.Files, putFile(t, st, LaneName(Late, window, 0), []LateRow{late}, EncodeLate))
		row.Late, row.Read, row.LateDates = 1, row.Silver+1, map[string]int64{"2026-03-01": 1}
		row.Files = append(row.Files, File{Lane: Bronze, Name: LaneName(Bronze, window, 0), Rows: row.Read}) // nobody reads it here
		if err := PutRow(t.Context(), st, row); err != nil {
			t.Fatal(err)
		}
	}
	if err := PutSeal(t.Context(), st, noon+(to-1)*hour); err != nil {
		t.Fatal(err)
	}
}

var hourSettings = Settings{Topic: "t", BaseWindowMs: hour, Shards: 2}

func newSilverLake(t testing.TB, from, to int64) Store {
	st := newLocal(t)
	if err := Init(t.Context(), st, hourSettings); err != nil {
		t.Fatal(err)
	}
	fillSilver(t, st, from, to)
	return st
}

// visibleRows are all rows that a reader finds, by partition and offset.
func visibleRows(t testing.TB, st Store, l *Ledger) []LateRow {
	t.Helper()
	rows, err := scan(t, st, l.Files(Silver, Late), ReadOptions{Columns: AllColumns, BaseWindow: hour})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(rows, byOffset)
	return rows
}

func compact(t testing.TB, st Store, date civil.Date) CompactStats {
	t.Helper()
	stats, err := Compact(t.Context(), st, readLedger(t, st), date)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func silverNames(l *Ledger) (names []string) {
	for _, f := range l.Files(Silver) {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

func TestCompact(t *testing.T) {
	for _, uri := range []string{t.TempDir(), startBucket(t) + "/compact"} {
		st := mustOpen(t, uri)
		if err := Init(t.Context(), st, hourSettings); err != nil {
			t.Fatal(err)
		}
		fillSilver(t, st, 0, 30) // 12 hours of the first date, 18 of the second
		want := visibleRows(t, st, readLedger(t, st))
		start := readLedger(t, st).Resume()

		stats := compact(t, st, firstDate)
		if stats.Before != 48 || stats.After != 2 || stats.Rows == 0 || stats.Bytes == 0 {
			t.Errorf("%+v, want 48 files made 2", stats)
		}
		l := readLedger(t, st)
		if got := visibleRows(t, st, l); !slices.Equal(got, want) {
			t.Fatalf("%d rows after it, want these %d", len(got), len(want))
		}
		if diff := gocmp.Diff([]string{
			"silver/date=2026-03-01/category-home%20%26%20garden/compacted-0-0.parquet", "silver/date=2026-03-01/category-toys/compacted-0-0.parquet",
		}, silverNames(l)[:2]); diff != "" || len(silverNames(l)) != 2+18*4 {
			t.Errorf("files:\n%s", diff)
		}
		for _, f := range l.Files(Silver)[:2] {
			rows, err := ReadAll[SilverRow](t.Context(), st, f.Name)
			if err != nil || !slices.IsSortedFunc(rows, inTime) {
				t.Errorf("%s is not in order, or %v", f.Name, err)
			}
		}
		if diff := gocmp.Diff(start, l.Resume()); diff != "" {
			t.Errorf("it is resumed otherwise:\n%s", diff)
		}
		if files := l.RowFiles(l.Rows[0]); len(files) != 4 { // two compacted, one late, bronze
			t.Errorf("the first row has files %v", files)
		}

		before := names(t, st)
		if stats := compact(t, st, firstDate); stats.Before != 2 || stats.After != 2 || !slices.Equal(names(t, st), before) {
			t.Errorf("a second call: %+v", stats)
		}

		if n, err := RemoveReplaced(t.Context(), st, l, time.Hour); n != 0 || err != nil {
			t.Errorf("removed %d at once, %v", n, err)
		}
		for _, want := range []int{48, 0} {
			if n, err := RemoveReplaced(t.Context(), st, l, -time.Hour); n != want || err != nil {
				t.Errorf("removed %d, %v, want %d", n, err, want)
			}
		}
		l = readLedger(t, st)
		if got := visibleRows(t, st, l); !slices.Equal(got, want) {
			t.Errorf("%d rows after removal, want these %d", len(got), len(want))
		}
		if removed, err := Continue(t.Context(), st, l.Resume()); err != nil || removed != 0 {
			t.Errorf("a run that goes on removes %d, %v", removed, err)
		}
		if got := visibleRows(t, st, readLedger(t, st)); !slices.Equal(got, want) {
			t.Errorf("%d rows for the run that goes on, want these %d", len(got), len(want))
		}
		if total := Total(l.Rows); total.Check() != nil {
			t.Error(total.Check())
		}
	}
}

func TestCompactSameBytes(t *testing.T) {
	var data [2][]byte
	for i := range data {
		st := newSilverLake(t, 0, 14)
		compact(t, st, firstDate)
		var err error
		if data[i], err = st.Get(t.Context(), compactedName("2026-03-01", "toys", 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(data[0], data[1]) {
		t.Error("the same rows made other bytes")
	}
}

func TestCompactRefuses(t *testing.T) {
	st := newSilverLake(t, 0, 30)
	if _, err := Compact(t.Context(), st, readLedger(t, st), firstDate.AddDays(1)); err == nil || !strings.Contains(err.Error(), "complete") {
		t.Errorf("an open date: %v", err)
	}
	if stats := compact(t, st, firstDate.AddDays(-1)); stats != (CompactStats{Date: firstDate.AddDays(-1)}) {
		t.Errorf("a date without rows: %+v", stats)
	}
}

// TestCompactClosed compacts a closed lake, whose last windows are not sealed,
// goes on with it, and compacts the date again.
func TestCompactClosed(t *testing.T) {
	st := newSilverLake(t, 0, 5)
	row := readLedger(t, st).Rows[4]
	row.Mark = nil
	unsealed := row
	unsealed.Window, unsealed.End = row.Window+hour, row.End+hour
	rows := silverRows(3)
	for i := range rows {
		rows[i].KafkaPartition, rows[i].KafkaOffset, rows[i].EventTime = 8, int64(i), unsealed.Window*1000
	}
	unsealed.Files = []File{
		putFile(t, st, SilverName(unsealed.Window, "toys", 0), rows, EncodeSilver),
		{Lane: Bronze, Name: LaneName(Bronze, unsealed.Window, 0), Rows: 3},
	}
	unsealed.Silver, unsealed.Read, unsealed.Late, unsealed.LateDates = 3, 3, 0, nil
	if err := PutRow(t.Context(), st, unsealed); err != nil {
		t.Fatal(err)
	}
	if _, err := Close(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	want := visibleRows(t, st, readLedger(t, st))
	if stats := compact(t, st, firstDate); stats.Before != 20 || stats.After != 2 {
		t.Errorf("%+v, want the 20 files of sealed windows", stats)
	}
	l := readLedger(t, st)
	if n, err := RemoveReplaced(t.Context(), st, l, -time.Hour); n != 20 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if got := visibleRows(t, st, l); !slices.Equal(got, want) {
		t.Errorf("%d rows, want these %d", len(got), len(want))
	}

	if n, err := Continue(t.Context(), st, l.Resume()); n != 2 || err != nil { // the unsealed row and its file
		t.Errorf("the next run removes %d, %v", n, err)
	}
	fillSilver(t, st, 5, 14)
	want = visibleRows(t, st, readLedger(t, st))
	if stats := compact(t, st, firstDate); stats.Before != 2+7*4 || stats.After != 2 {
		t.Errorf("%+v, want two old files and those of 7 windows", stats)
	}
	l = readLedger(t, st)
	if got := visibleRows(t, st, l); !slices.Equal(got, want) {
		t.Errorf("%d rows, want these %d", len(got), len(want))
	}
	if n, err := RemoveReplaced(t.Context(), st, l, -time.Hour); n != 2+7*4 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	for _, f := range l.Files(Silver)[:2] {
		if rows, err := ReadAll[SilverRow](t.Context(), st, f.Name); err != nil || !slices.IsSortedFunc(rows, inTime) || !strings.Contains(f.Name, "compacted-1-0") {
			t.Errorf("%s is not in order, or %v", f.Name, err)
		}
	}
	if got := visibleRows(t, st, readLedger(t, st)); !slices.Equal(got, want) {
		t.Errorf("%d rows after removal, want these %d", len(got), len(want))
	}
}

// dying is a store whose process dies at the n-th change: it and all later
// calls fail. Half of the time the change is made before.
type dying struct {
	Store
	left atomic.Int64
	late bool
}

var errDied = errors.New("died")

func (d *dying) change(do func() error) error {
	switch n := d.left.Add(-1); {
	case n > 0:
		return do()
	case n == 0 && d.late:
		return cmp.Or(do(), errDied)
	default:
		return errDied
	}
}

func (d *dying) Put(ctx context.Context, name string, data []byte) error {
	return d.change(func() error { return d.Store.Put(ctx, name, data) })
}

func (d *dying) Delete(ctx context.Context, name string) error {
	return d.change(func() error { return d.Store.Delete(ctx, name) })
}

// TestCompactKilled kills compaction and removal at each change: readers find
// all rows once, and the next call ends the work.
func TestCompactKilled(t *testing.T) {
	for _, late := range []bool{false, true} {
		for n := int64(1); ; n++ {
			st := newSilverLake(t, 10, 13) // the first date's last two windows
			want := visibleRows(t, st, readLedger(t, st))
			d := &dying{Store: st, late: late}
			d.left.Store(n)
			l := readLedger(t, st)
			_, err := Compact(t.Context(), d, l, firstDate)
			if err == nil {
				_, err = RemoveReplaced(t.Context(), d, l, -time.Hour)
			}
			if err == nil {
				if n < 12 {
					t.Fatalf("%d changes, want at least one a file: 2 made, 8 removed", n)
				}
				break
			}
			if !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			if got := visibleRows(t, st, readLedger(t, st)); !slices.Equal(got, want) {
				t.Fatalf("killed at change %d: %d rows, want these %d", n, len(got), len(want))
			}
			compact(t, st, firstDate)
			l = readLedger(t, st)
			if _, err := RemoveReplaced(t.Context(), st, l, -time.Hour); err != nil {
				t.Fatal(err)
			}
			if got := visibleRows(t, st, readLedger(t, st)); !slices.Equal(got, want) {
				t.Fatalf("killed at change %d and called again: %d rows, want these %d", n, len(got), len(want))
			}
			left := slices.DeleteFunc(names(t, st), func(n string) bool { return !strings.HasPrefix(n, "silver/date=2026-03-01/") })
			if !slices.Equal(left, silverNames(l)[:2]) {
				t.Fatalf("killed at change %d: left are %q", n, left)
			}
		}
	}
}

// TestCompactWhileRead: a reader that has read the ledger goes on with the old
// files, others read the lake again and again.
func TestCompactWhileRead(t *testing.T) {
	st := newSilverLake(t, 0, 100)
	want := visibleRows(t, st, readLedger(t, st))
	var (
		wg   sync.WaitGroup
		done atomic.Bool
	)
	wg.Go(func() {
		for !done.Load() {
			l, err := ReadLedger(t.Context(), st)
			if err != nil {
				t.Error(err)
				return
			}
			if got := visibleRows(t, st, l); !slices.Equal(got, want) {
				t.Errorf("%d rows, want these %d", len(got), len(want))
				return
			}
		}
	})
	for day := range 4 {
		old := readLedger(t, st)
		if stats := compact(t, st, firstDate.AddDays(day)); stats.After != 2 {
			t.Errorf("%+v", stats)
		}
		if got := visibleRows(t, st, old); !slices.Equal(got, want) {
			t.Errorf("%d rows by the old ledger, want these %d", len(got), len(want))
		}
	}
	done.Store(true)
	wg.Wait()
}

// compacting is a store whose lake grows by a date, which is compacted at once,
// before the n-th listing.
type compacting struct {
	Store
	left int
	grow func()
}

func (c *compacting) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	if c.left--; c.left == 0 {
		c.grow()
	}
	return c.Store.List(ctx, prefix)
}

// TestCompactWhileLedgerIsRead: what a reader takes is whole whenever a date is
// written, sealed and compacted while it reads the ledger.
func TestCompactWhileLedgerIsRead(t *testing.T) {
	for n := 1; n <= 3; n++ {
		st := newSilverLake(t, 10, 13)
		small := visibleRows(t, st, readLedger(t, st))
		grown := false
		l, err := ReadLedger(t.Context(), &compacting{st, n, func() {
			fillSilver(t, st, 13, 40)
			compact(t, st, firstDate)
			compact(t, st, firstDate.AddDays(1))
			grown = true
		}})
		if err != nil || !grown {
			t.Fatalf("listing %d: grown %t, %v", n, grown, err)
		}
		got := visibleRows(t, st, l)
		if large := visibleRows(t, st, readLedger(t, st)); !slices.Equal(got, small) && !slices.Equal(got, large) {
			t.Errorf("listing %d: %d rows, want all %d or %d", n, len(got), len(small), len(large))
		}
	}
}

// TestRemoveKeepsOldFiles: a compacted file that is broken costs nothing while
// the old ones are there.
func TestRemoveKeepsOldFiles(t *testing.T) {
	st := newSilverLake(t, 0, 14)
	compact(t, st, firstDate)
	name := compactedName("2026-03-01", "toys", 0, 0)
	data, err := st.Get(t.Context(), name)
	if err == nil {
		data[100] ^= 1
		err = st.Put(t.Context(), name, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, st)
	n, err := RemoveReplaced(t.Context(), st, readLedger(t, st), -time.Hour)
	if n != 0 || !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), name) {
		t.Errorf("removed %d, %v", n, err)
	}
	if diff := gocmp.Diff(before, names(t, st)); diff != "" {
		t.Error(diff)
	}
}

func TestCompactionDoesNotFit(t *testing.T) {
	st := newSilverLake(t, 0, 14)
	compact(t, st, firstDate)
	l := readLedger(t, st)
	for _, c := range []struct {
		name   string
		change func(c *compaction)
	}{
		{"fewer rows", func(c *compaction) { c.Files[0].Rows-- }},
		{"a category is missing", func(c *compaction) { c.Files = c.Files[:1] }},
		{"another date", func(c *compaction) { c.Date = c.Date.AddDays(1) }},
	} {
		bad := *l.compactions[firstDate]
		bad.Files = slices.Clone(bad.Files)
		c.change(&bad)
		if err := putDurably(t.Context(), st, compactionName(firstDate), bad); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLedger(t.Context(), st); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), compactionName(firstDate)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := st.Put(t.Context(), compactionName(firstDate), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLedger(t.Context(), st); !errors.Is(err, ErrDamaged) {
		t.Errorf("no JSON: %v", err)
	}
}
