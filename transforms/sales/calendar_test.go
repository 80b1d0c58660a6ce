package sales

import (
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"pgregory.net/rapid"
)

var zones = []string{
	"UTC", "Europe/London", "America/New_York", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe",
	"America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Pacific/Apia", // clocks that changed at midnight; a day that does not exist
}

// The days of a calendar tile time, and agree with what the time package says
// of each moment.
func TestDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		c, err := NewCalendar(zone)
		if err != nil {
			t.Fatal(err)
		}
		loc, _ := time.LoadLocation(zone)
		for range 20 {
			at := rapid.Int64Range(0, 2_500_000_000_000_000).Draw(t, "µs")
			day := c.Day(at)
			if want := civil.DateOf(time.UnixMicro(at).In(loc)); DateOf(day) != want {
				t.Fatalf("%s in %s is of %s, expected %s", time.UnixMicro(at).UTC(), zone, DateOf(day), want)
			}
			from, to := c.Bounds(day)
			if at < from || at >= to {
				t.Fatalf("%s in %s: its day is from %s to %s", time.UnixMicro(at).UTC(), zone, time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC())
			}
			for _, edge := range []struct {
				at   int64
				want int32
			}{{from, day}, {to - 1, day}} {
				if got := c.Day(edge.at); got != edge.want {
					t.Fatalf("%s in %s is of %s, expected %s", time.UnixMicro(edge.at).UTC(), zone, DateOf(got), DateOf(edge.want))
				}
			}
			if c.Day(from-1) >= day || c.Day(to) <= day {
				t.Fatalf("the day %s in %s is not the only one between its bounds", DateOf(day), zone)
			}
			h := c.Hour(at)
			if h.Start > at || at-h.Start >= time.Hour.Microseconds() || h.Of != int64(time.UnixMicro(at).In(loc).Hour()) {
				t.Fatalf("%s in %s: hour %d from %s", time.UnixMicro(at).UTC(), zone, h.Of, time.UnixMicro(h.Start).UTC())
			}
		}
	})
}

func TestHoursOfClockChange(t *testing.T) {
	c, err := NewCalendar("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	starts := map[int64]int{} // by hour of the day
	seen := map[int64]bool{}
	from, to := c.Bounds(DayOf(civil.Date{Year: 2026, Month: 10, Day: 25}))
	for at := from; at < to; at += time.Minute.Microseconds() {
		if h := c.Hour(at); !seen[h.Start] {
			seen[h.Start] = true
			starts[h.Of]++
		}
	}
	if len(seen) != 25 || starts[1] != 2 || starts[2] != 1 {
		t.Errorf("the day of 25 hours has %d hours, %d of them 1 o'clock", len(seen), starts[1])
	}
}

func TestUnknownZone(t *testing.T) {
	for _, zone := range []string{"", "Local", "Mars/Olympus", "Europe"} {
		if _, err := NewCalendar(zone); err == nil {
			t.Errorf("time zone %q is taken", zone)
		}
	}
}
