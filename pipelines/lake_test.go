package pipelines

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"testing"

	"example.com/shopstream/internal/lake"
)

// place is where a record stands in the log.
type place struct {
	partition int32
	offset    int64
}

// contents is what a lake holds, row by row, whatever its files are. Rows are
// kept as hashes of all their columns, in this process's seed.
type contents struct {
	bronze, silver, late, dead map[place]uint64
	metrics                    map[string]uint64 // by kind, window, level and key
	totals                     lake.Totals
}

var seed = maphash.MakeSeed()

func hash(v any) uint64 { return maphash.String(seed, fmt.Sprintf("%v", v)) }

// read reads all rows that readers of the lake may see, and checks that no row
// is there twice and that files hold as many rows as the ledger says.
func read(t testing.TB, uri string) contents {
	t.Helper()
	ctx := context.Background()
	st, err := lake.OpenStore(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	c := contents{
		bronze: map[place]uint64{}, silver: map[place]uint64{}, late: map[place]uint64{}, dead: map[place]uint64{},
		metrics: map[string]uint64{}, totals: lake.Total(ledger.Visible()),
	}
	var files []lake.File
	for _, r := range ledger.Visible() {
		files = append(files, r.Files...)
	}
	for _, r := range ledger.VisibleMetrics() {
		files = append(files, r.Files...)
	}
	var mu sync.Mutex
	add := func(to map[place]uint64, at place, row uint64) {
		if _, twice := to[at]; twice {
			t.Errorf("%+v is in the lake twice", at)
		}
		to[at] = row
	}
	each(t, files, func(f lake.File) error {
		key, err := lake.ParseName(f.Name)
		if err != nil {
			return err
		}
		n := 0
		switch key.Lane {
		case lake.Bronze:
			rows, err := lake.ReadAll[lake.BronzeRow](ctx, st, f.Name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range rows {
				add(c.bronze, place{rows[i].KafkaPartition, rows[i].KafkaOffset}, hash(rows[i]))
			}
			n = len(rows)
		case lake.Silver:
			rows, err := lake.ReadAll[lake.SilverRow](ctx, st, f.Name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range rows {
				add(c.silver, place{rows[i].KafkaPartition, rows[i].KafkaOffset}, hash(silver{rows[i], key.Category}))
			}
			n = len(rows)
		case lake.Late:
			rows, err := lake.ReadAll[lake.LateRow](ctx, st, f.Name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range rows {
				add(c.late, place{rows[i].KafkaPartition, rows[i].KafkaOffset}, hash(rows[i]))
			}
			n = len(rows)
		case lake.Dead:
			rows, err := lake.ReadAll[lake.DeadRow](ctx, st, f.Name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range rows {
				add(c.dead, place{rows[i].KafkaPartition, rows[i].KafkaOffset}, hash(rows[i]))
			}
			n = len(rows)
		default:
			rows, err := lake.ReadAll[lake.MetricRow](ctx, st, f.Name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range rows {
				k := metricKey(key.Kind, r)
				if _, twice := c.metrics[k]; twice {
					t.Errorf("metrics %s are in the lake twice", k)
				}
				c.metrics[k] = metricHash(r)
			}
			n = len(rows)
		}
		if int64(n) != f.Rows {
			return fmt.Errorf("%s has %d rows, the ledger says %d", f.Name, n, f.Rows)
		}
		return nil
	})
	return c
}

// silver is a row of silver with the category of its path.
type silver struct {
	lake.SilverRow
	Category string
}

func metricKey(kind string, r lake.MetricRow) string {
	return fmt.Sprintf("%s %d-%d %s %q %q %q", kind, r.WindowStart, r.WindowEnd, r.Level, r.ProductID, r.Category, r.Currency)
}

func metricHash(r lake.MetricRow) uint64 {
	values := []any{text(r.Conversion), text(r.Revenue), text(r.CancelledRevenue)}
	r.Conversion, r.Revenue, r.CancelledRevenue = nil, nil, nil
	return hash(append(values, r))
}

func text[T any](v *T) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprint(*v)
}

// each calls f for every file, on two goroutines.
func each(t testing.TB, files []lake.File, f func(lake.File) error) {
	t.Helper()
	work := make(chan lake.File)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for file := range work {
				if err := f(file); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, file := range files {
		work <- file
	}
	close(work)
	wg.Wait()
}

// same fails the test where two lakes differ.
func same(t testing.TB, want, got contents) {
	t.Helper()
	diff(t, "bronze", want.bronze, got.bronze)
	diff(t, "silver", want.silver, got.silver)
	diff(t, "late", want.late, got.late)
	diff(t, "dead letters", want.dead, got.dead)
	diff(t, "metrics", want.metrics, got.metrics)
	if w, g := fmt.Sprint(want.totals), fmt.Sprint(got.totals); w != g {
		t.Errorf("totals: want %s, got %s", w, g)
	}
}

// diff reports the first differences of two sets of rows.
func diff[K comparable](t testing.TB, name string, want, got map[K]uint64) {
	t.Helper()
	var missing, extra, other []K
	for k, w := range want {
		if g, ok := got[k]; !ok {
			missing = append(missing, k)
		} else if g != w {
			other = append(other, k)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			extra = append(extra, k)
		}
	}
	for what, keys := range map[string][]K{"missing": missing, "not expected": extra, "different": other} {
		if len(keys) > 0 {
			t.Errorf("%s: %d of %d rows %s, for example %v", name, len(keys), len(want), what, keys[:min(3, len(keys))])
		}
	}
}
