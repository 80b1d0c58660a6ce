package trees

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The model is the same, to the byte, for any number of workers and any run.
func TestSameModelWhateverTheWorkers(t *testing.T) {
	e := newExample(20000, 1) // enough rows to share nodes
	x := e.bin(t, 255)
	weight := make([]float64, len(e.y))
	for i := range weight {
		weight[i] = 0.5 + float64(i%7)
	}
	for name, p := range objectives {
		for _, weight := range [][]float64{nil, weight} {
			p.Trees, p.LearningRate, p.MaxLeaves, p.MinRows = 4, 0.2, 20, 5
			p.Subsample, p.ColumnShare, p.Seed = 0.9, 0.8, 42
			var first []byte
			for _, workers := range []int{1, 2, 7, 2} {
				p.Workers = workers
				text, err := train(t, Data{X: x, Y: e.y, Weight: weight}, p).Encode()
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = text
				}
				if !bytes.Equal(first, text) {
					t.Errorf("%s, weighted %v: another model with %d workers", name, weight != nil, workers)
				}
			}
			p.Seed = 43
			if text, err := train(t, Data{X: x, Y: e.y, Weight: weight}, p).Encode(); err != nil || bytes.Equal(first, text) {
				t.Errorf("%s: the same model with another seed (%v)", name, err)
			}
		}
	}
}

