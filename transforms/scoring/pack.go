package scoring

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// What crosses a shuffle is packed into byte strings. But for series and
// predictions, the formats live no longer than a job and need no versions.

var errPacked = errors.New("scoring: a packed element is damaged")

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendNumber takes 1 to 4 bytes for a small whole number: the low bytes of its
// mantissa are 0, and in reverse the zeros that a varint leaves out.
func appendNumber(b []byte, v float64) []byte {
	return binary.AppendUvarint(b, bits.ReverseBytes64(math.Float64bits(v)))
}

func appendNumbers(b []byte, vs []float64) []byte {
	for _, v := range vs {
		b = appendNumber(b, v)
	}
	return b
}

// unpacker reads what was packed. The first error sticks and empties the input.
type unpacker struct {
	in  []byte
	err error
}

func (u *unpacker) fail() { u.in, u.err = nil, errPacked }

func (u *unpacker) more() bool { return len(u.in) > 0 }

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.in)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return v
}

func (u *unpacker) varint() int64 {
	v, n := binary.Varint(u.in)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return v
}

// count reads a number of things that take a byte each at least, of which there
// may be most.
func (u *unpacker) count(most int) int {
	n := u.uvarint()
	if n > uint64(min(most, len(u.in))) { //nolint:gosec // neither is below 0
		u.fail()
		return 0
	}
	return int(n) //nolint:gosec // at most an int
}

func (u *unpacker) text() string {
	n := u.count(len(u.in))
	s := string(u.in[:n])
	u.in = u.in[n:]
	return s
}

func (u *unpacker) number() float64 {
	return math.Float64frombits(bits.ReverseBytes64(u.uvarint()))
}

// finite reads a number, and refuses NaN and infinities.
func (u *unpacker) finite() float64 {
	v := u.number()
	if math.IsNaN(v) || math.IsInf(v, 0) {
		u.fail()
		return 0
	}
	return v
}

func (u *unpacker) finites(n int) []float64 {
	if n > len(u.in) {
		u.fail()
		return nil
	}
	vs := make([]float64, n)
	for i := range vs {
		vs[i] = u.finite()
	}
	return vs
}

// done returns the first error; input that is left is one.
func (u *unpacker) done() error {
	if u.err == nil && u.more() {
		u.fail()
	}
	return u.err
}
