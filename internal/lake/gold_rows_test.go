package lake

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var anyPrediction = rapid.Custom(func(t *rapid.T) DemandPredictionRow {
	few := rapid.SampledFrom([]string{"", "a", "b", "ab", "ä"})
	return DemandPredictionRow{
		Date: rapid.Int32().Draw(t, "date"), Origin: rapid.Int32Range(0, 3).Draw(t, "origin"), Horizon: anyInt.Draw(t, "horizon"),
		Level: few.Draw(t, "level"), Series: anyText.Draw(t, "series"), Category: anyTextFull.Draw(t, "category"),
		Target: few.Draw(t, "target"), Currency: few.Draw(t, "currency"), Model: few.Draw(t, "model"), ModelVersion: few.Draw(t, "version"),
		Point: rapid.Float64().Draw(t, "point"), Mean: rapid.Float64().Draw(t, "mean"),
		Lower80: rapid.Ptr(rapid.Float64(), true).Draw(t, "lower 80"), Upper80: rapid.Ptr(rapid.Float64(), true).Draw(t, "upper 80"),
		Lower95: rapid.Ptr(rapid.Float64(), true).Draw(t, "lower 95"), Upper95: rapid.Ptr(rapid.Float64(), true).Draw(t, "upper 95"),
		Fallback: few.Draw(t, "fallback"),
	}
})

// TestPredictions: whatever their order, the same rows make the same file, which
// has all of them by the grain.
func TestPredictions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfNDistinct(anyPrediction, 0, 100, func(r DemandPredictionRow) DemandPredictionRow {
			return DemandPredictionRow{
				Date: r.Date, Origin: r.Origin, Level: r.Level, Series: r.Series, Target: r.Target,
				Currency: r.Currency, Model: r.Model, ModelVersion: r.ModelVersion,
			}
		}).Draw(rt, "rows")
		file, err := EncodeGold(nil, rows)
		if err != nil {
			rt.Fatal(err)
		}
		shuffled := slices.Clone(rows)
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		given := slices.Clone(shuffled)
		again, err := EncodeGold(nil, shuffled)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(file, again) {
			rt.Error("the order of rows makes other bytes")
		}
		if diff := cmp.Diff(given, shuffled); diff != "" {
			rt.Errorf("encoding changed the caller's rows: %s", diff)
		}
		got, err := DecodeRows[DemandPredictionRow](file)
		if err != nil {
			rt.Fatal(err)
		}
		slices.SortFunc(rows, ComparePredictions)
		if diff := cmp.Diff(rows, got, sameRows); diff != "" {
			rt.Errorf("rows read back (-want +got):\n%s", diff)
		}
		if err := checkPageIndex(file); err != nil {
			rt.Error(err)
		}
	})
}
