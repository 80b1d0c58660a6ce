package forecast

// Class is what a series is like.
type Class string

// The classes. A series is in the first that fits.
const (
	New          Class = "new"          // sold for the first time less than 12 open days ago
	Dead         Class = "dead"         // no sale on the last 96 open days
	Intermittent Class = "intermittent" // more than 1.32 open days from sale to sale (Syntetos, Boylan and Croston 2005)
	Smooth       Class = "smooth"
)

// Limits of the classes.
const (
	deadDays          = 96
	intermittentSpace = 1.32
)

// Classify counts the panel's series by class.
func Classify(p *Panel) map[Class]int {
	a := newAxis(p, 0)
	counts := map[Class]int{}
	for i := range p.Series {
		counts[classOf(a.values(&p.Series[i]))]++
	}
	return counts
}

// classOf looks at the open days since the first sale.
func classOf(values []float64) Class {
	switch {
	case len(values) < minAge:
		return New
	case sum(last(values, deadDays)) == 0:
		return Dead
	case 1 > intermittentSpace*active(values):
		return Intermittent
	}
	return Smooth
}
