package lake

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/kafkaio"
)

func TestResumeFresh(t *testing.T) {
	t.Parallel()
	want := Start{Done: kafkaio.NoTime, MetricsDone: kafkaio.NoTime}
	for name, s := range map[string]state{
		"empty":           {},
		"nothing is seal": {rows: []int64{0, 1}, marked: []int64{0, 1}, metrics: []int64{5}, metricSeals: []int64{5}},
		"closed":          {rows: []int64{0, 1}, metrics: []int64{5}, closed: true},
	} {
		st := newLake(t)
		s.put(t, st)
		if diff := cmp.Diff(want, readLedger(t, st).Resume(), cmpopts.IgnoreFields(Start{}, "Kept")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	raises := []kafkaio.Raise{{Offset: 21, High: w(90)}}
	mark := &kafkaio.Mark{Watermark: w(80), TopicID: "id", Clock: 1, Partitions: []kafkaio.Position{
		{Partition: 0, Start: 3, Next: 24, Raises: raises}, {Partition: 1, Start: 5, Next: 40}, {Partition: 2, Start: 7, Next: 9},
	}}
	row := func(i int64, next map[int32]int64) Row {
		return Row{Window: w(i), End: w(i + 1), Next: next, Increments: windowName(incrementsDir, w(i), ".bin")}
	}
	l := &Ledger{
		Rows: []Row{
			row(10, map[int32]int64{0: 11}), row(15, nil), row(16, nil), row(60, map[int32]int64{0: 20, 1: 33}),
			{Window: w(61), End: w(62)},
			row(79, nil),
			row(80, map[int32]int64{0: 99, 1: 99, 2: 99}), // not sealed
		},
		Metrics: []MetricsRow{{Window: w(70), End: w(75)}, {Window: w(75), End: w(80)}, {Window: w(80), End: w(85)}},
		seal:    w(79), metricsSeal: w(70),
	}
	l.sums, l.metricsSums = make([]uint64, len(l.Rows)), make([]uint64, len(l.Metrics))
	// Ahead of their clocks: of these rows only partitions 1 of the second and 0 of the fourth have events of windows that are not final.
	l.Rows[1].Ahead = map[int32]int64{0: w(80), 1: w(81)}
	l.Rows[2].Ahead = map[int32]int64{1: w(20)}
	l.Rows[3].Ahead = map[int32]int64{0: w(9999)}
	l.Rows[6].Ahead = map[int32]int64{0: w(9999)}
	bronze := func(i int64, p int32) File { return File{Lane: Bronze, Name: LaneName(Bronze, w(i), p), Rows: 1} }
	for i, at := range []int64{10, 15, 16, 60, 61, 79, 80} {
		l.Rows[i].Files = []File{bronze(at, 0), bronze(at, 1), {Lane: Late, Name: LaneName(Late, w(at), 0)}}
	}
	l.Rows[0].Mark = &kafkaio.Mark{Watermark: w(11)}
	l.Rows[5].Mark = mark
	source := &kafkaio.ResumePoint{Watermark: w(80), TopicID: "id", Partitions: []kafkaio.ResumePosition{
		{Partition: 0, Start: 3, Next: 20, Read: 24, Raises: raises}, {Partition: 1, Start: 5, Next: 33, Read: 40}, {Partition: 2, Start: 7, Next: 7, Read: 9},
	}}
	file := func(i int64) IncrementsFile {
		return IncrementsFile{Name: windowName(incrementsDir, w(i), ".bin"), End: w(i + 1)}
	}
	want := Start{Source: source, Done: w(80), MetricsDone: w(75), MetricsWindow: w(70), Ahead: []File{bronze(15, 1), bronze(60, 0)}, Increments: []IncrementsFile{file(15), file(16), file(60), file(79)}}
	if diff := cmp.Diff(want, l.Resume(), cmpopts.IgnoreFields(Start{}, "Kept")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Without a final metrics row every increment is needed.
	l.metricsSeal = kafkaio.NoTime
	want.MetricsDone, want.MetricsWindow, want.Increments = kafkaio.NoTime, 0, append([]IncrementsFile{file(10)}, want.Increments...)
	if diff := cmp.Diff(want, l.Resume(), cmpopts.IgnoreFields(Start{}, "Kept")); diff != "" {
		t.Errorf("without final metrics (-want +got):\n%s", diff)
	}
}

// TestResumeOfOlderPrograms goes on with a lake whose marks do not say by what
// rule clocks went: for what was read then, it is the highest event time.
func TestResumeOfOlderPrograms(t *testing.T) {
	t.Parallel()
	mark := &kafkaio.Mark{Watermark: w(80), Partitions: []kafkaio.Position{{Partition: 0, Start: 3, Next: 24}}}
	l := &Ledger{Rows: []Row{{Window: w(79), End: w(80), Next: map[int32]int64{0: 20}, Mark: mark}}, sums: make([]uint64, 1), seal: w(79), metricsSeal: kafkaio.NoTime}
	want := []kafkaio.ResumePosition{{Partition: 0, Start: 3, Next: 20, Read: 24, MaxUntil: 24}}
	if diff := cmp.Diff(want, l.Resume().Source.Partitions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A newer program's mark keeps that.
	mark.Clock, mark.Partitions[0].Next, mark.Partitions[0].MaxUntil = 1, 90, 24
	want[0].Read = 90
	if diff := cmp.Diff(want, l.Resume().Source.Partitions); diff != "" {
		t.Errorf("after a newer program (-want +got):\n%s", diff)
	}
}

// TestRecall: the last clock values before what is read again, from bronze of
// windows that are final, over files and records without a time.
func TestRecall(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	l := &Ledger{Settings: Settings{MaxEventBytes: 1 << 20, SkewMs: 300_000}, seal: kafkaio.NoTime}
	var all []int64
	offset := int64(0)
	for i, n := range []int{50, 3, 0, 120, 40, 9} { // the last is not final
		var rows []BronzeRow
		for range n {
			at := w(int64(i)) + offset%40
			r := BronzeRow{KafkaOffset: offset, KafkaTimestamp: (at + offset%7 - 3) * 1000, Value: fmt.Appendf(nil, `{"event_time":%q}`, time.UnixMilli(at).UTC().Format(time.RFC3339Nano))}
			if offset%5 == 0 {
				r.Value = []byte("no event")
			} else if i < 5 {
				all = append(all, min(at, at+offset%7-3))
			}
			rows = append(rows, r)
			offset++
		}
		row := Row{Window: w(int64(i)), End: w(int64(i) + 1)}
		if n > 0 {
			data, err := EncodeBronze(nil, rows)
			if err != nil {
				t.Fatal(err)
			}
			row.Files = []File{{Lane: Bronze, Name: LaneName(Bronze, row.Window, 3), Rows: int64(n), Bytes: int64(len(data))}}
			if err := st.Put(t.Context(), row.Files[0].Name, data); err != nil {
				t.Fatal(err)
			}
		}
		l.Rows = append(l.Rows, row)
	}
	for _, c := range []struct {
		done int64
		want []int64
	}{
		{w(5), all[len(all)-kafkaio.ClockMemory:]},
		{w(1), all[:40]}, // all there are
	} {
		s := Start{Done: c.done, Source: &kafkaio.ResumePoint{Partitions: []kafkaio.ResumePosition{{Partition: 3}, {Partition: 4}}}}
		if err := l.Recall(t.Context(), st, &s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, s.Source.Partitions[0].Recent); diff != "" || s.Source.Partitions[1].Recent != nil {
			t.Errorf("final until %d: partition 4 %v, partition 3 (-want +got):\n%s", c.done, s.Source.Partitions[1].Recent, diff)
		}
	}
	if err := st.Delete(t.Context(), l.Rows[3].Files[0].Name); err != nil {
		t.Fatal(err)
	}
	s := Start{Done: w(5), Source: &kafkaio.ResumePoint{Partitions: []kafkaio.ResumePosition{{Partition: 3}}}}
	if err := l.Recall(t.Context(), st, &s); err == nil || !strings.Contains(err.Error(), l.Rows[3].Files[0].Name) {
		t.Errorf("without the file: %v", err)
	}
}

// TestResumeProperty draws ledgers as runs that were killed leave them: rows in
// any order with gaps, and of what is sealed all rows up to it.
func TestResumeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &Ledger{seal: kafkaio.NoTime, metricsSeal: kafkaio.NoTime}
		sealed := rapid.Int64Range(-1, 100).Draw(t, "newest possible seal")
		next := map[int32]int64{0: 0, 1: 0}
		for i := range int64(rapid.IntRange(0, 110).Draw(t, "windows")) {
			if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				continue
			}
			r := Row{Window: w(i), End: w(i + 1), Next: map[int32]int64{}}
			for p := range next {
				if rapid.Bool().Draw(t, "read") {
					next[p] += rapid.Int64Range(1, 9).Draw(t, "records")
					r.Next[p] = next[p]
				}
			}
			if rapid.Bool().Draw(t, "events") {
				r.Increments = windowName(incrementsDir, r.Window, ".bin")
			}
			if rapid.Bool().Draw(t, "marked") {
				r.Mark = &kafkaio.Mark{Watermark: r.End, Partitions: []kafkaio.Position{{Partition: 0, Next: next[0] + 3}, {Partition: 1, Next: next[1]}}}
				if i <= sealed && rapid.Bool().Draw(t, "sealed") {
					l.seal = r.Window
				}
			}
			l.Rows = append(l.Rows, r)
		}
		for i := int64(5); i <= 115; i += 5 {
			if rapid.Bool().Draw(t, "metrics") {
				l.Metrics = append(l.Metrics, MetricsRow{Window: w(i - 5), End: w(i)})
				if i <= sealed+5 && rapid.Bool().Draw(t, "metrics sealed") {
					l.metricsSeal = w(i - 5)
				}
			}
		}

		l.sums, l.metricsSums = make([]uint64, len(l.Rows)), make([]uint64, len(l.Metrics))
		s := l.Resume()
		row, ok := l.Sealed()
		if !ok {
			if s.Source != nil || s.Done != kafkaio.NoTime || s.MetricsDone != kafkaio.NoTime || s.Increments != nil {
				t.Fatalf("nothing is final, but it starts at %+v", s)
			}
			return
		}
		if s.Done != row.End || s.Source.Watermark != row.End {
			t.Fatalf("starts at %+v, want the end of window %d", s, row.Window)
		}
		// What is in files of final windows is never read again, and nothing behind them is left out.
		for _, p := range s.Source.Partitions {
			var want int64
			for _, r := range l.Rows {
				if r.Window <= row.Window {
					want = max(want, r.Next[p.Partition])
				} else if n, there := r.Next[p.Partition]; there && n <= p.Next {
					t.Fatalf("partition %d goes on at %d, behind offset %d of a window that is not final", p.Partition, p.Next, n-1)
				}
			}
			if p.Next != want || p.Read < p.Next {
				t.Fatalf("partition %d goes on at %d (read to %d), want %d", p.Partition, p.Next, p.Read, want)
			}
		}
		if s.MetricsDone > s.Done {
			t.Fatalf("metrics are final up to %d, rows only up to %d", s.MetricsDone, s.Done)
		}
		// Open metrics windows get all they need, once.
		for _, r := range l.Rows {
			needed := r.Increments != "" && r.Window <= row.Window && (s.MetricsDone == kafkaio.NoTime || r.End > s.MetricsDone-55*60_000)
			n := 0
			for _, f := range s.Increments {
				if f.Name == r.Increments && f.End == r.End {
					n++
				}
			}
			if (needed && n != 1) || n > 1 || (n > 0 && r.Window > row.Window) {
				t.Fatalf("increments of window %d are emitted %d times; needed: %v", r.Window, n, needed)
			}
		}
		if visible := l.Visible(); len(visible) == 0 || visible[len(visible)-1].Window != row.Window {
			t.Fatalf("visible rows end at another window than the sealed one: %+v", visible)
		}
	})
}

