package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/shopstream/internal/kafkaio"
)

var anySettings = Settings{Topic: "orders", BaseWindowMs: 60_000, OutOfOrderness: 30_000, SkewMs: 300_000, MaxEventBytes: 1 << 20, Shards: 1}

// newLake is a lake without rows.
func newLake(t testing.TB) Store {
	t.Helper()
	st := newLocal(t)
	if err := Init(t.Context(), st, anySettings); err != nil {
		t.Fatal(err)
	}
	return st
}

func readLedger(t testing.TB, st Store) *Ledger {
	t.Helper()
	l, err := ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestInit(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	if err := Init(t.Context(), st, anySettings); err != nil {
		t.Errorf("the same settings again: %v", err)
	}
	for want, change := range map[string]func(*Settings){
		"topic is orders, asked for carts":                  func(s *Settings) { s.Topic = "carts" },
		"base_window (ms) is 60000, asked for 10000":        func(s *Settings) { s.BaseWindowMs = 10_000 },
		"out_of_orderness (ms) is 30000, asked for 0":       func(s *Settings) { s.OutOfOrderness = 0 },
		"skew (ms) is 300000, asked for 1":                  func(s *Settings) { s.SkewMs = 1 },
		"max_event_bytes is 1048576, asked for 7":           func(s *Settings) { s.MaxEventBytes = 7 },
		"shards is 1, asked for 4":                          func(s *Settings) { s.Shards = 4 },
		"max_amount is 1000000000000, asked for 500":        func(s *Settings) { s.MaxAmount = 500 },
		"skew (ms) is 300000, asked for 1; shards is 1, as": func(s *Settings) { s.SkewMs, s.Shards = 1, 4 },
	} {
		other := anySettings
		change(&other)
		err := Init(t.Context(), st, other)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), st.URI()) {
			t.Errorf("error %v, want one that says %q and names the lake", err, want)
		}
	}
	if diff := cmp.Diff(anySettings, readLedger(t, st).Settings, cmpopts.IgnoreFields(Settings{}, "Format", "State")); diff != "" {
		t.Errorf("settings (-first +now):\n%s", diff)
	}
}

func TestNoLake(t *testing.T) {
	t.Parallel()
	if _, err := ReadLedger(t.Context(), newLocal(t)); !errors.Is(err, ErrNoLake) {
		t.Errorf("error %v, want ErrNoLake", err)
	}
}

// w is the start of the i-th base window of these tests.
func w(i int64) int64 { return 1_772_000_040_000 + i*60_000 }

// state describes a ledger: rows and seals are put in the order given.
type state struct {
	rows, marked, seals  []int64 // by number of the window
	metrics, metricSeals []int64 // by end, numbers too: a period is 5 windows
	closed               bool
}

// withFiles gives a row the files that its counts are of. They are not there.
func withFiles(r Row) Row {
	add := func(lane Lane, name string, rows int64) {
		if rows > 0 {
			r.Files = append(r.Files, File{Lane: lane, Name: name, Rows: rows, Bytes: 1})
		}
	}
	add(Bronze, LaneName(Bronze, r.Window, 0), r.Read)
	add(Dead, LaneName(Dead, r.Window, 0), Total([]Row{r}).DeadCount())
	add(Late, LaneName(Late, r.Window, 0), r.Late)
	add(Silver, SilverName(r.Window, "toys", 0), r.Silver)
	if r.Late > 0 {
		r.LateDates = map[string]int64{"2026-02-25": r.Late}
	}
	return r
}

