package score

import "math"

// sum is a compensated sum (Neumaier 1974, "Rundungsfehleranalyse einiger
// Verfahren zur Summation endlicher Summen"): its error does not grow with the
// number of terms.
type sum struct{ total, lost float64 }

func (s *sum) add(v float64) {
	t := s.total + v
	if math.IsInf(t, 0) || math.IsNaN(t) {
		s.total, s.lost = t, 0 // ∞ − ∞ below would turn an infinite sum into NaN
		return
	}
	if math.Abs(s.total) >= math.Abs(v) {
		s.lost += (s.total - t) + v
	} else {
		s.lost += (v - t) + s.total
	}
	s.total = t
}

func (s *sum) value() float64 { return s.total + s.lost }
