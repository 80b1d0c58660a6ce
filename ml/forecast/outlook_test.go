package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// salesOf is what a panel was made of, with one more product that is new.
func randomSales(seed uint64, n, days int) *Sales {
	p := randomPanel(seed, n, days)
	s := &Sales{Currency: "EUR", End: p.End}
	for i := range p.Series {
		for t, y := range p.Series[i].Y {
			if y > 0 {
				s.Rows = append(s.Rows, Sale{Day: p.Start + Day(t), Product: p.Series[i].ID, Category: p.Series[i].Category, Units: y, Paid: y, Revenue: y * p.Series[i].Price[t], Orders: p.Series[i].Orders[t]})
			}
		}
	}
	for d := p.End - 5; d < p.End; d++ {
		if d.Weekday() != 6 {
			s.Rows = append(s.Rows, Sale{Day: d, Product: "young", Category: name("c", 0), Units: 3, Paid: 3, Revenue: 30, Orders: 1})
		}
	}
	return s
}

func fitSmall(t *testing.T, p *Panel) Forecaster {
	t.Helper()
	f, err := allModels()[len(allModels())-1].Fit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOutlook holds what predict promises: every product, category and the shop,
// on every day, in units and revenue, with means that add up.
func TestOutlook(t *testing.T) {
	s := randomSales(4, 12, 200)
	p, err := s.Panel(Product, Units, Calendar{})
	if err != nil {
		t.Fatal(err)
	}
	catalogue := map[string]string{"never": name("c", 1), p.Series[0].ID: p.Series[0].Category}
	for label, c := range map[string]struct {
		options OutlookOptions
		want    Fallback // of the products that the model knows
	}{
		"a model":       {OutlookOptions{Model: fitSmall(t, p), Trained: p.End, MaxAge: 30}, ""},
		"a stale model": {OutlookOptions{Model: fitSmall(t, p), Trained: p.End - 31, MaxAge: 30}, StaleModel},
		"an old model":  {OutlookOptions{Model: fitSmall(t, p), Trained: p.End - 31}, ""},
		"no model":      {OutlookOptions{}, NoModel},
	} {
		t.Run(label, func(t *testing.T) {
			c.options.Horizon, c.options.Catalogue = 7, catalogue
			o, err := NewOutlook(t.Context(), s, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if o.Origin != s.End || o.Currency != "EUR" {
				t.Errorf("the origin is %v in %q", o.Origin, o.Currency)
			}
			const products, categories, days = 12 + 1 + 1, 3, 7
			if want := (products + categories + 1) * 2 * days; len(o.Lines) != want {
				t.Errorf("there are %d lines, expected %d", len(o.Lines), want)
			}
			seen := map[string]bool{}
			sums := map[string]float64{}
			for _, l := range o.Lines {
				key := fmt.Sprint(l.Level, l.Series, l.Target, l.Day)
				if seen[key] || l.Day != o.Origin+Day(l.Horizon)-1 || l.Horizon < 1 || l.Horizon > days {
					t.Errorf("a line is there twice, or on a wrong day: %+v", l)
				}
				seen[key] = true
				if l.Point < 0 || l.Mean < 0 || math.IsNaN(l.Mean) || l.Lower95 > l.Lower80 || l.Lower80 > l.Upper80 || l.Upper80 > l.Upper95 {
					t.Errorf("no forecast: %+v", l)
				}
				if l.Day.Weekday() == 6 && (l.Mean != 0 || l.Upper95 != 0) {
					t.Errorf("the shop is closed: %+v", l)
				}
				sums[fmt.Sprint(l.Level, l.Target, l.Day)] += l.Mean
				if l.Level == Product {
					sums[fmt.Sprint("in", l.Category, l.Target, l.Day)] += l.Mean
					want := c.want
					switch l.Series {
					case "never":
						want = NoHistory
					case "young":
						want = NewProduct
					}
					if l.Fallback != want {
						t.Errorf("the fallback is %q, expected %q: %+v", l.Fallback, want, l)
					}
				}
			}
			for _, l := range o.Lines {
				near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }
				switch l.Level {
				case Shop:
					if p, c := sums[fmt.Sprint(Product, l.Target, l.Day)], sums[fmt.Sprint(Category, l.Target, l.Day)]; !near(p, l.Mean) || !near(c, l.Mean) {
						t.Errorf("%s on %v: products sum to %v, categories to %v, the shop is %v", l.Target, l.Day, p, c, l.Mean)
					}
				case Category:
					if p := sums[fmt.Sprint("in", l.Series, l.Target, l.Day)]; !near(p, l.Mean) {
						t.Errorf("%s of %s on %v: products sum to %v, the category is %v", l.Target, l.Series, l.Day, p, l.Mean)
					}
				}
			}
		})
	}
}

// TestWhatIf: the standing price changes nothing, and a product that sells more
// when it is cheap is forecast so.
func TestWhatIf(t *testing.T) {
	var sales []Sale
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a test
	for i := range 20 {
		cheap := false
		for d := Day(18262); d < 18262+300; d++ {
			if random.IntN(8) == 0 { // prices stand for 8 days
				cheap = !cheap
			}
			price, units := 10.0, 20.0
			if cheap {
				price, units = 5, 80
			}
			units += float64((int(d)*7 + i*3) % 5)
			sales = append(sales, Sale{Day: d, Product: name("p", i), Category: "c", Units: units, Paid: units, Revenue: units * price, Orders: units / 4})
		}
	}
	p, err := NewPanel(sales, PanelOptions{Level: Product, Target: Units})
	if err != nil {
		t.Fatal(err)
	}
	m := Recipe()
	m.Small, m.Big = TreeSize{Leaves: 7, Trees: 40, Rate: 0.2, ColumnShare: 1}, TreeSize{Leaves: 7, Trees: 40, Rate: 0.2, ColumnShare: 1}
	m.Features = mustSpec([]string{"price_change", "weekday", "horizon"})
	m.Horizon = 1 // the price that stands is not that of next week
	f, err := m.Fit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := f.(Pricer).Prices(t.Context(), p, 1)
	if err != nil {
		t.Fatal(err)
	}
	full, err := f.Forecast(t.Context(), p, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Series {
		id, now := p.Series[i].ID, lastKnown(p.Series[i].Price)
		same, err := q.WhatIf(t.Context(), id, now)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(same.Base) != fmt.Sprint(full.Rows[i]) || fmt.Sprint(same.Changed) != fmt.Sprint(same.Base) || same.Price != now {
			t.Errorf("%s at its own price: %+v, forecast %+v", id, same, full.Rows[i])
		}
		cheap, err := q.WhatIf(t.Context(), id, 5)
		if err != nil {
			t.Fatal(err)
		}
		dear, err := q.WhatIf(t.Context(), id, 10)
		if err != nil {
			t.Fatal(err)
		}
		if cheap.Changed[0].Mean < 2*dear.Changed[0].Mean || cheap.LowPrice != 5 || cheap.TopPrice != 10 {
			t.Errorf("%s: at 5 it sells %v, at 10 %v", id, cheap.Changed[0].Mean, dear.Changed[0].Mean)
		}
	}
	for _, price := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := q.WhatIf(t.Context(), p.Series[0].ID, price); err == nil {
			t.Errorf("the price %v is taken", price)
		}
	}
	if _, err := q.WhatIf(t.Context(), "nothing", 5); err == nil {
		t.Error("a product that is not there has a forecast")
	}
}

// TestSaveLoad: a model that is read forecasts the same.
func TestSaveLoad(t *testing.T) {
	p := randomPanel(8, 12, 160)
	tweedie := NewTweedie()
	single, err := tweedie.Fit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for label, f := range map[string]Forecaster{"recipe": fitSmall(t, p), "tweedie": single} {
		files, err := Save(f)
		if err != nil {
			t.Fatal(err)
		}
		read := func(name string) ([]byte, error) {
			data, ok := files[name]
			if !ok {
				return nil, fmt.Errorf("%s is missing", name)
			}
			return data, nil
		}
		g, err := Load(read)
		if err != nil {
			t.Fatal(err)
		}
		if err := CrossCheck(t.Context(), g, p); err != nil {
			t.Error(err)
		}
		want, err := f.Forecast(t.Context(), p, 7)
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.Forecast(t.Context(), p, 7)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s forecasts otherwise once it was saved", label)
		}
		for name := range files {
			whole := files[name]
			for _, bad := range [][]byte{nil, whole[:len(whole)/2], []byte("{}"), []byte("null"), []byte(`{"format":1,"kind":"recipe"}`), []byte(`{"format":2,"kind":"recipe"}`)} {
				files[name] = bad
				if _, err := Load(read); err == nil {
					t.Errorf("%s: %s holds %.20q and there is no error", label, name, bad)
				}
			}
			files[name] = whole
		}
	}
	if _, err := Save(Index{}); err == nil {
		t.Error("a model that learns nothing is saved")
	}
}

