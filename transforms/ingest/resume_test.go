package ingest

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

func isLedger(name string) bool {
	for _, prefix := range []string{"ledger/rows/", "ledger/seal.json", "ledger/metrics/", "ledger/metrics-seal.json", "ledger/closed.json"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// goOn continues a lake as pipelines does: from its ledger alone.
func goOn(t testing.TB, runner string, st lake.Store, l log, seed uint64, w kafkaio.Windowing, rules Rules, until func([]kafkaio.RecordBatch) []kafkaio.RecordBatch) {
	t.Helper()
	ledger, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	start := ledger.Resume()
	if err := ledger.Recall(t.Context(), st, &start); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.Continue(t.Context(), st, start); err != nil {
		t.Fatal(err)
	}
	rules.Done = start.Done
	batches := l.read(seed, w, start.Source)
	if until != nil {
		batches = until(batches)
	}
	runGraph(t, runner, st.URI(), batches, rules, start)
}

// TestResumeAtEveryMark stops a run after each of its marks, where windows
// that are still open get closed with a part of their data, and goes on from
// the ledger, reading in other batches. The lake is the one of a run that was
// not disturbed.
func TestResumeAtEveryMark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		runner string
		base   int64
		step   int64 // marks apart
		n      int
	}{
		{direct, 60_000, 1, 50},
		{direct, 10_000, 9, 80},
		{direct, 600_000, 1, 150},
		{prism, 60_000, 19, 60},
		{prism, 3_600_000, 1, 250},
	} {
		t.Run(c.runner+"/"+asJSON(t, c.base), func(t *testing.T) {
			t.Parallel()
			rules, w := testRules, kafkaio.Windowing{Base: c.base, Bound: 30_000, Skew: testRules.SkewMs, Clock: testClock}
			rules.BaseMs = c.base
			l := randomLog(uint64(c.base), 3, c.n, 40_000)
			whole := l.read(1, w, nil)
			undisturbed := openLake(t)
			initLake(t, undisturbed, rules)
			runGraph(t, c.runner, undisturbed.URI(), whole, rules, freshStart)
			want := withoutMarks(t, undisturbed)

			at := marks(whole)
			if len(at) < 3 {
				t.Fatalf("%d marks only", len(at))
			}
			for i := min(c.step-1, 3); i < int64(len(at)); i += c.step {
				st := openLake(t)
				initLake(t, st, rules)
				// A few batches behind the mark, too: they are lost.
				runGraph(t, c.runner, st.URI(), whole[:min(at[i]+1+int(i)%5, len(whole))], rules, freshStart)
				goOn(t, c.runner, st, l, uint64(100+i), w, rules, nil)
				if diff := cmp.Diff(want, withoutMarks(t, st)); diff != "" {
					t.Fatalf("stopped after mark %d of %d (-undisturbed +resumed):\n%s", i, len(at), diff)
				}
				if _, err := lake.Close(t.Context(), st); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestResumeAgainAndAgain stops run after run, each a little later.
func TestResumeAgainAndAgain(t *testing.T) {
	t.Parallel()
	l := randomLog(9, 3, 150, 40_000)
	undisturbed := openLake(t)
	initLake(t, undisturbed, testRules)
	runGraph(t, direct, undisturbed.URI(), l.read(1, testWindows, nil), testRules, freshStart)

	st := openLake(t)
	initLake(t, st, testRules)
	finals := map[string]string{} // what readers saw
	for run := range uint64(40) {
		last := false
		goOn(t, direct, st, l, run, testWindows, testRules, func(b []kafkaio.RecordBatch) []kafkaio.RecordBatch {
			n := min(len(b), 30+int(run)%9)
			last = n == len(b)
			return b[:n]
		})
		ledger, err := lake.ReadLedger(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for _, r := range ledger.Visible() {
			for _, f := range r.Files {
				seen[f.Name] = get(t, st, f.Name)
			}
		}
		for _, r := range ledger.VisibleMetrics() {
			for _, f := range r.Files {
				seen[f.Name] = get(t, st, f.Name)
			}
		}
		for name, data := range finals {
			if seen[name] != data {
				t.Fatalf("run %d: %s was visible and has changed", run, name)
			}
		}
		maps.Copy(finals, seen)
		if last {
			break
		}
	}
	if diff := cmp.Diff(withoutMarks(t, undisturbed), withoutMarks(t, st)); diff != "" {
		t.Errorf("lake (-undisturbed +resumed):\n%s", diff)
	}
}

func get(t testing.TB, st lake.Store, name string) string {
	t.Helper()
	data, err := st.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
