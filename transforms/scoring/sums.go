package scoring

import (
	"example.com/shopstream/ml/forecast"
)

// sums are the exact totals of a group. They merge in any order.
type sums struct {
	past   []exact // by past open day
	points []exact // by day of the horizon and knot
	means  []exact // by day of the horizon
}

func newSums(past, horizon int) *sums {
	return &sums{make([]exact, past), make([]exact, horizon*forecast.Knots), make([]exact, horizon)}
}

// add adds a series, whose values on openDays count.
func (g *sums) add(s *forecast.Series, openDays []int, d *forecast.Draft) {
	for k, day := range openDays {
		if y := s.Y[day]; y != 0 {
			g.past[k].add(y)
		}
	}
	for h := range d.Days {
		for q, v := range d.Days[h].Points {
			g.points[h*forecast.Knots+q].add(v)
		}
		g.means[h].add(d.Days[h].Mean)
	}
}

func (g *sums) parts() [][]exact { return [][]exact{g.past, g.points, g.means} }

func (g *sums) append(b []byte) []byte {
	for _, part := range g.parts() {
		for _, sum := range part {
			b = sum.append(b)
		}
	}
	return b
}

// merge adds packed sums of the same days.
func (g *sums) merge(u *unpacker) {
	for _, part := range g.parts() {
		for i := range part {
			part[i].merge(u.exact())
		}
	}
}

func (g *sums) totals() forecast.GroupTotals {
	t := forecast.GroupTotals{Past: make([]float64, len(g.past)), Points: make([][forecast.Knots]float64, len(g.means)), Means: make([]float64, len(g.means))}
	for k := range g.past {
		t.Past[k] = g.past[k].value()
	}
	for h := range g.means {
		t.Means[h] = g.means[h].value()
		for q := range t.Points[h] {
			t.Points[h][q] = g.points[h*forecast.Knots+q].value()
		}
	}
	return t
}
