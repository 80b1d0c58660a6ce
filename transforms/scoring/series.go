package scoring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"example.com/shopstream/ml/forecast"
)

// A series is packed as
//
//	format (1 byte), ID, category, how many days, the first one with a sale
//	for each day with something: days since the last such, target, orders, price
//	CRC-32C of all that (4 bytes, little-endian)
//
// Texts have their length before them; whole numbers are varints, others see
// appendNumber. A price that is not known is NaN.
const seriesFormat = 1

// maxValue bounds a number, so that no sum over series can leave the range of
// float64.
const maxValue = 1e15

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const checksumBytes = 4

// EncodeSeries packs a series for Score. It is an error if its slices are not of
// one length. What Score does not take is found by it, not here.
func EncodeSeries(s *forecast.Series) ([]byte, error) {
	if len(s.Orders) != len(s.Y) || len(s.Price) != len(s.Y) || s.First < 0 {
		return nil, fmt.Errorf("scoring: the series %q has %d values, %d orders and %d prices from its day %d on: expected one of each a day", s.ID, len(s.Y), len(s.Orders), len(s.Price), s.First)
	}
	b := appendText(appendText([]byte{seriesFormat}, s.ID), s.Category)
	b = binary.AppendUvarint(b, uint64(len(s.Y)))
	b = binary.AppendUvarint(b, uint64(s.First)) //nolint:gosec // not below 0
	last := 0
	for t, y := range s.Y {
		if y != 0 || s.Orders[t] != 0 || !math.IsNaN(s.Price[t]) {
			b = binary.AppendUvarint(b, uint64(t-last)) //nolint:gosec // t grows
			b = appendNumber(appendNumber(appendNumber(b, y), s.Orders[t]), s.Price[t])
			last = t
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// decodeSeries reads what EncodeSeries made, for an axis. The error is an
// *Invalid.
func decodeSeries(b []byte, open []bool) (s forecast.Series, err error) {
	body := len(b) - checksumBytes
	if body < 1 {
		return s, invalid(Damaged, "it has %d bytes: expected a series as EncodeSeries packs it", len(b))
	}
	if want, is := binary.LittleEndian.Uint32(b[body:]), crc32.Checksum(b[:body], castagnoli); want != is {
		return s, invalid(Damaged, "its checksum is %08x, and it says %08x: it is no series, or was changed", is, want)
	}
	if b[0] != seriesFormat {
		return s, invalid(NewFormat, "its format is %d, and this version of the program reads %d", b[0], seriesFormat)
	}
	u := &unpacker{in: b[1:body]}
	s.ID, s.Category = u.text(), u.text()
	days, first := u.uvarint(), u.uvarint()
	if u.err == nil && days != uint64(len(open)) {
		return s, invalid(OtherDays, "the series %q has %d days, and the shop %d: make all series of the same days", s.ID, days, len(open))
	}
	if u.err == nil && first >= days {
		return s, invalid(NoSale, "the series %q was never sold in its %d days", s.ID, days)
	}
	n := len(open)
	values := make([]float64, 3*n)
	s.Y, s.Orders, s.Price = values[:n:n], values[n:2*n:2*n], values[2*n:]
	for t := range s.Price {
		s.Price[t] = math.NaN()
	}
	s.First = int(first) //nolint:gosec // below len(open)
	for t, begun := uint64(0), false; u.more(); begun = true {
		gap := u.uvarint()
		y, orders, price := u.number(), u.number(), u.number()
		if begun && gap == 0 || gap > maxDays {
			u.fail()
		}
		if u.err != nil {
			break
		}
		t += gap
		if t >= days {
			return s, invalid(OtherDays, "the series %q has a value on day %d of %d", s.ID, t+1, days)
		}
		s.Y[t], s.Orders[t], s.Price[t] = y, orders, price
	}
	if u.err != nil {
		return s, invalid(Damaged, "its bytes are not those of a series: it was not packed by EncodeSeries")
	}
	return s, checkSeries(&s, open)
}

// checkSeries reports the first number that a panel's series cannot have.
func checkSeries(s *forecast.Series, open []bool) error {
	for t, y := range s.Y {
		orders, price := s.Orders[t], s.Price[t]
		if y == 0 && orders == 0 && math.IsNaN(price) {
			continue
		}
		if !inRange(y) || !inRange(orders) || !inRange(price) && !math.IsNaN(price) {
			return invalid(BadNumber, "the series %q has the target %v, %v orders and the price %v on day %d: expected 0 to %v", s.ID, y, orders, price, t+1, float64(maxValue))
		}
		if t < s.First {
			return invalid(NoSale, "the series %q has a value on day %d, before its first sale on day %d", s.ID, t+1, s.First+1)
		}
		if !open[t] {
			return invalid(ClosedSale, "the series %q has a sale on day %d, on which the shop had none: the axis is another one's", s.ID, t+1)
		}
	}
	return nil
}

func inRange(v float64) bool { return v >= 0 && v <= maxValue }

// asInvalid returns the error of an element, if it is one.
func asInvalid(err error) (*Invalid, bool) {
	var bad *Invalid
	ok := errors.As(err, &bad)
	return bad, ok
}
