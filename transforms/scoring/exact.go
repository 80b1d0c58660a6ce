package scoring

import (
	"encoding/binary"
	"math"
)

// exact is a sum without rounding: its parts add up to it, do not overlap, and
// increase in magnitude (Shewchuk 1997, "Adaptive Precision Floating-Point
// Arithmetic", Grow-Expansion). So the order of terms makes no difference to its
// value. Sums of whole numbers have one part.
type exact []float64

// maxParts is how many there can be: a part for every other bit that a float64
// can have. A few are usual.
const maxParts = (1074 + 1024) / 2

func (s *exact) add(v float64) {
	parts := *s
	n := 0
	for _, p := range parts {
		if math.Abs(v) < math.Abs(p) {
			v, p = p, v
		}
		high := v + p
		if low := p - (high - v); low != 0 {
			parts[n] = low
			n++
		}
		v = high
	}
	if v != 0 || n > 0 {
		parts = append(parts[:n], v)
	} else {
		parts = parts[:0]
	}
	*s = parts
}

func (s *exact) merge(o exact) {
	for _, p := range o {
		s.add(p)
	}
}

// value rounds the sum to the nearest float64, ties to even.
func (s exact) value() float64 {
	if len(s) == 0 {
		return 0
	}
	n := len(s) - 1
	high, low := s[n], 0.0
	for n > 0 && low == 0 {
		n--
		before := high
		high = before + s[n]
		low = s[n] - (high - before)
	}
	// A remainder of exactly half a unit was rounded to even: what lies below it
	// decides instead.
	if n > 0 && (low < 0) == (s[n-1] < 0) && low != 0 {
		twice := 2 * low
		if up := high + twice; up-high == twice {
			high = up
		}
	}
	return high
}

func (s exact) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return appendNumbers(b, s)
}

// maxPart bounds what is unpacked, so that sums stay finite. Sums of what a
// series may hold are far below it.
const maxPart = 1e290

func (u *unpacker) exact() exact {
	parts := u.finites(u.count(maxParts))
	for _, p := range parts {
		if math.Abs(p) > maxPart {
			u.fail()
			return nil
		}
	}
	return parts
}
