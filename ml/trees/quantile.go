package trees

import (
	"cmp"
	"slices"
)

// weightedQuantile is the alpha-quantile of values: the smallest v such that
// the rows up to v hold at least the share alpha of the weight, and half-way
// to the next value where they hold it exactly (definition 2 of Hyndman and
// Fan, 1996). It minimises the pinball loss. An empty weight stands for equal
// weights. It reorders both slices; values must not be empty.
func weightedQuantile(values, weight []float64, alpha float64) float64 {
	if len(weight) == 0 {
		return plainQuantile(values, alpha)
	}
	type item struct{ value, weight float64 }
	items := make([]item, 0, len(values))
	total := 0.0
	for i, v := range values {
		if weight[i] > 0 {
			items = append(items, item{v, weight[i]})
			total += weight[i]
		}
	}
	if len(items) == 0 {
		return plainQuantile(values, alpha)
	}
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.weight, b.weight))
	})
	want, sum := alpha*total, 0.0
	for i, it := range items {
		sum += it.weight
		switch {
		case i == len(items)-1:
		case nearly(sum, want, total):
			return (it.value + items[i+1].value) / 2
		case sum < want:
			continue
		}
		return it.value
	}
	return items[len(items)-1].value
}

// nearly tells that a sum of weights equals the wanted one up to rounding.
func nearly(sum, want, total float64) bool {
	return sum-want <= 1e-12*total && want-sum <= 1e-12*total
}

func plainQuantile(values []float64, alpha float64) float64 {
	n := float64(len(values))
	want := alpha * n
	k := int(want) // rows that are wholly below
	if nearly(float64(k+1), want, n) {
		k++
	}
	exact := k > 0 && nearly(float64(k), want, n)
	if k >= len(values) {
		return slices.Max(values)
	}
	upper := selectNth(values, k)
	if !exact {
		return upper
	}
	return (slices.Max(values[:k]) + upper) / 2
}

// selectNth returns the k-th smallest value (from 0) and leaves the k smaller
// ones before it: Hoare's selection, the pivot the median of three.
func selectNth(values []float64, k int) float64 {
	lo, hi := 0, len(values)-1
	for lo < hi {
		pivot := median3(values[lo], values[lo+(hi-lo)/2], values[hi])
		i, j := lo, hi
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return values[k]
		}
	}
	return values[k]
}

func median3(a, b, c float64) float64 {
	return max(min(a, b), min(max(a, b), c))
}
