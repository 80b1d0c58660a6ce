package forecast

import (
	"context"
	"slices"

	"example.com/shopstream/ml/trees"
)

// Trees forecasts many series with gradient-boosted quantile trees that learn
// from all of them.
//
// To minimise Σ|y−f| while Σf is fixed, each f has to be the same quantile τ of
// its own distribution. So trees are fitted to several quantiles, with what
// they say between them interpolated, and a forecast solves for the τ at which
// the sum over a group of series is LevelShare times what Index says of the
// group's total: once for the horizon, once for each day, and the mean of both.
// No outcome is needed for that. Groups are series of like rank by sum, so that
// the many small ones do not shift the large ones. A fifth of each quantile is
// that of the series' own last 48 open days.
//
// An end of an interval is the mean of what the trees and the series' last 48
// open days say. Where the lower end is 0 nothing can lie below it, so that the
// upper end has to leave out all that the interval may miss. The expected value
// is the integral over the quantiles, scaled to the group's total of each day.
type Trees struct {
	Features Spec `json:"features"`
	Horizon  int  `json:"horizon"` // days ahead that the fit learns
	// Small trees forecast all quantiles, Big ones also the quantiles of the
	// point, which is the mean of both.
	Small TreeSize `json:"small"`
	Big   TreeSize `json:"big"`
	// LevelShare of the group's total; below 1, as the sum of what minimises the
	// absolute error of skewed demand lies below the expected one.
	LevelShare float64 `json:"level_share"`
	// TrainSeries is how many series of the largest sums the trees learn from; 0 is
	// all. All series are forecast.
	TrainSeries int `json:"train_series"`
	// TrainDays is how many of the newest open days may begin a forecast to learn
	// from; 0 is all.
	TrainDays int    `json:"train_days"`
	Seed      uint64 `json:"seed"`
}

// TreeSize is the shape of an ensemble.
type TreeSize struct {
	Leaves      int     `json:"leaves"`
	Trees       int     `json:"trees"`
	Rate        float64 `json:"rate"`         // learning rate
	ColumnShare float64 `json:"column_share"` // of the features, drawn for each tree
}

// Recipe is the model of choice for products. Its outline was given
// (docs/forecast.md); what was changed in it was chosen on Online Retail's origins
// before September 2011.
func Recipe() Trees {
	return Trees{
		Features: mustSpec(recipeFeatures), Horizon: 7,
		Small:      TreeSize{Leaves: 7, Trees: 150, Rate: 0.06, ColumnShare: 0.3},
		Big:        TreeSize{Leaves: 31, Trees: 100, Rate: 0.08, ColumnShare: 0.5},
		LevelShare: 0.95, TrainSeries: 1000, TrainDays: 400, Seed: 1,
	}
}

var recipeFeatures = []string{
	"lag(y,1)", "lag(y,2)", "lag(y,3)", "lag(y,4)", "lag(y,5)", "lag(y,6)",
	"mean(y,3)", "mean(y,6)", "mean(y,12)", "mean(y,24)", "mean(y,48)", "mean(y,96)",
	"median(y,12)", "median(y,24)", "median(y,48)", "max(y,12)", "max(y,24)", "max(y,48)",
	"sd(y,12)", "sd(y,24)", "sd(y,48)", "quantile(y,12,0.75)", "quantile(y,24,0.75)", "quantile(y,48,0.75)",
	"ewm(y,0.02)", "ewm(y,0.05)", "ewm(y,0.1)", "ewm(y,0.3)",
	"mean(w,6)", "mean(w,12)", "mean(w,24)", "mean(w,48)", "ewm(w,0.03)", "ewm(w,0.1)",
	"mean(orders,6)", "mean(orders,12)", "mean(orders,24)", "mean(orders,48)", "ewm(orders,0.1)",
	"active(12)", "active(24)", "active(48)", "since_sale(60)", "age(150)", "per_order",
	"price_level(12)", "price_level(48)", "price_change", "ratio(y,12,48)", "ratio(y,24,96)",
	"same_weekday(1)", "same_weekday(2)", "same_weekday(3)", "same_weekday(4)",
	"weekday_mean(4)", "weekday_mean(8)", "weekday_median(8)", "weekday", "horizon", "index",
}

