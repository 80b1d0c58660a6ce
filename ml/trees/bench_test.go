package trees

import (
	"context"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
)

func benchModel(b *testing.B, trees, depth int) (*Model, []float32) {
	r := rand.New(rand.NewPCG(1, 2))
	m := Matrix{}
	n := 50000
	for range 30 {
		c := make([]float32, n)
		for i := range c {
			c[i] = float32(r.NormFloat64())
		}
		m.Columns = append(m.Columns, c)
	}
	y := make([]float64, n)
	for i := range y {
		y[i] = float64(m.Columns[0][i]*m.Columns[1][i]) + math.Sin(3*float64(m.Columns[2][i])) + 2*float64(m.Columns[3][i]) + 2*r.NormFloat64()
	}
	x, err := Bin(m, 255)
	if err != nil {
		b.Fatal(err)
	}
	model, err := Train(context.Background(), Data{X: x, Y: y}, nil, Params{Trees: trees, MaxDepth: depth, LearningRate: .1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return model, m.RowMajor(0, 20000)
}

var last float64

func cpu(*testing.B) float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(0, &u)
	now := float64(u.Utime.Nano())
	d := now - last
	last = now
	return d
}

func BenchmarkScore(b *testing.B) {
	m, rows := benchModel(b, 200, 8)
	n := len(rows) / 30
	dst := make([]float64, n)
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			m.walk(dst, rows)
		}
		b.ReportMetric(cpu(b)/float64(b.N)/float64(n), "cpu-ns/row")
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("scorer", func(b *testing.B) {
		s := newScorer(m)
		for b.Loop() {
			s.add(dst, rows, 30)
		}
		b.ReportMetric(cpu(b)/float64(b.N)/float64(n), "cpu-ns/row")
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("leaves", func(b *testing.B) {
		e, err := m.Leaves()
		if err != nil {
			b.Fatal(err)
		}
		wide := make([]float64, len(rows))
		for i, v := range rows {
			wide[i] = float64(v)
		}
		for b.Loop() {
			if err := e.PredictDense(wide, n, 30, dst, 0, 1); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(cpu(b)/float64(b.N)/float64(n), "cpu-ns/row")
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("leaves1", func(b *testing.B) {
		e, _ := m.Leaves()
		wide := make([]float64, 30)
		for i, v := range rows[:30] {
			wide[i] = float64(v)
		}
		for b.Loop() {
			e.PredictSingle(wide, 0)
		}
	})
	b.Run("walk1", func(b *testing.B) {
		for b.Loop() {
			m.walk(dst[:1], rows[:30])
		}
	})
	b.Run("scorer1", func(b *testing.B) {
		s := newScorer(m)
		for b.Loop() {
			s.add(dst[:1], rows[:30], 30)
		}
	})
}
