package producer

import (
	"fmt"
	"math"
	"testing"
)

// moments of n draws are those of the distribution, within five standard
// errors of a normal's and a hundredth more for its kurtosis.
func checkMoments(t *testing.T, mean, variance float64, draw func() float64) {
	t.Helper()
	const n = 200_000
	sum, squares := 0.0, 0.0
	for range n {
		d := draw() - mean
		sum += d
		squares += d * d
	}
	if off, most := math.Abs(sum/n), 5*math.Sqrt(variance/n); off > most {
		t.Errorf("the mean is %g off %g: expected at most %g", off, mean, most)
	}
	if ratio := squares / n / variance; math.Abs(ratio-1) > 0.03 {
		t.Errorf("the variance is %g of %g", ratio, variance)
	}
}

func TestDraws(t *testing.T) {
	for _, mean := range []float64{0.01, 0.5, 9.9, 10, 30, 5000, 1e7} {
		t.Run(fmt.Sprint("poisson ", mean), func(t *testing.T) {
			r := newRandom(1, "draws")
			checkMoments(t, mean, mean+1e-9, func() float64 { return float64(r.poisson(mean)) })
		})
	}
	for _, c := range []struct {
		n int64
		p float64
	}{{1, 0.5}, {40, 0.04}, {399, 0.04}, {401, 0.04}, {1_000_000, 0.2}} {
		t.Run(fmt.Sprint("binomial ", c), func(t *testing.T) {
			r := newRandom(2, "draws")
			mean := float64(c.n) * c.p
			variance := mean * (1 - c.p)
			checkMoments(t, mean, variance, func() float64 { return float64(r.binomial(c.n, c.p)) })
		})
	}
	for _, shape := range []int{1, 6, 20, 300} {
		t.Run(fmt.Sprint("erlang ", shape), func(t *testing.T) {
			r := newRandom(3, "draws")
			checkMoments(t, 1, 1/float64(shape), func() float64 { return r.erlang(shape) })
		})
	}
	for _, n := range []int64{1, 32, 33, 1000} {
		t.Run(fmt.Sprint("sum of uniform ", n), func(t *testing.T) {
			r := newRandom(4, "draws")
			checkMoments(t, 14.5*float64(n), 399.0/12*float64(n), func() float64 { return float64(r.sumOfUniform(n, 5, 24)) })
		})
	}
}

// Each number comes as often as it should, on both sides of where the method
// changes.
func TestPoissonProbabilities(t *testing.T) {
	for _, mean := range []float64{0.5, 9.9, 10.1, 25} {
		const n = 200_000
		r := newRandom(5, "draws")
		seen := map[int64]float64{}
		for range n {
			seen[r.poisson(mean)]++
		}
		for k := range int64(60) {
			lg, _ := math.Lgamma(float64(k) + 1)
			p := math.Exp(float64(k)*math.Log(mean) - mean - lg)
			if off := math.Abs(seen[k] - n*p); off > 5*math.Sqrt(n*p)+3 {
				t.Errorf("mean %g: %d came %g times: expected about %g", mean, k, seen[k], n*p)
			}
		}
	}
}

func TestDrawsOfNothing(t *testing.T) {
	r := newRandom(6, "draws")
	if n := r.poisson(0) + r.poisson(math.NaN()) + r.binomial(0, 0.5) + r.binomial(9, 0) + r.sumOfUniform(0, 5, 24); n != 0 {
		t.Errorf("got %d: expected 0", n)
	}
	if n := r.binomial(9, 1); n != 9 {
		t.Errorf("got %d of 9 certain ones", n)
	}
}