// mustSpec reads the features of a constant.
func mustSpec(texts []string) Spec {
	spec, err := ParseSpec(texts)
	if err != nil {
		panic(err)
	}
	return spec
}

// Parameters of all trees.
const (
	treeBins      = 127
	treeMinRows   = 50
	treeSubsample = 0.7
	leastRows     = 143 // for one split: twice treeMinRows, of a treeSubsample
)

// The quantiles that trees are fitted to. The point lies between the ones from
// pointFrom to pointTo.
var treeQuantiles = []float64{0.025, 0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975}

const pointFrom, pointTo = 2, 6

// ownShare is the part of the series' own quantile in the point.
const ownShare = 0.2

// Name implements Model.
func (Trees) Name() string { return "recipe" }

// Fit implements Model.
func (m Trees) Fit(ctx context.Context, p *Panel) (Forecaster, error) {
	learn := p.Best(m.TrainSeries, 0)
	f := &treeFit{Model: m, Names: vocabulary(learn), quantiles: make([]ensemble, len(treeQuantiles))}
	data, err := m.data(ctx, learn, f.Names)
	if err != nil {
		return nil, err
	}
	for q, alpha := range treeQuantiles {
		for i, size := range m.sizes(q) {
			model, err := size.train(ctx, data, trees.Params{Objective: trees.Quantile, Alpha: alpha, Seed: m.Seed + uint64(i)}) //nolint:gosec // two sizes
			if err != nil {
				return nil, err
			}
			f.quantiles[q] = append(f.quantiles[q], model)
		}
	}
	return f, nil
}

// sizes returns the ensembles of a quantile, by its place in treeQuantiles.
func (m Trees) sizes(q int) []TreeSize {
	if q >= pointFrom && q < pointTo {
		return []TreeSize{m.Small, m.Big}
	}
	return []TreeSize{m.Small}
}

// data returns the rows to learn from.
func (m Trees) data(ctx context.Context, p *Panel, names map[string]float64) (trees.Data, error) {
	r := newRows(m.Features, newAxis(p, 0), names, nil)
	samples, y := r.training(m.Horizon, m.TrainDays)
	if len(samples) < leastRows {
		return trees.Data{}, tooLittle("there are %d rows to learn from, and trees need %d: use a simpler model, or import more history", len(samples), leastRows)
	}
	columns, err := r.columns(ctx, samples)
	if err != nil {
		return trees.Data{}, err
	}
	matrix := trees.Matrix{Names: m.Features.Strings(), Columns: columns, Categorical: make([]bool, len(columns))}
	for i, feature := range m.Features {
		matrix.Categorical[i] = feature.categorical()
	}
	binned, err := trees.Bin(matrix, treeBins)
	return trees.Data{X: binned, Y: y}, err
}

func (s TreeSize) train(ctx context.Context, d trees.Data, p trees.Params) (*trees.Model, error) {
	p.Trees, p.LearningRate, p.MaxLeaves, p.ColumnShare = s.Trees, s.Rate, s.Leaves, s.ColumnShare
	p.MinRows, p.Subsample = treeMinRows, treeSubsample
	return trees.Train(ctx, d, nil, p, nil)
}

// ensemble is the mean of models of equal features.
type ensemble []*trees.Model

// predict returns a forecast of at least 0 for each row.
func (e ensemble) predict(rows []float32, n int) ([]float64, error) {
	total := make([]float64, n)
	if n == 0 {
		return total, nil
	}
	width := len(rows) / n
	const chunk = 512
	for _, model := range e {
		out := make([]float64, n)
		errs := make([]error, (n+chunk-1)/chunk)
		each(len(errs), func(c int) {
			from, to := c*chunk, min(n, (c+1)*chunk)
			errs[c] = model.Predict(out[from:to], rows[from*width:to*width])
		})
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		for i, v := range out {
			total[i] += v
		}
	}
	for i := range total {
		total[i] = max(0, total[i]/float64(len(e)))
	}
	return total, nil
}

