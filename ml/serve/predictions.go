package serve

import (
	"fmt"
	"net/http"
	"strconv"

	"example.com/shopstream/ml/forecast"
)

const (
	mostSeries    = 100 // in one answer
	defaultSeries = 20  // in a page
	mostSuggested = 5   // unknown series that closest names are looked up for
)

// wanted is what a request for predictions asks for.
type wanted struct {
	level              forecast.Level
	places             []int // of the series
	total              int   // series of the level, where a page was asked for
	offset, limit      int   // of the page; limit 0 without one
	fromDay, toDay     int   // days of the outlook, from 0, without the last
	fromTarget, untilT int   // places in targets
	unit               string
}

// getPredictions answers GET /v1/predictions.
func getPredictions(s *snapshot, r *http.Request) (answer, *problem) {
	q := newQuery(r)
	w := wanted{level: q.level(), unit: q.unit(r)}
	w.fromTarget, w.untilT = q.target()
	from, to := q.days(s)
	series := q.many("series", mostSeries, longestID)
	limit, offset := q.whole("limit", 1, mostSeries, 0), q.whole("offset", 0, 1e9, 0)
	if len(series) > 0 && (limit > 0 || offset > 0) {
		q.fail("query", "series", "expected series, or limit and offset, found both")
	}
	if p := q.finish(); p != nil {
		return answer{}, p
	}
	known := s.levels[w.level]
	if len(series) == 0 {
		w.total, w.offset, w.limit = len(known.names), offset, limit
		if limit == 0 {
			w.limit = defaultSeries
		}
		for i := min(offset, w.total); i < min(offset+w.limit, w.total); i++ {
			w.places = append(w.places, i)
		}
	} else {
		var p *problem
		if w.places, p = known.find(w.level, "query", series); p != nil {
			return answer{}, p
		}
	}
	return s.predictions(r, w, from, to)
}

// getSeries answers GET /v1/predictions/{level}/{series}.
func getSeries(s *snapshot, r *http.Request) (answer, *problem) {
	q := newQuery(r)
	w := wanted{unit: q.unit(r)}
	w.fromTarget, w.untilT = q.target()
	from, to := q.days(s)
	var detail string
	if w.level, detail = parseLevel(r.PathValue("level")); detail != "" {
		q.fail("path", "level", detail)
	}
	series := r.PathValue("series")
	if len(series) > longestID {
		q.fail("path", "series", fmt.Sprintf("expected at most %d bytes, found %d", longestID, len(series)))
	}
	p := q.finish()
	if p == nil {
		w.places, p = s.levels[w.level].find(w.level, "path", []string{series})
	}
	if p != nil {
		return answer{}, p
	}
	return s.predictions(r, w, from, to)
}

// days returns the days that are asked for, inclusive.
func (q *query) days(s *snapshot) (from, to forecast.Day) {
	first, last := s.origin, s.origin+forecast.Day(s.horizon)-1 //nolint:gosec // at most MaxHorizon
	from, givenFrom := q.day("from")
	if !givenFrom {
		from = first
	}
	to, givenTo := q.day("to")
	if !givenTo {
		to = max(last, from)
	}
	if to < from {
		if !givenFrom { // only the end is given, and lies before the outlook
			return to, to
		}
		q.fail("query", "to", fmt.Sprintf("expected %s or later, which is from, found %s", from, to))
	}
	return from, to
}

// find returns the places of series.
func (c *catalogue) find(level forecast.Level, in string, series []string) ([]int, *problem) {
	places := make([]int, len(series))
	var faults []fault
	for i, name := range series {
		at, ok := c.places[name]
		if !ok {
			f := fault{In: in, Name: "series", Detail: fmt.Sprintf("there is no %s %q", level, clip(name))}
			if len(faults) < mostSuggested {
				f.Closest = closest(name, c.names)
			}
			faults = append(faults, f)
		}
		places[i] = at
	}
	if len(faults) > 0 {
		return nil, unknownSeries.with(faults[0].Detail+" in the outlook: products are known from their first sale or the catalogue on", faults...)
	}
	return places, nil
}

// predictions encodes the answer.
func (s *snapshot) predictions(r *http.Request, w wanted, from, to forecast.Day) (answer, *problem) {
	w.fromDay, w.toDay = max(0, int(from-s.origin)), min(s.horizon, int(to-s.origin)+1)
	if w.fromDay >= w.toDay {
		return answer{}, notCovered.with(fmt.Sprintf("the forecast is of %s to %s: none of %s to %s is in it",
			s.origin, s.origin+forecast.Day(s.horizon)-1, from, to)) //nolint:gosec // at most MaxHorizon
	}
	a := answer{status: http.StatusOK, contentType: jsonType, arm: s.armsOf(w)}
	// Who asks changes who answers, so that it is part of what the tag stands for.
	tag := "series"
	if w.unit != "" {
		tag = a.arm
	}
	a.etag = `"` + s.version + "-" + tag + `"`
	if matches(r.Header.Get("If-None-Match"), a.etag) {
		a.status, a.contentType = http.StatusNotModified, ""
		return a, nil
	}
	a.body = s.encode(w)
	return a, nil
}

// encode is the answer's body.
func (s *snapshot) encode(w wanted) []byte {
	known := s.levels[w.level]
	size := len(s.outlook) + 128
	for _, at := range w.places {
		for t := w.fromTarget; t < w.untilT; t++ {
			size += s.sides[champion].forecasts[w.level][at][t].size() + 8 // "challenger" is longer than "champion"
		}
	}
	b := make([]byte, 0, size)
	b = append(append(b, `{"outlook":`...), s.outlook...)
	if w.limit > 0 {
		b = strconv.AppendInt(append(b, `,"total":`...), int64(w.total), 10)
		b = strconv.AppendInt(append(b, `,"limit":`...), int64(w.limit), 10)
		b = strconv.AppendInt(append(b, `,"offset":`...), int64(w.offset), 10)
	}
	b = append(b, `,"predictions":[`...)
	for i, at := range w.places {
		fragments := &s.sides[s.armOf(w.unit, known.names[at])].forecasts[w.level][at]
		for t := w.fromTarget; t < w.untilT; t++ {
			if i > 0 || t > w.fromTarget {
				b = append(b, ',')
			}
			b = fragments[t].appendTo(b, w.fromDay, w.toDay)
		}
	}
	return append(b, "]}"...)
}

// mixedArms is what both arms together are called.
const mixedArms = "both"

// armsOf says who answers; "" if there are no series.
func (s *snapshot) armsOf(w wanted) string {
	known, found := s.levels[w.level], ""
	if w.unit != "" {
		return s.armOf(w.unit, "").String()
	}
	for _, at := range w.places {
		switch a := s.armOf("", known.names[at]).String(); found {
		case a:
		case "":
			found = a
		default:
			return mixedArms
		}
	}
	return found
}
