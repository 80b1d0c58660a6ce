package quality

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"example.com/shopstream/internal/warehouse"
)

// TestWide compares 128 bits with big integers.
func TestWide(t *testing.T) {
	number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64}))
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c")
		want := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		got := product(a, b)
		check := func(what string) {
			if text := got.render(warehouse.Int64); text != want.String() {
				t.Fatalf("%s of %d, %d, %d: expected %s, found %s", what, a, b, c, want, text)
			}
		}
		check("product")
		if c != math.MinInt64 && want.BitLen() < 126 {
			got.add(wideOf(c))
			want.Add(want, big.NewInt(c))
			check("product and sum")
			got = got.minus(wideOf(b))
			want.Sub(want, big.NewInt(b))
			check("product, sum and difference")
		}
		near, _ := new(big.Float).SetInt(want).Float64()
		if f := got.float(warehouse.Int64); math.Abs(f-near) > math.Abs(near)*1e-15+1 {
			t.Fatalf("expected %g, found %g", near, f)
		}
	})
}
