// Package metrics keeps a shop's additive revenue metrics: packed sums per
// product, category and currency of short stretches of event time
// (increments), and their composition into 5-minute, hourly and sliding
// windows.
//
// Only sums are kept, so that any two tables can be merged in any order with
// the same result. Distinct orders and customers are not additive and are left
// to the gold jobs.
package metrics

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"example.com/shopstream/internal/shop"
)

// Key says whose sums these are. Views and carts have no currency ("").
type Key struct {
	Product, Category, Currency string
}

// Sums are the additive metrics of one key.
type Sums struct {
	Lines            int64 // order lines
	Units            int64
	Revenue          shop.Money
	CancelledLines   int64
	CancelledUnits   int64
	CancelledRevenue shop.Money
	Views            int64
	Carts            int64
}

// Overflow is the value of a sum of money that does not fit DECIMAL(18,6). It
// is sticky, and since only positive amounts are added, the order of additions
// does not decide where it appears. It is NULL in files.
const Overflow shop.Money = math.MaxInt64

// Table maps keys to sums.
type Table map[Key]*Sums

// Observe adds one event.
func (t Table) Observe(e *shop.Event) {
	s := t.at(Key{Product: e.ProductID, Category: e.Category, Currency: e.Currency})
	switch e.Type {
	case shop.ProductViewed:
		s.Views++
	case shop.AddToCart:
		s.Carts++
	case shop.OrderCreated:
		s.add(&Sums{Lines: 1, Units: e.Quantity, Revenue: amount(e)})
	case shop.OrderCancelled:
		s.add(&Sums{CancelledLines: 1, CancelledUnits: e.Quantity, CancelledRevenue: amount(e)})
	}
}

// amount is price times quantity; Parse has checked that it fits.
func amount(e *shop.Event) shop.Money {
	if m, ok := e.UnitPrice.Mul(e.Quantity); ok {
		return m
	}
	return Overflow
}

// at returns the sums of a key. The key's strings are cloned when it is new,
// since they may be views into a buffer.
func (t Table) at(k Key) *Sums {
	s := t[k]
	if s == nil {
		s = new(Sums)
		t[k.clone()] = s
	}
	return s
}

func (k Key) clone() Key {
	return Key{Product: clone(k.Product), Category: clone(k.Category), Currency: clone(k.Currency)}
}

func (s *Sums) add(o *Sums) {
	s.Lines += o.Lines
	s.Units += o.Units
	s.Revenue = plus(s.Revenue, o.Revenue)
	s.CancelledLines += o.CancelledLines
	s.CancelledUnits += o.CancelledUnits
	s.CancelledRevenue = plus(s.CancelledRevenue, o.CancelledRevenue)
	s.Views += o.Views
	s.Carts += o.Carts
}

func plus(a, b shop.Money) shop.Money {
	if a == Overflow || b == Overflow {
		return Overflow
	}
	if c, ok := a.Add(b); ok {
		return c
	}
	return Overflow
}

// sorted returns the keys in order: product, category, currency.
func (t Table) sorted() []Key { return slices.SortedFunc(maps.Keys(t), Key.compare) }

// Append packs the table after dst: the same bytes for the same sums. Packed
// tables may be joined end to end; Unpack reads all of them.
func (t Table) Append(dst []byte) []byte {
	for _, k := range t.sorted() {
		s := t[k]
		for _, f := range [...]string{k.Product, k.Category, k.Currency} {
			dst = binary.AppendUvarint(dst, uint64(len(f)))
			dst = append(dst, f...)
		}
		for _, v := range s.fields() {
			dst = binary.AppendVarint(dst, *v)
		}
	}
	return dst
}

func (s *Sums) fields() [8]*int64 {
	return [8]*int64{
		&s.Lines, &s.Units, (*int64)(&s.Revenue),
		&s.CancelledLines, &s.CancelledUnits, (*int64)(&s.CancelledRevenue),
		&s.Views, &s.Carts,
	}
}

var errPacked = errors.New("packed increments are damaged")

// Unpack adds packed tables to t.
func (t Table) Unpack(packed []byte) error {
	for len(packed) > 0 {
		var k Key
		for _, f := range [...]*string{&k.Product, &k.Category, &k.Currency} {
			n, w := binary.Uvarint(packed)
			if w <= 0 || n > uint64(len(packed)-w) {
				return errPacked
			}
			*f = view(packed[w : w+int(n)])
			packed = packed[w+int(n):]
		}
		var s Sums
		for _, v := range s.fields() {
			x, w := binary.Varint(packed)
			if w <= 0 {
				return errPacked
			}
			*v = x
			packed = packed[w:]
		}
		t.at(k).add(&s)
	}
	return nil
}

// Increments are the sums of one base window by bucket: the start of a stretch
// of event time no longer than the base window or 5 minutes, ms.
type Increments map[int64][]byte // packed tables

// magic starts an increments file.
const magic = "SSI1"

// Encode packs increments into the content of a file: magic, then bucket,
// length and packed table, then a checksum.
func (in Increments) Encode() []byte {
	out := []byte(magic)
	for _, b := range in.Buckets() {
		out = binary.AppendVarint(out, b)
		out = binary.AppendUvarint(out, uint64(len(in[b])))
		out = append(out, in[b]...)
	}
	return binary.LittleEndian.AppendUint64(out, checksum(out))
}

// Buckets returns the buckets in order.
func (in Increments) Buckets() []int64 { return slices.Sorted(maps.Keys(in)) }

// DecodeIncrements reads the content of a file that Encode made.
func DecodeIncrements(data []byte) (Increments, error) {
	n := len(data) - 8
	if n < len(magic) || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no increments file", errPacked)
	}
	if binary.LittleEndian.Uint64(data[n:]) != checksum(data[:n]) {
		return nil, fmt.Errorf("%w: checksum differs", errPacked)
	}
	in := Increments{}
	for rest := data[len(magic):n]; len(rest) > 0; {
		b, w := binary.Varint(rest)
		if w <= 0 {
			return nil, errPacked
		}
		rest = rest[w:]
		size, w := binary.Uvarint(rest)
		if w <= 0 || size > uint64(len(rest)-w) || size > math.MaxInt32 {
			return nil, errPacked
		}
		if _, twice := in[b]; twice {
			return nil, fmt.Errorf("%w: a bucket is there twice", errPacked)
		}
		in[b] = rest[w : w+int(size)]
		rest = rest[w+int(size):]
	}
	return in, nil
}
