package trees

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Progress is the state after a round.
type Progress struct {
	Tree, Trees int // trees so far, from 1, and at most
	Leaves      int // leaves of the newest tree
	// Train and Valid are the loss a row: root mean square for SquaredError,
	// pinball for Quantile, negative log likelihood up to a constant for
	// Poisson and Tweedie. Valid is NaN without validation rows.
	Train, Valid float64
	Best         int // the round with the lowest Valid, 0 without validation rows
}

// Train fits a model. report, if not nil, is called after every tree, from
// the calling goroutine; it costs a pass over the rows.
//
// Quantile leaves are reset to the Alpha-quantile of the residuals of their
// rows, as LightGBM does: a gradient step alone cannot reach it. With valid
// and EarlyStopping, the model ends at its best round.
//
// The model depends on d, p and valid only. Train returns an error that wraps
// ctx's within a node's work when ctx ends, and an error for parameters or
// data that make no sense.
func Train(ctx context.Context, d Data, valid *ValidData, p Params, report func(Progress)) (*Model, error) {
	p, err := p.check()
	if err != nil {
		return nil, err
	}
	l := newLoss(p)
	if err := d.check(l); err != nil {
		return nil, fmt.Errorf("trees: training rows: %w", err)
	}
	if d.X.foreign {
		return nil, errors.New("trees: training rows: a category occurs that the bins do not know: use Bin on these rows")
	}
	if valid != nil {
		if err := valid.check(l); err != nil {
			return nil, fmt.Errorf("trees: validation rows: %w", err)
		}
		if valid.X.layout != d.X.layout {
			return nil, errors.New("trees: validation rows have bins of their own: cut them with Like of the training rows' Binned")
		}
	} else if p.EarlyStopping > 0 {
		return nil, errors.New("trees: EarlyStopping needs validation rows")
	}
	t := newTrainer(d, valid, p, l)
	if err := t.run(ctx, report); err != nil {
		return nil, fmt.Errorf("trees: training stopped after %d of %d trees: %w", len(t.model.trees), p.Trees, err)
	}
	return t.model, nil
}

// trainer is the state of one Train.
type trainer struct {
	d     Data
	valid *ValidData
	p     Params
	loss  loss

	grads       *gradients
	grower      *grower
	model       *Model
	margin      []float64
	validMargin []float64
	residuals   []float64 // by position in grower.rows; Quantile only
	weights     []float64 // likewise, if rows are weighted
}

func newTrainer(d Data, valid *ValidData, p Params, l loss) *trainer {
	grads := newGradients(d.X.rows, l.constantHessian() && d.Weight == nil)
	t := &trainer{
		d: d, valid: valid, p: p, loss: l, grads: grads,
		grower: newGrower(d.X, p, grads),
		margin: make([]float64, d.X.rows),
	}
	// The file holds float32, so training continues from float32 as well.
	response := float32(p.Objective.response(l.start(d.Y, d.Weight)))
	t.model = newModel(d.X.layout, p, response)
	for i := range t.margin {
		t.margin[i] = t.model.base
	}
	if valid != nil {
		t.validMargin = make([]float64, valid.X.rows)
		for i := range t.validMargin {
			t.validMargin[i] = t.model.base
		}
	}
	if p.Objective == Quantile {
		t.residuals = make([]float64, d.X.rows)
		if d.Weight != nil {
			t.weights = make([]float64, d.X.rows)
		}
	}
	return t
}

func (t *trainer) run(ctx context.Context, report func(Progress)) error {
	best, bestLoss := 0, math.Inf(1)
	for round := 1; round <= t.p.Trees; round++ {
		if err := t.addTree(ctx, round); err != nil {
			return err
		}
		progress := Progress{Tree: round, Trees: t.p.Trees, Leaves: len(t.grower.leaves()), Train: math.NaN(), Valid: math.NaN()}
		if t.valid != nil {
			progress.Valid = t.meanLoss(*t.valid, t.validMargin)
			if progress.Valid < bestLoss {
				best, bestLoss = round, progress.Valid
			}
			progress.Best = best
		}
		if report != nil {
			progress.Train = t.meanLoss(t.d, t.margin)
			report(progress)
		}
		if t.p.EarlyStopping > 0 && round-best >= t.p.EarlyStopping {
			break
		}
	}
	if t.p.EarlyStopping > 0 {
		t.model.trees = slices.Clip(t.model.trees[:max(best, 1)])
	}
	return nil
}

// addTree fits one tree to the gradients and moves the margins.
func (t *trainer) addTree(ctx context.Context, round int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(t.p.Seed, uint64(round)))
	t.sampleRows(random)
	t.differentiate()
	if err := t.grower.grow(ctx, t.sampleColumns(random)); err != nil {
		return err
	}
	t.setLeaves()
	t.model.trees = append(t.model.trees, t.grower.tree())
	return nil
}

