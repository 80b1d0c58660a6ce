package producer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

var testStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// faulty are options with every fault at once.
func faulty(count int64) SimulateOptions {
	return SimulateOptions{
		Seed: 7, Start: testStart, Density: 2000, Count: count,
		Duplicates: 0.02, Invalid: 0.01, Late: 0.005, OutOfOrder: 0.1,
		SkewPartition: 2, Skew: 720 * time.Hour, Foreign: 0.2,
	}
}

func simulator(t testing.TB, o SimulateOptions) *Simulator {
	t.Helper()
	s, err := NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSimulatorIsDeterministic(t *testing.T) {
	a, b := simulator(t, faulty(20_000)), simulator(t, faulty(20_000))
	ra, rb := all(t, a), all(t, b)
	if len(ra) != 20_000 {
		t.Fatalf("%d records, want 20000", len(ra))
	}
	sameRecords(t, ra, rb)
	if diff := cmp.Diff(a.Truth(), b.Truth()); diff != "" {
		t.Errorf("same options, other truth:\n%s", diff)
	}
	// A longer run begins with a shorter one, so that it can be resumed.
	sameRecords(t, ra[:5_000], all(t, simulator(t, faulty(5_000))))
}

// sameRecords is cmp.Diff of the first records that differ: of all it takes
// seconds.
func sameRecords(t testing.TB, want, got []Record) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if !bytes.Equal(w.Key, g.Key) || !bytes.Equal(w.Value, g.Value) || (w.Value == nil) != (g.Value == nil) ||
			w.Partition != g.Partition || w.At != g.At || w.EventTime != g.EventTime {
			t.Fatalf("record %d differs (-want +got):\n%s", i, cmp.Diff(w, g))
		}
	}
}

func TestSimulatorIdsDifferByStartAndSeed(t *testing.T) {
	seen := map[string]int{}
	for i, edit := range []func(*SimulateOptions){
		func(*SimulateOptions) {},
		func(o *SimulateOptions) { o.Start = o.Start.Add(time.Millisecond) },
		func(o *SimulateOptions) { o.Seed++ },
	} {
		o := SimulateOptions{Seed: 7, Start: testStart, Count: 10_000}
		edit(&o)
		for _, r := range all(t, simulator(t, o)) {
			id := decode(t, r.Value).ID
			if other, ok := seen[id]; ok {
				t.Fatalf("runs %d and %d share %s", other, i, id)
			}
			seen[id] = i
		}
	}
}

// recount is Truth by other means: encoding/json, sets, and the pipeline's own
// rules on the bytes alone.
func recount(t testing.TB, recs []Record, partitions int) Truth {
	t.Helper()
	const recordTime = 1_900_000_000_000 // 2030: later than every start here, before the future ones
	out := Truth{Records: make([]int64, partitions), Dead: map[shop.Reason]int64{}}
	parser := shop.NewParser(shop.DefaultLimits)
	high := make([]int64, partitions)
	seen := map[string]bool{}
	cells := map[Cell]*Sums{}
	for _, r := range recs {
		out.Records[r.Partition]++
		at, ok := shop.EventTime(r.Value, recordTime, shop.DefaultLimits)
		if ok {
			high[r.Partition] = max(high[r.Partition], at)
		}
		if _, invalid := parser.Parse(r.Value, recordTime); invalid != nil {
			out.Dead[invalid.Reason]++
			continue
		}
		w := decode(t, r.Value)
		late := at/1000*1000+1000 <= high[r.Partition]-30_000
		const hour = 3_600_000
		if coarse := at/hour*hour+hour <= high[r.Partition]-30_000; coarse != late {
			t.Fatalf("event %s, %d ms behind, is late for base windows of one length and not of another", w.ID, high[r.Partition]-at)
		}
		if late {
			out.Late++
			continue
		}
		if seen[w.ID] {
			out.Duplicates++
			continue
		}
		seen[w.ID] = true
		out.Silver++
		k := Cell{Window: w.Time.UTC().Truncate(TruthWindow), Product: w.Product, Category: w.Category, Currency: w.Currency}
		s := cells[k]
		if s == nil {
			s = new(Sums)
			cells[k] = s
		}
		switch w.Type {
		case "product_viewed":
			s.Views++
		case "add_to_cart":
			s.Carts++
		case "order_created":
			s.OrderLines++
			s.Units += w.Quantity
			s.Revenue += amount(t, w)
		case "order_cancelled":
			s.CancelledLines++
			s.CancelledUnits += w.Quantity
			s.CancelledRevenue += amount(t, w)
		}
	}
	for k, s := range cells {
		out.Cells = append(out.Cells, TruthCell{k, *s})
	}
	return out
}

