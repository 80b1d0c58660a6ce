package trees

import (
	"math"
	"math/rand/v2"
	"testing"
)

// walk scores row by row, the plain way.
func (m *Model) walk(dst []float64, rows []float32) {
	for i := range dst {
		dst[i] = 0
		for t := range m.trees {
			dst[i] += float64(m.trees[t].leafOf(rows[i*m.features:][:m.features]).value)
		}
		dst[i] += m.base
	}
}

// example is random data with a signal: numbers, few integers, categories and
// missing values.
type example struct {
	m Matrix
	y []float64
}

func newExample(rows int, seed uint64) example {
	r := rand.New(rand.NewPCG(seed, 1))
	columns := make([][]float32, 5)
	for f := range columns {
		columns[f] = make([]float32, rows)
	}
	y := make([]float64, rows)
	for i := range rows {
		columns[0][i] = float32(r.NormFloat64())
		columns[1][i] = float32(r.IntN(7))
		columns[2][i] = float32(r.IntN(20))
		columns[3][i] = float32(r.ExpFloat64())
		columns[4][i] = float32(r.NormFloat64())
		mean := math.Exp(0.5*float64(columns[0][i]) + 0.2*float64(columns[1][i]) - 0.3*math.Mod(float64(columns[2][i]), 3))
		y[i] = math.Round(mean * r.ExpFloat64())
		for f := range columns {
			if r.Float64() < 0.08 {
				columns[f][i] = float32(math.NaN())
			}
		}
	}
	return example{
		m: Matrix{Names: []string{"normal", "small", "category", "skew", "noise"}, Columns: columns, Categorical: []bool{false, false, true, false, false}},
		y: y,
	}
}

func (e example) bin(t testing.TB, bins int) *Binned {
	t.Helper()
	b, err := Bin(e.m, bins)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numeric is the example without its categorical column's flag.
func (e example) numeric() example {
	e.m.Categorical = nil
	return e
}

// objectives are parameters for every objective that can be trained.
var objectives = map[string]Params{
	"squared":  {Objective: SquaredError},
	"poisson":  {Objective: Poisson},
	"tweedie":  {Objective: Tweedie, Power: 1.3},
	"quantile": {Objective: Quantile, Alpha: 0.7},
}

func train(t testing.TB, d Data, p Params) *Model {
	t.Helper()
	m, err := Train(t.Context(), d, nil, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
