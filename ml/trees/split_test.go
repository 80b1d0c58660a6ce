package trees

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// exactSplit tries every threshold between neighbouring values, every set of
// categories and both sides for missing values, on the rows themselves.
func exactSplit(e example, g, h []float64, p Params) (gain float64) {
	total := 0.0
	for f, column := range e.m.Columns {
		for _, goesLeft := range divisions(column, e.m.categorical(f)) {
			for _, missingLeft := range []bool{false, true} {
				var gl, hl, gr, hr float64
				nl, nr := 0, 0
				for i, v := range column {
					left := missingLeft
					if v == v {
						left = goesLeft(v)
					}
					if left {
						gl, hl, nl = gl+g[i], hl+h[i], nl+1
					} else {
						gr, hr, nr = gr+g[i], hr+h[i], nr+1
					}
				}
				total = p.score(gl+gr, hl+hr)
				if min(nl, nr) < max(1, p.MinRows) || min(hl, hr) < p.MinHessian {
					continue
				}
				gain = max(gain, p.score(gl, hl)+p.score(gr, hr)-total)
			}
		}
	}
	if gain <= p.MinGain+minRelativeGain*total {
		return 0
	}
	return gain
}

func divisions(column []float32, categorical bool) (all []func(float32) bool) {
	var s sortScratch
	keys, _ := s.distinct(column)
	var values []float32
	for _, k := range keys {
		values = append(values, fromSortKey(k))
	}
	if !categorical {
		for _, at := range values {
			all = append(all, func(v float32) bool { return v <= at })
		}
		return all
	}
	for set := range 1 << len(values) {
		all = append(all, func(v float32) bool {
			for k, w := range values {
				if v == w {
					return set>>k&1 != 0
				}
			}
			return false
		})
	}
	return all
}

// smallExample draws a few rows with few distinct values.
func smallExample(t *rapid.T) example {
	rows := rapid.IntRange(2, 40).Draw(t, "rows")
	column := func(name string, values int) []float32 {
		out := make([]float32, rows)
		for i := range out {
			out[i] = float32(rapid.IntRange(0, values).Draw(t, name))
			if out[i] == float32(values) {
				out[i] = float32(math.NaN())
			}
		}
		return out
	}
	e := example{m: Matrix{
		Columns:     [][]float32{column("a", 6), column("b", 15), column("category", 5)},
		Categorical: []bool{false, false, true},
	}}
	for range rows {
		e.y = append(e.y, float64(rapid.IntRange(0, 9).Draw(t, "y")))
	}
	return e
}

// The gain of the split that the histograms give is that of the best one, for
// every objective, weights or not, and each limit.
func TestSplitEqualsExhaustiveSearch(t *testing.T) {
	for name, p := range objectives {
		for _, weighted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s weighted %v", name, weighted), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					e := smallExample(t)
					p := p
					p.Trees, p.LearningRate, p.MaxDepth = 1, 1, 1
					p.MinRows = rapid.IntRange(0, 3).Draw(t, "MinRows")
					// Sets of categories are found by their order, which is
					// exact if the order is that of the steps.
					p.L2 = 0
					p.MinGain = 0.9173 * float64(rapid.IntRange(0, 3).Draw(t, "MinGain")) // no gain is just that
					p, err := p.check()
					if err != nil {
						t.Fatal(err)
					}
					if name == "poisson" {
						p.MaxDelta = 0 // its score is not the one that the order is exact for
					}
					if p.MinRows > 1 {
						e.m.Categorical = nil // with a limit a prefix need not be best
					}
					d := Data{X: mustBin(t, e.m), Y: e.y}
					if weighted {
						for range e.y {
							d.Weight = append(d.Weight, float64(rapid.IntRange(1, 4).Draw(t, "weight")))
						}
					}
					tr := newTrainer(d, nil, p, newLoss(p))
					if err := tr.addTree(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
					g, h := make([]float64, len(e.y)), make([]float64, len(e.y))
					for i := range g {
						g[i], h[i] = tr.loss.gradient(tr.model.base, e.y[i])
						if weighted {
							g[i], h[i] = g[i]*d.Weight[i], h[i]*d.Weight[i]
						}
					}
					want := exactSplit(e, g, h, p)
					got := tr.grower.nodes[0].best.gain
					if math.Abs(got-want) > 1e-5*max(1, want) {
						t.Fatalf("gain %v, the exhaustive search finds %v", got, want)
					}
				})
			})
		}
	}
}

// A step bound and L2 hold for numeric splits, too.
func TestBoundedSplitEqualsExhaustiveSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := smallExample(t).numeric()
		p := Params{Objective: Poisson, Trees: 1, LearningRate: 1, MaxDepth: 1}
		p.L2 = float64(rapid.IntRange(0, 3).Draw(t, "L2"))
		p.MinHessian = float64(rapid.IntRange(0, 3).Draw(t, "MinHessian"))
		p, err := p.check()
		if err != nil {
			t.Fatal(err)
		}
		tr := newTrainer(Data{X: mustBin(t, e.m), Y: e.y}, nil, p, newLoss(p))
		if err := tr.addTree(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		g, h := make([]float64, len(e.y)), make([]float64, len(e.y))
		for i := range g {
			g[i], h[i] = tr.loss.gradient(tr.model.base, e.y[i])
		}
		if got, want := tr.grower.nodes[0].best.gain, exactSplit(e, g, h, p); math.Abs(got-want) > 1e-5*max(1, want) {
			t.Fatalf("gain %v, the exhaustive search finds %v", got, want)
		}
	})
}

// The sums of every node are those of its rows, so that subtraction and
// partition are right at every depth.
func TestNodeSumsAreThoseOfTheirRows(t *testing.T) {
	e := newExample(30000, 3) // more than sharedRows
	weight := make([]float64, len(e.y))
	for i := range weight {
		weight[i] = float64(1 + i%3)
	}
	for _, weight := range [][]float64{nil, weight} {
		p, err := Params{Trees: 1, LearningRate: 0.3, MaxDepth: 6, Subsample: 0.9, Workers: 3}.check()
		if err != nil {
			t.Fatal(err)
		}
		tr := newTrainer(Data{X: e.bin(t, 64), Y: e.y, Weight: weight}, nil, p, newLoss(p))
		if err := tr.addTree(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		g := tr.grower
		if len(g.nodes) < 60 {
			t.Fatalf("only %d nodes", len(g.nodes))
		}
		for i := range g.nodes {
			n := &g.nodes[i]
			var want cell
			for at, r := range g.rows[n.from:n.to] {
				if n.leaf() && at > 0 && r <= g.rows[n.from+at-1] {
					t.Fatalf("leaf %d: rows are not ascending", i)
				}
				if g.grads.unit {
					v := g.grads.packed[r]
					want.add(cell{v >> packedRowBits, 1})
				} else {
					want.add(g.grads.wide[r])
				}
			}
			if n.sum != want {
				t.Fatalf("node %d: sum %v, its rows sum to %v", i, n.sum, want)
			}
		}
	}
}