// anyOrder compares truths whose cells are not sorted.
var anyOrder = cmpopts.SortSlices(func(a, b TruthCell) bool {
	return fmt.Sprint(a.Cell) < fmt.Sprint(b.Cell)
})

func TestTruthEqualsAnIndependentRecount(t *testing.T) {
	for name, o := range map[string]SimulateOptions{
		"everything": faulty(60_000),
		"sparse": {
			Seed: 1, Start: testStart, Density: 0.02, Count: 20_000, Partitions: 3,
			Duplicates: 0.05, Invalid: 0.05, Late: 0.02, OutOfOrder: 0.2,
		},
		"faultless": {Seed: 2, Start: testStart, Count: 20_000},
		"dense":     {Seed: 3, Start: testStart, Density: 1e6, Count: 20_000, Partitions: 1, Duplicates: 0.3, Late: 0.3, Flat: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := simulator(t, o)
			recs := all(t, s)
			truth := s.Truth()
			partitions := max(o.Partitions, len(truth.Records))
			if diff := cmp.Diff(recount(t, recs, partitions), truth, anyOrder); diff != "" {
				t.Errorf("(-recount +truth):\n%s", diff)
			}
			dead := int64(0)
			for _, n := range truth.Dead {
				dead += n
			}
			if sum := truth.Silver + truth.Duplicates + truth.Late + dead; sum != int64(len(recs)) {
				t.Errorf("identity: %d records, %d accounted for", len(recs), sum)
			}
			n := float64(len(recs))
			for kind, v := range map[string][2]float64{
				"duplicates": {float64(truth.Duplicates) / n, o.Duplicates},
				"invalid":    {float64(dead) / n, o.Invalid},
				"late":       {float64(truth.Late) / n, o.Late},
			} {
				if v[0] < v[1]*0.85-0.001 || v[0] > v[1]*1.15+0.001 {
					t.Errorf("share of %s is %.4f, want about %.4f", kind, v[0], v[1])
				}
			}
		})
	}
}

// Whatever the options: what Truth calls late is late, and nothing else is.
func TestOnlyLateEventsAreLate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := SimulateOptions{
			Seed:       rapid.Uint64().Draw(rt, "seed"),
			Start:      time.UnixMilli(rapid.Int64Range(1_000_000_000_000, 1_700_000_000_000).Draw(rt, "start")),
			Partitions: rapid.IntRange(1, 6).Draw(rt, "partitions"),
			Density:    rapid.SampledFrom([]float64{0.001, 0.1, 1, 50, 3000, 1e6}).Draw(rt, "density"),
			Count:      rapid.Int64Range(1, 1500).Draw(rt, "count"),
			Duplicates: rapid.Float64Range(0, 0.4).Draw(rt, "duplicates"),
			Invalid:    rapid.Float64Range(0, 0.2).Draw(rt, "invalid"),
			Late:       rapid.Float64Range(0, 0.2).Draw(rt, "late"),
			OutOfOrder: rapid.Float64Range(0, 0.2).Draw(rt, "out of order"),
			MaxDelay:   time.Duration(rapid.Int64Range(1, 29_999).Draw(rt, "delay")) * time.Millisecond,
			Skew:       time.Duration(rapid.IntRange(0, 1000).Draw(rt, "skew")) * time.Hour,
			Flat:       rapid.Bool().Draw(rt, "flat"),
		}
		s, err := NewSimulator(o)
		if err != nil {
			rt.Fatal(err)
		}
		high := make([]int64, o.Partitions)
		late, at := int64(0), int64(0)
		for {
			r, ok := s.Next()
			if !ok {
				break
			}
			if r.At < at {
				rt.Fatal("the source's clock goes back")
			}
			at = r.At
			if r.EventTime == 0 {
				continue
			}
			h := &high[r.Partition]
			switch behind := *h - r.EventTime; {
			case *h == 0 || behind <= o.MaxDelay.Milliseconds():
			case behind >= time.Hour.Milliseconds():
				late++
			default:
				rt.Fatalf("an event is %d ms behind its partition: neither within %s nor late", behind, o.MaxDelay)
			}
			*h = max(*h, r.EventTime)
		}
		if err := s.Err(); err != nil {
			rt.Fatal(err)
		}
		if got := s.Truth().Late; got != late {
			rt.Fatalf("truth has %d late, the log %d", got, late)
		}
	})
}

