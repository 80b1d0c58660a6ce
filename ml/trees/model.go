package trees

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Model is a sum of trees. It does not change after Train or Decode and is
// safe for concurrent use.
type Model struct {
	objective Objective
	alpha     float64 // Quantile
	power     float64 // Tweedie
	maxDelta  float64 // Poisson

	names       []string // nil: none
	features    int
	categorical []bool  // one a feature, nil: none
	start       float32 // the constant, on the response scale as files hold it
	base        float64 // the constant as a margin
	trees       []tree

	scorerOnce sync.Once
	scorer     *scorer
}

// tree is a list of nodes, the root first.
type tree struct{ nodes []node }

// node is a split, or a leaf if left is 0: no child is the root.
type node struct {
	feature     int32
	left, right int32   // both 0: a leaf
	threshold   float32 // lower values go left
	missingLeft bool
	categorical bool
	categories  []int32 // the codes that go right, ascending
	value       float32 // of a leaf; otherwise what the node would be as one
	gain        float32
	cover       float32 // sum of hessians
}

func (n *node) leaf() bool { return n.left == 0 }

// goesLeft applies a split to a value.
func (n *node) goesLeft(v float32) bool {
	switch {
	case v != v:
		return n.missingLeft
	case n.categorical:
		return !hasCategory(n.categories, v)
	default:
		return v < n.threshold
	}
}

// hasCategory looks a code up. As in XGBoost, fractions are cut off and what
// no set can hold is in none.
func hasCategory(codes []int32, v float32) bool {
	if v < 0 || v >= maxCategory {
		return false
	}
	_, found := slices.BinarySearch(codes, int32(v))
	return found
}

// leafOf is the leaf that a row ends in.
func (t *tree) leafOf(row []float32) *node {
	n := &t.nodes[0]
	for !n.leaf() {
		if n.goesLeft(row[n.feature]) {
			n = &t.nodes[n.left]
		} else {
			n = &t.nodes[n.right]
		}
	}
	return n
}

func newModel(l *layout, p Params, start float32) *Model {
	m := &Model{
		objective: p.Objective, alpha: p.Alpha, power: p.Power, maxDelta: p.MaxDelta,
		names: l.names, features: len(l.features),
		start: start, base: p.Objective.margin(float64(start)),
	}
	if slices.ContainsFunc(l.features, func(f feature) bool { return f.categorical }) {
		m.categorical = make([]bool, m.features)
		for f := range l.features {
			m.categorical[f] = l.features[f].categorical
		}
	}
	return m
}

// tree converts the grown tree: from bins to values, and to nodes numbered
// level by level, as Decode numbers them.
func (g *grower) tree() tree {
	nodes := make([]node, 0, len(g.nodes))
	order := make([]int32, 1, len(g.nodes)) // numbers in g.nodes
	for at := 0; at < len(order); at++ {
		grown := &g.nodes[order[at]]
		n := g.node(grown)
		if !grown.leaf() {
			n.left, n.right = int32(len(order)), int32(len(order)+1)
			order = append(order, grown.left, grown.right)
		}
		nodes = append(nodes, n)
	}
	return tree{nodes: nodes}
}

// node converts a grown node but for its children.
func (g *grower) node(from *grownNode) node {
	sumG, sumH := g.grads.sums(from.sum)
	n := node{cover: limitFloat32(sumH), value: from.value}
	if from.leaf() {
		return n
	}
	n.value = limitFloat32(g.p.LearningRate * g.p.leafStep(sumG, sumH))
	n.gain = limitFloat32(from.best.gain)
	n.feature = int32(from.best.feature)
	n.missingLeft = from.best.missingLeft
	feature := &g.x.features[from.best.feature]
	switch {
	case feature.categorical:
		n.categorical = true
		n.categories = feature.categories(&from.best.set)
	case int(from.best.bin) < len(feature.cuts):
		n.threshold = feature.cuts[from.best.bin]
	default:
		// Every value goes left, and missing ones right.
		n.threshold = math.MaxFloat32
	}
	return n
}

// categories turns bins into codes.
func (f *feature) categories(set *binSet) []int32 {
	var codes []int32
	for bin, code := range f.codes {
		if set.has(uint8(bin)) {
			codes = append(codes, code)
		}
	}
	return codes
}

// Objective is what the model was trained for.
func (m *Model) Objective() Objective { return m.objective }

// Alpha is the quantile of a Quantile model, otherwise 0.
func (m *Model) Alpha() float64 { return m.alpha }

// Features is the number of features of a row.
func (m *Model) Features() int { return m.features }

// Names are the names of the features, nil if the model has none.
func (m *Model) Names() []string { return slices.Clone(m.names) }

// Trees is the number of trees.
func (m *Model) Trees() int { return len(m.trees) }

// checkRows verifies the shape of a call.
func (m *Model) checkRows(dst []float64, rows []float32) error {
	if len(rows) != len(dst)*m.Features() {
		return fmt.Errorf("trees: %d values given for %d rows of %d features, expected %d",
			len(rows), len(dst), m.Features(), len(dst)*m.Features())
	}
	return nil
}

var errNoModel = errors.New("trees: the model is nil")

// Predict writes the prediction of each row to dst, on the scale of the
// target. rows holds len(dst) rows of Features values each, NaN for missing.
// It fails only if the lengths do not fit. It uses the calling goroutine.
func (m *Model) Predict(dst []float64, rows []float32) error {
	if err := m.Margin(dst, rows); err != nil {
		return err
	}
	switch m.objective {
	case SquaredError, Quantile, AbsoluteError:
	default:
		for i, v := range dst {
			dst[i] = m.objective.response(v)
		}
	}
	return nil
}

// Margin is Predict before the link: the logarithm of the mean for Poisson,
// Tweedie and Gamma, the log-odds for Logistic, the prediction otherwise.
func (m *Model) Margin(dst []float64, rows []float32) error {
	if m == nil {
		return errNoModel
	}
	if err := m.checkRows(dst, rows); err != nil {
		return err
	}
	m.scorerOnce.Do(func() { m.scorer = newScorer(m) })
	clear(dst)
	m.scorer.add(dst, rows, m.features)
	for i := range dst {
		dst[i] += m.base
	}
	return nil
}
