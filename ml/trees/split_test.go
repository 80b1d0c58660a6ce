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
		p.MinHessian = 1.037 * float64(rapid.IntRange(0, 90).Draw(t, "MinHessian"))
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

// wideExample has 16 numeric features: two words a row.
func wideExample(rows int) example {
	m, y := benchRows(rows, 16)
	return example{m: m, y: y}
}

// The sums of every node are those of its rows, so that histograms,
// subtraction and partition are right at every depth and tree after tree.
func TestNodeSumsAreThoseOfTheirRows(t *testing.T) {
	e := wideExample(20000) // more than sharedRows
	weight := make([]float64, len(e.y))
	for i := range weight {
		weight[i] = float64(1 + i%3)
	}
	x := e.bin(t, 64)
	for _, weight := range [][]float64{nil, weight} {
		p, err := Params{LearningRate: 0.3, MaxDepth: 6, Subsample: 0.9, ColumnShare: 0.7, Workers: 3, Trees: 4}.check()
		if err != nil {
			t.Fatal(err)
		}
		tr := newTrainer(Data{X: x, Y: e.y, Weight: weight}, nil, p, newLoss(p))
		for round := range p.Trees {
			if err := tr.addTree(t.Context(), round+1); err != nil {
				t.Fatal(err)
			}
			checkSums(t, tr.grower)
		}
	}
}

func checkSums(t *testing.T, g *grower) {
	t.Helper()
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

// Best-first growth makes the splits that a search of the whole tree would
// choose one after the other by gain.
func TestBestFirstTakesTheLargestGains(t *testing.T) {
	e := wideExample(3000)
	x := e.bin(t, 64)
	grow := func(p Params) []grownNode {
		p, err := p.check()
		if err != nil {
			t.Fatal(err)
		}
		tr := newTrainer(Data{X: x, Y: e.y}, nil, p, newLoss(p))
		if err := tr.addTree(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		return tr.grower.nodes
	}
	whole := grow(Params{Trees: 1, LearningRate: 1, MinRows: 20})
	open, want := []int32{0}, 0.0
	for limit := 2; limit <= 30; limit++ {
		best := 0
		for k, i := range open {
			if whole[i].best.gain > whole[open[best]].best.gain {
				best = k
			}
		}
		n := whole[open[best]]
		want += n.best.gain
		open = append(append(open[:best:best], open[best+1:]...), n.left, n.right)
		got, leaves := 0.0, 0
		for _, n := range grow(Params{Trees: 1, LearningRate: 1, MinRows: 20, MaxLeaves: limit}) {
			if n.leaf() {
				leaves++
			} else {
				got += n.best.gain
			}
		}
		if leaves != limit || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%d leaves with a gain of %v, want %d with %v", leaves, got, limit, want)
		}
	}
}

// The largest gradients, all of one sign, fit into a histogram's integers.
func TestHistogramsDoNotOverflow(t *testing.T) {
	const rows = 150_000 // more than two packed chunks
	x, err := Bin(Matrix{Columns: [][]float32{make([]float32, rows)}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []bool{true, false} {
		for _, size := range []float32{1e-30, 1, math.Nextafter32(4, 0), 4, 1e30} {
			for _, sign := range []float32{-1, 1} {
				q := newGradients(rows, unit)
				for i := range q.g {
					q.g[i] = sign * size
					if !unit {
						q.h[i] = size
					}
				}
				q.quantise(1)
				g := newGrower(x, Params{Workers: 1}, q)
				for i := range g.rows {
					g.rows[i] = int32(i)
				}
				g.active, g.plan = []int{0}, planWords([]int{0})
				hist := g.take()
				g.histogram(g.rows, hist)
				gotG, gotH := q.sums(hist[0])
				wantG, wantH := float64(sign*size)*rows, float64(size)*rows
				if unit {
					wantH = rows
				}
				if n := q.rowsOf(hist[0]); n != rows || math.Abs(gotG-wantG) > 1e-5*math.Abs(wantG) || math.Abs(gotH-wantH) > 1e-5*wantH {
					t.Errorf("unit %v, gradient %v: sums %v and %v of %d rows, want %v and %v of %d", unit, sign*size, gotG, gotH, n, wantG, wantH, rows)
				}
			}
		}
	}
	if wideGradBits+rowBits > 62 || wideHessBits+rowBits > 63 || packedGradBits+16+packedRowBits > 63 || packedRows > 1<<16 {
		t.Error("sums of MaxRows rows do not fit into 64 bits")
	}
}

// CategorySmooth keeps a rare category, however extreme, from a side alone.
func TestCategorySmoothTamesRareCategories(t *testing.T) {
	column, y := []float32{2}, []float64{30}
	for range 40 {
		column, y = append(column, 0, 1), append(y, 0, 5)
	}
	x, err := Bin(Matrix{Columns: [][]float32{column}, Categorical: []bool{true}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, smooth := range []float64{0, 50} {
		m := train(t, Data{X: x, Y: y}, Params{Trees: 1, LearningRate: 1, MaxDepth: 1, CategorySmooth: smooth})
		got := make([]float64, 2)
		if err := m.Predict(got, []float32{1, 2}); err != nil {
			t.Fatal(err)
		}
		if together := got[0] == got[1]; together != (smooth > 0) {
			t.Errorf("smoothing %v: category 1 gives %v, the rare category 2 gives %v", smooth, got[0], got[1])
		}
	}
}
