package ingest

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/metrics"
)

var freshStart = lake.Start{Done: kafkaio.NoTime, MetricsDone: kafkaio.NoTime}

// TestLake runs the whole graph over a log that has everything and compares
// files, rows and the ledger with the reference.
func TestLake(t *testing.T) {
	t.Parallel()
	l := randomLog(1, 3, 250, 8_000)
	for name, c := range map[string]struct {
		runner string
		shards int
	}{
		"direct":           {direct, 1},
		"direct, 3 shards": {direct, 3},
		"prism":            {prism, 1},
		"prism, 200":       {prism, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := testRules
			rules.Shards = c.shards
			batches := l.read(1, testWindows, nil)
			st := openLake(t)
			initLake(t, st, rules)
			runGraph(t, c.runner, st.URI(), batches, rules, freshStart)
			checkLake(t, st, referenceOf(batches, rules))
		})
	}
}

func initLake(t testing.TB, st lake.Store, r Rules) {
	t.Helper()
	if err := lake.Init(t.Context(), st, lake.Settings{Topic: topic, BaseWindowMs: r.BaseMs, OutOfOrderness: 30_000, SkewMs: r.SkewMs, MaxEventBytes: r.MaxBytes, Shards: r.Shards}); err != nil {
		t.Fatal(err)
	}
}

func checkLake(t *testing.T, st lake.Store, want reference) {
	t.Helper()
	ctx := t.Context()
	l, err := lake.ReadLedger(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int64]lake.Row{}
	named := map[lake.Lane]map[string]int64{lake.Bronze: {}, lake.Silver: {}, lake.Late: {}, lake.Dead: {}}
	for _, r := range l.Rows {
		for _, f := range r.Files {
			named[f.Lane][f.Name] = f.Rows
			data, err := st.Get(ctx, f.Name)
			if err != nil || int64(len(data)) != f.Bytes {
				t.Errorf("%s: %v; %d bytes, the ledger says %d", f.Name, err, len(data), f.Bytes)
			}
		}
		checkIncrements(t, st, r)
		r.Files, r.Increments, r.IncrCRC = nil, "", 0
		rows[r.Window] = r
	}
	// A mark that is a view of the last position in each partition is in the reference as the source made it.
	if diff := cmp.Diff(want.Rows, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the ledger's rows (-want +got):\n%s", diff)
	}
	compareFiles(t, st, named[lake.Bronze], want.Bronze)
	compareFiles(t, st, named[lake.Dead], want.Dead)
	compareFiles(t, st, named[lake.Late], want.Late)
	compareFiles(t, st, named[lake.Silver], want.Silver)
	if err := lake.Total(l.Rows).Check(); err != nil {
		t.Error(err)
	}
	// The log has all of it, or the test shows nothing.
	if len(want.Bronze) < 10 || len(want.Dead) < 5 || len(want.Late) < 2 || len(want.Silver) < 10 || lake.Total(l.Rows).Duplicates < 3 || lake.Total(l.Rows).Conflicts < 2 {
		t.Errorf("the log is too plain: %+v", lake.Total(l.Rows))
	}
}

func compareFiles[T any](t *testing.T, st lake.Store, named map[string]int64, want map[string][]T) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(named)), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("files of %T (-want +named in the ledger):\n%s", *new(T), diff)
		return
	}
	for name, rows := range want {
		got, err := lake.ReadAll[T](context.Background(), st, name)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(got)) != named[name] {
			t.Errorf("%s has %d rows, the ledger says %d", name, len(got), named[name])
		}
		// Empty headers are none.
		if diff := cmp.Diff(rows, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Headers" }, cmpopts.EquateEmpty())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// checkIncrements compares a row's increments with its silver files.
func checkIncrements(t *testing.T, st lake.Store, r lake.Row) {
	t.Helper()
	if (r.Increments == "") != (r.Silver == 0) {
		t.Errorf("window %d: %d silver rows, but increments %q", r.Window, r.Silver, r.Increments)
	}
	if r.Increments == "" {
		return
	}
	data, err := st.Get(t.Context(), r.Increments)
	if err != nil {
		t.Fatal(err)
	}
	if want := lake.CRC(data); r.IncrCRC != want {
		t.Errorf("window %d: CRC %d of the increments, want %d", r.Window, r.IncrCRC, want)
	}
	in, err := metrics.DecodeIncrements(data)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for bucket, packed := range in {
		table := metrics.Table{}
		if err := table.Unpack(packed); err != nil {
			t.Fatal(err)
		}
		for _, s := range table {
			n += s.Lines + s.CancelledLines + s.Views + s.Carts
		}
		if bucket < r.Window || bucket >= r.End {
			t.Errorf("window %d has a bucket at %d", r.Window, bucket)
		}
	}
	if n != r.Silver {
		t.Errorf("window %d: increments of %d events, %d silver rows", r.Window, n, r.Silver)
	}
}

// TestSameLake reads one log in several ways: the lakes are the same byte for
// byte, marks apart, which follow the reading.
func TestSameLake(t *testing.T) {
	t.Parallel()
	l := randomLog(2, 4, 150, 20_000)
	var want map[string]string
	for seed := range uint64(4) {
		st := openLake(t)
		initLake(t, st, testRules)
		batches := l.read(seed, testWindows, nil)
		runner := direct
		if seed == 3 {
			runner = prism
		}
		runGraph(t, runner, st.URI(), batches, testRules, freshStart)
		got := withoutMarks(t, st)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("reading %d makes another lake (-first +this):\n%s", seed, diff)
		}
	}
}

// withoutMarks is the content of a lake without marks, the rows that hold
// nothing else, and seals.
func withoutMarks(t testing.TB, st lake.Store) map[string]string {
	t.Helper()
	c := content(t, st)
	maps.DeleteFunc(c, func(name, _ string) bool { return isLedger(name) })
	l, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.Rows {
		r.Mark = nil
		if r.Read+r.Silver+r.Duplicates > 0 {
			c["row "+lake.LaneName(lake.Bronze, r.Window, 0)] = asJSON(t, r)
		}
	}
	for _, r := range l.Metrics {
		c["metrics "+lake.MetricsName("", r.Window)] = asJSON(t, r)
	}
	return c
}
