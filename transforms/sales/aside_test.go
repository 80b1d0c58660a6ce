package sales

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// TestTooLarge: what is left fits, one line less set aside would not, and no line
// that is kept is larger than one that is not.
func TestTooLarge(t *testing.T) {
	type side struct {
		currency  string
		cancelled bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) lake.OrderLineRow {
			return lake.OrderLineRow{
				Currency: rapid.SampledFrom([]string{"EUR", "VND"}).Draw(t, "currency"), Cancelled: rapid.Bool().Draw(t, "cancelled"),
				Amount: shop.Money(rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, int64(shop.MaxMoney)), rapid.Just(int64(shop.MaxMoney))).Draw(t, "amount")),
			}
		}), 0, 12).Draw(rt, "lines")
		at := tooLarge(lines)
		if !slices.IsSorted(at) || len(slices.Compact(slices.Clone(at))) != len(at) {
			rt.Fatalf("indices %v", at)
		}
		kept, aside := apart(lines, at)
		if len(kept)+len(aside) != len(lines) {
			rt.Fatalf("%d and %d of %d lines", len(kept), len(aside), len(lines))
		}
		sums, least, most := map[side]*big.Int{}, map[side]shop.Money{}, map[side]shop.Money{}
		for _, l := range kept {
			k := side{l.Currency, l.Cancelled}
			if sums[k] == nil {
				sums[k] = new(big.Int)
			}
			sums[k].Add(sums[k], big.NewInt(int64(l.Amount)))
			most[k] = max(most[k], l.Amount)
		}
		largest := big.NewInt(int64(shop.MaxMoney))
		for k, sum := range sums {
			if sum.Cmp(largest) > 0 {
				rt.Fatalf("%v: %s does not fit", k, sum)
			}
		}
		for _, l := range aside {
			k := side{l.Currency, l.Cancelled}
			if least[k] == 0 || l.Amount < least[k] {
				least[k] = l.Amount
			}
		}
		for k, amount := range least {
			if most[k] > amount {
				rt.Fatalf("%v: %s is kept, %s is not", k, most[k], amount)
			}
			if new(big.Int).Add(sums[k], big.NewInt(int64(amount))).Cmp(largest) <= 0 {
				rt.Fatalf("%v: %s would have fitted", k, amount)
			}
		}
	})
}
