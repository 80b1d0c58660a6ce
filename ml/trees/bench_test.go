package trees

import (
	"math"
	"math/rand/v2"
	"testing"
)

// benchRows are rows with numbers only and a target that depends on four of
// the features.
func benchRows(rows, features int) (Matrix, []float64) {
	r := rand.New(rand.NewPCG(1, 2))
	m := Matrix{}
	for range features {
		column := make([]float32, rows)
		for i := range column {
			column[i] = float32(r.NormFloat64())
		}
		m.Columns = append(m.Columns, column)
	}
	y := make([]float64, rows)
	for i := range y {
		a, b, c, d := float64(m.Columns[0][i]), float64(m.Columns[1][i]), float64(m.Columns[2][i]), float64(m.Columns[3][i])
		y[i] = math.Exp((a*b + math.Sin(3*c) + 2*d + 2*r.NormFloat64()) / 4)
	}
	return m, y
}

func BenchmarkBin(b *testing.B) {
	m, _ := benchRows(100000, 30)
	for b.Loop() {
		if _, err := Bin(m, 255); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(m.Rows()*len(m.Columns))*float64(b.N)/b.Elapsed().Seconds(), "values/s")
}

// A tree is one iteration.
func BenchmarkTrain(b *testing.B) {
	m, y := benchRows(100000, 30)
	x, err := Bin(m, 255)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"squared", "poisson", "tweedie", "quantile"} {
		p := objectives[name]
		p.LearningRate, p.MaxDepth, p.MinRows, p.Trees = 0.1, 8, 20, 10
		b.Run("deep/"+name, func(b *testing.B) { benchTrain(b, Data{X: x, Y: y}, p) })
		p.MaxDepth, p.MaxLeaves, p.Subsample, p.ColumnShare = 0, 31, 0.7, 0.5
		b.Run("leaves/"+name, func(b *testing.B) { benchTrain(b, Data{X: x, Y: y}, p) })
	}
}

func benchTrain(b *testing.B, d Data, p Params) {
	for b.Loop() {
		if _, err := Train(b.Context(), d, nil, p, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(d.X.Rows()*p.Trees)*float64(b.N)/b.Elapsed().Seconds(), "row-trees/s")
}

// 200 trees of depth 8, one core.
func BenchmarkScore(b *testing.B) {
	m, y := benchRows(50000, 30)
	x, err := Bin(m, 255)
	if err != nil {
		b.Fatal(err)
	}
	model, err := Train(b.Context(), Data{X: x, Y: y}, nil, Params{Trees: 200, MaxDepth: 8, LearningRate: 0.1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	rows := m.RowMajor(0, 20000)
	ensemble, err := model.Leaves()
	if err != nil {
		b.Fatal(err)
	}
	wide := make([]float64, len(rows))
	for i, v := range rows {
		wide[i] = float64(v)
	}
	for _, n := range []int{1, 16, 20000} {
		dst := make([]float64, n)
		run := func(name string, score func()) {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					score()
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
		switch n {
		case 1:
			run("one/trees", func() { _ = model.Margin(dst, rows[:n*30]) })
			run("one/leaves", func() { ensemble.PredictSingle(wide[:30], 0) })
		case 16:
			run("few/trees", func() { _ = model.Margin(dst, rows[:n*30]) })
			run("few/leaves", func() { _ = ensemble.PredictDense(wide, n, 30, dst, 0, 1) })
		default:
			run("many/trees", func() { _ = model.Margin(dst, rows[:n*30]) })
			run("many/walk", func() { model.walk(dst, rows[:n*30]) })
			run("many/leaves", func() { _ = ensemble.PredictDense(wide, n, 30, dst, 0, 1) })
		}
	}
}

func BenchmarkSHAP(b *testing.B) {
	m, y := benchRows(20000, 30)
	x, err := Bin(m, 255)
	if err != nil {
		b.Fatal(err)
	}
	model, err := Train(b.Context(), Data{X: x, Y: y}, nil, Params{Trees: 100, MaxLeaves: 31, LearningRate: 0.1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	dst, rows := make([]float64, 30), m.RowMajor(0, 1000)
	for i := 0; b.Loop(); i++ {
		if err := model.SHAP(dst, rows[i%1000*30:][:30]); err != nil {
			b.Fatal(err)
		}
	}
}