func TestClassify(t *testing.T) {
	days := func(n int, every int) []float64 {
		vs := make([]float64, n)
		for i := 0; i < n; i += every {
			vs[i] = 1
		}
		return vs
	}
	for want, vs := range map[Class][]float64{
		New: days(11, 1), Smooth: days(200, 1), Intermittent: days(200, 2), Dead: append(days(50, 1), make([]float64, 96)...),
	} {
		if got := classOf(vs); got != want {
			t.Errorf("%v is %s, expected %s", vs, got, want)
		}
	}
}

func TestBaselines(t *testing.T) {
	// Mondays to Sundays, three weeks; a forecast for a week begins on a Monday.
	var days, ahead []Day
	monday := day(t, "2026-03-02")
	for i := range 21 {
		days = append(days, monday+Day(i))
	}
	for i := range 7 {
		ahead = append(ahead, monday+21+Day(i))
	}
	values := []float64{0, 4, 0, 0, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 10, 0, 0, 0, 14}
	in := baselineInput{series: &Series{Y: values}, values: values, days: days, ahead: ahead, open: slices.Repeat([]bool{true}, 7), season: 7}
	size, share := 4.0, 0.0
	for i, v := range values {
		sold := 0.0
		if v > 0 {
			sold = 1
			size += 0.1 * (v - size)
		}
		if i == 0 {
			share = sold
		}
		share += 0.02 * (sold - share)
	}
	for name, c := range map[string]struct {
		point func(baselineInput, []float64)
		want  []float64
	}{
		"naive":          {naive, slices.Repeat([]float64{14}, 7)},
		"seasonal naive": {seasonalNaive, values[14:]},
		"weekday mean":   {weekdayMean, []float64{3, 2, 13. / 3, 4. / 3, 11. / 3, 2, 7}},
		"moving average": {movingAverage, slices.Repeat([]float64{70. / 21}, 7)},
		"tsb":            {tsb, slices.Repeat([]float64{size * share}, 7)},
	} {
		got := make([]float64, 7)
		c.point(in, got)
		for h := range got {
			if math.Abs(got[h]-c.want[h]) > 1e-12 {
				t.Errorf("%s is %v, expected %v", name, got, c.want)
				break
			}
		}
	}
}