// TestContinue removes what is provisional and nothing else.
func TestContinue(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	state{rows: []int64{0, 1, 2, 9}, marked: []int64{1, 9}, seals: []int64{1}, metrics: []int64{0, 5, 10}, metricSeals: []int64{0, 5}, closed: true}.put(t, st)
	files := func(i int64) []string {
		return []string{
			LaneName(Bronze, w(i), 3), LaneName(Late, w(i), 0), LaneName(Dead, w(i), 12), SilverName(w(i), "home & garden", 2), SilverName(w(i), "2026-03", 2),
			windowName(incrementsDir, w(i), ".bin"),
		}
	}
	metrics := func(i int64) []string {
		return []string{MetricsName("5m", w(i)), MetricsName("sliding-1h", w(i))}
	}
	keep := slices.Concat(files(0), files(1), metrics(-5), []string{"gold/daily_sales/2026-03-01.parquet", "bronze/README", LaneName(Bronze, 0, 1)})
	for _, name := range slices.Concat(keep, files(2), files(9), metrics(0), metrics(5)) {
		if err := st.Put(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	keep = append(keep, settingsName, windowName(rowsDir, w(0), ".json"), windowName(rowsDir, w(1), ".json"), sealName,
		windowName(metricsRowsDir, w(-5), ".json"), metricsSealName,
		witnessOf(settingsName), witnessOf(sealName), witnessOf(metricsSealName))
	slices.Sort(keep)
	start := readLedger(t, st).Resume()
	before := names(t, st)
	removed, err := Continue(t.Context(), st, start)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keep, names(t, st)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if want := len(before) - len(keep) - 2; removed != want { // closed.json and its witness are not counted
		t.Errorf("%d removed, want %d", removed, want)
	}
	if l := readLedger(t, st); l.Closed != nil || len(l.Visible()) != 2 {
		t.Errorf("closed %v, %d rows visible, want the two that are final", l.Closed, len(l.Visible()))
	}
	if diff := cmp.Diff(start, readLedger(t, st).Resume()); diff != "" {
		t.Errorf("it goes on elsewhere now (-before +now):\n%s", diff)
	}

	// Nothing final: all goes but what is no file of the stream.
	if err := deleteWitnessed(t.Context(), st, sealName); err != nil {
		t.Fatal(err)
	}
	if _, err := Continue(t.Context(), st, Start{Done: kafkaio.NoTime, MetricsDone: kafkaio.NoTime}); err != nil {
		t.Fatal(err)
	}
	want := []string{"bronze/README", "gold/daily_sales/2026-03-01.parquet", settingsName, witnessOf(settingsName)}
	if diff := cmp.Diff(want, names(t, st)); diff != "" {
		t.Errorf("left of a lake where nothing is final (-want +got):\n%s", diff)
	}
}

// TestWindowsOf: every name under which the ledger files something gives its
// window back, or Continue would leave it.
func TestWindowsOf(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{0, w(0), -60_000, 1_772_000_040_250} {
		for _, name := range []string{
			windowName(rowsDir, at, ".json"), windowName(incrementsDir, at, ".bin"), MetricsName("sliding-1h", at),
			SilverName(at, "20260301T101500Z", 3), LaneName(Dead, at, 7),
		} {
			if got, err := windowOf(name); err != nil || got != at {
				t.Errorf("windowOf(%q) = %d, %v, want %d", name, got, err, at)
			}
		}
	}
	if _, err := windowOf("bronze/README"); err == nil || !strings.Contains(err.Error(), "bronze/README") {
		t.Errorf("error %v, want one that names the file", err)
	}
}
