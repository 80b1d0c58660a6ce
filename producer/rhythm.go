package producer

import "time"

// The rhythm of demand, all in UTC: how busy an hour, a weekday and a month
// are against the mean, in percent. Each list averages 100.
var (
	hourly  = [24]int64{30, 20, 12, 9, 10, 18, 40, 70, 100, 120, 130, 135, 140, 132, 125, 124, 128, 140, 165, 190, 200, 175, 120, 67}
	weekly  = [7]int64{112, 96, 94, 93, 95, 97, 113} // from Sunday on
	monthly = [12]int64{86, 84, 90, 92, 94, 92, 88, 86, 95, 104, 140, 149}
)

// demand is the rate of events at a moment against the long-term mean, in
// thousandths. It is constant within an hour. A week before Christmas it ebbs,
// and the last Friday of November is the busiest day.
func demand(ms int64) int64 {
	t := time.UnixMilli(ms).UTC()
	d := hourly[t.Hour()] * weekly[t.Weekday()] * monthly[t.Month()-1] / 1000
	switch {
	case t.Month() == time.November && t.Weekday() == time.Friday && t.Day() > 23:
		d *= 2
	case t.Month() == time.December && t.Day() > 18:
		d = d * 6 / 10
	}
	return max(d, 1)
}
