package metrics

import (
	"context"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/direct"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/prism"
	"example.com/shopstream/internal/shop"
)

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))) // runners tell every graph
	os.Exit(prism.Tests(m))
}

// run runs a graph with the direct runner or Prism.
func run(t testing.TB, runner string, build func(s beam.Scope)) {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	build(s)
	if _, err := beam.Run(context.WithoutCancel(t.Context()), runner, p); err != nil {
		t.Fatalf("%s: %v", runner, err)
	}
}

// start is at no multiple of 5 minutes and before midnight.
var start = time.Date(2026, 3, 1, 21, 47, 13, 0, time.UTC).UnixMilli()

// randomEvents are n events over span ms. Without orders of all currencies in
// every window, and now and then a price that makes sums overflow.
func randomEvents(seed uint64, n int, span int64) []shop.Event {
	rng := rand.New(rand.NewPCG(seed, 3))
	events := make([]shop.Event, n)
	for i := range events {
		product := rng.IntN(5)
		e := shop.Event{
			Type: shop.EventType(1 + rng.IntN(4)), Time: start + rng.Int64N(span),
			ProductID: []string{"P1", "P2", "P3", "P\x004", "ü"}[product],
			// P2 is in two categories.
			Category: []string{"toys", []string{"toys", "tea"}[rng.IntN(2)], "tea", "tea", "a/b"}[product],
		}
		if e.IsOrder() {
			e.Currency, e.Quantity, e.UnitPrice = []string{"GBP", "EUR"}[rng.IntN(2)], 1+rng.Int64N(9), shop.Money(1+rng.Int64N(9_000_000))
			if product == 4 {
				e.Quantity, e.UnitPrice = 1, shop.MaxMoney-shop.Money(rng.Int64N(3))
			}
		}
		events[i] = e
	}
	return events
}

// incrementsOf packs events as ingest does: by base window and bucket.
func incrementsOf(events []shop.Event, baseMs int64) map[int64]Increments {
	tables := map[int64]map[int64]Table{}
	for i := range events {
		e := &events[i]
		w, b := e.Time-mod(e.Time, baseMs), e.Time-mod(e.Time, Bucket(baseMs))
		if tables[w] == nil {
			tables[w] = map[int64]Table{}
		}
		if tables[w][b] == nil {
			tables[w][b] = Table{}
		}
		tables[w][b].Observe(e)
	}
	out := map[int64]Increments{}
	for w, buckets := range tables {
		out[w] = Increments{}
		for b, t := range buckets {
			out[w][b] = t.Append(nil)
		}
	}
	return out
}

// naive are the sums of a metrics row, which cannot overflow.
type naive struct {
	lines, units, cancelledLines, cancelledUnits, views, carts int64
	revenue, cancelled                                         big.Int
}

type naiveKey struct {
	end      int64
	level    string
	product  string
	category string
	currency string
}

// naiveRows sums events by windows of the length that end at multiples of
// every, all of them, one event after the other.
func naiveRows(events []shop.Event, length, every int64) map[naiveKey]*naive {
	out := map[naiveKey]*naive{}
	for i := range events {
		e := &events[i]
		first := e.Time - mod(e.Time, every) + every
		for end := first; end-length <= e.Time; end += every {
			for _, k := range []naiveKey{
				{end, lake.LevelProduct, e.ProductID, e.Category, e.Currency},
				{end, lake.LevelCategory, "", e.Category, e.Currency},
				{end, lake.LevelShop, "", "", e.Currency},
			} {
				n := out[k]
				if n == nil {
					n = &naive{}
					out[k] = n
				}
				n.add(e)
			}
		}
	}
	return out
}

func (n *naive) add(e *shop.Event) {
	var amount big.Int
	amount.Mul(big.NewInt(int64(e.UnitPrice)), big.NewInt(e.Quantity))
	switch e.Type {
	case shop.ProductViewed:
		n.views++
	case shop.AddToCart:
		n.carts++
	case shop.OrderCreated:
		n.lines++
		n.units += e.Quantity
		n.revenue.Add(&n.revenue, &amount)
	case shop.OrderCancelled:
		n.cancelledLines++
		n.cancelledUnits += e.Quantity
		n.cancelled.Add(&n.cancelled, &amount)
	}
}

// money is what a file holds of a sum: nil where it does not fit.
func money(sum *big.Int) *shop.Money {
	if sum.CmpAbs(big.NewInt(int64(shop.MaxMoney))) > 0 {
		return nil
	}
	m := shop.Money(sum.Int64())
	return &m
}

// expected are the rows that files have to hold of the naive sums.
func expected(sums map[naiveKey]*naive, length int64) map[naiveKey]lake.MetricRow {
	out := map[naiveKey]lake.MetricRow{}
	for k, n := range sums {
		row := lake.MetricRow{
			WindowStart: (k.end - length) * 1000, WindowEnd: k.end * 1000, Level: k.level, ProductID: k.product, Category: k.category, Currency: k.currency,
			OrderLines: n.lines, Units: n.units, Revenue: money(&n.revenue),
			CancelledLines: n.cancelledLines, CancelledUnits: n.cancelledUnits, CancelledRevenue: money(&n.cancelled), Views: n.views, Carts: n.carts,
		}
		if n.views > 0 {
			var lines int64
			for _, currency := range []string{"", "GBP", "EUR"} {
				of := k
				of.currency = currency
				if m := sums[of]; m != nil {
					lines += m.lines
				}
			}
			conversion := float64(lines) / float64(n.views)
			row.Conversion = &conversion
		}
		out[k] = row
	}
	return out
}

func keyOf(r lake.MetricRow) naiveKey {
	return naiveKey{r.WindowEnd / 1000, r.Level, r.ProductID, r.Category, r.Currency}
}

// byKey maps rows and wants each key once.
func byKey(t testing.TB, rows []lake.MetricRow) map[naiveKey]lake.MetricRow {
	t.Helper()
	out := map[naiveKey]lake.MetricRow{}
	for _, r := range rows {
		if _, twice := out[keyOf(r)]; twice {
			t.Errorf("%+v is there twice", keyOf(r))
		}
		out[keyOf(r)] = r
	}
	return out
}

func openLake(t testing.TB) lake.Store {
	t.Helper()
	st, err := lake.Shared(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := lake.Init(t.Context(), st, lake.Settings{Topic: "t", BaseWindowMs: 1}); err != nil {
		t.Fatal(err)
	}
	return st
}
