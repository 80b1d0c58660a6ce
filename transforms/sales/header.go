package sales

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// header is what adds up over a whole business day. It is summed beside the
// tables, which are held to it before they are published.
type header struct {
	lake.GoldCounts
	looks
	newest int64             // time of the newest event, µs; 0: none
	money  map[string]*money // by currency
}

// money is what was ordered and cancelled in one currency.
type money struct {
	Lines, Units                   int64
	Revenue                        shop.Money
	CancelledLines, CancelledUnits int64
	CancelledRevenue               shop.Money
}

func newHeader() header { return header{money: map[string]*money{}} }

// read counts a row of the lake.
func (h *header) read(e *event) {
	if e.Late {
		h.Late++
	} else {
		h.Silver++
	}
	h.newest = max(h.newest, e.Time)
}

// add counts an event; false if its amount does not fit DECIMAL(18,6).
func (h *header) add(e *event) bool {
	switch e.Type {
	case viewed:
		h.views++
		return true
	case carted:
		h.carts++
		return true
	}
	amount, ok := e.UnitPrice.Mul(e.Quantity)
	if ok {
		h.of(e.Currency).add(e.Type == cancelled, e.Quantity, amount)
	}
	return ok
}

func (h *header) of(currency string) *money {
	m := h.money[currency]
	if m == nil {
		m = &money{}
		h.money[strings.Clone(currency)] = m
	}
	return m
}

// add adds a line. A sum that gets too large stays so, for check to find.
func (m *money) add(cancelled bool, quantity int64, amount shop.Money) {
	if cancelled {
		m.CancelledLines++
		m.CancelledUnits = plus(m.CancelledUnits, quantity)
		m.CancelledRevenue = min(m.CancelledRevenue+amount, tooMuch)
		return
	}
	m.Lines++
	m.Units = plus(m.Units, quantity)
	m.Revenue = min(m.Revenue+amount, tooMuch)
}

// tooMuch is what a sum of amounts becomes that does not fit DECIMAL(18,6).
const tooMuch = shop.MaxMoney + 1

// plus is the sum of two that are not negative, at most the largest int64.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// net is revenue less cancelled revenue. Both are positive, so it fits.
func (m *money) net() shop.Money { return m.Revenue - m.CancelledRevenue }

func (m *money) fields() [6]*int64 {
	return [...]*int64{&m.Lines, &m.Units, (*int64)(&m.Revenue), &m.CancelledLines, &m.CancelledUnits, (*int64)(&m.CancelledRevenue)}
}

func (h *header) fields() [8]*int64 {
	return [...]*int64{&h.Silver, &h.Late, &h.Events, &h.Duplicates, &h.Conflicts, &h.Overflow, &h.views, &h.carts}
}

func (h *header) append(b []byte) []byte {
	for _, n := range h.fields() {
		b = binary.AppendVarint(b, *n)
	}
	b = binary.AppendVarint(b, h.newest)
	b = binary.AppendUvarint(b, uint64(len(h.money)))
	for _, currency := range slices.Sorted(maps.Keys(h.money)) {
		b = appendText(b, currency)
		for _, n := range h.money[currency].fields() {
			b = binary.AppendVarint(b, *n)
		}
	}
	return b
}

// merge adds a packed header.
func (h *header) merge(u *unpacker) error {
	for _, n := range h.fields() {
		*n += u.varint()
	}
	h.newest = max(h.newest, u.varint())
	for n := u.uvarint(); n > 0 && u.err == nil; n-- {
		currency := u.text()
		m := h.of(currency)
		for _, n := range m.fields() {
			*n = plus(*n, u.varint())
		}
		m.Revenue, m.CancelledRevenue = min(m.Revenue, tooMuch), min(m.CancelledRevenue, tooMuch)
	}
	return u.err
}

// sumsError says which sum does not fit its column.
type sumsError struct{ text string }

func (e *sumsError) Error() string { return e.text }

// check returns a sumsError if a sum has left its range, which only sums of an
// imported history can: order lines are set aside before.
func (h *header) check() error {
	for _, currency := range slices.Sorted(maps.Keys(h.money)) {
		m := h.money[currency]
		if m.Revenue == tooMuch || m.CancelledRevenue == tooMuch || m.Units == math.MaxInt64 || m.CancelledUnits == math.MaxInt64 {
			return &sumsError{fmt.Sprintf("the day's sums in %s do not fit with those of the history: expected at most %s of revenue and 63 bits of units. Correct the day in the file that --history names, and run gold with it again",
				currency, shop.MaxMoney)}
		}
	}
	return nil
}

// measures are the day's totals by name, for rules that compare days.
func (h *header) measures() map[string]float64 {
	m := map[string]float64{"events": float64(h.Events), "views": float64(h.views), "carts": float64(h.carts)}
	for currency, v := range h.money {
		m["order_lines"] += float64(v.Lines)
		m["units"] += float64(v.Units)
		m["cancelled_lines"] += float64(v.CancelledLines)
		m["cancelled_units"] += float64(v.CancelledUnits)
		m["revenue/"+currency] = float64(v.Revenue) / 1e6
		m["cancelled_revenue/"+currency] = float64(v.CancelledRevenue) / 1e6
	}
	return m
}
