package scoring

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/shopstream/ml/forecast"
)

// TestGroupsAreThoseOfRanks also when many sums are equal, and however the
// series are divided.
func TestGroupsAreThoseOfRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 199, 200, 201, 999, 1000, 1001, 2500}).Draw(t, "series")
		distinct := rapid.IntRange(1, 3*n+1).Draw(t, "distinct sums")
		seed := rapid.Uint32().Draw(t, "seed")
		parts := make([]leaders, rapid.IntRange(1, 6).Draw(t, "parts"))
		all := make([]place, n)
		for i := range all {
			mixed := (uint32(i)*2654435761 + seed) >> 3
			all[i] = place{sum: float64(mixed % uint32(distinct)), id: fmt.Sprintf("p%04d", i)}
			parts[mixed%uint32(len(parts))].add(all[i])
		}
		var merged leaders
		for i := range parts {
			parts[i].trim()
			places, err := unpackPlaces(appendPlaces(nil, parts[i]))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range places {
				merged.add(p)
			}
		}
		cuts := merged.cuts()
		slices.SortStableFunc(all, func(a, b place) int { // all are in order of ID
			switch {
			case a.sum > b.sum:
				return -1
			case a.sum < b.sum:
				return 1
			}
			return 0
		})
		for rank, p := range all {
			want := 0
			for _, first := range forecast.GroupRanks() {
				if rank >= first {
					want++
				}
			}
			if got := cuts.group(p); got != want {
				t.Fatalf("rank %d of %d is in group %d: expected %d", rank, n, got, want)
			}
		}
	})
}
