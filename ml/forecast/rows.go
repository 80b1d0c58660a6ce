package forecast

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// rows makes the features of one panel, for fit and for predict alike.
type rows struct {
	spec   Spec
	axis   *axis
	names  map[string]float64 // vocabulary of the fit
	series []prepared
	prices map[string]float64 // price to assume, by series; nil for those that stand
	calls  []func(*known, aim) float64
}

// prepared is a series on the open days since its first sale.
type prepared struct {
	known
	offset int // place of its first day among the panel's open days
}

// winsorDays are the open days whose 95 % quantile caps a day.
const (
	winsorDays     = 96
	winsorQuantile = 0.95
)

// vocabulary numbers the names of a panel's series and categories.
func vocabulary(p *Panel) map[string]float64 {
	names := map[string]float64{}
	var categories []string
	for i := range p.Series {
		names["product:"+p.Series[i].ID] = float64(i)
		categories = append(categories, p.Series[i].Category)
	}
	slices.Sort(categories)
	for i, c := range slices.Compact(categories) {
		names["category:"+c] = float64(i)
	}
	return names
}

// newRows prepares the panel's series. Each of a series' derived values depends
// on its own day and earlier ones alone.
func newRows(spec Spec, a *axis, names map[string]float64, prices map[string]float64) *rows {
	r := &rows{spec: spec, axis: a, names: names, prices: prices, series: make([]prepared, len(a.panel.Series))}
	weekdays := make([]time.Weekday, len(a.days))
	for i, t := range a.days {
		weekdays[i] = (a.panel.Start + Day(t)).Weekday()
	}
	categories := r.categoryMeans()
	each(len(r.series), func(i int) {
		s := &a.panel.Series[i]
		offset, _ := slices.BinarySearch(a.days, s.First)
		n := len(a.days) - offset
		k := known{y: make([]float64, n), orders: make([]float64, n), price: make([]float64, n), weekdays: weekdays[offset:], id: s.ID, group: s.Category, names: names, priceNow: math.NaN()}
		for j, t := range a.days[offset:] {
			k.y[j], k.orders[j], k.price[j] = s.Y[t], s.Orders[t], s.Price[t]
		}
		if price, ok := prices[s.ID]; ok {
			k.priceNow = price
		}
		k.w = winsorise(k.y)
		if c := categories[s.Category]; c != nil {
			k.category = c[offset:]
		}
		r.series[i] = prepared{known: k, offset: offset}
	})
	for _, f := range spec {
		r.calls = append(r.calls, f.value)
	}
	return r
}

// winsorise caps each value at the 95 % quantile of the 96 values up to it.
func winsorise(y []float64) []float64 {
	w := make([]float64, len(y))
	var window []float64 // sorted
	for i, v := range y {
		if i >= winsorDays {
			at, _ := slices.BinarySearch(window, y[i-winsorDays])
			window = slices.Delete(window, at, at+1)
		}
		at, _ := slices.BinarySearch(window, v)
		window = slices.Insert(window, at, v)
		w[i] = min(v, quantile(window, winsorQuantile))
	}
	return w
}

// categoryMeans returns, by category, the mean over its series that have sold
// before, on each open day; nil if no feature asks for it.
func (r *rows) categoryMeans() map[string][]float64 {
	if !slices.ContainsFunc(r.spec, func(f Feature) bool { return f.name == "category_mean" }) {
		return nil
	}
	sums, counts := map[string][]float64{}, map[string][]float64{}
	for i := range r.axis.panel.Series {
		s := &r.axis.panel.Series[i]
		if sums[s.Category] == nil {
			sums[s.Category], counts[s.Category] = make([]float64, len(r.axis.days)), make([]float64, len(r.axis.days))
		}
		for j, t := range r.axis.days {
			if t >= s.First {
				sums[s.Category][j] += s.Y[t]
				counts[s.Category][j]++
			}
		}
	}
	for c, total := range sums {
		for j := range total {
			total[j] = over(total[j], counts[c][j])
		}
	}
	return sums
}

