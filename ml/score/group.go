package score

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Key names the group that a cell belongs to.
type Key func(Cell) string

// The usual keys. ByOrigin and ByDay give dates, as in "2006-01-02".
var (
	ByModel   Key = func(c Cell) string { return c.Model }
	BySeries  Key = func(c Cell) string { return c.Series }
	BySegment Key = func(c Cell) string { return c.Segment }
	ByHorizon Key = func(c Cell) string { return strconv.Itoa(c.Horizon) }
	ByOrigin  Key = func(c Cell) string { return DateOf(c.Origin) }
	ByDay     Key = func(c Cell) string { return DateOf(c.Day) }
)

// Group is the metrics of the cells that share their keys.
type Group struct {
	Keys    []string // one for each key of By, in its order
	Metrics Metrics
}

// By splits cells by one or more keys and summarises each group. Groups are
// sorted by their keys: whole numbers by value, before all other texts.
func By(cells []Cell, keys ...Key) []Group {
	type members struct {
		keys  []string
		cells []Cell
	}
	groups := map[string]*members{}
	for _, c := range cells {
		names, id := make([]string, len(keys)), strings.Builder{}
		for i, key := range keys {
			names[i] = key(c)
			id.WriteString(strconv.Quote(names[i])) // no two lists of names give one id
		}
		g := groups[id.String()]
		if g == nil {
			g = &members{keys: names}
			groups[id.String()] = g
		}
		g.cells = append(g.cells, c)
	}
	out := make([]Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, Group{Keys: g.keys, Metrics: Summarise(g.cells)})
	}
	slices.SortFunc(out, func(a, b Group) int { return slices.CompareFunc(a.Keys, b.Keys, compareKeys) })
	return out
}

func compareKeys(a, b string) int {
	m, errA := strconv.Atoi(a)
	n, errB := strconv.Atoi(b)
	switch {
	case errA == nil && errB == nil:
		if m != n {
			return cmp.Compare(m, n)
		}
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return strings.Compare(a, b) // also "7" and "07"
}
