package serve

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.com/shopstream/ml/forecast"
)

const (
	longestName = 200 // bytes of a unit
	longestID   = 500 // bytes of a series
	unitHeader  = "X-Unit-Id"
)

// query reads the parameters of a request, and gathers what is wrong with them.
type query struct {
	values url.Values
	asked  []string // parameters that the path has
	faults []fault
}

func newQuery(r *http.Request) *query {
	q := &query{}
	if r.URL.RawQuery == "" {
		return q
	}
	var err error
	if q.values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		q.fail("query", "", "expected name=value pairs, percent-encoded and separated by &: "+err.Error())
	}
	return q
}

func (q *query) fail(in, name, detail string) {
	q.faults = append(q.faults, fault{In: in, Name: name, Detail: detail})
}

// one returns the value of a parameter that may be given once; "" without it.
func (q *query) one(name string) string {
	q.asked = append(q.asked, name)
	switch values := q.values[name]; {
	case len(values) > 1:
		q.fail("query", name, fmt.Sprintf("expected one value, found %d", len(values)))
	case len(values) == 1 && values[0] == "":
		q.fail("query", name, "expected a value, found nothing: leave the parameter out")
	case len(values) == 1:
		return values[0]
	}
	return ""
}

// many returns the values of a parameter that may be repeated.
func (q *query) many(name string, most, longest int) []string {
	q.asked = append(q.asked, name)
	values := q.values[name]
	if len(values) > most {
		q.fail("query", name, fmt.Sprintf("expected at most %d values, found %d: ask in several requests", most, len(values)))
		return nil
	}
	for _, v := range values {
		if v == "" || len(v) > longest {
			q.fail("query", name, fmt.Sprintf("expected 1 to %d bytes, found %d", longest, len(v)))
			return nil
		}
	}
	return values
}

func (q *query) whole(name string, least, most, otherwise int) int {
	text := q.one(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.fail("query", name, fmt.Sprintf("expected a whole number from %d to %d, found %q", least, most, text))
		return otherwise
	}
	return n
}

func (q *query) day(name string) (d forecast.Day, given bool) {
	text := q.one(name)
	if text == "" {
		return 0, false
	}
	d, err := forecast.ParseDay(text)
	if err != nil {
		q.fail("query", name, err.Error())
	}
	return d, true
}

func (q *query) level() forecast.Level {
	text := q.one("level")
	if text == "" {
		return forecast.Product
	}
	l, detail := parseLevel(text)
	if detail != "" {
		q.fail("query", "level", detail)
	}
	return l
}

// parseLevel reads a level as the API calls it; detail says what is wrong.
func parseLevel(text string) (l forecast.Level, detail string) {
	if l = forecast.Level(text); !slices.Contains(levels[:], l) {
		return l, fmt.Sprintf("expected product, category or shop, found %q", text)
	}
	return l, ""
}

// target returns the places in targets from the first up to, and without, the
// last: all without the parameter.
func (q *query) target() (from, to int) {
	text := q.one("target")
	if text == "" {
		return 0, len(targets)
	}
	i := slices.Index(targets[:], forecast.Target(text))
	if i < 0 {
		q.fail("query", "target", fmt.Sprintf("expected units or revenue, found %q", text))
		return 0, 0
	}
	return i, i + 1
}

// unit returns the unit of the experiment that asks, from the parameter or the
// header; "" without one.
func (q *query) unit(r *http.Request) string {
	in, name, unit := "query", "unit", q.one("unit")
	if unit == "" {
		in, name, unit = "header", unitHeader, r.Header.Get(unitHeader)
	}
	if len(unit) > longestName {
		q.fail(in, name, fmt.Sprintf("expected at most %d bytes, found %d", longestName, len(unit)))
	}
	return unit
}

// finish returns a problem if any parameter was wrong or is not known.
func (q *query) finish() *problem {
	for name := range q.values {
		if !slices.Contains(q.asked, name) {
			takes := "takes none"
			if len(q.asked) > 0 {
				takes = "takes " + strings.Join(q.asked, ", ")
			}
			q.faults = append(q.faults, fault{In: "query", Name: clip(name), Detail: "there is no such parameter: the path " + takes, Closest: closest(name, q.asked)})
		}
	}
	if len(q.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(q.faults, func(a, b fault) int { return strings.Compare(a.Name, b.Name) })
	detail := q.faults[0].Detail
	if name := q.faults[0].Name; name != "" {
		detail = name + ": " + detail
	}
	if n := len(q.faults) - 1; n > 0 {
		detail += fmt.Sprintf(" (and %d more, see errors)", n)
	}
	return badRequest.with(detail, q.faults...)
}

// clip shortens what a client sent, for an answer that repeats it.
func clip(text string) string {
	const longest = 80
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}
