package scoring

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"pgregory.net/rapid"

	"example.com/shopstream/ml/forecast"
)

// kept are what collectFn saw, by name: both runners work in this process.
var kept sync.Map // of *[][]byte

// collectFn keeps a collection under a name.
type collectFn struct{ Name string }

func (fn *collectFn) ProcessElement(_ int64, elements func(*[]byte) bool, _ func(int64)) {
	var all [][]byte
	for b := []byte(nil); elements(&b); {
		all = append(all, slices.Clone(b))
	}
	kept.Store(fn.Name, all)
}

func init() {
	register.DoFn3x0[int64, func(*[]byte) bool, func(int64)](&collectFn{})
	register.Emitter1[int64]()
	register.Function1x2(keyed)
}

func keyed(b []byte) (int64, []byte) { return 0, b }

func collect(s beam.Scope, name string, c beam.PCollection) {
	beam.ParDo(s, &collectFn{name}, beam.GroupByKey(s, beam.ParDo(s, keyed, c)))
}

func collected(name string) [][]byte {
	all, _ := kept.LoadAndDelete(name)
	elements, _ := all.([][]byte)
	return elements
}

// runScore returns the predictions by series, and the dead letters.
func runScore(t testing.TB, runner string, o Options, series func(s beam.Scope) beam.PCollection) (map[string]Prediction, []DeadLetter) {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	predictions, dead, err := Score(s, o, series(s))
	if err != nil {
		t.Fatal(err)
	}
	collect(s, t.Name()+"predictions", predictions)
	collect(s, t.Name()+"dead", dead)
	if _, err := beam.Run(context.WithoutCancel(t.Context()), runner, p); err != nil {
		t.Fatalf("%s: %v", runner, err)
	}
	out := map[string]Prediction{}
	for _, b := range collected(t.Name() + "predictions") {
		p, err := DecodePrediction(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[p.Series]; twice {
			t.Errorf("%s is forecast twice", p.Series)
		}
		out[p.Series] = p
	}
	var letters []DeadLetter
	for _, b := range collected(t.Name() + "dead") {
		d, err := DecodeDeadLetter(b)
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, d)
	}
	return out, letters
}

// given is a source of elements.
func given(elements [][]byte) func(s beam.Scope) beam.PCollection {
	return func(s beam.Scope) beam.PCollection { return beam.Reshuffle(s, beam.CreateList(s, elements)) }
}

func encoded(t rapid.TB, p *forecast.Panel) [][]byte {
	t.Helper()
	elements := make([][]byte, len(p.Series))
	for i := range p.Series {
		var err error
		if elements[i], err = EncodeSeries(&p.Series[i]); err != nil {
			t.Fatal(err)
		}
	}
	return elements
}

func shuffled(elements [][]byte, seed uint64) [][]byte {
	elements = slices.Clone(elements)
	rand.New(rand.NewPCG(seed, 3)).Shuffle(len(elements), func(i, j int) { elements[i], elements[j] = elements[j], elements[i] })
	return elements
}

// meanSlack is what rounding sums of some thousand terms, in one process, may
// shift a mean by.
const meanSlack = 1e-12

// sameForecast compares with the forecast in one process.
func sameForecast(t rapid.TB, p *forecast.Panel, want *forecast.Forecast, got map[string]Prediction) {
	t.Helper()
	if len(got) != len(p.Series) {
		t.Errorf("%d series are forecast of %d", len(got), len(p.Series))
	}
	for i := range p.Series {
		id := p.Series[i].ID
		g := got[id]
		if g.Origin != want.Origin || g.Category != p.Series[i].Category || len(g.Days) != len(want.Rows[i]) {
			t.Fatalf("%s: got %+v", id, g)
		}
		for h, w := range want.Rows[i] {
			d := g.Days[h]
			if math.Abs(d.Mean-w.Mean) > meanSlack*w.Mean {
				t.Errorf("%s, day %d: the mean is %v, and in one process %v", id, h+1, d.Mean, w.Mean)
			}
			d.Mean = w.Mean
			if d != w {
				t.Errorf("%s, day %d: got %+v, and in one process %+v", id, h+1, d, w)
			}
		}
	}
}

// TestScoreEqualsOneProcess is the package's promise: the same forecasts as in
// one process, on both runners, in any order, of any number of shards.
func TestScoreEqualsOneProcess(t *testing.T) {
	f := testShop(t)
	elements := encoded(t, f.panel)
	var first map[string]Prediction
	for seed, c := range []struct {
		name, runner string
		shards       int
	}{{"direct", "direct", 8}, {"direct, a shard", "direct", 1}, {"prism", "prism", 8}, {"prism, more shards than series", "prism", 2000}} {
		t.Run(c.name, func(t *testing.T) {
			o := f.options
			o.Shards = c.shards
			got, dead := runScore(t, c.runner, o, given(shuffled(elements, uint64(seed))))
			if len(dead) > 0 {
				t.Fatalf("dead letters: %+v", dead[0])
			}
			sameForecast(t, f.panel, f.want, got)
			if first == nil {
				first = got
			}
			for id, w := range first {
				if !slices.Equal(w.Days, got[id].Days) {
					t.Fatalf("%s: %+v, and in another run %+v", id, got[id].Days, w.Days)
				}
			}
		})
	}
}