// before returns what was known of the series before the open day of place k.
func (p *prepared) before(k int) known {
	n := k - p.offset
	cut := p.known
	cut.y, cut.w, cut.orders, cut.price, cut.weekdays = cut.y[:n:n], cut.w[:n:n], cut.orders[:n:n], cut.price[:n:n], cut.weekdays[:n:n]
	if cut.category != nil {
		cut.category = cut.category[:n:n]
	}
	return cut
}

// anchorStep and minAge choose the rows of a fit: forecasts that could have
// begun on every third open day of a series that has been sold for 12.
const (
	anchorStep = 3
	minAge     = 12
)

// sample is one row: a series, the open day on which the forecast begins and
// the one that it is for.
type sample struct {
	series, anchor, target int // places among the panel's open days
}

// training returns the samples whose day is known, of forecasts for the days of
// a horizon, and their values. Beginnings are counted from the panel's end, and
// lie within its last newest open days (0: all).
func (r *rows) training(horizon, newest int) (samples []sample, y []float64) {
	days := r.axis.days
	first := 0
	if newest > 0 {
		first = len(days) - newest
	}
	for i := range r.series {
		for anchor := max(first, r.series[i].offset+minAge); anchor < len(days); anchor++ {
			if (len(days)-anchor)%anchorStep != 0 {
				continue
			}
			for target := anchor; target < len(days) && days[target] < days[anchor]+horizon; target++ {
				samples = append(samples, sample{i, anchor, target})
				y = append(y, r.series[i].y[target-r.series[i].offset])
			}
		}
	}
	return samples, y
}

// aims returns the days of the horizon as aims.
func (r *rows) aims() []aim {
	aims := make([]aim, len(r.axis.ahead))
	index := len(r.axis.days)
	for h, d := range r.axis.ahead {
		aims[h] = aim{day: d, horizon: h + 1, index: index, holiday: r.axis.panel.Calendar.Holiday(d)}
		if r.axis.open[h] {
			index++
		}
	}
	return aims
}

// columns computes the features of samples, column by column.
func (r *rows) columns(ctx context.Context, samples []sample) ([][]float32, error) {
	columns := make([][]float32, len(r.spec))
	for f := range columns {
		columns[f] = make([]float32, len(samples))
	}
	days, start := r.axis.days, r.axis.panel.Start
	holiday := make([]bool, len(days))
	for k, t := range days {
		holiday[k] = r.axis.panel.Calendar.Holiday(start + Day(t))
	}
	// Chunks begin with an anchor, whose own features are computed once.
	var chunks []int
	for i := range samples {
		if i == 0 || samples[i].series != samples[i-1].series {
			chunks = append(chunks, i)
		}
	}
	chunks = append(chunks, len(samples))
	each(len(chunks)-1, func(c int) {
		if ctx.Err() != nil {
			return
		}
		for i := chunks[c]; i < chunks[c+1]; i++ {
			s := samples[i]
			k := r.series[s.series].before(s.anchor)
			at := aim{day: start + Day(days[s.target]), horizon: days[s.target] - days[s.anchor] + 1, index: s.target, holiday: holiday[s.target]}
			same := i > chunks[c] && samples[i-1].anchor == s.anchor
			for f, call := range r.calls {
				if same && !r.spec[f].ofDay() {
					columns[f][i] = columns[f][i-1]
					continue
				}
				columns[f][i] = float32(call(&k, at))
			}
		}
	})
	return columns, ctx.Err()
}

// ahead computes the features of the panel's series for each day of the
// horizon, row by row: series, then day.
func (r *rows) ahead(ctx context.Context) ([]float32, error) {
	aims := r.aims()
	width := len(r.spec)
	out := make([]float32, len(r.series)*len(aims)*width)
	each(len(r.series), func(i int) {
		if ctx.Err() != nil {
			return
		}
		k := r.series[i].before(len(r.axis.days))
		first := out[i*len(aims)*width:]
		for h, at := range aims {
			row := first[h*width : (h+1)*width]
			for f, call := range r.calls {
				if h > 0 && !r.spec[f].ofDay() {
					row[f] = first[f]
					continue
				}
				row[f] = float32(call(&k, at))
			}
		}
	})
	return out, ctx.Err()
}

// each calls do(0) … do(n-1) on all cores.
func each(n int, do func(i int)) {
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
}