func TestSimulatedShopIsBelievable(t *testing.T) {
	s := simulator(t, SimulateOptions{Seed: 5, Start: testStart.Truncate(24 * time.Hour), Density: 0.5, Duration: 7 * 24 * time.Hour})
	var size int
	types, byHour, products := map[string]int{}, map[int]int{}, map[string]int{}
	viewed := map[string]bool{}
	ordered := map[string]int64{}
	orderTimes := map[string]time.Time{}
	recs := all(t, s)
	for _, r := range recs {
		size += len(r.Value)
		w := decode(t, r.Value)
		types[w.Type]++
		byHour[w.Time.Hour()]++
		visit := w.Session + w.Product
		line := fmt.Sprint(w.Order, "/", w.Line)
		switch w.Type {
		case "product_viewed":
			viewed[visit] = true
			products[w.Product]++
		case "add_to_cart", "order_created":
			if !viewed[visit] {
				t.Fatalf("%s of a product that the session never viewed: %s", w.Type, r.Value)
			}
			if w.Type == "order_created" {
				ordered[line] = w.Quantity
				if first, ok := orderTimes[w.Order]; ok && !first.Equal(w.Time) {
					t.Fatalf("order %s has more than one time", w.Order)
				}
				orderTimes[w.Order] = w.Time
			}
		case "order_cancelled":
			if w.Quantity > ordered[line] {
				t.Fatalf("%d pieces cancelled of %d ordered: %s", w.Quantity, ordered[line], r.Value)
			}
			if !w.Time.After(orderTimes[w.Order]) {
				t.Fatalf("cancelled before it was ordered: %s", r.Value)
			}
		}
	}
	n := len(recs)
	t.Logf("%d events, %d bytes each, %v, %d products viewed", n, size/n, types, len(products))
	if mean := size / n; mean < 200 || mean > 320 {
		t.Errorf("a payload has %d bytes, want about 250", mean)
	}
	if want := 7 * 24 * 1800; n < want*8/10 || n > want*12/10 {
		t.Errorf("%d events in a week, want about %d", n, want)
	}
	if byHour[20] < 5*byHour[3] {
		t.Errorf("%d events at 20 h, %d at 3 h: want a rhythm", byHour[20], byHour[3])
	}
	for typ, least := range map[string]int{"product_viewed": n / 2, "add_to_cart": n / 20, "order_created": n / 40, "order_cancelled": n / 2000} {
		if types[typ] < least {
			t.Errorf("%d %s of %d, want at least %d", types[typ], typ, n, least)
		}
	}
	if len(products) < 1500 {
		t.Errorf("%d products viewed in a week, want most of %d", len(products), productCount)
	}
	best := 0
	for _, v := range products {
		best = max(best, v)
	}
	if best < types["product_viewed"]/50 {
		t.Errorf("the most popular product has %d of %d views: want a few that dominate", best, types["product_viewed"])
	}
}

func TestPricesMoveAndPromotionsEnd(t *testing.T) {
	c := newCatalogue(1)
	seen := map[shop.Money]bool{}
	for day := range int64(365) {
		p := c.price(10, testStart.UnixMilli()+day*dayMs, 0)
		list := shop.Money(c.products[10].cents) * 10_000
		if p <= list/2 || p > list*12/10 {
			t.Fatalf("day %d: price %s, list price %s", day, p, list)
		}
		seen[p] = true
	}
	if len(seen) < 5 {
		t.Errorf("%d prices in a year, want some changes", len(seen))
	}
}

