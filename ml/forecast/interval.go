package forecast

import "math"

// bounds are the ends of the intervals of 80 and 95 %.
type bounds struct{ lower80, upper80, lower95, upper95 float64 }

// within returns the prediction with these intervals, at least 0 and nested.
func (p Prediction) within(b bounds) Prediction {
	p.Lower80, p.Upper80 = max(0, b.lower80), max(0, b.upper80)
	p.Upper80 = max(p.Lower80, p.Upper80)
	p.Lower95, p.Upper95 = max(0, min(b.lower95, p.Lower80)), max(b.upper95, p.Upper80)
	return p
}

// around widens the intervals to hold the point.
func (b bounds) around(point float64) bounds {
	return bounds{min(b.lower80, point), max(b.upper80, point), min(b.lower95, point), max(b.upper95, point)}
}

// ceil and floor take a number that is whole but for rounding as whole.
func ceil(v float64) float64 { return math.Ceil(v - wholeSlack) }

func floor(v float64) float64 { return math.Floor(v + wholeSlack) }

const wholeSlack = 1e-6