// treeFit is a fitted Trees.
type treeFit struct {
	Model     Trees              `json:"model"`
	Names     map[string]float64 `json:"names"`
	quantiles []ensemble         // by treeQuantiles
}

// Forecast implements Forecaster.
func (f *treeFit) Forecast(ctx context.Context, p *Panel, horizon int) (*Forecast, error) {
	a := newAxis(p, horizon)
	cells, err := f.cells(ctx, a, nil)
	if err != nil {
		return nil, err
	}
	out := &Forecast{Origin: p.End, Open: a.open, Rows: make([][]Prediction, len(p.Series))}
	for _, group := range groups(p) {
		newGroup(f.Model, a, group, cells).forecast(out)
	}
	return out, nil
}

// cells are the quantiles of each series and day of the horizon.
type cells struct {
	trees [][]float64 // by treeQuantiles, and cell: series × horizon + day
	own   []own       // by series
}

// own are a series' last 48 open days, in increasing order.
type own []float64

// cells asks the trees; prices are those to assume, by series.
func (f *treeFit) cells(ctx context.Context, a *axis, prices map[string]float64) (*cells, error) {
	r := newRows(f.Model.Features, a, f.Names, prices)
	rows, err := r.ahead(ctx)
	if err != nil {
		return nil, err
	}
	c := &cells{trees: make([][]float64, len(f.quantiles)), own: make([]own, len(r.series))}
	for q, e := range f.quantiles {
		if c.trees[q], err = e.predict(rows, len(r.series)*len(a.ahead)); err != nil {
			return nil, err
		}
		if q > 0 { // quantiles are fitted one by one, and may cross
			for i, below := range c.trees[q-1] {
				c.trees[q][i] = max(c.trees[q][i], below)
			}
		}
	}
	for i := range r.series {
		c.own[i] = sorted(last(r.series[i].y, 48))
	}
	return c, nil
}

// quantile is the series' own (Hyndman and Fan 1996, type 6), which does not
// lean to the middle as type 7 does.
func (o own) quantile(q float64) float64 {
	n := float64(len(o))
	return quantile(o, min(1, max(0, (q*(n+1)-1)/max(1, n-1))))
}

// groupRanks are the first ranks of each group but the first.
var groupRanks = []int{200, 1000}

// groups returns the indices of the series by rank.
func groups(p *Panel) [][]int {
	ranks := p.ranks()
	var out [][]int
	from := 0
	for _, to := range append(slices.Clone(groupRanks), len(ranks)) {
		if to = min(to, len(ranks)); to > from {
			out = append(out, ranks[from:to])
			from = to
		}
	}
	return out
}

// group forecasts series together.
type group struct {
	model  Trees
	axis   *axis
	series []int     // indices in the panel
	level  []float64 // forecast of the series' total, a day
	cells  *cells
	points [][]float64 // by quantile from pointFrom to pointTo, and cell
}

func newGroup(m Trees, a *axis, series []int, c *cells) *group {
	g := &group{model: m, axis: a, series: series, level: totalAhead(a, series), cells: c}
	horizon := len(a.ahead)
	for q := pointFrom; q < pointTo; q++ {
		points := slices.Clone(c.trees[q])
		for _, i := range series {
			of := quantile(c.own[i], treeQuantiles[q])
			for h := range horizon {
				points[i*horizon+h] += ownShare * (of - points[i*horizon+h])
			}
		}
		g.points = append(g.points, points)
	}
	return g
}

// forecast fills the group's rows.
func (g *group) forecast(out *Forecast) {
	taus, scale := g.taus(), g.scale()
	for _, i := range g.series {
		out.Rows[i] = g.row(i, taus, scale)
	}
}

// row forecasts one series.
func (g *group) row(i int, taus taus, scale []float64) []Prediction {
	horizon := len(g.axis.ahead)
	row := make([]Prediction, horizon)
	for h, open := range g.axis.open {
		if !open {
			continue
		}
		c := i*horizon + h
		point := (between(g.points, c, taus.horizon) + between(g.points, c, taus.days[h])) / 2
		row[h] = Prediction{Point: point, Mean: g.cells.mean(c) * scale[h]}.within(g.cells.bounds(i, c).around(point))
	}
	return row
}

