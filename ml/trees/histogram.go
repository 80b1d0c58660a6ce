package trees

import "math"

// A cell of a histogram sums the rows of one bin. Its fields are integers, so
// that any order of summing gives the same bits, and so that a sibling's
// histogram is the parent's less the other child's, exactly.
//
// If every row has the hessian 1, hess counts rows. Otherwise its low 24 bits
// count rows and the rest sums hessians; see gradients.
type cell struct{ grad, hess int64 }

func (c cell) plus(d cell) cell  { return cell{c.grad + d.grad, c.hess + d.hess} }
func (c cell) minus(d cell) cell { return cell{c.grad - d.grad, c.hess - d.hess} }

const (
	rowBits = 24
	rowMask = 1<<rowBits - 1

	// With the hessian 1, a row adds one word to a bin: its gradient above a
	// count of 17 bits. So 65,536 rows of 30-bit gradients fit before the
	// words must be unpacked.
	packedRowBits  = 17
	packedGradBits = 30
	packedRows     = 1 << 16

	// Otherwise a row adds two words. 2^24 gradients of 38 bits fit.
	wideGradBits = 38
	wideHessBits = 39
)

// gradients are the derivatives of every training row, as the objective gave
// them and as fixed-point integers.
type gradients struct {
	unit bool // every hessian is 1
	g, h []float32

	packed []int64 // unit: gradient<<packedRowBits | 1
	wide   []cell  // not unit: gradient and hessian<<rowBits | 1

	gradUnit, hessUnit float64 // the value of one integer step
}

func newGradients(rows int, unit bool) *gradients {
	q := &gradients{unit: unit, g: make([]float32, rows), hessUnit: 1}
	if unit {
		q.packed = make([]int64, rows)
		return q
	}
	q.h = make([]float32, rows)
	q.wide = make([]cell, rows)
	return q
}

// quantise derives the integers from g and h. Steps are powers of two, so
// that only the low bits of small gradients are rounded.
func (q *gradients) quantise(workers int) {
	parts := workerCount(workers)
	maxG, maxH := make([]float32, parts), make([]float32, parts)
	parallel(parts, workers, func(i int) {
		from, to := part(i, parts, len(q.g))
		maxG[i] = maxAbs(q.g[from:to])
		if !q.unit {
			maxH[i] = maxAbs(q.h[from:to])
		}
	})
	if q.unit {
		scale := q.setGradUnit(maxAbs(maxG), packedGradBits)
		parallel(parts, workers, func(i int) {
			from, to := part(i, parts, len(q.g))
			for r, g := range q.g[from:to] {
				q.packed[from+r] = int64(math.RoundToEven(float64(g)*scale))<<packedRowBits | 1
			}
		})
		return
	}
	scale := q.setGradUnit(maxAbs(maxG), wideGradBits)
	_, exponent := math.Frexp(float64(len(q.g)))
	hessScale := step(maxAbs(maxH), wideHessBits-exponent)
	q.hessUnit = 1 / hessScale
	parallel(parts, workers, func(i int) {
		from, to := part(i, parts, len(q.g))
		for r, g := range q.g[from:to] {
			hess := int64(math.RoundToEven(float64(q.h[from+r]) * hessScale))
			q.wide[from+r] = cell{int64(math.RoundToEven(float64(g) * scale)), hess<<rowBits | 1}
		}
	})
}

func (q *gradients) setGradUnit(largest float32, bits int) (scale float64) {
	scale = step(largest, bits)
	q.gradUnit = 1 / scale
	return scale
}

// step is the power of two that brings largest just below 2^bits.
func step(largest float32, bits int) float64 {
	_, exponent := math.Frexp(float64(largest))
	return math.Ldexp(1, bits-exponent)
}

func maxAbs(values []float32) float32 {
	var largest float32
	for _, v := range values {
		largest = max(largest, v, -v)
	}
	return largest
}

// rowsOf is the number of rows in a cell.
func (q *gradients) rowsOf(c cell) int {
	if q.unit {
		return int(c.hess)
	}
	return int(c.hess & rowMask)
}

