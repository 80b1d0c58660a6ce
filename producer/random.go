package producer

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
)

// random is a stream of numbers that a seed and a name fix for ever. It uses
// only the generator's raw output, whose sequence Go promises to keep.
type random struct{ src *rand.PCG }

func newRandom(seed uint64, name string) *random {
	return &random{rand.NewPCG(seed, xxhash.Sum64String(name))}
}

// below is uniform in [0, n). Its bias is below n / 2^64.
func (r *random) below(n uint64) uint64 {
	hi, _ := bits.Mul64(r.src.Uint64(), n)
	return hi
}

// chance is true with a probability of share, up to 2^-32.
func (r *random) chance(t threshold) bool { return r.src.Uint64()>>32 < uint64(t) }

// threshold is a probability in units of 2^-32.
type threshold uint64

func share(p float64) threshold { return threshold(p * (1 << 32)) }

func (r *random) shuffle(s []uint64) {
	for i := len(s) - 1; i > 0; i-- {
		j := r.below(uint64(i + 1))
		s[i], s[j] = s[j], s[i]
	}
}

// mix hashes up to four numbers to one (SplitMix64's finaliser, chained).
func mix(a, b, c, d uint64) uint64 {
	h := a
	for _, v := range [...]uint64{b, c, d} {
		h = finalise(h + 0x9e3779b97f4a7c15 + v*0xd1342543de82ef95)
	}
	return h
}

func finalise(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// zipf are n weights proportional to 1/rank^s, as whole numbers.
func zipf(n int, s float64) []uint64 {
	w := make([]uint64, n)
	for i := range w {
		w[i] = 1 + uint64(1e9*math.Pow(float64(i+1), -s))
	}
	return w
}

// alias draws from a discrete distribution in constant time (Vose's alias
// method), in whole numbers so that every machine draws the same.
type alias struct {
	keep  []threshold // of each slot: the chance to stay
	other []int32
}

func newAlias(weights []uint64) alias {
	n := len(weights)
	var sum uint64
	for _, w := range weights {
		sum += w
	}
	a := alias{keep: make([]threshold, n), other: make([]int32, n)}
	scaled := make([]uint64, n) // in units of sum/n
	var small, large []int32
	for i, w := range weights {
		scaled[i] = w * uint64(n)
		if scaled[i] < sum {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	const always = 1 << 32
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		hi, lo := bits.Mul64(scaled[s], always)
		q, _ := bits.Div64(hi, lo, sum)
		a.keep[s], a.other[s] = threshold(q), l
		scaled[l] -= sum - scaled[s]
		if scaled[l] < sum {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, rest := range [][]int32{small, large} {
		for _, i := range rest {
			a.keep[i], a.other[i] = always, i
		}
	}
	return a
}

func (a *alias) draw(r *random) int {
	i := r.below(uint64(len(a.keep)))
	if r.chance(a.keep[i]) {
		return int(i)
	}
	return int(a.other[i])
}