func (s state) put(t testing.TB, st Store) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range s.rows {
		r := Row{Window: w(i), End: w(i + 1), Read: 10, Silver: 10, Next: map[int32]int64{0: 10*i + 10}}
		if slices.Contains(s.marked, i) {
			r.Mark = &kafkaio.Mark{Watermark: r.End, TopicID: "id", Partitions: []kafkaio.Position{{Partition: 0, Next: 10*i + 15}}}
		}
		must(PutRow(ctx, st, withFiles(r)))
	}
	for _, i := range s.seals {
		must(PutSeal(ctx, st, w(i)))
	}
	for _, i := range s.metrics {
		must(PutMetricsRow(ctx, st, MetricsRow{Window: w(i - 5), End: w(i)}))
	}
	for _, i := range s.metricSeals {
		must(PutMetricsSeal(ctx, st, w(i-5)))
	}
	if s.closed {
		_, err := Close(ctx, st)
		must(err)
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	const none = -1
	for name, c := range map[string]struct {
		state
		sealed      int64 // number of the newest final window
		rows        []int64
		metricsRows []int64
	}{
		"empty":                        {state{}, none, nil, nil},
		"rows alone are provisional":   {state{rows: []int64{0, 1, 2}, marked: []int64{1}, metrics: []int64{5}}, none, nil, nil},
		"up to the seal":               {state{rows: []int64{0, 1, 2, 3}, marked: []int64{1, 3}, seals: []int64{1}}, 1, []int64{0, 1}, nil},
		"rows and seals out of order":  {state{rows: []int64{3, 0, 7, 1}, marked: []int64{0, 1, 3}, seals: []int64{3, 0}}, 3, []int64{0, 1, 3}, nil},
		"metrics up to the seal":       {state{rows: []int64{9, 10}, marked: []int64{9}, seals: []int64{9}, metrics: []int64{10, 5, 15}, metricSeals: []int64{15, 10}}, 9, []int64{9}, []int64{5, 10}},
		"metrics newer than the seal":  {state{rows: []int64{9}, marked: []int64{9}, seals: []int64{9}, metrics: []int64{15}, metricSeals: []int64{15}}, 9, []int64{9}, nil},
		"metrics without seal":         {state{rows: []int64{9}, marked: []int64{9}, seals: []int64{9}, metrics: []int64{5, 10}, metricSeals: []int64{5}}, 9, []int64{9}, []int64{5}},
		"closed":                       {state{rows: []int64{2, 0, 1}, metrics: []int64{10, 5}, closed: true}, none, []int64{0, 1, 2}, []int64{5, 10}},
		"closed, with a seal":          {state{rows: []int64{0, 1, 2}, marked: []int64{0}, seals: []int64{0}, metrics: []int64{5}, closed: true}, 0, []int64{0, 1, 2}, []int64{5}},
		"the first window of all time": {state{rows: []int64{epoch, 0}, marked: []int64{0}, seals: []int64{0}}, 0, []int64{epoch, 0}, nil},
	} {
		st := newLake(t)
		c.put(t, st)
		l := readLedger(t, st)
		row, ok := l.Sealed()
		if ok != (c.sealed != none) || (ok && row.Window != w(c.sealed)) {
			t.Errorf("%s: sealed %d, %v, want window %d", name, row.Window, ok, c.sealed)
		}
		var rows, metrics []int64
		for _, r := range l.Visible() {
			rows = append(rows, (r.Window-w(0))/60_000)
		}
		for _, r := range l.VisibleMetrics() {
			metrics = append(metrics, (r.End-w(0))/60_000)
		}
		if diff := cmp.Diff([][]int64{c.rows, c.metricsRows}, [][]int64{rows, metrics}); diff != "" {
			t.Errorf("%s: visible rows and metrics (-want +got):\n%s", name, diff)
		}
	}
}

// epoch is the number of the window of records before the first valid time.
const epoch = -1_772_000_040_000 / 60_000

func TestClose(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	state{rows: []int64{1, 0, 2}}.put(t, st)
	if err := PutRow(t.Context(), st, withFiles(Row{Window: w(3), End: w(4), Read: 9, Silver: 4, Duplicates: 2, Late: 1, Dead: map[string]int64{"a": 1, "b": 1}, Conflicts: 3, Next: map[int32]int64{7: 3, 0: 5}})); err != nil {
		t.Fatal(err)
	}
	totals, err := Close(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	want := Closed{
		Offsets: map[int32]int64{0: 30, 7: 3},
		Totals:  Totals{Read: 39, Silver: 34, Duplicates: 2, Conflicts: 3, Late: 1, Dead: map[string]int64{"a": 1, "b": 1}},
	}
	if diff := cmp.Diff(&want, readLedger(t, st).Closed, cmpopts.IgnoreFields(Closed{}, "Chain", "MetricsChain")); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Totals, totals); diff != "" || totals.DeadCount() != 2 {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// TestClosedDoesNotFit: an end that does not fit the rows is read again, since a
// run may have withdrawn it and declared another; one that stays is damage.
func TestClosedDoesNotFit(t *testing.T) {
	t.Parallel()
	row := windowName(rowsDir, w(1), ".json")
	for name, c := range map[string]struct {
		meddle func(st Store, n int) error // when rows are read for the n-th time
		rows   int                         // 0: damaged
	}{
		"a row is lost": {func(st Store, _ int) error { return st.Delete(t.Context(), row) }, 0},
		"a row is another": {func(st Store, _ int) error {
			return PutRow(t.Context(), st, withFiles(Row{Window: w(1), End: w(2), Read: 10, Silver: 9, Dead: map[string]int64{"a": 1}}))
		}, 0},
		"it is declared again": {func(st Store, n int) error {
			if n > 1 {
				return nil
			}
			err := Reopen(t.Context(), st)
			if err == nil {
				err = PutRow(t.Context(), st, withFiles(Row{Window: w(2), End: w(3), Read: 1, Late: 1}))
			}
			_, closeErr := Close(t.Context(), st)
			return errors.Join(err, closeErr)
		}, 3},
	} {
		st := newLake(t)
		state{rows: []int64{0, 1}, closed: true}.put(t, st)
		n := 0
		l, err := ReadLedger(t.Context(), &meddling{st, rowsDir, func() {
			n++
			if err := c.meddle(st, n); err != nil {
				t.Error(err)
			}
		}})
		switch {
		case c.rows == 0:
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), closedName) || !strings.Contains(err.Error(), st.URI()) || n != closedReads {
				t.Errorf("%s: %v after %d readings, want ErrDamaged that names %s after %d", name, err, n, closedName, closedReads)
			}
		case err != nil || l.Closed == nil || len(l.Rows) != c.rows || n != 2:
			t.Errorf("%s: %+v, %v after %d readings, want it closed with %d rows after 2", name, l, err, n, c.rows)
		}
	}
}

