package trees

import (
	"math"
	"math/bits"
)

// ladder finds the rank of a value among ascending numbers. It holds their
// sort keys, filled up to a power of two less one, so that every search takes
// the same steps and no branch can be mispredicted.
type ladder []uint32

func newLadder(ascending []float32) ladder {
	l := make(ladder, 1<<bits.Len(uint(len(ascending)))-1)
	for i := range l {
		l[i] = math.MaxUint32 // above every number
		if i < len(ascending) {
			l[i] = sortKey(ascending[i])
		}
	}
	return l
}

// rank is the number of the ladder's numbers that are not above v, which must
// not be NaN. So v is below the k-th (from 0) just when its rank is at most k.
func (l ladder) rank(v float32) int {
	key, rank := int64(sortKey(v)), 0
	for step := (len(l) + 1) / 2; step > 0; step >>= 1 {
		// The shifted difference is −1, all bits, if the number is above.
		rank += step &^ int((key-int64(l[rank+step-1]))>>63)
	}
	return rank
}

// rank4 is rank for four values at a time, whose steps do not wait for each
// other. Like descend, it is faster when it is not inlined.
//
//go:noinline
func (l ladder) rank4(v, w, x, y float32) (a, b, c, d uint32) {
	kv, kw, kx, ky := int64(sortKey(v)), int64(sortKey(w)), int64(sortKey(x)), int64(sortKey(y))
	for step := uint32(len(l)+1) / 2; step > 0; step >>= 1 {
		below := l[step-1:]
		a += step &^ uint32((kv-int64(below[a]))>>63)
		b += step &^ uint32((kw-int64(below[b]))>>63)
		c += step &^ uint32((kx-int64(below[c]))>>63)
		d += step &^ uint32((ky-int64(below[d]))>>63)
	}
	return a, b, c, d
}

// sortKey maps numbers to integers of the same order; −0 counts as 0.
func sortKey(v float32) uint32 {
	b := math.Float32bits(v + 0) // makes 0 of −0
	return b ^ (uint32(int32(b)>>31) | 1<<31)
}

func fromSortKey(key uint32) float32 {
	if key>>31 != 0 {
		return math.Float32frombits(key &^ (1 << 31))
	}
	return math.Float32frombits(^key)
}