// sampleRows draws the rows of a tree without replacement, in ascending order
// (selection sampling; Knuth, volume 2, 3.4.2, algorithm S).
func (t *trainer) sampleRows(random *rand.Rand) {
	rows, n := t.grower.rows, t.d.X.rows
	t.grower.used = max(1, int(math.Round(t.p.Subsample*float64(n))))
	in, out := 0, t.grower.used
	for r := range n {
		if in < t.grower.used && (t.grower.used == n || random.IntN(n-r) < t.grower.used-in) {
			rows[in] = int32(r)
			in++
		} else {
			rows[out] = int32(r)
			out++
		}
	}
}

// sampleColumns draws the features of a tree, in ascending order.
func (t *trainer) sampleColumns(random *rand.Rand) []int {
	n := len(t.d.X.features)
	columns := make([]int, n)
	for i := range columns {
		columns[i] = i
	}
	k := max(1, int(math.Round(t.p.ColumnShare*float64(n))))
	if k < n {
		random.Shuffle(n, func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		columns = columns[:k]
		slices.Sort(columns)
	}
	return columns
}

// blocks calls do for blocks of rows, in parallel.
func (t *trainer) blocks(n int, do func(from, to int)) {
	const size = 1 << 15
	count := (n + size - 1) / size
	parallel(count, t.p.Workers, func(i int) { do(i*size, min((i+1)*size, n)) })
}

func (t *trainer) differentiate() {
	t.blocks(t.d.X.rows, func(from, to int) {
		for r := from; r < to; r++ {
			g, h := t.loss.gradient(t.margin[r], t.d.Y[r])
			if t.d.Weight != nil {
				g *= t.d.Weight[r]
				h *= t.d.Weight[r]
			}
			t.grads.g[r] = limitFloat32(g)
			if !t.grads.unit {
				t.grads.h[r] = limitFloat32(h)
			}
		}
	})
	t.grads.quantise(t.p.Workers)
}

// limitFloat32 keeps an overflow finite.
func limitFloat32(v float64) float32 {
	return float32(max(-math.MaxFloat32, min(math.MaxFloat32, v)))
}

// setLeaves gives leaves their values and moves the margins of all rows.
func (t *trainer) setLeaves() {
	g := t.grower
	leaves := g.leaves()
	parallel(len(leaves), t.p.Workers, func(i int) {
		n := &g.nodes[leaves[i]]
		n.value = limitFloat32(t.p.LearningRate * t.leafStep(n))
		for _, r := range g.rows[n.from:n.to] {
			t.margin[r] += float64(n.value)
		}
	})
	left := g.rows[g.used:]
	t.blocks(len(left), func(from, to int) {
		for _, r := range left[from:to] {
			t.margin[r] += float64(g.leafOf(t.d.X, int(r)))
		}
	})
	t.blocks(len(t.validMargin), func(from, to int) {
		for r := from; r < to; r++ {
			t.validMargin[r] += float64(g.leafOf(t.valid.X, r))
		}
	})
}

// leafStep is a leaf's value before the learning rate.
func (t *trainer) leafStep(n *grownNode) float64 {
	rows := t.grower.rows[n.from:n.to]
	if t.p.Objective == Quantile {
		return t.quantileStep(rows, n.from)
	}
	if t.grads.unit {
		return t.p.leafStep(t.grads.sums(n.sum))
	}
	// The integers rank splits well; the value deserves the full precision.
	g, h := 0.0, 0.0
	for _, r := range rows {
		g += float64(t.grads.g[r])
		h += float64(t.grads.h[r])
	}
	return t.p.leafStep(g, h)
}

// quantileStep is the quantile of the residuals of a leaf's rows; at is where
// they start, so that leaves use parts of the buffers of their own.
func (t *trainer) quantileStep(rows []int32, at int) float64 {
	residuals := t.residuals[at:][:len(rows)]
	for i, r := range rows {
		residuals[i] = t.d.Y[r] - t.margin[r]
	}
	var weights []float64
	if t.d.Weight != nil {
		weights = t.weights[at:][:len(rows)]
		for i, r := range rows {
			weights[i] = t.d.Weight[r]
		}
	}
	return weightedQuantile(residuals, weights, t.p.Alpha)
}

// meanLoss sums in blocks of fixed size, so that it does not depend on the
// workers either.
func (t *trainer) meanLoss(d Data, margin []float64) float64 {
	const size = 1 << 15
	sums := make([][2]float64, (len(margin)+size-1)/size)
	t.blocks(len(margin), func(from, to int) {
		sum, total := 0.0, 0.0
		for r := from; r < to; r++ {
			w := 1.0
			if d.Weight != nil {
				w = d.Weight[r]
			}
			sum += w * t.loss.value(margin[r], d.Y[r])
			total += w
		}
		sums[from/size] = [2]float64{sum, total}
	})
	sum, total := 0.0, 0.0
	for _, s := range sums {
		sum += s[0]
		total += s[1]
	}
	return t.loss.finish(sum / total)
}
