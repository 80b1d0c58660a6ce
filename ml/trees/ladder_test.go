package trees

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRankCountsTheNumbersNotAbove(t *testing.T) {
	number := rapid.OneOf(
		rapid.Map(rapid.IntRange(-4, 4), func(i int) float32 { return float32(i) / 2 }),
		rapid.Float32(),
		rapid.SampledFrom([]float32{float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, -math.SmallestNonzeroFloat32}),
	).Filter(func(v float32) bool { return v == v })
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(number, 0, 70).Draw(t, "numbers")
		slices.Sort(numbers)
		l := newLadder(numbers)
		for _, v := range append(numbers, number.Draw(t, "v")) {
			want := 0
			for _, n := range numbers {
				if n <= v {
					want++
				}
			}
			if got := l.rank(v); got != want {
				t.Fatalf("rank of %v among %v is %d, want %d", v, numbers, got, want)
			}
			if back := fromSortKey(sortKey(v)); back != v {
				t.Fatalf("%v comes back as %v", v, back)
			}
		}
	})
}
