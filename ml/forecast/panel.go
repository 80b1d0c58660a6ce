package forecast

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Level is what a series stands for.
type Level string

// The levels.
const (
	Product  Level = "product"
	Category Level = "category"
	Shop     Level = "shop" // everything
)

// ParseLevel reads a level; total is another word for shop.
func ParseLevel(text string) (Level, error) {
	switch l := Level(text); l {
	case Product, Category, Shop:
		return l, nil
	case "total":
		return Shop, nil
	}
	return "", fmt.Errorf("there is no level %q: expected product, category or total", text)
}

// Target is what a series counts.
type Target string

// The targets.
const (
	Units   Target = "units"   // pieces ordered
	Revenue Target = "revenue" // quantity times unit price of the lines ordered, in one currency
)

// ParseTarget reads a target.
func ParseTarget(text string) (Target, error) {
	switch t := Target(text); t {
	case Units, Revenue:
		return t, nil
	}
	return "", fmt.Errorf("there is no target %q: expected units or revenue", text)
}

// ShopID is the name of the only series of level total.
const ShopID = "shop"

// Sale is what was ordered of a product on a day.
type Sale struct {
	Day      Day
	Product  string
	Category string
	Units    float64 // pieces ordered, in all currencies
	Revenue  float64 // in the currency that was asked for
	Paid     float64 // pieces ordered in that currency
	Orders   float64 // distinct orders with the product, or its order lines where they are not known
}

// Panel is a set of daily series on one axis of days: index 0 is Start, and the
// last index is the day before End.
type Panel struct {
	Level    Level
	Target   Target
	Currency string // of revenue
	Start    Day
	End      Day // the first day that is not known
	Calendar Calendar
	// Sold says whether the shop sold anything on a day, also what is no series of
	// the panel, and in any currency. It was closed on the others.
	Sold   []bool
	Series []Series
}

// Series is one series of a panel. All slices have one value a day of it.
type Series struct {
	ID       string
	Category string    // of a product's newest sale; of a category, its own name
	First    int       // index of the first day with the target above 0
	Y        []float64 // the target, 0 without a sale
	Orders   []float64 // orders, 0 without a sale
	Price    []float64 // revenue / units; NaN without a sale
	moves    []move    // categories, by day
}

// move is a change of a product's category.
type move struct {
	day      int
	category string
}

// categoryBefore is the category as of the days before an index.
func (s *Series) categoryBefore(n int) string {
	category := ""
	for _, m := range s.moves {
		if m.day >= n {
			break
		}
		category = m.category
	}
	return category
}

// PanelOptions say which series are made of sales.
type PanelOptions struct {
	Level    Level
	Target   Target
	Currency string
	Calendar Calendar
	// End is the first day that is not known; zero is the day after the last sale.
	End Day
}

// NewPanel sums sales into series, zero-filled from Start, the first day with a
// sale, to End. Later sales are dropped, and series whose target never is above 0.
// It is an error if nothing is left, or if a number is negative or not finite.
func NewPanel(sales []Sale, o PanelOptions) (*Panel, error) {
	start, last := Day(math.MaxInt32), Day(math.MinInt32)
	for _, s := range sales {
		for _, v := range []float64{s.Units, s.Revenue, s.Paid, s.Orders} {
			if !(v >= 0) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("the sales of %s on %v hold the number %v: expected finite numbers of at least 0", s.Product, s.Day, v)
			}
		}
		if s.Units == 0 && s.Revenue == 0 || o.End != 0 && s.Day >= o.End {
			continue
		}
		start, last = min(start, s.Day), max(last, s.Day)
	}
	if last < start {
		return nil, tooLittle("there are no sales%s: nothing can be forecast from them", before(o.End))
	}
	end := o.End
	if end == 0 {
		end = last + 1
	}
	if end-start > maxDays {
		return nil, fmt.Errorf("the sales go from %v to %v: more than %d days, is a date wrong?", start, last, maxDays)
	}
	p := &Panel{Level: o.Level, Target: o.Target, Currency: o.Currency, Start: start, End: end, Calendar: o.Calendar}
	n := int(end - start)
	p.Sold = make([]bool, n)
	type sums struct {
		Series
		paid, revenue []float64
		categories    map[int]map[string]float64 // units, by day
	}
	byID := map[string]*sums{}
	for _, s := range sales {
		if s.Day < start || s.Day >= end || s.Units == 0 && s.Revenue == 0 {
			continue
		}
		day := int(s.Day - start)
		y := s.Units
		if o.Target == Revenue {
			y = s.Revenue
		}
		p.Sold[day] = true
		id := ShopID
		switch o.Level {
		case Product:
			id = s.Product
		case Category:
			id = s.Category
		}
		a := byID[id]
		if a == nil {
			a = &sums{
				Series: Series{ID: id, First: n, Y: make([]float64, n), Orders: make([]float64, n), Price: make([]float64, n)},
				paid:   make([]float64, n), revenue: make([]float64, n), categories: map[int]map[string]float64{},
			}
			byID[id] = a
		}
		if y > 0 {
			a.First = min(a.First, day)
		}
		a.Y[day] += y
		a.Orders[day] += s.Orders
		a.paid[day] += s.Paid
		a.revenue[day] += s.Revenue
		if a.categories[day] == nil {
			a.categories[day] = map[string]float64{}
		}
		a.categories[day][s.Category] += s.Units
	}
	for _, a := range byID {
		if a.First == n {
			continue
		}
		for i := range a.Price {
			a.Price[i] = math.NaN()
			if a.paid[i] > 0 {
				a.Price[i] = a.revenue[i] / a.paid[i]
			}
		}
		if o.Level != Shop {
			for _, day := range slices.Sorted(maps.Keys(a.categories)) {
				category := largest(a.categories[day])
				if len(a.moves) == 0 || a.moves[len(a.moves)-1].category != category {
					a.moves = append(a.moves, move{day, category})
				}
			}
			a.Category = a.categoryBefore(n)
		}
		p.Series = append(p.Series, a.Series)
	}
	slices.SortFunc(p.Series, func(a, b Series) int { return cmp.Compare(a.ID, b.ID) })
	return p, nil
}

