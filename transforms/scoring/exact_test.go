package scoring

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// inBig sums without rounding, and rounds once.
func inBig(vs []float64) float64 {
	total := new(big.Float).SetPrec(4096)
	for _, v := range vs {
		total.Add(total, new(big.Float).SetPrec(4096).SetFloat64(v))
	}
	f, _ := total.Float64()
	return f
}

func TestExactIsRoundedOnce(t *testing.T) {
	for name, vs := range map[string][]float64{
		"nothing":          {},
		"zero":             {0, 0},
		"whole":            {1, 2, 3},
		"tenths":           {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1},
		"cancels":          {1e15, 1, -1e15},
		"half, and above":  {1 << 53, 1, 0x1p-60},
		"half, and below":  {1 << 53, 1, -0x1p-60},
		"half to even":     {1 << 53, 1},
		"odd half to even": {1<<53 + 2, 1},
		"smallest":         {5e-324, 1, 5e-324},
	} {
		var s exact
		for _, v := range vs {
			s.add(v)
		}
		if got, want := s.value(), inBig(vs); got != want {
			t.Errorf("%s: got %v, expected %v", name, got, want)
		}
	}
}

func TestExactInAnyOrderAndDivision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) float64 {
			return math.Ldexp(rapid.Float64Range(-1, 1).Draw(t, "fraction"), rapid.IntRange(-80, 50).Draw(t, "exponent"))
		})
		vs := rapid.SliceOfN(number, 0, 60).Draw(t, "values")
		want := inBig(vs)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		random.Shuffle(len(vs), func(i, j int) { vs[i], vs[j] = vs[j], vs[i] })
		parts := make([]exact, rapid.IntRange(1, 5).Draw(t, "parts"))
		for _, v := range vs {
			parts[random.IntN(len(parts))].add(v)
		}
		var s exact
		for _, part := range parts {
			u := &unpacker{in: part.append(nil)}
			s.merge(u.exact())
			if err := u.done(); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.value(); got != want {
			t.Fatalf("got %v, expected %v, of %v", got, want, vs)
		}
	})
}