// scale brings the means of each day to the group's total.
func (g *group) scale() []float64 {
	horizon := len(g.axis.ahead)
	scale := make([]float64, horizon)
	for h := range scale {
		total := 0.0
		for _, i := range g.series {
			total += g.cells.mean(i*horizon + h)
		}
		if total > 0 {
			scale[h] = g.level[h] / total
		}
	}
	return scale
}

// taus are the quantiles of the point: one of the horizon and one of each day.
type taus struct {
	horizon float64
	days    []float64
}

func (g *group) taus() taus {
	horizon := len(g.axis.ahead)
	t := taus{days: make([]float64, horizon)}
	var all []int
	for h, open := range g.axis.open {
		if !open {
			continue
		}
		var day []int
		for _, i := range g.series {
			day = append(day, i*horizon+h)
		}
		t.days[h] = solve(g.points, day, g.model.LevelShare*g.level[h])
		all = append(all, day...)
	}
	t.horizon = solve(g.points, all, g.model.LevelShare*sum(g.level))
	return t
}

// mean is the integral over the quantiles by the trapezoidal rule; the ends
// count as constant.
func (c *cells) mean(cell int) float64 {
	n := len(treeQuantiles)
	total := c.trees[0][cell]*treeQuantiles[0] + c.trees[n-1][cell]*(1-treeQuantiles[n-1])
	for q := 1; q < n; q++ {
		total += (c.trees[q][cell] + c.trees[q-1][cell]) / 2 * (treeQuantiles[q] - treeQuantiles[q-1])
	}
	return total
}

// bounds returns the intervals of a cell of a series that counts pieces.
func (c *cells) bounds(series, cell int) bounds {
	half := func(q float64) float64 {
		at, _ := slices.BinarySearch(treeQuantiles, q)
		return (c.trees[at][cell] + c.own[series].quantile(q)) / 2
	}
	interval := func(lower, upper, oneSided float64) (l, u float64) {
		if l = ceil(half(lower)); l > 0 {
			return l, floor(half(upper))
		}
		return 0, floor(half(oneSided))
	}
	var b bounds
	b.lower80, b.upper80 = interval(0.1, 0.9, 0.8)
	b.lower95, b.upper95 = interval(0.025, 0.975, 0.95)
	return b
}

// totalAhead is Index's forecast of the sum over some series.
func totalAhead(a *axis, group []int) []float64 {
	values, weekdays := make([]float64, len(a.days)), make([]int, len(a.days))
	for k, t := range a.days {
		for _, i := range group {
			values[k] += a.panel.Series[i].Y[t]
		}
		weekdays[k] = int((a.panel.Start + Day(t)).Weekday())
	}
	level, index := indexOf(values, weekdays, max(1, 7-len(a.opening.ClosedWeekdays())))
	out := make([]float64, len(a.ahead))
	for h, d := range a.ahead {
		if a.open[h] {
			out[h] = level * index[d.Weekday()]
		}
	}
	return out
}

// between interpolates the quantile tau of a cell between the point's.
func between(points [][]float64, cell int, tau float64) float64 {
	quantiles := treeQuantiles[pointFrom:pointTo]
	q := 0
	for q+2 < len(quantiles) && tau >= quantiles[q+1] {
		q++
	}
	share := (tau - quantiles[q]) / (quantiles[q+1] - quantiles[q])
	return points[q][cell] + share*(points[q+1][cell]-points[q][cell])
}

// solve returns the tau among the point's quantiles at which the cells sum to
// what is wanted, or the nearer end.
func solve(points [][]float64, cells []int, want float64) float64 {
	low, high := treeQuantiles[pointFrom], treeQuantiles[pointTo-1]
	for high-low > 1e-9 {
		middle := (low + high) / 2
		total := 0.0
		for _, c := range cells {
			total += between(points, c, middle)
		}
		if total < want {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}