// Without sampling, each tree lowers the training loss.
func TestLossFalls(t *testing.T) {
	e := newExample(3000, 2)
	x := e.bin(t, 64)
	for name, p := range objectives {
		for _, leaves := range []int{0, 12} {
			p.Trees, p.LearningRate, p.MaxDepth, p.MaxLeaves, p.MinRows = 30, 0.2, 5, leaves, 10
			last := math.Inf(1)
			_, err := Train(t.Context(), Data{X: x, Y: e.y}, nil, p, func(at Progress) {
				if !(at.Train <= last) {
					t.Errorf("%s, %d leaves: loss %v after tree %d, %v before", name, leaves, at.Train, at.Tree, last)
				}
				if leaves > 0 && at.Leaves > leaves {
					t.Errorf("%s: %d leaves, at most %d are allowed", name, at.Leaves, leaves)
				}
				last = at.Train
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The loss that Progress shows is that of the predictions.
func TestProgressShowsTheLossOfThePredictions(t *testing.T) {
	e := newExample(500, 3)
	x := e.bin(t, 64)
	held := newExample(300, 4)
	heldX, err := x.Like(held.m)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range objectives {
		p.Trees, p.LearningRate, p.MaxDepth, p.Subsample = 8, 0.3, 4, 0.7
		var last Progress
		m, err := Train(t.Context(), Data{X: x, Y: e.y}, &ValidData{X: heldX, Y: held.y}, p, func(at Progress) { last = at })
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []struct {
			name string
			e    example
			got  float64
		}{{"training", e, last.Train}, {"validation", held, last.Valid}} {
			predicted := make([]float64, len(side.e.y))
			if err := m.Predict(predicted, side.e.m.RowMajor(0, len(predicted))); err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for i, mean := range predicted {
				sum += plainLoss(p, mean, side.e.y[i])
			}
			want := sum / float64(len(predicted))
			if p.Objective == SquaredError {
				want = math.Sqrt(want)
			}
			if math.Abs(side.got-want) > 1e-9*max(1, math.Abs(want)) {
				t.Errorf("%s: %s loss %v, the predictions have %v", name, side.name, side.got, want)
			}
		}
	}
}

// plainLoss is written in terms of the prediction, as textbooks have it.
func plainLoss(p Params, mean, y float64) float64 {
	switch p.Objective {
	case Poisson:
		return mean - y*math.Log(mean)
	case Tweedie:
		return math.Pow(mean, 2-p.Power)/(2-p.Power) - y*math.Pow(mean, 1-p.Power)/(1-p.Power)
	case Quantile:
		return max(p.Alpha*(y-mean), (p.Alpha-1)*(y-mean))
	default:
		return (y - mean) * (y - mean)
	}
}

// Gradients are the derivatives of the loss.
func TestGradientsAreDerivatives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		margin := rapid.Float64Range(-3, 3).Draw(t, "margin")
		y := rapid.Float64Range(0, 20).Draw(t, "y")
		for name, p := range objectives {
			if p.Objective == Quantile && math.Abs(margin-y) < 1e-3 {
				continue // the kink
			}
			l := newLoss(p)
			const d = 1e-5
			g, h := l.gradient(margin, y)
			wantG := (l.value(margin+d, y) - l.value(margin-d, y)) / (2 * d)
			gPlus, _ := l.gradient(margin+d, y)
			gMinus, _ := l.gradient(margin-d, y)
			wantH := (gPlus - gMinus) / (2 * d)
			switch p.Objective {
			case Quantile:
				wantH = 1 // by convention
			case SquaredError:
				wantG /= 2 // the usual ½ is left out of value
			}
			if math.Abs(g-wantG) > 1e-4*max(1, math.Abs(wantG)) || math.Abs(h-wantH) > 1e-4*max(1, math.Abs(wantH)) {
				t.Fatalf("%s at margin %v, y %v: gradient %v and %v, differences give %v and %v", name, margin, y, g, h, wantG, wantH)
			}
		}
	})
}

// A leaf of a quantile tree is the quantile of its rows' residuals: with the
// learning rate 1, the share alpha of each leaf's targets is below.
func TestQuantileLeavesHoldTheQuantile(t *testing.T) {
	e := newExample(4000, 5)
	for i := range e.y {
		e.y[i] += float64(i) * 1e-6 // no ties
	}
	for _, alpha := range []float64{0.1, 0.5, 0.8} {
		for _, weighted := range []bool{false, true} {
			d := Data{X: e.bin(t, 64), Y: e.y}
			if weighted {
				for i := range e.y {
					d.Weight = append(d.Weight, float64(1+i%3))
				}
			}
			m := train(t, d, Params{Objective: Quantile, Alpha: alpha, Trees: 1, LearningRate: 1, MaxDepth: 4, MinRows: 20})
			rows := e.m.RowMajor(0, len(e.y))
			below, total, largest := map[*node]float64{}, map[*node]float64{}, map[*node]float64{}
			for i, y := range e.y {
				leaf := m.trees[0].leafOf(rows[i*m.features:][:m.features])
				w := 1.0
				if weighted {
					w = d.Weight[i]
				}
				total[leaf] += w
				largest[leaf] = max(largest[leaf], w)
				if y <= m.base+float64(leaf.value)+1e-7 {
					below[leaf] += w
				}
			}
			if len(total) < 8 {
				t.Fatalf("only %d leaves", len(total))
			}
			for leaf, n := range total {
				if below[leaf] < alpha*n-1e-9 || below[leaf] > alpha*n+largest[leaf] {
					t.Errorf("alpha %v, weighted %v: %v of %v are not above the leaf", alpha, weighted, below[leaf], n)
				}
			}
		}
	}
}

// weightedQuantile minimises the pinball loss, and equal weights change nothing.
func TestQuantileMinimisesThePinballLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Map(rapid.IntRange(-5, 5), func(i int) float64 { return float64(i) }), 1, 40).Draw(t, "values")
		alpha := rapid.SampledFrom([]float64{0.05, 0.25, 0.5, 0.7, 0.95}).Draw(t, "alpha")
		weight := make([]float64, len(values))
		for i := range weight {
			weight[i] = float64(rapid.IntRange(0, 3).Draw(t, "weight"))
		}
		weight[0]++
		loss := func(at float64, weight []float64) (sum float64) {
			for i, v := range values {
				w := 1.0
				if weight != nil {
					w = weight[i]
				}
				sum += w * max(alpha*(v-at), (alpha-1)*(v-at))
			}
			return sum
		}
		for _, weight := range [][]float64{nil, weight} {
			got := weightedQuantile(slices.Clone(values), slices.Clone(weight), alpha)
			for _, at := range values {
				if loss(got, weight) > loss(at, weight)+1e-9 {
					t.Fatalf("quantile %v has the loss %v, %v has %v", got, loss(got, weight), at, loss(at, weight))
				}
			}
		}
		ones := slices.Repeat([]float64{1}, len(values))
		plain := weightedQuantile(slices.Clone(values), nil, alpha)
		if equal := weightedQuantile(slices.Clone(values), ones, alpha); equal != plain {
			t.Fatalf("%v with equal weights, %v without", equal, plain)
		}
	})
}