// sums are a cell's gradient and hessian.
func (q *gradients) sums(c cell) (g, h float64) {
	if q.unit {
		return float64(c.grad) * q.gradUnit, float64(c.hess)
	}
	return float64(c.grad) * q.gradUnit, float64(c.hess>>rowBits) * q.hessUnit
}

// wordBins is the scratch of the eight features of a word: 256 bins each.
const wordBins = 256 * featuresPerWord

// tileRows are summed word after word, so that their bins and gradients stay
// in the first-level cache, and one word's scratch does, too.
const tileRows = 1024

// scratch is one worker's memory for histograms. Between calls the bins of
// real features are zero.
type scratch struct {
	packed [][wordBins]int64
	wide   [][wordBins]cell
	// A tile's gradients, gathered once for all words.
	tilePacked [tileRows]int64
	tileWide   [tileRows]cell
	own        []cell // this worker's histogram when several share a node
}

func newScratch(l *layout, unit bool) *scratch {
	s := &scratch{}
	if unit {
		s.packed = make([][wordBins]int64, l.width)
	} else {
		s.wide = make([][wordBins]cell, l.width)
	}
	return s
}

// wordPlan says how the features of one word are summed in a tree.
type wordPlan struct {
	word int
	// whole sums all eight at once, which is faster from about five on.
	whole  bool
	active []int // feature numbers
}

const wholeFrom = 5

// planWords groups the active features (ascending) by word.
func planWords(active []int) []wordPlan {
	var plans []wordPlan
	for _, f := range active {
		word := f / featuresPerWord
		if len(plans) == 0 || plans[len(plans)-1].word != word {
			plans = append(plans, wordPlan{word: word})
		}
		last := &plans[len(plans)-1]
		last.active = append(last.active, f)
	}
	for i := range plans {
		plans[i].whole = len(plans[i].active) >= wholeFrom
	}
	return plans
}

// sharedRows is how many rows a node needs for several workers to sum it.
const sharedRows = 16384

// histogram sums rows into out, for the active features.
func (g *grower) histogram(rows []int32, out []cell) {
	if g.workers == 1 || len(rows) < sharedRows {
		g.sumRows(g.scratch[0], rows, out)
		return
	}
	parallel(g.workers, g.workers, func(i int) {
		from, to := part(i, g.workers, len(rows))
		s := g.scratch[i]
		if i == 0 {
			g.sumRows(s, rows[from:to], out)
			return
		}
		if s.own == nil {
			s.own = make([]cell, g.x.cells)
		}
		g.sumRows(s, rows[from:to], s.own)
	})
	for _, s := range g.scratch[1:] {
		g.eachActive(func(from, to int) {
			for k, c := range s.own[from:to] {
				out[from+k] = out[from+k].plus(c)
			}
		})
	}
}

// subtract takes the cells of part from those of whole.
func (g *grower) subtract(whole, part []cell) {
	g.eachActive(func(from, to int) {
		whole, part := whole[from:to], part[from:to]
		for k := range whole {
			whole[k].grad -= part[k].grad
			whole[k].hess -= part[k].hess
		}
	})
}

// eachActive passes the range of cells of each active feature.
func (g *grower) eachActive(do func(from, to int)) {
	for _, f := range g.active {
		feature := &g.x.features[f]
		do(feature.cell, feature.cell+feature.bins+1)
	}
}

// sumRows overwrites out with the sums of rows.
func (g *grower) sumRows(s *scratch, rows []int32, out []cell) {
	for first := true; first || len(rows) > 0; first = false {
		chunk := rows
		if g.grads.unit {
			chunk = rows[:min(packedRows, len(rows))]
		}
		rows = rows[len(chunk):]
		for len(chunk) > 0 {
			tile := chunk[:min(tileRows, len(chunk))]
			chunk = chunk[len(tile):]
			if g.grads.unit {
				g.tilePacked(s, tile)
			} else {
				g.tileWide(s, tile)
			}
		}
		for i := range g.plan {
			if g.grads.unit {
				g.unpack(&g.plan[i], &s.packed[g.plan[i].word], out, first)
			} else {
				g.move(&g.plan[i], &s.wide[g.plan[i].word], out)
			}
		}
	}
}

