package main

import (
	"testing"
	"time"

	"cloud.google.com/go/civil"
)

// TestLateFrom: late events of that time or later lie on days of UTC that reach
// into no business day before the first.
func TestLateFrom(t *testing.T) {
	for _, tc := range []struct{ zone, first, want string }{
		{"UTC", "2026-03-01", "2026-03-01T00:00:00Z"},
		{"Europe/London", "2026-03-01", "2026-03-01T00:00:00Z"},
		{"Europe/London", "2026-07-01", "2026-07-01T00:00:00Z"},
		{"Asia/Tokyo", "2026-03-01", "2026-03-01T00:00:00Z"},
		{"America/New_York", "2026-03-01", "2026-03-02T00:00:00Z"},
		{"Asia/Kathmandu", "2026-03-01", "2026-03-01T00:00:00Z"},
	} {
		zone, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		first, err := civil.ParseDate(tc.first)
		if err != nil {
			t.Fatal(err)
		}
		got := lateFrom(first, zone)
		if got.Format(time.RFC3339) != tc.want {
			t.Errorf("%s, %s: %s, want %s", tc.zone, tc.first, got.Format(time.RFC3339), tc.want)
		}
		if day := got.UTC().Truncate(24 * time.Hour); day.Before(first.In(zone)) {
			t.Errorf("%s, %s: UTC's day of %s reaches into the day before", tc.zone, tc.first, got)
		}
	}
}
