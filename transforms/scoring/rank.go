package scoring

import (
	"cmp"
	"encoding/binary"
	"slices"

	"example.com/shopstream/ml/forecast"
)

// place is where a series ranks: larger sums first, equal ones by ID.
type place struct {
	sum float64
	id  string
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(o.sum, p.sum), cmp.Compare(p.id, o.id))
}

// placeOf sums in the order of days, as a panel's ranking does.
func placeOf(s *forecast.Series) place {
	p := place{id: s.ID}
	for _, y := range s.Y {
		p.sum += y
	}
	return p
}

// leaders are the first places of those that were added, as many as decide where
// groups begin. They merge: the leaders of leaders are the leaders of all.
type leaders []place

// leading is how many places count.
var leading = slices.Max(forecast.GroupRanks())

func (l *leaders) add(p place) {
	*l = append(*l, p)
	if len(*l) >= 2*leading {
		l.trim()
	}
}

func (l *leaders) trim() {
	slices.SortFunc(*l, place.compare)
	if len(*l) > leading {
		*l = slices.Delete(*l, leading, len(*l))
	}
}

// cuts returns the last place of each group but the last.
func (l *leaders) cuts() cuts {
	l.trim()
	var c cuts
	for _, first := range forecast.GroupRanks() {
		if first <= len(*l) {
			c = append(c, (*l)[first-1])
		}
	}
	return c
}

// cuts are the last places of groups.
type cuts []place

func (c cuts) group(p place) int {
	g, _ := slices.BinarySearchFunc(c, p, place.compare)
	return g
}

func appendPlaces(b []byte, places []place) []byte {
	b = binary.AppendUvarint(b, uint64(len(places)))
	for _, p := range places {
		b = appendText(appendNumber(b, p.sum), p.id)
	}
	return b
}

func unpackPlaces(b []byte) ([]place, error) {
	u := &unpacker{in: b}
	places := make([]place, u.count(2*leading))
	for i := range places {
		places[i] = place{sum: u.finite(), id: u.text()}
	}
	return places, u.done()
}
