package quality

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
)

// wide is an integer of 128 bits, so that no sum and no product of the numbers of
// a table leaves it and none is ever rounded.
type wide struct {
	high int64
	low  uint64
}

func wideOf(v int64) wide { return wide{v >> 63, uint64(v)} }

func (w *wide) add(o wide) {
	var carry uint64
	w.low, carry = bits.Add64(w.low, o.low, 0)
	w.high += o.high + int64(carry)
}

func (w wide) minus(o wide) wide {
	low, borrow := bits.Sub64(w.low, o.low, 0)
	return wide{w.high - o.high - int64(borrow), low}
}

// product is a × b.
func product(a, b int64) wide {
	high, low := bits.Mul64(uint64(a), uint64(b))
	return wide{int64(high) - (a>>63)&b - (b>>63)&a, low}
}

// float is the number for a result: NUMERIC in units.
func (w wide) float(t warehouse.Type) float64 {
	f := math.Ldexp(float64(w.high), 64) + float64(w.low)
	if w.high == int64(w.low)>>63 {
		f = float64(int64(w.low))
	}
	if t == warehouse.Numeric {
		return f / 1e6
	}
	return f
}

func (w wide) render(t warehouse.Type) string {
	fits := w.high == int64(w.low)>>63
	switch {
	case fits && t == warehouse.Numeric:
		return shop.Money(w.low).String()
	case fits:
		return strconv.FormatInt(int64(w.low), 10)
	}
	b := new(big.Int).Lsh(big.NewInt(w.high), 64)
	b.Add(b, new(big.Int).SetUint64(w.low))
	if t == warehouse.Numeric {
		return new(big.Rat).SetFrac(b, big.NewInt(1e6)).FloatString(6)
	}
	return b.String()
}
