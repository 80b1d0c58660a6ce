package trees

import (
	"slices"
	"sync"
)

// scorer evaluates many rows at once. It replaces a row's values by their rank
// among the thresholds of their feature, so that a step down a tree compares
// small integers and takes no branch; and it takes one tree at a time over a
// block of rows, so that both stay in the cache.
//
// Trees with categorical splits are walked row by row.
type scorer struct {
	features []rankedFeature
	trees    []rankedTree
	buffers  sync.Pool // of *[]uint16
}

// rankedFeature is a feature that occurs in a numeric split.
type rankedFeature struct {
	feature    int
	thresholds []float32 // ascending, distinct
	keys       []uint32  // their sort keys
}

// rankedTree is a tree whose nodes are one word each:
//
//	bits  0–15  65535 less the highest rank that goes left
//	bits 16–31  the left child; the right one follows
//	bits 32–63  where the ranks of the split's column start
//
// Adding a row's rank to the low half carries into the child's number just
// when the rank goes right. A leaf is its own left child and lets no rank
// carry, so that all rows take the same number of steps.
type rankedTree struct {
	nodes  []uint64
	values []float64 // by node
	depth  int
	plain  *tree // instead of the above
}

// Each feature has two columns of ranks. They differ in a missing value: it
// ranks lowest in the first, for splits that send it left, and highest in the
// second.
const (
	lowestRank  = 0
	highestRank = 1<<16 - 1
	maxRanked   = highestRank - 1 // thresholds of a feature, nodes of a tree
)

// scoreRows are scored together: at some 30 features their ranks fill half a
// first-level cache.
const scoreRows = 128

func newScorer(m *Model) *scorer {
	s := &scorer{}
	thresholds := make(map[int32][]float32)
	for t := range m.trees {
		for i := range m.trees[t].nodes {
			if n := &m.trees[t].nodes[i]; !n.leaf() && !n.categorical {
				thresholds[n.feature] = append(thresholds[n.feature], n.threshold)
			}
		}
	}
	column := make(map[int32]int)
	for f := range int32(m.features) {
		cuts := thresholds[f]
		if len(cuts) == 0 {
			continue
		}
		slices.Sort(cuts)
		cuts = slices.Clip(slices.Compact(cuts))
		if len(cuts) < maxRanked {
			column[f] = 2 * len(s.features)
			keys := make([]uint32, len(cuts))
			for i, cut := range cuts {
				keys[i] = sortKey(cut)
			}
			s.features = append(s.features, rankedFeature{int(f), cuts, keys})
		}
	}
	s.buffers.New = func() any {
		ranks := make([]uint16, scoreRows*max(1, 2*len(s.features)))
		return &ranks
	}
	for t := range m.trees {
		s.trees = append(s.trees, s.rank(&m.trees[t], column))
	}
	return s
}

// rank converts a tree, or keeps it if a split has no ranks.
func (s *scorer) rank(t *tree, column map[int32]int) rankedTree {
	if len(t.nodes) > maxRanked {
		return rankedTree{plain: t}
	}
	out := rankedTree{nodes: make([]uint64, 1, len(t.nodes)), values: make([]float64, 1, len(t.nodes))}
	// Siblings must be neighbours, so nodes are numbered anew.
	type place struct{ old, depth int }
	order := []place{{0, 0}}
	for at := 0; at < len(order); at++ {
		n := &t.nodes[order[at].old]
		if n.leaf() {
			out.nodes[at] = uint64(at) << 16
			out.values[at] = float64(n.value)
			continue
		}
		c, ranked := column[n.feature]
		if n.categorical || !ranked {
			return rankedTree{plain: t}
		}
		k, _ := slices.BinarySearch(s.features[c/2].thresholds, n.threshold)
		if !n.missingLeft {
			c++
		}
		out.nodes[at] = uint64(c*scoreRows)<<32 | uint64(len(order))<<16 | uint64(highestRank-k)
		depth := order[at].depth + 1
		out.depth = max(out.depth, depth)
		order = append(order, place{int(n.left), depth}, place{int(n.right), depth})
		out.nodes = append(out.nodes, 0, 0)
		out.values = append(out.values, 0, 0)
	}
	return out
}

// add adds the trees to dst.
func (s *scorer) add(dst []float64, rows []float32, width int) {
	buffer := s.buffers.Get().(*[]uint16)
	defer s.buffers.Put(buffer)
	ranks := *buffer
	for from := 0; from < len(dst); from += scoreRows {
		to := min(from+scoreRows, len(dst))
		s.addBlock(dst[from:to], rows[from*width:to*width], width, ranks)
	}
}

func (s *scorer) addBlock(dst []float64, rows []float32, width int, ranks []uint16) {
	s.rankRows(len(dst), rows, width, ranks)
	for t := range s.trees {
		tree := &s.trees[t]
		if tree.plain == nil {
			tree.add(dst, ranks)
			continue
		}
		for i := range dst {
			dst[i] += float64(tree.plain.leafOf(rows[i*width:][:width]).value)
		}
	}
}

// add walks the rows of a block down the tree, four at a time: their steps do
// not wait for each other. The last four may run over len(dst), onto ranks that
// are left from before; their leaves are not used.
func (t *rankedTree) add(dst []float64, ranks []uint16) {
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		a, b, c, d := descend(t.nodes, ranks[i:], t.depth)
		dst[i] += t.values[a]
		dst[i+1] += t.values[b]
		dst[i+2] += t.values[c]
		dst[i+3] += t.values[d]
	}
	if rest := dst[i:]; len(rest) > 0 {
		a, b, c, _ := descend(t.nodes, ranks[i:], t.depth)
		for k, leaf := range []uint32{a, b, c}[:len(rest)] {
			rest[k] += t.values[leaf]
		}
	}
}

// descend is the inner loop of scoring, for four rows whose ranks are
// neighbours. Inlined, its variables would be kept in memory rather than in
// registers, at twice the cost.
//
//go:noinline
func descend(nodes []uint64, ranks []uint16, depth int) (a, b, c, d uint32) {
	for ; depth > 0; depth-- {
		x, y := nodes[a], nodes[b]
		a = (uint32(x) + uint32(ranks[x>>32])) >> 16
		b = (uint32(y) + uint32(ranks[y>>32+1])) >> 16
		x, y = nodes[c], nodes[d]
		c = (uint32(x) + uint32(ranks[x>>32+2])) >> 16
		d = (uint32(y) + uint32(ranks[y>>32+3])) >> 16
	}
	return a, b, c, d
}

// rankRows writes the two ranks of each ranked feature, by column.
func (s *scorer) rankRows(n int, rows []float32, width int, ranks []uint16) {
	for c := range s.features {
		f := &s.features[c]
		low := ranks[2*c*scoreRows:][:n]
		high := ranks[(2*c+1)*scoreRows:][:n]
		for i := range low {
			v := rows[i*width+f.feature]
			if v != v {
				low[i], high[i] = lowestRank, highestRank
				continue
			}
			low[i] = uint16(countNotAbove(f.keys, sortKey(v)))
			high[i] = low[i]
		}
	}
}
