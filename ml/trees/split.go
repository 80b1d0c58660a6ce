package trees

import (
	"cmp"
	"slices"
)

// split is a way to divide a node's rows. Its zero value is none.
type split struct {
	gain    float64
	feature int
	// bin is the last one that goes left.
	bin uint8
	// set are the categories' bins that go right; the others go left.
	categorical bool
	set         binSet
	missingLeft bool
	left        cell
}

// binSet is a set of bins.
type binSet [4]uint64

func (s *binSet) add(bin int)           { s[bin/64] |= 1 << (bin % 64) }
func (s *binSet) has(bin uint8) bool    { return s[bin/64]>>(bin%64)&1 != 0 }
func (s *binSet) goesLeft(b uint8) bool { return !s.has(b) }

// goesLeft tells the side of a bin; missing is the feature's missing bin.
func (s *split) goesLeft(bin, missing uint8) bool {
	switch {
	case bin == missing:
		return s.missingLeft
	case s.categorical:
		return s.set.goesLeft(bin)
	default:
		return bin <= s.bin
	}
}

// search finds the best split of one node.
type search struct {
	p     *Params
	q     *gradients
	total cell
	rows  int
	g, h  float64
	// own is the node's score without a split, limit what a split must exceed.
	own, limit float64
}

// minRelativeGain separates a gain from rounding.
const minRelativeGain = 1e-9

func newSearch(p *Params, q *gradients, total cell) search {
	s := search{p: p, q: q, total: total, rows: q.rowsOf(total)}
	s.g, s.h = q.sums(total)
	s.own = p.score(s.g, s.h)
	s.limit = s.own + p.MinGain + minRelativeGain*s.own
	return s
}

// leafStep is the Newton step −g/(h+L2), within MaxDelta.
func (p *Params) leafStep(g, h float64) float64 {
	if h+p.L2 <= 0 {
		return 0
	}
	step := -g / (h + p.L2)
	if p.MaxDelta > 0 {
		step = max(-p.MaxDelta, min(p.MaxDelta, step))
	}
	return step
}

// score is twice the loss that a leaf's step saves: g²/(h+L2) if it is free
// (Chen and Guestrin, 2016, equation 7).
func (p *Params) score(g, h float64) float64 {
	if p.MaxDelta == 0 {
		if h+p.L2 <= 0 {
			return 0
		}
		return g * g / (h + p.L2)
	}
	step := p.leafStep(g, h)
	return -(2*g*step + (h+p.L2)*step*step)
}

// pair is the score of both sides, or false if a side is too small.
func (s *search) pair(left cell) (float64, bool) {
	rows := s.q.rowsOf(left)
	if rows < s.p.MinRows || s.rows-rows < s.p.MinRows {
		return 0, false
	}
	gl, hl := s.q.sums(left)
	gr, hr := s.q.sums(s.total.minus(left))
	if hl < s.p.MinHessian || hr < s.p.MinHessian {
		return 0, false
	}
	if s.p.MaxDelta > 0 {
		return s.p.score(gl, hl) + s.p.score(gr, hr), true
	}
	// One division for the sum of two quotients.
	hl += s.p.L2
	hr += s.p.L2
	if product := hl * hr; product > 0 {
		return (gl*gl*hr + gr*gr*hl) / product, true
	}
	return s.p.score(gl, hl-s.p.L2) + s.p.score(gr, hr-s.p.L2), true
}

// numeric returns the best cut of a feature, from its cells.
func (s *search) numeric(f int, cells []cell) split {
	best, bestScore := split{}, s.limit
	last := len(cells) - 1
	missing := cells[last]
	hasMissing := missing.hess != 0
	var left cell
	for k, c := range cells[:last] {
		if c.hess == 0 {
			continue
		}
		left.add(c)
		if score, ok := s.pair(left); ok && score > bestScore {
			bestScore = score
			best = split{feature: f, bin: uint8(k), left: left, gain: score - s.own}
		}
		if !hasMissing {
			continue
		}
		with := left.plus(missing)
		if score, ok := s.pair(with); ok && score > bestScore {
			bestScore = score
			best = split{feature: f, bin: uint8(k), left: with, gain: score - s.own, missingLeft: true}
		}
	}
	if best.gain > 0 && !hasMissing {
		best.missingLeft = 2*s.q.rowsOf(best.left) >= s.rows
	}
	return best
}

// group orders a category in a node.
type group struct {
	cell  cell
	bin   int
	order float64
}

// categories returns the best division of a categorical feature into two
// sets: with the categories in the order of their step, one of the sets is a
// prefix (Fisher, 1958).
func (s *search) categories(f int, cells []cell) split {
	last := len(cells) - 1
	missing := cells[last]
	var buffer [256]group
	groups := buffer[:0]
	for bin, c := range cells[:last] {
		if c.hess != 0 {
			g, h := s.q.sums(c)
			groups = append(groups, group{c, bin, quotient(g, h+s.p.L2+s.p.CategorySmooth)})
		}
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.bin, b.bin))
	})
	bestScore, prefix, withMissing := s.limit, 0, false
	var bestSum, sum cell
	for k, c := range groups {
		sum.add(c.cell)
		if score, ok := s.pair(sum); ok && score > bestScore {
			bestScore, prefix, withMissing, bestSum = score, k+1, false, sum
		}
		if missing.hess == 0 {
			continue
		}
		with := sum.plus(missing)
		if score, ok := s.pair(with); ok && score > bestScore {
			bestScore, prefix, withMissing, bestSum = score, k+1, true, with
		}
	}
	if prefix == 0 {
		return split{}
	}
	// The side with more rows is the left one: categories that no set lists,
	// because they are not in this node or not known, follow it.
	best := split{feature: f, categorical: true, gain: bestScore - s.own}
	right := groups[prefix:]
	best.left, best.missingLeft = bestSum, withMissing
	if 2*s.q.rowsOf(bestSum) < s.rows {
		right = groups[:prefix]
		best.left, best.missingLeft = s.total.minus(bestSum), !withMissing
	}
	if missing.hess == 0 {
		best.missingLeft = true
	}
	for _, c := range right {
		best.set.add(c.bin)
	}
	if len(right) == 0 {
		// All categories on the left, missing on the right: an empty set
		// cannot be written, so exchange the sides.
		for _, c := range groups[:prefix] {
			best.set.add(c.bin)
		}
		best.left, best.missingLeft = s.total.minus(best.left), !best.missingLeft
	}
	return best
}

// quotient is g/h, and 0 where h is.
func quotient(g, h float64) float64 {
	if h <= 0 {
		return 0
	}
	return g / h
}

// bestSplit compares the active features; the lower one wins a tie.
func (g *grower) bestSplit(total cell, hist []cell) split {
	s := newSearch(&g.p, g.grads, total)
	best := split{}
	for _, f := range g.active {
		feature := &g.x.features[f]
		cells := hist[feature.cell:][:feature.bins+1]
		found := split{}
		if feature.categorical {
			found = s.categories(f, cells)
		} else {
			found = s.numeric(f, cells)
		}
		if found.gain > best.gain {
			best = found
		}
	}
	return best
}