// Missing values go to the side where they belong, whichever it is.
func TestMissingValuesLearnTheirSide(t *testing.T) {
	nan := float32(math.NaN())
	for _, missingLow := range []bool{true, false} {
		var column []float32
		var y []float64
		for i := range 300 {
			v, target := float32(i%100), 0.0
			if v >= 50 {
				target = 10
			}
			if i%3 == 0 {
				v, target = nan, 10
				if missingLow {
					target = 0
				}
			}
			column = append(column, v)
			y = append(y, target)
		}
		x, err := Bin(Matrix{Columns: [][]float32{column}}, 255)
		if err != nil {
			t.Fatal(err)
		}
		m := train(t, Data{X: x, Y: y}, Params{Trees: 1, LearningRate: 1, MaxDepth: 1})
		got := make([]float64, 3)
		if err := m.Predict(got, []float32{nan, 0, 99}); err != nil {
			t.Fatal(err)
		}
		want := []float64{10, 0, 10}
		if missingLow {
			want[0] = 0
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-5 {
				t.Errorf("missing low %v: predictions %v, want %v", missingLow, got, want)
			}
		}
	}
}

// A column may be missing throughout its split: that alone is a signal.
func TestMissingAgainstPresent(t *testing.T) {
	nan := float32(math.NaN())
	for _, categorical := range []bool{false, true} {
		x, err := Bin(Matrix{Columns: [][]float32{{nan, 3, nan, 3}}, Categorical: []bool{categorical}}, 8)
		if err != nil {
			t.Fatal(err)
		}
		m := train(t, Data{X: x, Y: []float64{1, 5, 1, 5}}, Params{Trees: 1, LearningRate: 1, MaxDepth: 2})
		got := make([]float64, 2)
		if err := m.Predict(got, []float32{nan, 3}); err != nil {
			t.Fatal(err)
		}
		if math.Abs(got[0]-1) > 1e-6 || math.Abs(got[1]-5) > 1e-6 {
			t.Errorf("categorical %v: predictions %v, want 1 and 5", categorical, got)
		}
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(text); err != nil {
			t.Errorf("categorical %v: the model cannot be read again: %v", categorical, err)
		}
	}
}

// Where training saw no missing value, one follows the larger side.
func TestUnseenMissingValuesFollowTheMajority(t *testing.T) {
	for _, categorical := range []bool{false, true} {
		for _, large := range []float32{0, 1} {
			column, y := []float32{0, 1}, []float64{0, 1}
			for range 5 {
				column, y = append(column, large), append(y, float64(large))
			}
			x, err := Bin(Matrix{Columns: [][]float32{column}, Categorical: []bool{categorical}}, 8)
			if err != nil {
				t.Fatal(err)
			}
			m := train(t, Data{X: x, Y: y}, Params{Trees: 1, LearningRate: 1, MaxDepth: 1})
			got := make([]float64, 1)
			if err := m.Predict(got, []float32{float32(math.NaN())}); err != nil {
				t.Fatal(err)
			}
			if math.Abs(got[0]-float64(large)) > 1e-6 {
				t.Errorf("categorical %v: a missing value gives %v, most rows have %v", categorical, got[0], large)
			}
		}
	}
}