func TestDemandAveragesOut(t *testing.T) {
	var sum, hours int64
	for at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2026; at = at.Add(time.Hour) {
		sum += demand(at.UnixMilli())
		hours++
	}
	if mean := sum / hours; mean < 950 || mean > 1050 {
		t.Errorf("mean demand is %d thousandths, want about 1000", mean)
	}
}

func TestInvalidKinds(t *testing.T) {
	s := simulator(t, SimulateOptions{Start: testStart, Count: int64(len(broken)), Invalid: 1})
	p := shop.NewParser(shop.DefaultLimits)
	reasons := map[shop.Reason]bool{}
	for i, r := range all(t, s) {
		_, invalid := p.Parse(r.Value, testStart.UnixMilli())
		if invalid == nil || invalid.Reason != broken[i].reason {
			t.Errorf("kind %d: got %v, want %s: %s", i, invalid, broken[i].reason, r.Value)
		}
		reasons[broken[i].reason] = true
	}
	if len(reasons) < 12 {
		t.Errorf("%d reasons, want at least 12", len(reasons))
	}
}

func TestLedgerRoundTrips(t *testing.T) {
	s := simulator(t, faulty(5_000))
	all(t, s)
	path := filepath.Join(t.TempDir(), "ledger.json")
	if err := s.Truth().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTruth(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Truth(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b, err := json.Marshal(s.Truth())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(`"revenue":"`)) {
		t.Error("revenue is no decimal string")
	}
}

func TestSimulateOptionMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*SimulateOptions)
		want string
	}{
		"no start":        {func(o *SimulateOptions) { o.Start = time.Time{} }, "expected a time in the years 2000 to 2098"},
		"shares":          {func(o *SimulateOptions) { o.Late, o.Invalid = 0.6, 0.6 }, "sum of the shares is 1.2: expected at most 1"},
		"share":           {func(o *SimulateOptions) { o.Late = -1 }, "share of late is -1: expected 0 to 1"},
		"delay":           {func(o *SimulateOptions) { o.MaxDelay = time.Minute }, "largest delay is 1m0s: expected less than 30s"},
		"skewed":          {func(o *SimulateOptions) { o.Skew, o.SkewPartition = time.Hour, 4 }, "skewed partition is 4: expected 0 to 3"},
		"partitions":      {func(o *SimulateOptions) { o.Partitions = -1 }, "partitions is -1"},
		"not a number":    {func(o *SimulateOptions) { o.Duplicates = nan() }, "share of duplicates is NaN"},
		"negative counts": {func(o *SimulateOptions) { o.Count = -1 }, "count is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			o := SimulateOptions{Start: testStart}
			tc.edit(&o)
			if _, err := NewSimulator(o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// A start in the middle of a window, an order across its end, and the end by
// duration: the count stops where event time does.
func TestDurationEndsEventTime(t *testing.T) {
	o := SimulateOptions{Seed: 1, Start: testStart, Rate: 100, Speedup: 60, Duration: time.Minute}
	recs := all(t, simulator(t, o))
	end := testStart.Add(time.Hour).UnixMilli()
	for _, r := range recs {
		if r.At < testStart.UnixMilli() || r.At >= end {
			t.Fatalf("record at %d, want in [%d, %d)", r.At, testStart.UnixMilli(), end)
		}
	}
	if last := recs[len(recs)-1].At; recs[0].At != testStart.UnixMilli() || end-last > 60_000 {
		t.Errorf("first at %d, last at %d: want them to fill the hour", recs[0].At, last)
	}
	if got := o.Span(); got != time.Hour {
		t.Errorf("span is %s, want 1h", got)
	}
}

func BenchmarkSimulator(b *testing.B) {
	o := faulty(int64(b.N))
	s := simulator(b, o)
	b.ReportAllocs()
	b.ResetTimer()
	n, size := 0, 0
	for {
		r, ok := s.Next()
		if !ok {
			break
		}
		n++
		size += len(r.Value)
	}
	if n != b.N {
		b.Fatalf("%d records: %v", n, s.Err())
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(size)/float64(n), "bytes/event")
}