func (g *grower) tilePacked(s *scratch, rows []int32) {
	grads := s.tilePacked[:len(rows)]
	for i, r := range rows {
		grads[i] = g.grads.packed[r]
	}
	for i := range g.plan {
		p := &g.plan[i]
		sums := &s.packed[p.word]
		if p.whole {
			addWordPacked(sums, g.x.words[p.word:], g.x.width, rows, grads)
			continue
		}
		for _, f := range p.active {
			k := f % featuresPerWord
			addFeaturePacked((*[256]int64)(sums[256*k:]), g.x.words[p.word:], g.x.width, 8*k, rows, grads)
		}
	}
}

func (g *grower) tileWide(s *scratch, rows []int32) {
	grads := s.tileWide[:len(rows)]
	for i, r := range rows {
		grads[i] = g.grads.wide[r]
	}
	for i := range g.plan {
		p := &g.plan[i]
		sums := &s.wide[p.word]
		if p.whole {
			addWordWide(sums, g.x.words[p.word:], g.x.width, rows, grads)
			continue
		}
		for _, f := range p.active {
			k := f % featuresPerWord
			addFeatureWide((*[256]cell)(sums[256*k:]), g.x.words[p.word:], g.x.width, 8*k, rows, grads)
		}
	}
}

// addWordPacked is the inner loop of training: eight features of each row.
func addWordPacked(sums *[wordBins]int64, words []uint64, width int, rows []int32, grads []int64) {
	grads = grads[:len(rows)]
	for i, r := range rows {
		x, v := words[int(r)*width], grads[i]
		sums[x&255] += v
		sums[256+x>>8&255] += v
		sums[2*256+x>>16&255] += v
		sums[3*256+x>>24&255] += v
		sums[4*256+x>>32&255] += v
		sums[5*256+x>>40&255] += v
		sums[6*256+x>>48&255] += v
		sums[7*256+x>>56] += v
	}
}

func addFeaturePacked(sums *[256]int64, words []uint64, width, shift int, rows []int32, grads []int64) {
	grads = grads[:len(rows)]
	for i, r := range rows {
		sums[uint8(words[int(r)*width]>>(shift&63))] += grads[i]
	}
}

func addWordWide(sums *[wordBins]cell, words []uint64, width int, rows []int32, grads []cell) {
	grads = grads[:len(rows)]
	for i, r := range rows {
		x, v := words[int(r)*width], grads[i]
		sums[x&255].add(v)
		sums[256+x>>8&255].add(v)
		sums[2*256+x>>16&255].add(v)
		sums[3*256+x>>24&255].add(v)
		sums[4*256+x>>32&255].add(v)
		sums[5*256+x>>40&255].add(v)
		sums[6*256+x>>48&255].add(v)
		sums[7*256+x>>56].add(v)
	}
}

func addFeatureWide(sums *[256]cell, words []uint64, width, shift int, rows []int32, grads []cell) {
	grads = grads[:len(rows)]
	for i, r := range rows {
		sums[uint8(words[int(r)*width]>>(shift&63))].add(grads[i])
	}
}

func (c *cell) add(v cell) {
	c.grad += v.grad
	c.hess += v.hess
}

// unpack moves a word's packed sums to the histogram and leaves zeros.
func (g *grower) unpack(p *wordPlan, sums *[wordBins]int64, out []cell, first bool) {
	for _, f := range p.active {
		feature := &g.x.features[f]
		from := sums[256*(f%featuresPerWord):][:feature.bins+1]
		to := out[feature.cell:][:len(from)]
		for k, v := range from {
			from[k] = 0
			c := cell{v >> packedRowBits, v & (1<<packedRowBits - 1)}
			if first {
				to[k] = c
			} else {
				to[k].add(c)
			}
		}
	}
	if p.whole && len(p.active) < featuresPerWord {
		clear(sums[:]) // the features that were summed but not asked for
	}
}

// move is unpack for wide sums.
func (g *grower) move(p *wordPlan, sums *[wordBins]cell, out []cell) {
	for _, f := range p.active {
		feature := &g.x.features[f]
		from := sums[256*(f%featuresPerWord):][:feature.bins+1]
		copy(out[feature.cell:], from)
		clear(from)
	}
	if p.whole && len(p.active) < featuresPerWord {
		clear(sums[:])
	}
}