func FuzzFeature(f *testing.F) {
	for _, text := range everyFeature {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		feature, err := parseFeature(text)
		if err != nil {
			return
		}
		again, err := parseFeature(feature.String())
		if err != nil || again.String() != feature.String() {
			t.Errorf("%q is written %q, which is read as %q: %v", text, feature, again, err)
		}
		// It has a value, whatever is known.
		p := randomPanel(1, 2, 60)
		r := newRows(Spec{feature}, newAxis(p, 3), vocabulary(p), nil)
		if _, err := r.ahead(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzLoad(f *testing.F) {
	p := randomPanel(8, 6, 120)
	m := Recipe()
	m.Features, m.Small, m.Big = mustSpec([]string{"lag(y,1)", "product"}), TreeSize{Leaves: 2, Trees: 1, Rate: 1, ColumnShare: 1}, TreeSize{Leaves: 2, Trees: 1, Rate: 1, ColumnShare: 1}
	fit, err := m.Fit(f.Context(), p)
	if err != nil {
		f.Fatal(err)
	}
	files, err := Save(fit)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files[modelFile], files[quantileFile(0, 0)])
	f.Fuzz(func(t *testing.T, model, tree []byte) {
		got, err := Load(func(name string) ([]byte, error) {
			if name == modelFile {
				return model, nil
			}
			return tree, nil
		})
		if err != nil {
			return
		}
		if _, err := got.Forecast(t.Context(), p, 3); err != nil {
			t.Log(err)
		}
	})
}
