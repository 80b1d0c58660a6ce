package quality

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// unique: no two rows have the same values in the columns, NULL counting as one.
// Of equal rows all but the first break it.
type unique struct {
	Columns []string `yaml:"columns"`
}

func (k *unique) needs() []string { return k.Columns }

func (k *unique) validate(*schemas) error { return atLeast("columns", k.Columns, 1) }

func (k *unique) evaluate(e *evaluation) []finding {
	f := finding{threshold: "unique", show: k.Columns}
	if len(k.Columns) == 1 {
		f.column = k.Columns[0]
	}
	cols := make([]*column, len(k.Columns))
	for i, name := range k.Columns {
		cols[i] = e.column(name)
	}
	// An open table of row numbers: a map of a million texts takes three times as
	// long. Slots hold the number plus 1, since 0 is an empty one.
	slots := make([]uint32, 1<<bits.Len(uint(2*e.rows.Len())))
	mask := uint64(len(slots) - 1)
	f.rows = e.breaking(func(i int) bool {
		var h uint64
		for _, c := range cols {
			h = c.hash(i, h)
		}
		for at := h & mask; ; at = (at + 1) & mask {
			switch other := slots[at]; {
			case other == 0:
				slots[at] = uint32(i) + 1
				return true
			case same(cols, int(other-1), i):
				return false
			}
		}
	})
	return []finding{f}
}

func same(cols []*column, i, j int) bool {
	for _, c := range cols {
		if !c.equal(i, j) {
			return false
		}
	}
	return true
}

func (c *column) hash(i int, h uint64) uint64 {
	const odd = 0x9e3779b97f4a7c15
	var v uint64
	switch {
	case c.null(i):
		v = odd
	case c.form == isString:
		v = xxhash.Sum64String(c.text(i))
	case c.form == isFloat64:
		v = math.Float64bits(c.float(i))
	default:
		v = uint64(c.int(i))
	}
	high, low := bits.Mul64((h+odd)^v, odd)
	return high ^ low
}

func (c *column) equal(i, j int) bool {
	if null := c.null(i); null || c.null(j) {
		return null && c.null(j)
	}
	switch c.form {
	case isString:
		return c.text(i) == c.text(j)
	case isFloat64:
		return math.Float64bits(c.float(i)) == math.Float64bits(c.float(j))
	}
	return c.int(i) == c.int(j)
}
