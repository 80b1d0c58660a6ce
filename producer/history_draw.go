package producer

import "math"

// Draws from distributions, for quantities that need no exactness: their
// floating point may differ in the last bit between processors, and hardly
// ever does a drawn number with it.

// unit is uniform in (0, 1).
func (r *random) unit() float64 { return unit(r.src.Uint64()) }

// unit makes a hash a number in (0, 1).
func unit(h uint64) float64 { return (float64(h>>11) + 0.5) / (1 << 53) }

// normal has mean 0 and variance 1 (Box and Muller 1958).
func (r *random) normal() float64 {
	return math.Sqrt(-2*math.Log(r.unit())) * math.Cos(2*math.Pi*r.unit())
}

// erlang has mean 1 and variance 1/shape: the gamma distribution of a whole
// shape, a mean of exponentials.
func (r *random) erlang(shape int) float64 {
	sum, product := 0.0, 1.0
	for i := range shape {
		product *= r.unit()
		if i%16 == 15 { // before it is too small to be exact
			sum -= math.Log(product)
			product = 1
		}
	}
	return (sum - math.Log(product)) / float64(shape)
}

// poisson has the given mean: by counting arrivals (Knuth) where it is small,
// else by transformed rejection (PTRS; Hörmann 1993).
func (r *random) poisson(mean float64) int64 {
	switch {
	case !(mean > 0):
		return 0
	case mean < 10:
		n, left := int64(-1), 1.0
		for floor := math.Exp(-mean); left > floor; n++ {
			left *= r.unit()
		}
		return n
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	invAlpha := 1.1239 + 1.1328/(b-3.4)
	vr := 0.9277 - 3.6224/(b-2)
	logMean := math.Log(mean)
	for {
		u, v := r.unit()-0.5, r.unit()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return int64(k)
		}
		if k < 0 || (us < 0.013 && v > us) {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v*invAlpha/(a/(us*us)+b)) <= k*logMean-mean-lg {
			return int64(k)
		}
	}
}

// binomial is how many of n happen, each with probability p: exact where few
// are expected, else the nearest whole number of the normal with that mean and variance.
func (r *random) binomial(n int64, p float64) int64 {
	switch mean := float64(n) * p; {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case mean < 16: // from one that happens to the next
		hits, at, skip := int64(0), 0.0, math.Log1p(-p)
		for {
			at += math.Floor(math.Log(r.unit())/skip) + 1
			if at > float64(n) {
				return hits
			}
			hits++
		}
	default:
		k := math.Round(mean + math.Sqrt(mean*(1-p))*r.normal())
		return int64(min(max(k, 0), float64(n)))
	}
}

// sumOfUniform is the sum of n whole numbers, each uniform in low to high;
// of many, the nearest whole number of the normal with that mean and variance.
func (r *random) sumOfUniform(n, low, high int64) int64 {
	width := high - low + 1
	if n <= 32 {
		sum := n * low
		for range n {
			sum += int64(r.below(uint64(width)))
		}
		return sum
	}
	mean, variance := float64(low+high)/2, float64(width*width-1)/12
	sum := math.Round(float64(n)*mean + math.Sqrt(float64(n)*variance)*r.normal())
	return int64(min(max(sum, float64(n*low)), float64(n*high)))
}
