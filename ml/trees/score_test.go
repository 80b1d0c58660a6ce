package trees

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// extreme replaces some values by ones that training does not see.
func extreme(rows []float32, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 3))
	odd := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1e9, 2.5}
	for i := range rows {
		if r.Float64() < 0.05 {
			rows[i] = odd[r.IntN(len(odd))]
		}
	}
	return rows
}

// The block scorer, a plain walk and leaves agree to the bit, for any number
// of rows, with missing and odd values.
func TestScoresAgreeWithAPlainWalkAndLeaves(t *testing.T) {
	for name, p := range objectives {
		for _, categorical := range []bool{false, true} {
			e := newExample(2500, 12)
			if !categorical {
				e = e.numeric()
			}
			p.Trees, p.LearningRate, p.MaxLeaves, p.MinRows = 20, 0.2, 25, 3
			m := train(t, Data{X: e.bin(t, 255), Y: e.y}, p)
			all := extreme(e.m.RowMajor(0, 700), 1)
			// Each value lies on a threshold, too.
			for i := range all {
				n := &m.trees[i%20].nodes[0]
				if i%17 == int(n.feature) && !n.categorical {
					all[i/m.features*m.features+int(n.feature)] = n.threshold
				}
			}
			for _, n := range []int{0, 1, 2, 3, 4, 5, 127, 128, 129, 700} {
				rows := all[:n*m.features]
				got, want := make([]float64, n), make([]float64, n)
				if err := m.Margin(got, rows); err != nil {
					t.Fatal(err)
				}
				m.walk(want, rows)
				for i := range want {
					if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
						t.Fatalf("%s, %d rows: margin %v of row %d, a plain walk gives %v", name, n, got[i], i, want[i])
					}
				}
			}
			err := m.CrossCheck(all)
			if categorical != errors.Is(err, ErrNotForLeaves) || !categorical && err != nil {
				t.Errorf("%s, categorical %v: check against leaves: %v", name, categorical, err)
			}
		}
	}
}

// More features than have columns of ranks: some trees are ranked, some not.
func TestManyFeaturesScoreTheSame(t *testing.T) {
	const features = maxColumns/2 + 50
	r := rand.New(rand.NewPCG(3, 3))
	m := &Model{features: features}
	for f := range int32(features) {
		m.trees = append(m.trees, tree{nodes: []node{
			{feature: f, threshold: float32(r.NormFloat64()), left: 1, right: 2, missingLeft: f%2 == 0},
			{value: float32(r.NormFloat64())},
			{value: float32(r.NormFloat64())},
		}})
	}
	rows := make([]float32, 150*features)
	for i := range rows {
		rows[i] = float32(r.NormFloat64())
		if i%11 == 0 {
			rows[i] = float32(math.NaN())
		}
	}
	got, want := make([]float64, 150), make([]float64, 150)
	if err := m.Margin(got, rows); err != nil {
		t.Fatal(err)
	}
	m.walk(want, rows)
	if !slices.Equal(got, want) {
		t.Error("margins differ from those of a plain walk")
	}
	ranked := 0
	for _, tree := range m.scorer.trees {
		if tree.plain == nil {
			ranked++
		}
	}
	if ranked != maxColumns/2 {
		t.Errorf("%d trees are ranked, want %d", ranked, maxColumns/2)
	}
}

// leaves has paths of its own for one feature and for trees of one leaf.
func TestCrossCheckOfTheSmallestModels(t *testing.T) {
	x, err := Bin(Matrix{Columns: [][]float32{{1, 2, 3, 4}}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range [][]float64{{1, 1, 5, 5}, {3, 3, 3, 3}} {
		m := train(t, Data{X: x, Y: y}, Params{Trees: 2, LearningRate: 1, MaxDepth: 2})
		if err := m.CrossCheck([]float32{1, 2, 3, 4, float32(math.NaN())}); err != nil {
			t.Errorf("targets %v: %v", y, err)
		}
	}
	if err := (&Model{features: 1}).CrossCheck([]float32{1}); !errors.Is(err, ErrNotForLeaves) {
		t.Errorf("a model without trees: %v", err)
	}
}

// CrossCheck finds a wrong evaluator.
func TestCrossCheckFindsADifference(t *testing.T) {
	e := newExample(500, 13).numeric()
	m := train(t, Data{X: e.bin(t, 64), Y: e.y}, Params{Trees: 3, LearningRate: 0.5, MaxDepth: 3})
	rows := e.m.RowMajor(0, 100)
	if err := m.CrossCheck(rows); err != nil {
		t.Fatal(err)
	}
	for i := range m.scorer.trees[1].values {
		m.scorer.trees[1].values[i] += 0.01
	}
	if err := m.CrossCheck(rows); err == nil {
		t.Error("an altered tree goes unnoticed")
	}
}

func TestPredictRefusesWrongLengths(t *testing.T) {
	e := newExample(100, 14)
	m := train(t, Data{X: e.bin(t, 64), Y: e.y}, Params{Trees: 1, LearningRate: 0.5})
	if err := m.Predict(make([]float64, 2), make([]float32, 9)); err == nil {
		t.Error("9 values are taken for 2 rows of 5 features")
	}
	if err := m.SHAP(make([]float64, 4), make([]float32, 5)); err == nil {
		t.Error("SHAP takes 4 results for 5 features")
	}
	if err := (*Model)(nil).Predict(nil, nil); err == nil {
		t.Error("a nil model predicts")
	}
}

// A tree with more nodes than a number of the scorer holds is walked instead.
func TestHugeTreeIsWalked(t *testing.T) {
	n := 40000
	column, y := make([]float32, n), make([]float64, n)
	for i := range column {
		column[i], y[i] = float32(i), float64(i%2)
	}
	// Training would not grow it from this target: build it.
	big := tree{}
	var build func(from, to int) int32
	build = func(from, to int) int32 {
		at := int32(len(big.nodes))
		big.nodes = append(big.nodes, node{})
		if to-from == 1 {
			big.nodes[at].value = float32(y[from])
			return at
		}
		middle := (from + to) / 2
		left := build(from, middle)
		right := build(middle, to)
		big.nodes[at] = node{threshold: column[middle], left: left, right: right}
		return at
	}
	build(0, n)
	m := &Model{features: 1, trees: []tree{big}}
	got := make([]float64, n)
	if err := m.Predict(got, column); err != nil {
		t.Fatal(err)
	}
	for i := range y {
		if got[i] != y[i] {
			t.Fatalf("row %d: %v, want %v", i, got[i], y[i])
		}
	}
}
