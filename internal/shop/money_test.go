package shop_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

func TestParseMoney(t *testing.T) {
	zeros := strings.Repeat("0", 5000)
	for _, c := range []struct {
		in   string
		want shop.Money
	}{
		{"0", 0},
		{"-0", 0},
		{"0.0", 0},
		{"0e99999999999999999999", 0},
		{"12.95", 12_950_000},
		{"-0.5", -500_000},
		{"0.000001", 1},
		{"1e-6", 1},
		{"1.5E+3", 1_500_000_000},
		{"0.1", 100_000},
		{"10666684.544", 10_666_684_544_000},
		{"999999999999.999999", shop.MaxMoney},
		{"-999999999999.999999", -shop.MaxMoney},
		{"1." + zeros, 1_000_000},
		{"1" + zeros + "e-5000", 1_000_000},
		{"0." + zeros + "1e5000", 100_000},
	} {
		if got, err := shop.ParseMoney(c.in); err != nil || got != c.want {
			t.Errorf("ParseMoney(%.40q) = %d, %v; want %d", c.in, got, err, c.want)
		}
	}
}

func TestParseMoneyErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "not a decimal number"},
		{"-", "not a decimal number"},
		{"+1", "not a decimal number"},
		{"01", "not a decimal number"},
		{".5", "not a decimal number"},
		{"1.", "not a decimal number"},
		{"1e", "not a decimal number"},
		{"1e-", "not a decimal number"},
		{"1,5", "not a decimal number"},
		{" 1", "not a decimal number"},
		{"1 ", "not a decimal number"},
		{"NaN", "not a decimal number"},
		{"Infinity", "not a decimal number"},
		{"١", "not a decimal number"},
		{"0.0000001", "more than 6 decimals"},
		{"1e-7", "more than 6 decimals"},
		{"1e-99999999999999999999", "more than 6 decimals"},
		{"1000000000000", "too large for DECIMAL(18,6)"},
		{"1e400", "too large for DECIMAL(18,6)"},
		{"1e99999999999999999999", "too large for DECIMAL(18,6)"},
		{"9999999999999999999", "more than 18 digits"},
		{"0." + strings.Repeat("1", 40), "more than 18 digits"},
	} {
		if got, err := shop.ParseMoney(c.in); err == nil || got != 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseMoney(%.40q) = %d, %v; want an error with %q", c.in, got, err, c.want)
		}
	}
}

func TestMoneyString(t *testing.T) {
	for _, c := range []struct {
		in   shop.Money
		want string
	}{
		{0, "0"},
		{1, "0.000001"},
		{-500_000, "-0.5"},
		{10_666_684_544_000, "10666684.544"},
		{100_000_000, "100"},
		{shop.MaxMoney, "999999999999.999999"},
		{math.MaxInt64, "9223372036854.775807"},
		{math.MinInt64, "-9223372036854.775808"},
	} {
		if got := c.in.String(); got != c.want {
			t.Errorf("Money(%d) = %q; want %q", int64(c.in), got, c.want)
		}
	}
}

// anyMoney is biased to the edges of DECIMAL(18,6) and of int64.
func anyMoney(t *rapid.T, name string) shop.Money {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) shop.Money { return shop.Money(rapid.Int64().Draw(t, "any")) }),
		rapid.Custom(func(t *rapid.T) shop.Money { return shop.Money(rapid.Int64Range(-1e9, 1e9).Draw(t, "small")) }),
		rapid.SampledFrom([]shop.Money{0, 1, -1, shop.MaxMoney, -shop.MaxMoney, shop.MaxMoney + 1, math.MinInt64, math.MaxInt64}),
	).Draw(t, name)
}

// checkExact compares a checked result with the exact one.
func checkExact(t *rapid.T, got shop.Money, ok bool, want *big.Int) {
	fits := want.CmpAbs(big.NewInt(int64(shop.MaxMoney))) <= 0
	if ok != fits || (ok && int64(got) != want.Int64()) || (!ok && got != 0) {
		t.Fatalf("%d, %t; exact %v", got, ok, want)
	}
}

func TestMoneyArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMoney(t, "m")
		q := int64(anyMoney(t, "q"))
		got, ok := m.Mul(q)
		checkExact(t, got, ok, new(big.Int).Mul(big.NewInt(int64(m)), big.NewInt(q)))
	})
	rapid.Check(t, func(t *rapid.T) {
		fits := func(m shop.Money) bool { return -shop.MaxMoney <= m && m <= shop.MaxMoney }
		a := rapid.Custom(func(t *rapid.T) shop.Money { return anyMoney(t, "a") }).Filter(fits).Draw(t, "a")
		b := rapid.Custom(func(t *rapid.T) shop.Money { return anyMoney(t, "b") }).Filter(fits).Draw(t, "b")
		got, ok := a.Add(b)
		checkExact(t, got, ok, new(big.Int).Add(big.NewInt(int64(a)), big.NewInt(int64(b))))
	})
	if got, ok := shop.Money(math.MaxInt64).Add(math.MinInt64); ok {
		t.Errorf("amounts beyond DECIMAL(18,6) added up to %d", got)
	}
}

func TestMoneyStringRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMoney(t, "m")
		r, ok := new(big.Rat).SetString(m.String())
		if !ok || r.Cmp(big.NewRat(int64(m), 1e6)) != 0 {
			t.Fatalf("Money(%d) = %q", int64(m), m)
		}
		if s := m.String(); strings.Contains(s, ".") && strings.HasSuffix(s, "0") {
			t.Fatalf("%q is not the shortest", s)
		}
		back, err := shop.ParseMoney(m.String())
		if fits := -shop.MaxMoney <= m && m <= shop.MaxMoney; (err == nil) != fits || (fits && back != m) {
			t.Fatalf("ParseMoney(%q) = %d, %v", m, back, err)
		}
	})
}

func TestDiv(t *testing.T) {
	for _, c := range []struct{ m, q, want int64 }{
		{10, 4, 2},
		{30, 4, 8},
		{50, 4, 12},
		{-10, 4, -2},
		{-30, 4, -8},
		{11, 4, 3},
		{-11, 4, -3},
		{7, 1, 7},
		{0, 3, 0},
		{1, 2, 0},
		{3, 2, 2},
		{1, -2, 0},
		{3, -2, -2},
		{int64(shop.MaxMoney), 3, 333_333_333_333_333_333},
		{2, math.MaxInt64, 0},
	} {
		if got, ok := shop.Money(c.m).Div(c.q); !ok || int64(got) != c.want {
			t.Errorf("%d / %d = %d, %v; expected %d", c.m, c.q, got, ok, c.want)
		}
	}
	if _, ok := shop.Money(1).Div(0); ok {
		t.Error("1 / 0 has a result")
	}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Int64Range(-int64(shop.MaxMoney), int64(shop.MaxMoney)).Draw(t, "m")
		q := rapid.Int64().Filter(func(q int64) bool { return q != 0 && q != math.MinInt64 }).Draw(t, "q")
		got, ok := shop.Money(m).Div(q)
		// |m/q − got| ≤ 1/2, and half only to an even one.
		distance := new(big.Rat).Sub(big.NewRat(m, q), new(big.Rat).SetInt64(int64(got)))
		half := distance.Abs(distance).Cmp(big.NewRat(1, 2))
		if !ok || half > 0 || (half == 0 && got%2 != 0) {
			t.Fatalf("%d / %d = %d, %v", m, q, got, ok)
		}
	})
}
