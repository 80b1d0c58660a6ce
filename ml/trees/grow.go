package trees

import (
	"container/heap"
	"context"
	"slices"
)

// grower grows one tree after the other on the same rows.
type grower struct {
	x       *Binned
	p       Params
	grads   *gradients
	workers int

	active []int // features of this tree, ascending
	plan   []wordPlan

	// rows are the row numbers: first those of this tree, grouped by node and
	// ascending within one, then those left out.
	rows, spare []int32
	used        int
	nodes       []grownNode
	free        [][]cell
	scratch     []*scratch
	lefts       []int // by part of a partition
}

// grownNode is a node of the tree that grows.
type grownNode struct {
	from, to    int // its rows
	depth       int
	sum         cell
	best        split
	hist        []cell // while it waits to be split
	left, right int32  // 0: a leaf
	value       float32
}

func (n *grownNode) leaf() bool { return n.left == 0 }

func newGrower(x *Binned, p Params, grads *gradients) *grower {
	g := &grower{
		x: x, p: p, grads: grads, workers: workerCount(p.Workers),
		rows: make([]int32, x.rows), spare: make([]int32, x.rows),
	}
	if x.rows < sharedRows {
		g.workers = 1
	}
	g.lefts = make([]int, g.workers)
	for range g.workers {
		g.scratch = append(g.scratch, newScratch(x.layout, grads.unit))
	}
	return g
}

// grow replaces the tree by a new one on the first used rows.
func (g *grower) grow(ctx context.Context, active []int) error {
	g.active, g.plan = active, planWords(active)
	g.nodes = append(g.nodes[:0], grownNode{to: g.used})
	root := &g.nodes[0]
	root.hist = g.take()
	g.histogram(g.rows[:g.used], root.hist)
	first := &g.x.features[active[0]]
	for _, c := range root.hist[first.cell:][:first.bins+1] {
		root.sum.add(c)
	}
	waiting := &frontier{grower: g, bestFirst: g.p.MaxLeaves > 0}
	g.consider(waiting, 0)
	for leaves := 1; waiting.Len() > 0; leaves++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.p.MaxLeaves > 0 && leaves >= g.p.MaxLeaves {
			break
		}
		g.divide(waiting, waiting.take(), g.p.MaxLeaves > 0 && leaves+1 >= g.p.MaxLeaves)
	}
	for _, i := range waiting.nodes {
		g.release(i)
	}
	return nil
}

// consider looks for a node's best split and queues it if there is one.
func (g *grower) consider(waiting *frontier, i int) {
	n := &g.nodes[i]
	if g.canSplit(n) {
		n.best = g.bestSplit(n.sum, n.hist)
	}
	if n.best.gain > 0 {
		waiting.put(i)
		return
	}
	g.release(i)
}

func (g *grower) canSplit(n *grownNode) bool {
	return n.depth < g.p.MaxDepth && n.to-n.from >= 2*g.p.MinRows
}

// divide splits a node and considers its children, unless the tree is then
// full.
func (g *grower) divide(waiting *frontier, i int, full bool) {
	middle := g.partition(&g.nodes[i])
	n := g.nodes[i]
	left := grownNode{from: n.from, to: middle, depth: n.depth + 1, sum: n.best.left}
	right := grownNode{from: middle, to: n.to, depth: n.depth + 1, sum: n.sum.minus(n.best.left)}
	l, r := len(g.nodes), len(g.nodes)+1
	g.nodes[i].left, g.nodes[i].right = int32(l), int32(r)
	g.nodes = append(g.nodes, left, right)
	if full || !g.canSplit(&left) && !g.canSplit(&right) {
		g.release(i)
		return
	}
	small, large := l, r
	if left.to-left.from > right.to-right.from {
		small, large = r, l
	}
	// The smaller child is summed, the larger is the rest of the parent.
	hist := g.take()
	g.histogram(g.rows[g.nodes[small].from:g.nodes[small].to], hist)
	g.subtract(n.hist, hist)
	g.nodes[small].hist, g.nodes[large].hist = hist, n.hist
	g.nodes[i].hist = nil
	g.consider(waiting, l)
	g.consider(waiting, r)
}

