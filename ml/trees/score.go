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
// Trees with categorical splits are walked row by row. A scorer takes half a
// megabyte besides the nodes.
type scorer struct {
	features []rankedFeature
	trees    []rankedTree
	// nodes are those of all trees, one after the other, and zeros up to a
	// whole nodeArray from any start.
	nodes   []uint64
	buffers sync.Pool // of *[bufferRanks]uint16
}

// rankedFeature is a feature that occurs in a numeric split.
type rankedFeature struct {
	feature    int
	thresholds []float32 // ascending, distinct
	ladder     ladder
}

// rankedTree is a tree whose nodes are one word each:
//
//	bits  0–15  65535 less the highest rank that goes left
//	bits 16–31  the left child; the right one follows
//	bits 48–63  where the ranks of the split's column start
//
// Adding a row's rank to the low half carries into the child's number just
// when the rank goes right. A leaf is its own left child and lets no rank
// carry, so that all rows take the same number of steps.
type rankedTree struct {
	start  int       // of its nodes
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

// maxColumns is how many columns of ranks have a start of 16 bits: those of 256
// features. Trees that split on more are walked row by row.
const maxColumns = 1 << 16 / scoreRows

// Node numbers and column starts have 16 bits. In arrays of these lengths they
// are in bounds, as the compiler sees: checks would be a fifth of the work.
type (
	nodeArray [1 << 16]uint64
	rankArray [1<<16 + 3]uint16
)

// bufferRanks leaves a whole rankArray after each row of a block. The end is
// never touched if there are few features.
const bufferRanks = len(rankArray{}) + scoreRows

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
		if len(cuts) < maxRanked && 2*len(s.features) < maxColumns {
			column[f] = 2 * len(s.features)
			s.features = append(s.features, rankedFeature{int(f), cuts, newLadder(cuts)})
		}
	}
	s.buffers.New = func() any { return new([bufferRanks]uint16) }
	for t := range m.trees {
		s.trees = append(s.trees, s.rank(&m.trees[t], column))
	}
	s.nodes = slices.Concat(s.nodes, make([]uint64, len(nodeArray{})))
	return s
}

// rank converts a tree, or keeps it if a split has no ranks.
func (s *scorer) rank(t *tree, column map[int32]int) rankedTree {
	if len(t.nodes) > maxRanked {
		return rankedTree{plain: t}
	}
	out := rankedTree{start: len(s.nodes), values: make([]float64, len(t.nodes))}
	nodes := make([]uint64, len(t.nodes))
	// Siblings must be neighbours, so nodes are numbered anew.
	type place struct{ old, depth int }
	order := []place{{0, 0}}
	for at := 0; at < len(order); at++ {
		n := &t.nodes[order[at].old]
		if n.leaf() {
			nodes[at] = uint64(at) << 16
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
		nodes[at] = uint64(c*scoreRows)<<48 | uint64(len(order))<<16 | uint64(highestRank-k)
		depth := order[at].depth + 1
		out.depth = max(out.depth, depth)
		order = append(order, place{int(n.left), depth}, place{int(n.right), depth})
	}
	s.nodes = append(s.nodes, nodes...)
	return out
}

// add adds the trees to dst.
func (s *scorer) add(dst []float64, rows []float32, width int) {
	ranks := s.buffers.Get().(*[bufferRanks]uint16)
	defer s.buffers.Put(ranks)
	for from := 0; from < len(dst); from += scoreRows {
		to := min(from+scoreRows, len(dst))
		s.addBlock(dst[from:to], rows[from*width:to*width], width, ranks)
	}
}

func (s *scorer) addBlock(dst []float64, rows []float32, width int, ranks *[bufferRanks]uint16) {
	s.rankRows(len(dst), rows, width, ranks)
	for t := range s.trees {
		tree := &s.trees[t]
		if tree.plain == nil {
			tree.add(dst, (*nodeArray)(s.nodes[tree.start:]), ranks)
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
func (t *rankedTree) add(dst []float64, nodes *nodeArray, ranks *[bufferRanks]uint16) {
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		a, b, c, d := descend(nodes, (*rankArray)(ranks[i:]), t.depth)
		dst[i] += t.values[a]
		dst[i+1] += t.values[b]
		dst[i+2] += t.values[c]
		dst[i+3] += t.values[d]
	}
	if rest := dst[i:]; len(rest) > 0 {
		a, b, c, _ := descend(nodes, (*rankArray)(ranks[i:]), t.depth)
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
func descend(nodes *nodeArray, ranks *rankArray, depth int) (a, b, c, d uint32) {
	for ; depth > 0; depth-- {
		x, y := nodes[a>>16], nodes[b>>16]
		a = uint32(x) + uint32(ranks[x>>48])
		b = uint32(y) + uint32(ranks[y>>48+1])
		x, y = nodes[c>>16], nodes[d>>16]
		c = uint32(x) + uint32(ranks[x>>48+2])
		d = uint32(y) + uint32(ranks[y>>48+3])
	}
	return a >> 16, b >> 16, c >> 16, d >> 16
}

// rankRows writes the two ranks of each ranked feature, by column.
func (s *scorer) rankRows(n int, rows []float32, width int, ranks *[bufferRanks]uint16) {
	for c := range s.features {
		f := &s.features[c]
		low := ranks[2*c*scoreRows:][:n]
		high := ranks[(2*c+1)*scoreRows:][:n]
		column := rows[f.feature:]
		i := 0
		for ; i+4 <= n; i += 4 {
			var v [4]float32
			for k := range v {
				v[k] = column[(i+k)*width]
			}
			a, b, c, d := f.ladder.rank4(v[0], v[1], v[2], v[3])
			for k, r := range [4]uint32{a, b, c, d} {
				low[i+k], high[i+k] = uint16(r), uint16(r)
				if v[k] != v[k] {
					low[i+k], high[i+k] = lowestRank, highestRank
				}
			}
		}
		for ; i < n; i++ {
			v := column[i*width]
			low[i], high[i] = lowestRank, highestRank
			if v == v {
				low[i] = uint16(f.ladder.rank(v))
				high[i] = low[i]
			}
		}
	}
}
