package score

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// exact computes metrics by the definitions, cell by cell, in rational numbers:
// no rounding before the last step, and no code shared with the package.
func exact(cells []Cell) map[Metric]float64 {
	rat := func(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }
	sub := func(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
	mul := func(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
	abs := func(a *big.Rat) *big.Rat { return new(big.Rat).Abs(a) }
	float := func(a *big.Rat) float64 { f, _ := a.Float64(); return f }
	over := func(a, b *big.Rat) float64 {
		if b.Sign() <= 0 {
			return math.NaN()
		}
		return float(new(big.Rat).Quo(a, b))
	}
	total := func(of func(Cell) *big.Rat) *big.Rat {
		t := new(big.Rat)
		for _, c := range cells {
			if v := of(c); v != nil {
				t.Add(t, v)
			}
		}
		return t
	}
	one := func(Cell) *big.Rat { return big.NewRat(1, 1) }
	actual := func(c Cell) *big.Rat { return rat(c.Actual) }
	miss := func(c Cell) *big.Rat { return sub(rat(c.Point), rat(c.Actual)) }
	square := func(c Cell) *big.Rat { return mul(miss(c), miss(c)) }
	n, y := total(one), total(actual)
	mean := new(big.Rat).Quo(y, n)
	out := map[Metric]float64{
		MAE:         over(total(func(c Cell) *big.Rat { return abs(miss(c)) }), n),
		RMSE:        math.Sqrt(over(total(square), n)),
		WAPE:        over(total(func(c Cell) *big.Rat { return abs(miss(c)) }), y),
		"bias":      over(total(miss), y),
		"mean_bias": over(total(func(c Cell) *big.Rat { return sub(rat(c.Mean), rat(c.Actual)) }), y),
		"r2": 1 - over(total(square), total(func(c Cell) *big.Rat {
			return mul(sub(rat(c.Actual), mean), sub(rat(c.Actual), mean))
		})),
	}
	if f := total(func(c Cell) *big.Rat { return rat(c.Point) }); f.Sign() > 0 && y.Sign() > 0 {
		k := new(big.Rat).Quo(mul(big.NewRat(95, 100), y), f)
		out[EqualBiasWAPE] = over(total(func(c Cell) *big.Rat { return abs(sub(mul(k, rat(c.Point)), rat(c.Actual))) }), y)
	} else {
		out[EqualBiasWAPE] = math.NaN()
	}

	type run struct {
		model, series string
		origin        int32
	}
	byRun := map[run][]Cell{}
	for _, c := range cells {
		k := run{c.Model, c.Series, c.Origin}
		byRun[k] = append(byRun[k], c)
	}
	var scaled, squareScaled []float64
	for _, days := range byRun {
		a, s := new(big.Rat), new(big.Rat)
		for _, c := range days {
			a.Add(a, abs(miss(c)))
			s.Add(s, square(c))
		}
		length := big.NewRat(int64(len(days)), 1)
		if v := days[0].Scale; v > 0 {
			scaled = append(scaled, over(a, mul(length, rat(v))))
		}
		if v := days[0].ScaleSquared; v > 0 {
			squareScaled = append(squareScaled, math.Sqrt(over(s, mul(length, rat(v)))))
		}
	}
	out[MASE], out[RMSSE] = average(scaled), average(squareScaled)

	for _, level := range []struct {
		of              func(Cell) (float64, float64)
		alpha           *big.Rat
		coverage, score Metric
	}{
		{func(c Cell) (float64, float64) { return c.Lower80, c.Upper80 }, big.NewRat(1, 5), "coverage_80", IntervalScore80},
		{func(c Cell) (float64, float64) { return c.Lower95, c.Upper95 }, big.NewRat(1, 20), "coverage_95", IntervalScore95},
	} {
		counted, covered, score := new(big.Rat), new(big.Rat), new(big.Rat)
		for _, c := range cells {
			l, u := level.of(c)
			if !c.Open || math.IsNaN(l) {
				continue
			}
			counted.Add(counted, big.NewRat(1, 1))
			score.Add(score, sub(rat(u), rat(l)))
			factor := new(big.Rat).Quo(big.NewRat(2, 1), level.alpha)
			switch {
			case c.Actual < l:
				score.Add(score, mul(factor, sub(rat(l), rat(c.Actual))))
			case c.Actual > u:
				score.Add(score, mul(factor, sub(rat(c.Actual), rat(u))))
			default:
				covered.Add(covered, big.NewRat(1, 1))
			}
		}
		out[level.coverage], out[level.score] = over(covered, counted), over(score, counted)
	}

	for _, q := range []struct {
		name Metric
		tau  *big.Rat
		of   func(Cell) float64
	}{
		{"pinball_025", big.NewRat(25, 1000), func(c Cell) float64 { return c.Lower95 }},
		{"pinball_100", big.NewRat(1, 10), func(c Cell) float64 { return c.Lower80 }},
		{"pinball_500", big.NewRat(1, 2), func(c Cell) float64 { return c.Point }},
		{"pinball_900", big.NewRat(9, 10), func(c Cell) float64 { return c.Upper80 }},
		{"pinball_975", big.NewRat(975, 1000), func(c Cell) float64 { return c.Upper95 }},
	} {
		counted, loss := new(big.Rat), new(big.Rat)
		for _, c := range cells {
			f := q.of(c)
			if !c.Open || math.IsNaN(f) {
				continue
			}
			counted.Add(counted, big.NewRat(1, 1))
			if d := sub(rat(c.Actual), rat(f)); d.Sign() >= 0 {
				loss.Add(loss, mul(q.tau, d))
			} else {
				loss.Add(loss, mul(sub(q.tau, big.NewRat(1, 1)), d))
			}
		}
		out[q.name] = over(loss, counted)
	}
	return out
}

func average(values []float64) float64 {
	slices.Sort(values)
	total := 0.
	for _, v := range values {
		total += v
	}
	return total / float64(len(values)) // 0/0 is NaN
}

func TestMetricsMatchExactArithmetic(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		cells := randomCells(r, "a", 1+r.IntN(20), 1+r.IntN(4), 1+r.IntN(8))
		cells = append(cells, randomCells(r, "b", 1+r.IntN(20), 1+r.IntN(4), 1+r.IntN(8))...)
		if err := Check(cells); err != nil {
			t.Fatal(err)
		}
		compareMetrics(t, Summarise(cells), exact(cells))
	}
}

// compareMetrics fails unless want has every number of got, to 12 digits.
func compareMetrics(t *testing.T, got Metrics, want map[Metric]float64) {
	t.Helper()
	for _, f := range numbers {
		w, ok := want[f.name]
		if g := *f.of(&got); !ok || !near(g, w) {
			t.Errorf("%s = %v, independently computed %v (there: %v)", f.name, g, w, ok)
		}
	}
}

func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12*max(1, math.Abs(a), math.Abs(b))
}
