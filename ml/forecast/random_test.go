package forecast

import (
	"math"
	"math/rand/v2"
)

// randomPanel is a shop of n products over days, closed on Saturdays and on one
// holiday, with intermittent and late products.
func randomPanel(seed uint64, n, days int) *Panel {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test
	start := Day(18262)                      // 2020-01-01
	var sales []Sale
	for i := range n {
		first := 0
		if i%4 == 3 {
			first = random.IntN(days / 2)
		}
		share, size, price := 0.2+0.8*random.Float64(), 1+random.ExpFloat64()*20, 1+random.Float64()*10
		for t := first; t < days; t++ {
			d := start + Day(t)
			if d.Weekday() == 6 || t == 40 || random.Float64() > share {
				continue
			}
			units := math.Ceil(random.ExpFloat64() * size * (1 + 0.3*float64(d.Weekday())))
			p := price
			if random.IntN(10) == 0 {
				p *= 0.8
			}
			sales = append(sales, Sale{Day: d, Product: name("p", i), Category: name("c", i%3), Units: units, Paid: units, Revenue: units * p, Orders: math.Ceil(units / 5)})
		}
	}
	p, err := NewPanel(sales, PanelOptions{Level: Product, Target: Units, End: start + Day(days)})
	if err != nil {
		panic(err)
	}
	return p
}

func name(prefix string, i int) string {
	return prefix + string(rune('a'+i/26)) + string(rune('a'+i%26))
}

// disturb returns the panel with other values from the day on; closed days stay
// closed.
func disturb(p *Panel, from Day, seed uint64) *Panel {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a test
	at := int(from - p.Start)
	out := *p
	out.Series = append([]Series(nil), p.Series...)
	for i := range out.Series {
		s := &out.Series[i]
		s.Y, s.Orders, s.Price = append([]float64(nil), s.Y...), append([]float64(nil), s.Orders...), append([]float64(nil), s.Price...)
		for t := at; t < p.Days(); t++ {
			if p.Sold[t] {
				s.Y[t], s.Orders[t], s.Price[t] = random.Float64()*1e4, random.Float64()*50, random.Float64()*100
			}
		}
	}
	return &out
}
