package shop

import (
	"fmt"
	"math"
	"math/bits"
)

// Money is an exact amount in micro-units (millionths) of some currency, as
// wide as DECIMAL(18,6): at most MaxMoney in size. It never passes through a
// float64, and amounts of different currencies are never added up.
type Money int64

// MaxMoney is 999,999,999,999.999999, the largest DECIMAL(18,6).
const MaxMoney Money = 1e18 - 1

// Units is n of a currency's units, at most MaxMoney.
func Units(n int64) Money {
	const micro = 1e6
	if n > int64(MaxMoney)/micro {
		return MaxMoney
	}
	return Money(n) * micro
}

// moneyDigits and moneyScale are the 18 and the 6 of DECIMAL(18,6).
const (
	moneyDigits = 18
	moneyScale  = 6
)

var pow10 = [moneyDigits + 1]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// ParseMoney reads a decimal in JSON's number grammar, exponent included:
// "2.55", "-0.5", "1e3". The result is exact, or there is an error: for text
// that is no such number, for decimals beyond the sixth that are not zeros, and
// for more than DECIMAL(18,6) holds.
func ParseMoney[S ~string | ~[]byte](s S) (Money, error) {
	m, problem := parseMoney(s)
	if problem != "" {
		return 0, fmt.Errorf("amount %q: %s; write an exact decimal such as 12.5", clip(s, 40), problem)
	}
	return m, nil
}

// The ways in which text is no Money.
const (
	moneySyntax   = "not a decimal number"
	moneyInexact  = "more than 6 decimals"
	moneyOverflow = "too large for DECIMAL(18,6)"
)

// parseMoney is ParseMoney for callers that word the error themselves; the
// problem is empty when there is none.
//
// The digits read so far are val × 10^zeros, so that zeros at the end, however
// many, never overflow val.
func parseMoney[S ~string | ~[]byte](s S) (Money, string) {
	var (
		val           uint64
		digits, zeros int // of val; pending behind val
		decimals      int // digits behind the point
		wide          bool
	)
	add := func(c byte) {
		switch {
		case c == '0' && val == 0: // a leading zero
		case c == '0':
			zeros++
		case digits+zeros+1 > moneyDigits:
			wide = true
		default:
			digits += zeros + 1
			val = val*pow10[zeros+1] + uint64(c-'0')
			zeros = 0
		}
	}

	i, n := 0, len(s)
	neg := n > 0 && s[0] == '-'
	if neg {
		i++
	}
	start := i
	for ; i < n && isDigit(s[i]); i++ {
		add(s[i])
	}
	if i == start || (s[start] == '0' && i > start+1) {
		return 0, moneySyntax
	}
	if i < n && s[i] == '.' {
		i++
		start = i
		for ; i < n && isDigit(s[i]); i++ {
			add(s[i])
		}
		if decimals = i - start; decimals == 0 {
			return 0, moneySyntax
		}
	}
	exp := int64(0)
	if i < n && (s[i] == 'e' || s[i] == 'E') {
		i++
		sign := int64(1)
		if i < n && (s[i] == '+' || s[i] == '-') {
			if s[i] == '-' {
				sign = -1
			}
			i++
		}
		start = i
		for ; i < n && isDigit(s[i]); i++ {
			// Capped far above any number of digits, so that they cannot make up for it.
			exp = min(exp*10+int64(s[i]-'0'), 1<<40)
		}
		if i == start {
			return 0, moneySyntax
		}
		exp *= sign
	}
	if i != n {
		return 0, moneySyntax
	}

	shift := int64(zeros-decimals) + exp + moneyScale
	switch {
	case wide: // 18 digits are all there are; which side they stick out on makes no difference
		return 0, "more than 18 digits do not fit DECIMAL(18,6)"
	case val == 0:
		return 0, ""
	case shift < 0:
		return 0, moneyInexact
	case int64(digits)+shift > moneyDigits:
		return 0, moneyOverflow
	}
	m := Money(val * pow10[shift])
	if neg {
		m = -m
	}
	return m, ""
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// Add returns m + o, and whether it fits DECIMAL(18,6).
func (m Money) Add(o Money) (Money, bool) {
	sum := m + o // two of less than 10^18 never wrap an int64
	if !m.fits() || !o.fits() || !sum.fits() {
		return 0, false
	}
	return sum, true
}

// Mul returns m × q, and whether it fits DECIMAL(18,6).
func (m Money) Mul(q int64) (Money, bool) {
	hi, lo := bits.Mul64(m.abs(), Money(q).abs())
	if hi != 0 || lo > uint64(MaxMoney) {
		return 0, false
	}
	p := Money(lo)
	if (m < 0) != (q < 0) {
		p = -p
	}
	return p, true
}

func (m Money) fits() bool { return -MaxMoney <= m && m <= MaxMoney }

func (m Money) abs() uint64 {
	if m < 0 {
		return -uint64(m)
	}
	return uint64(m)
}

// String is the shortest exact decimal: "10666684.544", "-0.5", "0".
func (m Money) String() string { return string(m.Append(nil)) }

// Append appends String to dst.
func (m Money) Append(dst []byte) []byte {
	if m < 0 {
		dst = append(dst, '-')
	}
	var buf [21]byte // 20 digits of a uint64 and the point
	u, i := m.abs(), len(buf)
	for d := 0; d < moneyScale; d++ {
		if c := byte('0' + u%10); c != '0' || i < len(buf) {
			i--
			buf[i] = c
		}
		u /= 10
	}
	if i < len(buf) {
		i--
		buf[i] = '.'
	}
	for {
		i--
		buf[i] = byte('0' + u%10)
		if u /= 10; u == 0 {
			return append(dst, buf[i:]...)
		}
	}
}

// Div returns m ÷ q, rounded to the nearest micro-unit, and half of one to the
// even neighbour; false if q is 0.
func (m Money) Div(q int64) (Money, bool) {
	if q == 0 {
		return 0, false
	}
	if !m.fits() || q == math.MinInt64 {
		return 0, false
	}
	quotient, rest := int64(m)/q, int64(m)%q
	twice, size := 2*Money(rest).abs(), Money(q).abs() // rest < MaxMoney: no overflow
	if twice > size || (twice == size && quotient%2 != 0) {
		if (m < 0) != (q < 0) {
			quotient--
		} else {
			quotient++
		}
	}
	return Money(quotient), true
}
