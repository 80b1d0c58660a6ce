package trees

import (
	"math"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// conditional is the mean of a tree for a row of which only the features in
// the set known are known: the game whose Shapley values TreeSHAP computes.
func (t *tree) conditional(at int32, row []float32, known uint) float64 {
	n := &t.nodes[at]
	if n.leaf() {
		return float64(n.value)
	}
	if known>>n.feature&1 != 0 {
		if n.goesLeft(row[n.feature]) {
			return t.conditional(n.left, row, known)
		}
		return t.conditional(n.right, row, known)
	}
	left, right := t.shares(n)
	return left*t.conditional(n.left, row, known) + right*t.conditional(n.right, row, known)
}

// shapley sums over all subsets of features, as defined.
func shapley(m *Model, row []float32, f int) (sum float64) {
	for known := range uint(1) << m.features {
		if known>>f&1 != 0 {
			continue
		}
		size := bits.OnesCount(known)
		weight := math.Gamma(float64(size+1)) * math.Gamma(float64(m.features-size)) / math.Gamma(float64(m.features+1))
		for t := range m.trees {
			tree := &m.trees[t]
			sum += weight * (tree.conditional(0, row, known|1<<f) - tree.conditional(0, row, known))
		}
	}
	return sum
}

func TestSHAPEqualsShapleyOverAllSubsets(t *testing.T) {
	for name, p := range objectives {
		p.Trees, p.LearningRate, p.MaxDepth = 3, 0.5, 6
		e := newExample(400, 15)
		m := train(t, Data{X: e.bin(t, 32), Y: e.y}, p)
		rows := extreme(e.m.RowMajor(0, 40), 2)
		got := make([]float64, m.features)
		for i := range 40 {
			row := rows[i*m.features:][:m.features]
			if err := m.SHAP(got, row); err != nil {
				t.Fatal(err)
			}
			for f := range got {
				if want := shapley(m, row, f); math.Abs(got[f]-want) > 1e-6 {
					t.Fatalf("%s, row %d, feature %d: %v, all subsets give %v", name, i, f, got[f], want)
				}
			}
		}
	}
}

// The values of a row sum to its distance from Expected, and Expected is the
// mean margin of the training rows if every row has the hessian 1.
func TestSHAPSumsToTheMargin(t *testing.T) {
	e := newExample(600, 16)
	p := Params{Trees: 20, LearningRate: 0.3, MaxLeaves: 31}
	m := train(t, Data{X: e.bin(t, 64), Y: e.y}, p)
	rows := e.m.RowMajor(0, len(e.y))
	margin, values := make([]float64, len(e.y)), make([]float64, m.features)
	if err := m.Margin(margin, rows); err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for i := range margin {
		mean += margin[i] / float64(len(margin))
		if err := m.SHAP(values, rows[i*m.features:][:m.features]); err != nil {
			t.Fatal(err)
		}
		sum := m.Expected()
		for _, v := range values {
			sum += v
		}
		if math.Abs(sum-margin[i]) > 1e-6 {
			t.Fatalf("row %d: the values sum to %v, the margin is %v", i, sum, margin[i])
		}
	}
	if math.Abs(mean-m.Expected()) > 1e-5 {
		t.Errorf("Expected is %v, the mean margin %v", m.Expected(), mean)
	}
}

// extend and unwind are inverses.
func TestUnwindUndoesExtend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0.05, 1)
		n := rapid.IntRange(1, 8).Draw(t, "n")
		path := []shapStep{}
		add := func(zero, one float64) {
			path = append(path, shapStep{})
			extend(path, zero, one, int32(len(path)))
		}
		add(1, 1)
		for range n {
			add(share.Draw(t, "zero"), rapid.SampledFrom([]float64{0, 1}).Draw(t, "one"))
		}
		want := append([]shapStep(nil), path...)
		add(share.Draw(t, "zero"), rapid.SampledFrom([]float64{0, 1}).Draw(t, "one"))
		unwind(path, len(path)-1)
		for i := range want {
			if math.Abs(path[i].weight-want[i].weight) > 1e-9 {
				t.Fatalf("weight %d is %v, was %v", i, path[i].weight, want[i].weight)
			}
		}
	})
}

func TestImportanceCountsSplits(t *testing.T) {
	m := &Model{features: 3, names: []string{"a", "b", "c"}, trees: []tree{
		{nodes: []node{{feature: 2, left: 1, right: 2, gain: 5, cover: 10}, {value: 1, cover: 4}, {feature: 0, left: 3, right: 4, gain: 1, cover: 6}, {value: 2}, {value: 3}}},
		{nodes: []node{{feature: 2, left: 1, right: 2, gain: 2, cover: 8}, {value: 1}, {value: 2}}},
	}}
	want := []FeatureImportance{
		{Feature: 2, Name: "c", Gain: 7, Cover: 18, Splits: 2},
		{Feature: 0, Name: "a", Gain: 1, Cover: 6, Splits: 1},
	}
	got := m.Importance()
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("importance %v, want %v", got, want)
	}
}