const maxDays = 200 * 366

func before(end Day) string {
	if end == 0 {
		return ""
	}
	return " before " + end.String()
}

// largest returns the key of the largest value; of equal ones the first name.
func largest(m map[string]float64) string {
	best, found := "", false
	for k, v := range m {
		if !found || v > m[best] || v == m[best] && k < best {
			best, found = k, true
		}
	}
	return best
}

// Days returns the number of days on the panel's axis.
func (p *Panel) Days() int { return int(p.End - p.Start) }

// Before returns the panel as it was known before the day: shorter slices of the
// same memory, whose capacity ends with them, and no series that had not sold.
func (p *Panel) Before(day Day) *Panel {
	n := max(0, min(p.Days(), int(day-p.Start)))
	cut := *p
	cut.End = p.Start + Day(n)
	cut.Sold = p.Sold[:n:n]
	cut.Series = make([]Series, 0, len(p.Series))
	for _, s := range p.Series {
		if s.First < n {
			s.Y, s.Orders, s.Price = s.Y[:n:n], s.Orders[:n:n], s.Price[:n:n]
			s.Category = s.categoryBefore(n)
			cut.Series = append(cut.Series, s)
		}
	}
	return &cut
}

// Select returns the panel with only some series.
func (p *Panel) Select(keep func(s *Series) bool) *Panel {
	cut := *p
	cut.Series = nil
	for i := range p.Series {
		if keep(&p.Series[i]) {
			cut.Series = append(cut.Series, p.Series[i])
		}
	}
	return &cut
}

// Best returns the panel of the n series with the largest sums before the day
// (all days, if it is 0); of equal ones those with the first names. n = 0 keeps
// all series.
func (p *Panel) Best(n int, day Day) *Panel {
	if n <= 0 || n >= len(p.Series) {
		return p
	}
	known := p
	if day != 0 {
		known = p.Before(day)
	}
	keep := map[string]bool{}
	for _, i := range known.ranks()[:min(n, len(known.Series))] {
		keep[known.Series[i].ID] = true
	}
	return p.Select(func(s *Series) bool { return keep[s.ID] })
}

// ranks returns the indices of the series by falling sum, equal ones by name.
func (p *Panel) ranks() []int {
	order, sums := make([]int, len(p.Series)), make([]float64, len(p.Series))
	for i := range p.Series {
		order[i], sums[i] = i, sum(p.Series[i].Y)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sums[b], sums[a]) })
	return order
}

// Fingerprint is the SHA-256 of all that a fit can depend on.
func (p *Panel) Fingerprint() string {
	h := sha256.New()
	var buf []byte
	text := func(s string) { buf = append(binary.AppendUvarint(buf, uint64(len(s))), s...) }
	numbers := func(vs []float64) {
		for _, v := range vs {
			buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
		}
	}
	for _, s := range []string{string(p.Level), string(p.Target), p.Currency, p.Start.String(), p.End.String(), p.Calendar.String()} {
		text(s)
	}
	for _, sold := range p.Sold {
		buf = strconv.AppendBool(buf, sold)
	}
	for i := range p.Series {
		s := &p.Series[i]
		text(s.ID)
		text(s.Category)
		numbers(s.Y)
		numbers(s.Orders)
		for _, v := range s.Price {
			if math.IsNaN(v) {
				v = -1 // every NaN is the same
			}
			buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
		}
		h.Write(buf)
		buf = buf[:0]
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

func sum(vs []float64) float64 {
	total := 0.0
	for _, v := range vs {
		total += v
	}
	return total
}