// Training stops after the given rounds without a gain, and keeps the best.
func TestEarlyStoppingKeepsTheBestRound(t *testing.T) {
	e, held := newExample(300, 6), newExample(300, 7)
	x := e.bin(t, 64)
	heldX, err := x.Like(held.m)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	p := Params{Trees: 500, LearningRate: 0.1, MaxDepth: 3, MinRows: 10, EarlyStopping: 7}
	m, err := Train(t.Context(), Data{X: x, Y: e.y}, &ValidData{X: heldX, Y: held.y}, p, func(at Progress) { losses = append(losses, at.Valid) })
	if err != nil {
		t.Fatal(err)
	}
	best := slices.Index(losses, slices.Min(losses)) + 1
	if best < 5 {
		t.Fatalf("the best round is %d, too early to tell", best)
	}
	if m.Trees() != best || len(losses) != best+7 {
		t.Errorf("%d trees after %d rounds; the best of them was round %d", m.Trees(), len(losses), best)
	}
}

// MinRows, MaxDepth and Subsample hold.
func TestLimitsHold(t *testing.T) {
	e := newExample(2000, 8)
	p, err := Params{Trees: 1, LearningRate: 0.1, MaxDepth: 4, MinRows: 50, Subsample: 0.6}.check()
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrainer(Data{X: e.bin(t, 64), Y: e.y}, nil, p, newLoss(p))
	if err := tr.addTree(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	rows := slices.Sorted(slices.Values(tr.grower.rows))
	for i, r := range rows {
		if int(r) != i {
			t.Fatalf("row %d is missing or twice", i)
		}
	}
	if tr.grower.used != 1200 {
		t.Errorf("%d rows used, want 1200", tr.grower.used)
	}
	for _, i := range tr.grower.leaves() {
		n := &tr.grower.nodes[i]
		if n.to-n.from < 50 || n.depth > 4 {
			t.Errorf("a leaf has %d rows at depth %d", n.to-n.from, n.depth)
		}
	}
}

// Each row is drawn equally often, and each pair of first and last row.
func TestSubsampleIsFair(t *testing.T) {
	const rows, rounds = 10, 4000
	x, err := Bin(Matrix{Columns: [][]float32{make([]float32, rows)}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Params{Trees: 1, LearningRate: 1, Subsample: 0.4}.check()
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrainer(Data{X: x, Y: make([]float64, rows)}, nil, p, newLoss(p))
	random := rand.New(rand.NewPCG(5, 5))
	var drawn [rows]int
	both := 0
	for range rounds {
		tr.sampleRows(random)
		chosen := tr.grower.rows[:tr.grower.used]
		for _, r := range chosen {
			drawn[r]++
		}
		if chosen[0] == 0 && chosen[len(chosen)-1] == rows-1 {
			both++
		}
	}
	for r, n := range drawn {
		if math.Abs(float64(n)/rounds-0.4) > 0.04 { // five standard errors
			t.Errorf("row %d is drawn %d times of %d, want about 0.4", r, n, rounds)
		}
	}
	if want := 0.4 * 3 / 9; math.Abs(float64(both)/rounds-want) > 0.03 {
		t.Errorf("the first and the last row are drawn together %d times of %d, want about %.3f", both, rounds, want)
	}
}

// ColumnShare draws different columns, a share of them.
func TestColumnShareLimitsTheFeaturesOfATree(t *testing.T) {
	e := newExample(2000, 9)
	m := train(t, Data{X: e.bin(t, 64), Y: e.y}, Params{Trees: 30, LearningRate: 0.1, MaxDepth: 5, ColumnShare: 0.4})
	all := map[int32]bool{}
	for i := range m.trees {
		used := map[int32]bool{}
		for _, n := range m.trees[i].nodes {
			if !n.leaf() {
				used[n.feature], all[n.feature] = true, true
			}
		}
		if len(used) > 2 {
			t.Errorf("tree %d uses %d of 5 columns", i, len(used))
		}
	}
	if len(all) != 5 {
		t.Errorf("all trees together use %d of 5 columns", len(all))
	}
}

func TestTrainStopsWithItsContext(t *testing.T) {
	e := newExample(2000, 10)
	ctx, cancel := context.WithCancel(t.Context())
	trees := 0
	_, err := Train(ctx, Data{X: e.bin(t, 64), Y: e.y}, nil, Params{Trees: 1000, LearningRate: 0.1, MaxDepth: 6}, func(at Progress) {
		trees = at.Tree
		if at.Tree == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || trees != 3 {
		t.Errorf("error %v after %d trees, want context.Canceled after 3", err, trees)
	}
}

// A target without variation gives its value and no splits, for every link.
func TestConstantTarget(t *testing.T) {
	e := newExample(200, 11)
	for i := range e.y {
		e.y[i] = 4
	}
	for name, p := range objectives {
		p.Trees, p.LearningRate, p.MaxDepth = 3, 0.5, 3
		m := train(t, Data{X: e.bin(t, 64), Y: e.y}, p)
		got := make([]float64, 1)
		if err := m.Predict(got, e.m.RowMajor(0, 1)); err != nil {
			t.Fatal(err)
		}
		if math.Abs(got[0]-4) > 1e-5 {
			t.Errorf("%s: prediction %v, want 4", name, got[0])
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	e := newExample(50, 1)
	x := e.bin(t, 32)
	good := Params{Trees: 1, LearningRate: 0.1}
	edit := func(change func(*Params)) Params {
		p := good
		change(&p)
		return p
	}
	y := func(i int, v float64) []float64 {
		out := slices.Clone(e.y)
		out[i] = v
		return out
	}
	other := newExample(60, 2)
	other.m.Columns[2][5] = 77 // a new category
	foreign, err := x.Like(other.m)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		d     Data
		valid *ValidData
		p     Params
		want  string
	}{
		{"no bins", Data{Y: e.y}, nil, good, "X is nil"},
		{"short target", Data{X: x, Y: e.y[:3]}, nil, good, "3 targets for 50 rows"},
		{"short weight", Data{X: x, Y: e.y, Weight: e.y[:3]}, nil, good, "3 weights for 50 rows"},
		{"missing target", Data{X: x, Y: y(7, math.NaN())}, nil, good, "target of row 7 is NaN"},
		{"infinite target", Data{X: x, Y: y(7, math.Inf(1))}, nil, good, "target of row 7 is +Inf"},
		{"negative count", Data{X: x, Y: y(7, -1)}, nil, edit(func(p *Params) { p.Objective = Poisson }), "log link"},
		{"negative weight", Data{X: x, Y: e.y, Weight: y(7, -1)}, nil, good, "weight of row 7 is -1"},
		{"no weight", Data{X: x, Y: e.y, Weight: make([]float64, 50)}, nil, good, "all weights are 0"},
		{"no trees", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.Trees = 0 }), "Trees is 0"},
		{"no rate", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.LearningRate = 0 }), "LearningRate is 0"},
		{"NaN rate", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.LearningRate = math.NaN() }), "LearningRate is NaN"},
		{"negative L2", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.L2 = -1 }), "L2 is -1"},
		{"one leaf", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.MaxLeaves = 1 }), "MaxLeaves is 1"},
		{"too deep", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.MaxDepth = 1000 }), "MaxDepth is 1000"},
		{"subsample", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.Subsample = 1.5 }), "Subsample is 1.5"},
		{"columns", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.ColumnShare = -0.5 }), "ColumnShare is -0.5"},
		{"alpha", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.Objective = Quantile }), "Alpha is 0"},
		{"power", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.Objective, p.Power = Tweedie, 2 }), "Power is 2"},
		{"objective", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.Objective = Logistic }), "binary:logistic cannot be trained"},
		{"no validation", Data{X: x, Y: e.y}, nil, edit(func(p *Params) { p.EarlyStopping = 5 }), "EarlyStopping needs validation rows"},
		{"other bins", Data{X: x, Y: e.y}, &ValidData{X: e.bin(t, 32), Y: e.y}, good, "bins of their own"},
		{"new category", Data{X: foreign, Y: other.y}, nil, good, "a category occurs that the bins do not know"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Train(t.Context(), test.d, test.valid, test.p, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