func TestCloseRefuses(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	state{rows: []int64{0}}.put(t, st)
	if err := PutRow(t.Context(), st, withFiles(Row{Window: w(1), End: w(2), Read: 9, Silver: 4, Duplicates: 2, Late: 1, Dead: map[string]int64{"a": 1}})); err != nil {
		t.Fatal(err)
	}
	_, err := Close(t.Context(), st)
	const want = "read 19, but silver 14 + duplicates 2 + dead 1 + late 1 = 18, a difference of 1"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one that says %q", err, want)
	}
	if l := readLedger(t, st); l.Closed != nil || l.Visible() != nil {
		t.Error("a lake whose identity does not hold is closed")
	}
}

func TestNextOffsets(t *testing.T) {
	t.Parallel()
	got := nextOffsets([]Row{{Next: map[int32]int64{0: 5, 1: 9}}, {}, {Next: map[int32]int64{0: 7, 2: 1}}, {Next: map[int32]int64{1: 3}}})
	if diff := cmp.Diff(map[int32]int64{0: 7, 1: 9, 2: 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := nextOffsets(nil); got == nil || len(got) != 0 {
		t.Errorf("of no rows: %v", got)
	}
}

// TestDamaged: an object of the ledger that is not as it was written is an
// error that names it and says what to do.
func TestDamaged(t *testing.T) {
	t.Parallel()
	row, metrics := windowName(rowsDir, w(0), ".json"), windowName(metricsRowsDir, w(0), ".json")
	for name, bad := range map[string][]string{
		settingsName:    {"", "{", "null", "{}", `{"format":"1"}`, `{"format":1}x`},
		closedName:      {"", "[]", `{"offsets":{"x":1}}`},
		row:             {"", "{", "null", "{}", fmt.Sprintf(`{"window":%d}`, w(1)), fmt.Sprintf(`{"window":%d,"read":"1"}`, w(0)), `{"window":9223372036854775807}`},
		metrics:         {"", "null", fmt.Sprintf(`{"window":%d}`, w(5))},
		sealName:        {"", "{}", "null", `{"window":"x"}`},
		metricsSealName: {"", "{}"},
	} {
		for _, content := range bad {
			st := newLake(t)
			state{rows: []int64{0}, marked: []int64{0}, seals: []int64{0}, metrics: []int64{5}}.put(t, st)
			if err := st.Put(t.Context(), name, []byte(content)); err != nil {
				t.Fatal(err)
			}
			_, err := ReadLedger(t.Context(), st)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s is %q: error %v, want one that names it", name, content, err)
			}
			if _, err := Close(t.Context(), st); err == nil {
				t.Errorf("%s is %q, and the lake can be closed", name, content)
			}
		}
	}
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	if err := st.Put(t.Context(), settingsName, []byte(`{"format":5,"hundreds":"of new fields"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLedger(t.Context(), st); err == nil || !strings.Contains(err.Error(), "format 5") {
		t.Errorf("error %v, want one about the format", err)
	}
}

// meddling changes a store between the listing of rows and their reading.
type meddling struct {
	Store
	dir    string
	meddle func()
}

func (m *meddling) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	seq := m.Store.List(ctx, prefix)
	if prefix != m.dir+"/" {
		return seq
	}
	var all []Info
	for info, err := range seq {
		if err != nil {
			return seq
		}
		all = append(all, info)
	}
	m.meddle()
	return func(yield func(Info, error) bool) {
		for _, info := range all {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// TestReadWhileContinued reads a ledger while another run goes on with the
// lake: readers see what is final, no more and no less.
func TestReadWhileContinued(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{rowsDir, metricsRowsDir} {
		st := newLake(t)
		state{
			rows: []int64{0, 1, 2, 3, 4, 5, 6, 7, 8}, marked: []int64{6}, seals: []int64{6},
			metrics: []int64{5, 10}, metricSeals: []int64{5, 10}, closed: true,
		}.put(t, st)
		l := readLedger(t, &meddling{st, dir, func() {
			if _, err := Continue(t.Context(), st, readLedger(t, st).Resume()); err != nil {
				t.Error(err)
			}
		}})
		if n, m := len(l.Visible()), len(l.VisibleMetrics()); l.Closed != nil || n != 7 || m != 1 {
			t.Errorf("closed %v, %d rows and %d metrics rows are visible, want 7 and 1", l.Closed, n, m)
		}
	}
}

func names(t testing.TB, st Store) []string {
	t.Helper()
	out := map[string]bool{}
	for info, err := range st.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		out[info.Name] = true
	}
	return slices.Sorted(maps.Keys(out))
}
