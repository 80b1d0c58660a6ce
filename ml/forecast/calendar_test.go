package forecast

import (
	"slices"
	"testing"
	"time"
)

// TestHolidaysOfBritain is the list that gov.uk publishes for England and Wales.
func TestHolidaysOfBritain(t *testing.T) {
	want := []string{
		"2010-12-27", "2010-12-28",
		"2011-01-03", "2011-04-22", "2011-04-25", "2011-04-29", "2011-05-02", "2011-05-30", "2011-08-29", "2011-12-26", "2011-12-27",
		"2012-01-02", "2012-04-06", "2012-04-09", "2012-05-07", "2012-06-04", "2012-06-05", "2012-08-27", "2012-12-25", "2012-12-26",
	}
	c, err := NewCalendar("gb", nil)
	if err != nil {
		t.Fatal(err)
	}
	want = append(want,
		"2022-01-03", "2022-04-15", "2022-04-18", "2022-05-02", "2022-06-02", "2022-06-03", "2022-08-29", "2022-09-19", "2022-12-26", "2022-12-27",
		"2023-01-02", "2023-04-07", "2023-04-10", "2023-05-01", "2023-05-08", "2023-05-29", "2023-08-28", "2023-12-25", "2023-12-26")
	var got []string
	for _, years := range [][2]string{{"2010-12-01", "2012-12-31"}, {"2022-01-01", "2023-12-31"}} {
		for d := day(t, years[0]); d <= day(t, years[1]); d++ {
			if c.Holiday(d) {
				got = append(got, d.String())
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("holidays are\n%v, expected\n%v", got, want)
	}
}

func TestUnknownCountry(t *testing.T) {
	if _, err := NewCalendar("XX", nil); err == nil {
		t.Error("XX is no country, and there is no error")
	}
}

func TestDay(t *testing.T) {
	for _, text := range []string{"1899-12-31", "1970-01-01", "2011-12-09", "2400-02-29"} {
		d, err := ParseDay(text)
		want, _ := time.Parse(time.DateOnly, text)
		if err != nil || d.String() != text || d.Weekday() != want.Weekday() || DayOf(d.Date()) != d {
			t.Errorf("%s is read as %v, a %v: %v", text, d, d.Weekday(), err)
		}
	}
	for _, text := range []string{"", "2011-2-3", "2011-02-30", "20110203", "2011-02-03T00:00:00Z"} {
		if d, err := ParseDay(text); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

// opening of a shop that sells every day but those for which closed is true.
func opening(t *testing.T, from, to, country string, given []Day, closed func(d Day) bool) *Opening {
	t.Helper()
	first, err := ParseDay(from)
	if err != nil {
		t.Fatal(err)
	}
	end, err := ParseDay(to)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCalendar(country, given)
	if err != nil {
		t.Fatal(err)
	}
	var sales []Sale
	for d := first; d < end; d++ {
		if !closed(d) {
			sales = append(sales, Sale{Day: d, Product: "a", Units: 1})
		}
	}
	p, err := NewPanel(sales, PanelOptions{Level: Product, Target: Units, Calendar: c, End: end})
	if err != nil {
		t.Fatal(err)
	}
	return NewOpening(p)
}

func day(t *testing.T, text string) Day {
	t.Helper()
	d, err := ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpening(t *testing.T) {
	sunday := func(d Day) bool { return d.Weekday() == time.Sunday }
	christmas := func(d Day) bool { return d.Date().Month == 12 && d.Date().Day == 25 }
	gb, err := NewCalendar("GB", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from, to, country string
		given             []string
		closed            func(d Day) bool
		day               string
		open              bool
	}{
		"a weekday that is closed":               {"2011-01-03", "2011-06-01", "", nil, sunday, "2011-06-05", false},
		"the day after it":                       {"2011-01-03", "2011-06-01", "", nil, sunday, "2011-06-06", true},
		"a weekday that has opened lately":       {"2011-01-03", "2011-06-01", "", nil, func(d Day) bool { return sunday(d) && d < day(t, "2011-05-20") }, "2011-06-05", true},
		"too little is known of a weekday":       {"2011-01-03", "2011-02-01", "", nil, sunday, "2011-02-06", true},
		"a holiday of a shop that closes":        {"2011-01-03", "2011-08-26", "GB", nil, gb.Holiday, "2011-08-29", false},
		"a holiday of a shop that opens":         {"2011-01-03", "2011-08-26", "GB", nil, sunday, "2011-08-29", true},
		"a holiday without a calendar":           {"2011-01-03", "2011-08-26", "", nil, gb.Holiday, "2011-08-29", true},
		"a day that is given":                    {"2011-01-03", "2011-08-26", "", []string{"2011-08-29"}, sunday, "2011-08-29", false},
		"Christmas, learnt in two years":         {"2009-06-01", "2011-12-20", "", nil, christmas, "2011-12-25", false},
		"the day after Christmas":                {"2009-06-01", "2011-12-20", "", nil, christmas, "2011-12-26", true},
		"a Christmas that was not always closed": {"2009-06-01", "2011-12-20", "", nil, func(d Day) bool { return d == day(t, "2010-12-25") }, "2011-12-25", true},
		"a day of a year whose days are missing": {"2009-12-01", "2011-12-20", "", nil, func(d Day) bool { return d > day(t, "2010-11-01") && d < day(t, "2011-02-01") }, "2011-12-25", true},
		"a past day with sales":                  {"2011-01-03", "2011-06-01", "", nil, sunday, "2011-05-30", true},
		"a past day without":                     {"2011-01-03", "2011-06-01", "", nil, sunday, "2011-05-29", false},
	} {
		t.Run(name, func(t *testing.T) {
			var given []Day
			for _, g := range c.given {
				given = append(given, day(t, g))
			}
			if got := opening(t, c.from, c.to, c.country, given, c.closed).Open(day(t, c.day)); got != c.open {
				t.Errorf("open on %s: %v", c.day, got)
			}
		})
	}
}
