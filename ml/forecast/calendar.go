package forecast

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/us"
)

var countries = map[string][]*cal.Holiday{
	"AT": at.Holidays, "CA": ca.Holidays, "DE": de.Holidays, "ES": es.Holidays, "FR": fr.Holidays,
	"GB": gb.Holidays, "IE": ie.Holidays, "IT": it.Holidays, "NL": nl.Holidays, "US": us.Holidays,
}

// exceptions are days on which the library is wrong: it does not know that they
// are a holiday (true), or were none.
var exceptions = map[string]map[string]bool{
	"GB": {
		"2002-05-27": false, "2002-06-03": true, "2002-06-04": true, // the golden jubilee
		"2011-04-29": true,                                          // a royal wedding
		"2012-05-28": false, "2012-06-04": true, "2012-06-05": true, // the diamond jubilee
		"2022-09-19": true, // a state funeral
	},
}

// Countries are the ISO 3166 codes that NewCalendar takes.
func Countries() []string { return slices.Sorted(maps.Keys(countries)) }

// Calendar knows the shop's holidays, and days that it is told to be closed.
// The zero value has none.
type Calendar struct {
	country string
	given   map[Day]bool // closed
}

// NewCalendar returns the calendar of a country ("" is none) with the days that
// the shop says it is, or was, closed.
func NewCalendar(country string, closed []Day) (Calendar, error) {
	country = strings.ToUpper(country)
	if _, ok := countries[country]; !ok && country != "" {
		return Calendar{}, fmt.Errorf("there is no calendar of the country %q: expected one of %s", country, strings.Join(Countries(), ", "))
	}
	c := Calendar{country: country, given: map[Day]bool{}}
	for _, d := range closed {
		c.given[d] = true
	}
	return c, nil
}

// Holiday reports whether the day is a public holiday, as it is observed.
func (c Calendar) Holiday(d Day) bool {
	date := d.Time()
	if holiday, ok := exceptions[c.country][date.Format(time.DateOnly)]; ok {
		return holiday
	}
	for _, h := range countries[c.country] {
		// A holiday of one year can be observed in the next, or before.
		for year := date.Year() - 1; year <= date.Year()+1; year++ {
			if _, observed := h.Calc(year); observed.Year() == date.Year() && observed.YearDay() == date.YearDay() {
				return true
			}
		}
	}
	return false
}

// String names the calendar, for a fingerprint.
func (c Calendar) String() string {
	text := c.country
	for _, d := range slices.Sorted(maps.Keys(c.given)) {
		text += "," + d.String()
	}
	return text
}

// Country returns the ISO 3166 code, or "".
func (c Calendar) Country() string { return c.country }

// Given returns the days that the shop said it is closed.
func (c Calendar) Given() []Day { return slices.Sorted(maps.Keys(c.given)) }

const (
	closedWeeks    = 8 // a weekday without a sale for so many weeks is one on which the shop is closed
	closedHolidays = 2 // so many public holidays must be known to tell whether the shop opens on them
)

// Opening says on which days the shop is open, as far as it is known before a
// panel's end: past days are those with a sale; of the days to come, it is
// closed on those that it was told, on a weekday that it has not sold on for 8
// weeks, and on public holidays and days of the year if it did not sell on them
// before.
type Opening struct {
	calendar Calendar
	start    Day
	past     []bool
	weekdays [7]bool // closed
	holidays bool    // closed
}

// NewOpening learns it from the panel.
func NewOpening(p *Panel) *Opening {
	o := &Opening{calendar: p.Calendar, start: p.Start, past: p.Sold}
	for w := range o.weekdays {
		seen, sold := 0, false
		for d := p.End - 1; d >= p.Start && seen < closedWeeks; d-- {
			if int(d.Weekday()) == w && !p.Calendar.given[d] {
				seen++
				sold = sold || o.past[d-p.Start]
			}
		}
		o.weekdays[w] = seen == closedWeeks && !sold
	}
	holidays, closed := 0, 0
	for t := range o.past {
		if d := p.Start + Day(t); !o.weekdays[d.Weekday()] && p.Calendar.Holiday(d) {
			holidays++
			if !o.past[t] {
				closed++
			}
		}
	}
	o.holidays = holidays >= closedHolidays && closed*5 >= holidays*4
	return o
}

// Open reports whether the shop is, or was, open on the day.
func (o *Opening) Open(d Day) bool {
	if t := int(d - o.start); t >= 0 && t < len(o.past) {
		return o.past[t]
	}
	if o.calendar.given[d] || o.weekdays[d.Weekday()] {
		return false
	}
	if o.holidays && o.calendar.Holiday(d) {
		return false
	}
	return !o.closedInOtherYears(d)
}

// closedInOtherYears reports whether the same day of the year was closed in
// every year that is known, on a weekday that is open by now, with open days
// around it: Christmas, for a shop that gave no calendar.
func (o *Opening) closedInOtherYears(d Day) bool {
	date, seen := d.Time(), false
	for year := date.Year() - 1; ; year-- {
		same := time.Date(year, date.Month(), date.Day(), 0, 0, 0, 0, time.UTC)
		t := int(Day(same.Unix()/86400) - o.start)
		if t < 0 {
			return seen
		}
		if t >= len(o.past) || same.Day() != date.Day() || o.weekdays[same.Weekday()] {
			continue
		}
		if o.past[t] || !o.openAround(t) {
			return false
		}
		seen = true
	}
}

// openAround reports whether the shop had an open day in the weeks before and
// after: without one, days are missing rather than closed.
func (o *Opening) openAround(t int) bool {
	const reach = 14
	return slices.Contains(o.past[max(0, t-reach):t], true) && slices.Contains(o.past[t+1:min(len(o.past), t+1+reach)], true)
}

// ClosedWeekdays returns the weekdays on which the shop is closed.
func (o *Opening) ClosedWeekdays() []time.Weekday {
	var days []time.Weekday
	for w, closed := range o.weekdays {
		if closed {
			days = append(days, time.Weekday(w))
		}
	}
	return days
}

// openDays returns the panel indices of its open days, in order.
func (o *Opening) openDays() []int {
	var open []int
	for t, yes := range o.past {
		if yes {
			open = append(open, t)
		}
	}
	return open
}