func (g *grower) take() []cell {
	if n := len(g.free); n > 0 {
		hist := g.free[n-1]
		g.free = g.free[:n-1]
		return hist
	}
	return make([]cell, g.x.cells)
}

func (g *grower) release(i int) {
	if hist := g.nodes[i].hist; hist != nil {
		g.free = append(g.free, hist)
		g.nodes[i].hist = nil
	}
}

// partition moves a node's rows that go left before those that go right and
// keeps the order within each side. It returns where the right ones start.
func (g *grower) partition(n *grownNode) int {
	feature := &g.x.features[n.best.feature]
	var right [256]uint8
	for bin := range right {
		if !n.best.goesLeft(uint8(bin), uint8(feature.bins)) {
			right[bin] = 1
		}
	}
	parts := 1
	if n.to-n.from >= sharedRows {
		parts = g.workers
	}
	size := n.to - n.from
	parallel(parts, g.workers, func(i int) {
		from, to := part(i, parts, size)
		g.lefts[i] = g.partitionPart(n.from+from, n.from+to, n.best.feature, &right)
	})
	// Each part has its left rows at its start and its right ones in spare.
	to := n.from
	for i := range parts {
		from, _ := part(i, parts, size)
		to += copy(g.rows[to:], g.rows[n.from+from:][:g.lefts[i]])
	}
	middle := to
	for i := range parts {
		from, end := part(i, parts, size)
		to += copy(g.rows[to:], g.spare[n.from+from:n.from+end-g.lefts[i]])
	}
	return middle
}

func (g *grower) partitionPart(from, to, f int, right *[256]uint8) (lefts int) {
	rows, spare := g.rows[from:to], g.spare[from:to]
	words, width, shift := g.x.words[f/featuresPerWord:], g.x.width, 8*(f%featuresPerWord)&63
	l, k := 0, 0
	for _, r := range rows {
		side := int(right[uint8(words[int(r)*width]>>shift)])
		// Write to both ends: no branch to mispredict.
		rows[l], spare[k] = r, r
		l += 1 - side
		k += side
	}
	return l
}

// leafOf walks a row down the grown tree.
func (g *grower) leafOf(x *Binned, row int) float32 {
	n := &g.nodes[0]
	for !n.leaf() {
		f := n.best.feature
		if n.best.goesLeft(x.at(row, f), uint8(x.features[f].bins)) {
			n = &g.nodes[n.left]
		} else {
			n = &g.nodes[n.right]
		}
	}
	return n.value
}

// leaves are the numbers of the tree's leaves.
func (g *grower) leaves() []int {
	var leaves []int
	for i := range g.nodes {
		if g.nodes[i].leaf() {
			leaves = append(leaves, i)
		}
	}
	return leaves
}

// frontier holds the nodes that can be split: a heap by gain, or a stack,
// which keeps few histograms alive where the order does not matter.
type frontier struct {
	grower    *grower
	bestFirst bool
	nodes     []int
}

func (f *frontier) put(i int) {
	if f.bestFirst {
		heap.Push(f, i)
		return
	}
	f.nodes = append(f.nodes, i)
}

func (f *frontier) take() int {
	if f.bestFirst {
		return heap.Pop(f).(int)
	}
	return f.Pop().(int)
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (f *frontier) Len() int { return len(f.nodes) }

func (f *frontier) Less(i, j int) bool {
	a, b := f.grower.nodes[f.nodes[i]].best.gain, f.grower.nodes[f.nodes[j]].best.gain
	if a != b {
		return a > b
	}
	return f.nodes[i] < f.nodes[j]
}

func (f *frontier) Swap(i, j int) { f.nodes[i], f.nodes[j] = f.nodes[j], f.nodes[i] }
func (f *frontier) Push(x any)    { f.nodes = append(f.nodes, x.(int)) }

func (f *frontier) Pop() any {
	last := len(f.nodes) - 1
	i := f.nodes[last]
	f.nodes = slices.Delete(f.nodes, last, last+1)
	return i
}
