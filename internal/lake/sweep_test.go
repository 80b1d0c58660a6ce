package lake

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
)

// TestSweep: what killed puts left goes when the next writer continues the
// lake, where a killed run can have left it, and nothing else does.
func TestSweep(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	if err := Init(t.Context(), st, anySettings); err != nil {
		t.Fatal(err)
	}
	state{rows: []int64{0, 1}, marked: []int64{1}, seals: []int64{1}, metrics: []int64{0}, metricSeals: []int64{0}}.put(t, st)
	temp := func(name string, age time.Duration) string {
		t.Helper()
		path := filepath.Join(st.root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("half a file"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var killed []string
	for _, dir := range []string{
		"", "ledger/", "ledger/rows/date=2026-02-25/", "ledger/increments/date=2026-02-26/", "ledger/metrics/date=2026-02-25/", "bronze/date=2026-02-25/hour=06/",
		"silver/date=2026-02-25/category=toys/", "late/date=2026-03-01/hour=00/", "dead_letters/date=2026-02-25/hour=06/",
	} {
		killed = append(killed, temp(dir+tempPrefix+"KILLED-7", time.Hour))
	}
	put(t, st, MetricsName("1h", w(-5)))
	killed = append(killed, temp("metrics/window=1h/date=2026-02-25/"+tempPrefix+"KILLED-8", time.Hour))
	kept := []string{
		temp("bronze/date=2026-02-25/hour=06/"+tempPrefix+st.nonce+"-9", time.Hour), // this writer's
		temp("bronze/date=2026-02-25/hour=06/"+tempPrefix+"LIVING-1", -time.Hour),   // newer than the lease
		temp("gold/daily_sales/date=2026-02-25/"+tempPrefix+"GOLD-1", time.Hour),    // of a writer that has no lease
		temp("silver/date=2026-02-25/category=toys/.hidden", time.Hour),
		temp("silver/date=2026-02-24/category=toys/"+tempPrefix+"OLD-1", time.Hour), // before all that is not final: nothing to look for
	}
	before := everything(t, st.root)
	start := readLedger(t, st).Resume()
	if removed, err := Continue(t.Context(), st, start); err != nil || removed != 0 {
		t.Errorf("without the lease: %d removed, %v, want none", removed, err)
	}
	if diff := cmp.Diff(before, everything(t, st.root)); diff != "" {
		t.Errorf("without the lease (-before +after):\n%s", diff)
	}
	l, err := Lock(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	removed, err := Continue(t.Context(), st, start)
	if err != nil || removed != len(killed) {
		t.Errorf("%d removed, %v, want %d", removed, err, len(killed))
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	left := everything(t, st.root)
	for _, name := range killed {
		if slices.Contains(left, name) {
			t.Errorf("%s is left", name)
		}
	}
	for _, name := range kept {
		if !slices.Contains(left, name) {
			t.Errorf("%s was removed", name)
		}
	}
}

// listing notes what it lists.
type listing struct {
	Store
	names []string
}

func (l *listing) ListFrom(ctx context.Context, prefix, from string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range l.Store.ListFrom(ctx, prefix, from) {
			l.names = append(l.names, info.Name)
			if !yield(info, err) {
				return
			}
		}
	}
}

// TestContinueLooksOnlyBeyond: what is final is not even listed, however much
// there is of it, but for one name of each kind of metrics.
func TestContinueLooksOnlyBeyond(t *testing.T) {
	t.Parallel()
	old, fresh := w(-3*24*60), w(5)
	st := newLake(t)
	put(t, st, LaneName(Bronze, old, 0), SilverName(old, "toys", 0), MetricsName("1h", old), MetricsName("5m", old), MetricsName("5m", old+300_000), "metrics/notes",
		LaneName(Bronze, fresh, 0), SilverName(fresh, "toys", 0), MetricsName("5m", fresh), MetricsName("sliding-1h", fresh))
	final := []string{MetricsName("1h", old), MetricsName("5m", old), "metrics/notes"}
	beyond := []string{LaneName(Bronze, fresh, 0), SilverName(fresh, "toys", 0), MetricsName("5m", fresh), MetricsName("sliding-1h", fresh)}
	l := &listing{Store: st}
	removed, err := Continue(t.Context(), l, Start{Done: w(0), MetricsDone: w(0), MetricsWindow: w(-5), Source: &kafkaio.ResumePoint{}})
	if err != nil || removed != len(beyond) {
		t.Errorf("%d removed, %v, want the %d beyond", removed, err, len(beyond))
	}
	slices.Sort(l.names)
	want := slices.Concat(final, beyond)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(l.names)); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}
