package producer

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

var historyEnd = civil.Date{Year: 2026, Month: time.March, Day: 1}

func mustHistory(t testing.TB, o HistoryOptions) *History {
	t.Helper()
	if o.Until.IsZero() {
		o.Until = historyEnd
	}
	h, err := NewHistory(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustRows(t testing.TB, h *History) []lake.DailySalesRow {
	t.Helper()
	rows, err := h.Rows()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestHistoryIsAFunctionOfItsOptions(t *testing.T) {
	o := HistoryOptions{Seed: 7, Days: 40, Density: 3, Foreign: 0.2}
	want := mustRows(t, mustHistory(t, o))
	before := runtime.GOMAXPROCS(1)
	got := mustRows(t, mustHistory(t, o))
	runtime.GOMAXPROCS(before)
	if !bytes.Equal(parquetOf(t, want), parquetOf(t, got)) {
		t.Error("one worker makes another history than many")
	}
	longer := o
	longer.Days = 60
	if got := mustRows(t, mustHistory(t, longer)); !bytes.Equal(parquetOf(t, want), parquetOf(t, got[len(got)-len(want):])) {
		t.Error("a shorter history is not the end of a longer one")
	}
	other := o
	other.Seed = 8
	if bytes.Equal(parquetOf(t, want), parquetOf(t, mustRows(t, mustHistory(t, other)))) {
		t.Error("another seed gives the same history")
	}
}

func parquetOf(t testing.TB, rows []lake.DailySalesRow) []byte {
	t.Helper()
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What every row is held to, whatever the options.
func TestHistoryRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, err := NewHistory(HistoryOptions{
			Seed: rapid.Uint64().Draw(t, "seed"), Until: historyEnd.AddDays(rapid.IntRange(-2000, 2000).Draw(t, "until")),
			Days: rapid.IntRange(1, 2).Draw(t, "days"), Density: math.Pow(10, rapid.Float64Range(-3, 3).Draw(t, "density")),
			Foreign: rapid.SampledFrom([]float64{0, 0.3, 1}).Draw(t, "foreign"),
		})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := h.Rows()
		if err != nil {
			t.Fatal(err)
		}
		var byDay []lake.DailySalesRow
		for d := h.First(); !d.After(h.Last()); d = d.AddDays(1) {
			day, err := h.Day(d)
			if err != nil {
				t.Fatal(err)
			}
			byDay = append(byDay, day...)
		}
		if len(rows) != len(byDay) {
			t.Fatalf("%d rows: the days have %d", len(rows), len(byDay))
		}
		for i := range rows {
			r, same := &rows[i], &byDay[i]
			plain := *r
			plain.Orders, plain.AveragePrice = same.Orders, same.AveragePrice
			e, ok := h.Expect(r.ProductID, epoch.AddDays(int(r.Date)))
			revenue, _ := r.AveragePrice.Mul(r.Units)
			cancelled, _ := r.AveragePrice.Mul(r.CancelledUnits)
			switch {
			case plain != *same || *r.Orders != *same.Orders || *r.AveragePrice != *same.AveragePrice:
				t.Fatalf("%+v is %+v among the rows of its day", r, same)
			case !ok || e.OutOfStock || e.Units <= 0:
				t.Fatalf("sold what could not be: %+v, expected %+v", r, e)
			case r.Currency == "EUR" && *r.AveragePrice != e.Price:
				t.Fatalf("price %s: expected %s", r.AveragePrice, e.Price)
			case r.OrderLines < 1 || *r.Orders != r.OrderLines || r.Units < r.OrderLines || r.Revenue != revenue:
				t.Fatalf("sales do not fit: %+v", r)
			case r.CancelledLines > r.OrderLines || r.CancelledUnits < r.CancelledLines || r.CancelledUnits > r.Units,
				r.CancelledRevenue != cancelled || r.NetRevenue != r.Revenue-r.CancelledRevenue:
				t.Fatalf("cancellations do not fit: %+v", r)
			}
		}
	})
}

// The history has the simulator's products and prices, and ends at its level.
func TestHistoryJoinsTheSimulator(t *testing.T) {
	start := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	const density, count = 20, 600_000
	sim, err := NewSimulator(SimulateOptions{Seed: 3, Start: start, Density: density, Count: count, Flat: true})
	if err != nil {
		t.Fatal(err)
	}
	h := mustHistory(t, HistoryOptions{Seed: 3, Density: density})
	ranks := ranksOf(h.cat.popular.shares())
	lines, units, best := 0.0, 0.0, 0.0
	for {
		rec, ok := sim.Next()
		if !ok {
			break
		}
		if !bytes.Contains(rec.Value, []byte(`"order_created"`)) {
			continue
		}
		e, invalid := shop.NewParser(shop.Limits{MaxBytes: 1 << 20}).Parse(rec.Value, rec.EventTime)
		if invalid != nil {
			t.Fatal(invalid)
		}
		lines++
		units += float64(e.Quantity)
		i, ok := h.indexOf[e.ProductID]
		if !ok || categories[h.cat.products[i].category].name != e.Category {
			t.Fatalf("the history has not product %s of category %s", e.ProductID, e.Category)
		}
		if x, _ := h.Expect(e.ProductID, civil.DateOf(time.UnixMilli(e.Time).UTC())); x.Price != e.UnitPrice {
			t.Fatalf("%s costs %s: the history says %s", e.ProductID, e.UnitPrice, x.Price)
		}
		if ranks[i] == 0 {
			best++
		}
	}
	near(t, "order lines a record", lines/count, linesPerRecord, 0.03)
	near(t, "pieces a line", units/lines, meanPieces, 0.02)
	near(t, "share of the best seller", best/lines, slices.Max(h.cat.popular.shares()), 0.04)

	// In its last year the shop has still to grow by a part of the yearly tenth,
	// and some products to come, to the level that the simulator goes on with.
	past := 0.0
	for d := h.until - 364; d < h.until; d++ {
		shopLines := h.lines * dayRhythm(d)
		for i := range h.past {
			past += h.expect(i, d, shopLines).Units
		}
	}
	if ratio := past / 364 / (density * daySeconds * units / count); ratio < 0.82 || ratio > 1.02 {
		t.Errorf("the last year's mean day is %.3f of the simulator's", ratio)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s: got %.4g, expected %.4g within %.3g %%", what, got, want, 100*tolerance)
	}
}

// cells are two years of units by product and day, with their truth.
type cells struct {
	h     *History
	first int64
	units [][]float64 // by product, by day; -1: no row
	truth [][]Expectation
	rows  []lake.DailySalesRow
}

func newCells(t *testing.T, o HistoryOptions) *cells {
	t.Helper()
	h := mustHistory(t, o)
	c := &cells{h: h, first: dayNumber(h.First()), units: make([][]float64, productCount), truth: make([][]Expectation, productCount)}
	for i := range c.units {
		c.units[i] = slices.Repeat([]float64{-1}, h.opts.Days)
		c.truth[i] = make([]Expectation, h.opts.Days)
	}
	for d := range h.opts.Days {
		day := c.first + int64(d)
		shopLines := h.lines * dayRhythm(day)
		for i := range c.truth {
			c.truth[i][d] = h.expect(i, day, shopLines)
		}
	}
	c.rows = mustRows(t, h)
	for _, r := range c.rows {
		c.units[h.indexOf[r.ProductID]][int64(r.Date)-c.first] = float64(r.Units)
	}
	return c
}

func (c *cells) date(d int) time.Time { return c.h.First().AddDays(d).In(time.UTC) }

// sold is the units of a product's day, 0 without a row.
func (c *cells) sold(i, d int) float64 { return max(0, c.units[i][d]) }

func TestHistoryHasWhatForecastsNeed(t *testing.T) {
	if len(seasons) != len(categories) {
		t.Fatalf("%d seasons of %d categories", len(seasons), len(categories))
	}
	c := newCells(t, HistoryOptions{Seed: 1, Days: 728, Density: 4}) // whole weeks
	h := c.h

	t.Run("mean", func(t *testing.T) {
		got, want := map[string]float64{}, map[string]float64{}
		for i := range c.units {
			for d, e := range c.truth[i] {
				if e.OutOfStock {
					continue
				}
				for _, group := range []struct {
					name string
					in   bool
				}{
					{"all", true},
					{"sparse", e.Active < 1},
					{"cheaper", float64(e.Price) < 0.85*float64(h.cat.products[i].cents*microsPerCent)},
					{"new", h.past[i].from > c.first},
					{"gone", h.past[i].to < h.until},
					{"in summer", c.date(d).Month() == time.July},
				} {
					if group.in {
						got[group.name] += c.sold(i, d)
						want[group.name] += e.Units
					}
				}
			}
		}
		for name := range want {
			near(t, name, got[name], want[name], 0.03)
		}
	})
	t.Run("closed days", func(t *testing.T) {
		open, shut := map[int]bool{}, 0
		for i := range c.units {
			for d, u := range c.units[i] {
				open[d] = open[d] || u >= 0
			}
		}
		for d := range h.opts.Days {
			day := c.date(d).Format("01-02")
			is := day == "12-25" || day == "12-26" || day == "01-01"
			if is == open[d] {
				t.Errorf("%s: open %v", day, open[d])
			}
			if is {
				shut++
			}
		}
		if shut != 6 {
			t.Errorf("%d closed days in two years: expected 6", shut)
		}
	})
	t.Run("weekdays", func(t *testing.T) {
		var sums [7]float64
		for i := range c.units {
			for d := range c.units[i] {
				sums[c.date(d).Weekday()] += c.sold(i, d)
			}
		}
		// Sundays and weekends of the categories; Fridays have the busiest day.
		if ratio := sums[time.Sunday] / sums[time.Wednesday]; ratio < 1.15 || ratio > 1.40 {
			t.Errorf("a Sunday is %.3f of a Wednesday", ratio)
		}
	})
	t.Run("seasons", func(t *testing.T) {
		share := func(category string, month time.Month) float64 {
			own, all := 0.0, 0.0
			for _, r := range c.rows {
				if epoch.AddDays(int(r.Date)).Month == month {
					all += float64(r.Units)
					if r.Category == category {
						own += float64(r.Units)
					}
				}
			}
			return own / all
		}
		if ratio := share("garden", time.May) / share("garden", time.November); ratio < 2.5 || ratio > 7 {
			t.Errorf("garden's share in May is %.2f of November's", ratio)
		}
		if ratio := share("toys", time.December) / share("toys", time.June); ratio < 1.6 || ratio > 3.2 {
			t.Errorf("the toys' share in December is %.2f of June's", ratio)
		}
	})
	t.Run("promotions", func(t *testing.T) {
		// Weeks of promotion against the week before at a price near the list's:
		// from prices and sales alone.
		cheap, usual := 0.0, 0.0
		for i := range c.units {
			for d := 7; d < h.opts.Days; d++ {
				now, before := float64(c.truth[i][d].Price), float64(c.truth[i][d-7].Price)
				if r := now / before; r > 0.76 && r < 0.84 && c.units[i][d] >= 0 && c.units[i][d-7] >= 0 && c.truth[i][d].Active == 1 {
					cheap += c.units[i][d]
					usual += c.units[i][d-7]
				}
			}
		}
		if uplift := cheap / usual; uplift < 1.35 || uplift > 1.85 {
			t.Errorf("a fifth off sells %.2f times as much", uplift)
		}
	})
	t.Run("life cycles", func(t *testing.T) {
		born, gone := 0, 0
		for i, p := range h.past {
			if p.from > c.first {
				born++
			}
			if p.to < h.until {
				gone++
			}
			for d, u := range c.units[i] {
				if day := c.first + int64(d); u >= 0 && (day < p.from || day >= p.to) {
					t.Fatalf("%s is sold on day %d, outside its life", h.cat.products[i].id, d)
				}
			}
		}
		near(t, "products that came", float64(born), productCount*newShare*(728-newest)/(newDays-newest), 0.25)
		if gone < 60 || gone > 180 {
			t.Errorf("%d products went: expected about 120", gone)
		}
	})
	t.Run("zero days", func(t *testing.T) {
		active, days, want, out, all := 0.0, 0.0, 0.0, 0.0, 0.0
		for i := range c.units {
			for d, e := range c.truth[i] {
				all++
				if e.OutOfStock {
					out++
				} else if e.Active < 1 && e.Units > 2 { // then a day with demand has some lines
					days++
					want += e.Active
					if c.units[i][d] > 0 {
						active++
					}
				}
			}
		}
		near(t, "days of sparse products with sales", active/days, want/days, 0.05)
		near(t, "days without stock", out/all, 8.5/stockDays/stockShare, 0.15)
	})
	t.Run("noise", func(t *testing.T) {
		// The gamma's variance, and that of so many lines of so many pieces.
		const squaredPieces = 9.96 // of a line, in the mean
		for _, shape := range []int{usualShape, popularShape} {
			got, want, n := 0.0, 0.0, 0.0
			for i, p := range h.past {
				for d, e := range c.truth[i] {
					if p.shape == shape && p.active == 1 && !e.OutOfStock && e.Units > 30 {
						got += math.Pow(c.sold(i, d)/e.Units-1, 2)
						want += 1/float64(shape) + 1.0/shopShape + squaredPieces/meanPieces/e.Units
						n++
					}
				}
			}
			if n < 1000 {
				t.Errorf("only %g days to look at", n)
			}
			near(t, "squared variation", got/n, want/n, 0.06)
		}
	})
	t.Run("returns", func(t *testing.T) {
		lines, cancelled, units, back := 0.0, 0.0, 0.0, 0.0
		for _, r := range c.rows {
			lines += float64(r.OrderLines)
			cancelled += float64(r.CancelledLines)
			units += float64(r.Units)
			back += float64(r.CancelledUnits)
		}
		near(t, "lines", cancelled/lines, float64(laterCancelled)/(1<<32), 0.02)
		near(t, "pieces", back/cancelled, 1+0.85*(meanPieces-1), 0.03)
	})
}

func TestHistoryOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    HistoryOptions
		want string
	}{
		"no end":        {HistoryOptions{}, "until is 0000-00-00"},
		"no such day":   {HistoryOptions{Until: civil.Date{Year: 2026, Month: 2, Day: 30}}, "until is 2026-02-30"},
		"days":          {HistoryOptions{Until: historyEnd, Days: -1}, "days is -1: expected 1 to"},
		"too many days": {HistoryOptions{Until: historyEnd, Days: 10_000}, "days is 10000"},
		"density":       {HistoryOptions{Until: historyEnd, Density: math.NaN()}, "density is NaN"},
		"foreign":       {HistoryOptions{Until: historyEnd, Foreign: 2}, "foreign share is 2: expected 0 to 1"},
	} {
		if _, err := NewHistory(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: expected an error with %q, found %v", name, c.want, err)
		}
	}
	if _, err := mustHistory(t, HistoryOptions{Density: 1e8, Days: 3}).Rows(); err == nil || !strings.Contains(err.Error(), "overflows DECIMAL(18,6)") {
		t.Errorf("expected the overflow of revenue, found %v", err)
	}
	if _, ok := mustHistory(t, HistoryOptions{}).Expect("P99999", historyEnd); ok {
		t.Error("a product that does not exist is expected to sell")
	}
}

