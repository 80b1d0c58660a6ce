package trees

import "fmt"

// Expected is the mean margin over the training rows as the trees' covers
// remember them: where SHAP values start from.
func (m *Model) Expected() float64 {
	if m == nil {
		return 0
	}
	sum := m.base
	for t := range m.trees {
		sum += m.trees[t].expected()
	}
	return sum
}

// expected is the leaves' mean, weighted by cover.
func (t *tree) expected() float64 {
	mean := make([]float64, len(t.nodes))
	// Children have higher numbers than their parent.
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := &t.nodes[i]
		if n.leaf() {
			mean[i] = float64(n.value)
			continue
		}
		left, right := t.shares(n)
		mean[i] = left*mean[n.left] + right*mean[n.right]
	}
	return mean[0]
}

// shares are the parts of a node's cover that went left and right.
func (t *tree) shares(n *node) (left, right float64) {
	l, r := float64(t.nodes[n.left].cover), float64(t.nodes[n.right].cover)
	if !(l+r > 0) || l < 0 || r < 0 {
		return 0.5, 0.5 // no cover known, as in a hand-made file
	}
	return l / (l + r), r / (l + r)
}

// SHAP adds up, for each feature, its share in the distance of a row's margin
// from Expected: the values of dst (one a feature) sum to it. They are exact
// Shapley values of the game that averages over unknown features by the
// trees' covers (path-dependent TreeSHAP; Lundberg, Erion and Lee, 2018,
// algorithm 2). It takes time leaves × depth² a tree.
func (m *Model) SHAP(dst []float64, row []float32) error {
	if m == nil {
		return errNoModel
	}
	if len(dst) != m.features || len(row) != m.features {
		return fmt.Errorf("trees: SHAP of %d values into %d, the model has %d features", len(row), len(dst), m.features)
	}
	clear(dst)
	w := shapWalk{dst: dst, row: row}
	for t := range m.trees {
		w.tree = &m.trees[t]
		w.visit(0, nil, 1, 1, -1)
	}
	return nil
}

// shapStep is one feature of the path from the root.
type shapStep struct {
	feature   int32
	zero, one float64 // share of paths that flow on without and with the feature
	weight    float64 // share of the subsets of a size
}

// shapWalk visits the nodes of a tree with the path to each. A path is copied
// at every level, into memory that the levels share.
type shapWalk struct {
	tree  *tree
	dst   []float64
	row   []float32
	paths []shapStep
}

// visit is RECURSE of the paper.
func (w *shapWalk) visit(at int32, parent []shapStep, zero, one float64, feature int32) {
	if zero == 0 && one == 0 {
		return // no training row and not this row: every weight would be 0
	}
	start := len(w.paths)
	w.paths = append(w.paths, parent...)
	w.paths = append(w.paths, shapStep{})
	path := w.paths[start:]
	extend(path, zero, one, feature)
	n := &w.tree.nodes[at]
	if n.leaf() {
		for i := 1; i < len(path); i++ {
			step := &path[i]
			w.dst[step.feature] += unwoundSum(path, i) * (step.one - step.zero) * float64(n.value)
		}
		w.paths = w.paths[:start]
		return
	}
	hot, cold := n.left, n.right
	hotShare, coldShare := w.tree.shares(n)
	if !n.goesLeft(w.row[n.feature]) {
		hot, cold = cold, hot
		hotShare, coldShare = coldShare, hotShare
	}
	zero, one = 1, 1
	for i := 1; i < len(path); i++ {
		if path[i].feature == n.feature {
			zero, one = path[i].zero, path[i].one
			unwind(path, i)
			path = path[:len(path)-1]
			break
		}
	}
	w.visit(hot, path, zero*hotShare, one, n.feature)
	w.visit(cold, path, zero*coldShare, 0, n.feature)
	w.paths = w.paths[:start]
}

// extend fills the last step of path and updates the weights of the others.
func extend(path []shapStep, zero, one float64, feature int32) {
	depth := len(path) - 1
	path[depth] = shapStep{feature: feature, zero: zero, one: one}
	if depth == 0 {
		path[depth].weight = 1
	}
	size := float64(depth + 1)
	for i := depth - 1; i >= 0; i-- {
		path[i+1].weight += one * path[i].weight * float64(i+1) / size
		path[i].weight = zero * path[i].weight * float64(depth-i) / size
	}
}

// unwind takes a step out of the path: the inverse of extend. The last entry
// is then to be cut off.
func unwind(path []shapStep, at int) {
	depth := len(path) - 1
	zero, one := path[at].zero, path[at].one
	size := float64(depth + 1)
	next := path[depth].weight
	for i := depth - 1; i >= 0; i-- {
		if one != 0 {
			weight := path[i].weight
			path[i].weight = next * size / (float64(i+1) * one)
			next = weight - path[i].weight*zero*float64(depth-i)/size
		} else {
			path[i].weight = path[i].weight * size / (zero * float64(depth-i))
		}
	}
	for i := at; i < depth; i++ {
		path[i].feature, path[i].zero, path[i].one = path[i+1].feature, path[i+1].zero, path[i+1].one
	}
}

// unwoundSum is the sum of the weights that unwind would leave.
func unwoundSum(path []shapStep, at int) float64 {
	depth := len(path) - 1
	zero, one := path[at].zero, path[at].one
	size := float64(depth + 1)
	next, total := path[depth].weight, 0.0
	for i := depth - 1; i >= 0; i-- {
		if one != 0 {
			weight := next * size / (float64(i+1) * one)
			total += weight
			next = path[i].weight - weight*zero*float64(depth-i)/size
		} else if zero != 0 {
			total += path[i].weight * size / (zero * float64(depth-i))
		}
	}
	return total
}
