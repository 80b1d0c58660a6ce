package score

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// randomCells returns demand-like cells of a model: many zeros, some large days,
// closed days, series without a scale, forecasts without an interval.
func randomCells(r *rand.Rand, model string, series, origins, days int) []Cell {
	var cells []Cell
	for s := range series {
		level := math.Exp(3 * r.NormFloat64())
		for o := range origins {
			origin := int32(15000 + 7*o)
			scale, squared := level*r.Float64(), level*level*r.Float64()
			if r.IntN(5) == 0 {
				scale, squared = 0, 0
			}
			intervals := r.IntN(5) > 0
			for d := range days {
				c := Cell{
					Model: model, Series: fmt.Sprintf("s%03d", s), Segment: fmt.Sprint(s % 3),
					Origin: origin, Day: origin + int32(d), Horizon: d + 1, Open: d%7 != 5,
					Scale: scale, ScaleSquared: squared,
					Lower80: math.NaN(), Upper80: math.NaN(), Lower95: math.NaN(), Upper95: math.NaN(),
				}
				if c.Open {
					c.Point, c.Mean = level*r.Float64(), level*r.Float64()
					if r.IntN(3) > 0 {
						c.Actual = math.Floor(level * r.ExpFloat64())
					}
				}
				if intervals {
					c.Lower80, c.Upper80 = math.Floor(c.Point/2), math.Ceil(c.Point*1.5)
					c.Lower95, c.Upper95 = math.Floor(c.Point/4), math.Ceil(c.Point*2.5)
				}
				cells = append(cells, c)
			}
		}
	}
	return cells
}
