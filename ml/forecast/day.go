package forecast

import (
	"fmt"
	"time"

	"cloud.google.com/go/civil"
)

// Day is a business day in the shop's time zone: days since 1970-01-01.
type Day int32

// Weekday returns the day of the week, Sunday 0.
func (d Day) Weekday() time.Weekday {
	w := (int(d) + 4) % 7 // 1970-01-01 was a Thursday
	if w < 0 {
		w += 7
	}
	return time.Weekday(w)
}

// Time returns the day's midnight, UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Date returns the civil date.
func (d Day) Date() civil.Date { return civil.DateOf(d.Time()) }

// String is YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText is String.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDay.
func (d *Day) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDay(string(text))
	return err
}

// ParseDay reads YYYY-MM-DD.
func ParseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("the day %q is not of the form 2026-03-01", text)
	}
	return Day(t.Unix() / 86400), nil // exact: t is a midnight
}
