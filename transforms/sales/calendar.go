package sales

import (
	"fmt"
	"time"

	"cloud.google.com/go/civil"
)

// Calendar cuts moments into business days and hours of a time zone. It is for
// one goroutine: it remembers the day and the hour of its last answer.
type Calendar struct {
	zone *time.Location

	day      int32
	dayFrom  int64 // µs; the day is [dayFrom, dayTo)
	dayTo    int64
	hour     Hour
	hourFrom int64 // µs
	hourTo   int64
}

// Hour is an hour of a business day. Where a clock change repeats an hour, two
// hours have the same Of and another Start.
type Hour struct {
	Start int64 // µs since the epoch
	Of    int64 // of the day, 0 to 23
}

// NewCalendar returns the calendar of an IANA time zone, such as
// "Europe/London".
func NewCalendar(zone string) (*Calendar, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return nil, fmt.Errorf("time zone %q: expected a name such as UTC or Europe/London: %w", zone, err)
	}
	return &Calendar{zone: loc, dayTo: -1 << 62, dayFrom: 1 << 62, hourFrom: 1 << 62, hourTo: -1 << 62}, nil
}

// Day returns the business day of a moment (µs), as days since the epoch.
func (c *Calendar) Day(t int64) int32 {
	if t < c.dayFrom || t >= c.dayTo {
		c.day = DayOf(civil.DateOf(time.UnixMicro(t).In(c.zone)))
		c.dayFrom, c.dayTo = c.Bounds(c.day)
	}
	return c.day
}

// Bounds returns the moments (µs) between which a business day is: [from, to).
func (c *Calendar) Bounds(day int32) (from, to int64) {
	return c.start(day), c.start(day + 1)
}

// start is the first moment of a day. Where midnight does not exist, the day
// begins when the clock has jumped over it.
func (c *Calendar) start(day int32) int64 {
	d := DateOf(day)
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, c.zone)
	if civil.DateOf(t) == d {
		// Of two midnights, time.Date may take either: the first one begins the day.
		if earlier := t.Add(-time.Hour); civil.DateOf(earlier) == d {
			t = earlier
		}
		return t.UnixMicro()
	}
	// Before the jump: it is still the day before.
	for civil.DateOf(t).Before(d) {
		t = t.Add(15 * time.Minute).Truncate(15 * time.Minute)
	}
	return t.UnixMicro()
}

// Hour returns the hour of a moment (µs).
func (c *Calendar) Hour(t int64) Hour {
	if t >= c.hourFrom && t < c.hourTo {
		return c.hour
	}
	at := time.UnixMicro(t).In(c.zone)
	_, offset := at.Zone()
	start := at.Add(-time.Duration(at.Minute())*time.Minute - time.Duration(at.Second())*time.Second - time.Duration(at.Nanosecond()))
	end := start.Add(time.Hour)
	c.hour = Hour{Start: start.UnixMicro(), Of: int64(at.Hour())}
	c.hourFrom, c.hourTo = c.hour.Start, end.UnixMicro()
	_, first := start.Zone()
	_, last := end.Add(-time.Microsecond).Zone()
	if first != offset || last != offset { // the clock changes within: do not remember
		c.hourFrom, c.hourTo = 1<<62, -1<<62
	}
	return c.hour
}

// DayOf is a date as days since the epoch.
func DayOf(d civil.Date) int32 { return int32(d.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1})) }

// DateOf is the inverse of DayOf.
func DateOf(day int32) civil.Date {
	return civil.Date{Year: 1970, Month: 1, Day: 1}.AddDays(int(day))
}
