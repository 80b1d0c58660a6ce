package scoring

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// grouped is what a runner hands to a DoFn after a grouping: values by key.
type grouped map[int64][][]byte

func (g grouped) emit(key int64, b []byte) { g[key] = append(g[key], slices.Clone(b)) }

// iterate hands the values out in a random order.
func (g grouped) iterate(key int64, random *rand.Rand) func(*[]byte) bool {
	values := slices.Clone(g[key])
	random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	return func(b *[]byte) bool {
		if len(values) == 0 {
			return false
		}
		*b, values = values[0], values[1:]
		return true
	}
}

// inBundles runs the DoFns as a runner may: the elements in any order and in
// bundles of any size, values of a key in any order.
func inBundles(t rapid.TB, o Options, elements [][]byte, seed uint64) map[string]Prediction {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 9))
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	series, places := grouped{}, grouped{}
	dead := func(b []byte) { t.Fatalf("a dead letter: %s", b) }
	check := &checkFn{Axis: o.Axis, Shards: o.Shards}
	most := 1 + random.IntN(2*len(elements)+1)
	for rest := shuffled(elements, seed); len(rest) > 0; {
		n := 1 + random.IntN(min(most, len(rest)))
		check.StartBundle(series.emit, places.emit, dead)
		for _, e := range rest[:n] {
			must(check.ProcessElement(e, series.emit, places.emit, dead))
		}
		check.FinishBundle(series.emit, places.emit, dead)
		rest = rest[n:]
	}
	cuts, drafts, sums, solutions := grouped{}, grouped{}, grouped{}, grouped{}
	must((&cutFn{Shards: o.Shards}).ProcessElement(oneKey, places.iterate(oneKey, random), cuts.emit))
	for shard := range series {
		draft := &draftFn{Options: o}
		must(draft.Setup(context.Background()))
		must(draft.ProcessElement(context.Background(), shard, cuts.iterate(shard, random), series.iterate(shard, random), drafts.emit, sums.emit))
	}
	solve := &solveFn{Options: o}
	must(solve.Setup(context.Background()))
	must(solve.ProcessElement(oneKey, sums.iterate(oneKey, random), solutions.emit))
	out := map[string]Prediction{}
	finish := &finishFn{Options: o}
	must(finish.Setup(context.Background()))
	for shard := range drafts {
		must(finish.ProcessElement(shard, solutions.iterate(shard, random), drafts.iterate(shard, random), func(b []byte) {
			p, err := DecodePrediction(b)
			must(err)
			out[p.Series] = p
		}))
	}
	return out
}

// TestBundlesMakeNoDifference to any bit.
func TestBundlesMakeNoDifference(t *testing.T) {
	f := testShop(t)
	elements := encoded(t, f.panel)
	want := inBundles(t, f.options, elements, 0)
	sameForecast(t, f.panel, f.want, want)
	for seed := range uint64(4) {
		if testing.Short() && seed > 1 {
			break
		}
		o := f.options
		o.Shards = []int{1, 3, 40, 200}[seed]
		got := inBundles(t, o, elements, seed+1)
		for id := range want {
			if got[id].Series != id || !slices.Equal(got[id].Days, want[id].Days) {
				t.Fatalf("%s: %+v, and in other bundles %+v", id, got[id], want[id])
			}
		}
	}
}

// TestAnyShopEqualsOneProcess also for shops of one series, of none in the last
// groups, and of few days.
func TestAnyShopEqualsOneProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred shops")
	}
	f := testShop(t)
	rapid.Check(t, func(r *rapid.T) {
		n, days := rapid.SampledFrom([]int{1, 2, 30, 200, 201, 260}).Draw(r, "series"), rapid.IntRange(3, 60).Draw(r, "days")
		p, err := randomShop(rapid.Uint64().Draw(r, "shop"), n, days)
		if err != nil {
			r.Skip(err) // nothing was sold
		}
		o := f.options
		o.Axis, o.Horizon, o.Shards = AxisOf(p), rapid.IntRange(1, 10).Draw(r, "horizon"), rapid.IntRange(1, 9).Draw(r, "shards")
		want, err := f.fit.Forecast(t.Context(), p, o.Horizon)
		if err != nil {
			r.Fatal(err)
		}
		sameForecast(r, p, want, inBundles(r, o, encoded(r, p), rapid.Uint64().Draw(r, "bundles")))
	})
}