func TestHistoryFile(t *testing.T) {
	rows := mustRows(t, mustHistory(t, HistoryOptions{Days: 2, Density: 1}))
	dir := t.TempDir()
	for _, name := range []string{"h.csv", "h.parquet"} {
		path := filepath.Join(dir, name)
		if err := WriteHistoryFile(path, rows, false); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteHistoryFile(path, rows[:1], false); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s is there: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was changed by what was refused (%v)", name, err)
		}
		if err := WriteHistoryFile(path, rows[:1], true); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(path); err != nil || bytes.Equal(got, want) {
			t.Errorf("%s was not replaced (%v)", name, err)
		}
	}
	for path, want := range map[string]string{
		"h.txt": "ends in .parquet or .csv", filepath.Join("none", "h.csv"): "no such file", "": "ends in .parquet or .csv",
	} {
		if err := WriteHistoryFile(filepath.Join(dir, path), rows, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: expected an error with %q, found %v", path, want, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.csv"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteHistoryFile(filepath.Join(dir, "folder.csv"), rows, true); err == nil {
		t.Error("a folder was replaced")
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*.part")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func BenchmarkHistory(b *testing.B) {
	h := mustHistory(b, HistoryOptions{Seed: 1, Density: 100.0 / 3})
	var rows []lake.DailySalesRow
	b.Run("Rows", func(b *testing.B) {
		for b.Loop() {
			rows = mustRows(b, h)
		}
	})
	b.Run("Parquet", func(b *testing.B) {
		for b.Loop() {
			if _, err := lake.EncodeGold(nil, rows); err != nil {
				b.Fatal(err)
			}
		}
	})
}
