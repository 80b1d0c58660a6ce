package shop_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

func TestEventTime(t *testing.T) {
	const recordTime = 1_772_366_400_000 // 2026-03-01T12:00:00Z
	at := func(s string) int64 {
		tm, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return tm.UnixMilli()
	}
	quarter := at("2026-03-01T10:15:00Z")
	for _, c := range []struct {
		name, raw string
		want      int64 // 0: none
	}{
		{"plain", `{"event_time":"2026-03-01T10:15:00Z"}`, quarter},
		{"white space", "{\"event_time\" \t\r\n:\n \"2026-03-01T10:15:00Z\"}", quarter},
		{"milliseconds", `{"event_time":"2026-03-01T10:15:00.007Z"}`, quarter + 7},
		{"one decimal", `{"event_time":"2026-03-01T10:15:00.7Z"}`, quarter + 700},
		{"nine decimals are cut off", `{"event_time":"2026-03-01T10:15:00.007999999Z"}`, quarter + 7},
		{"offset east", `{"event_time":"2026-03-01T15:45:00+05:30"}`, quarter},
		{"offset west", `{"event_time":"2026-03-01T02:15:00-08:00"}`, quarter},
		{"first of the range", `{"event_time":"2000-01-01T00:00:00Z"}`, at("2000-01-01T00:00:00Z")},
		{"in a record that is cut", `{"event_time":"2026-03-01T10:15:00Z"`, quarter},
		{"in a record that is no JSON", `"event_time":"2026-03-01T10:15:00Z"`, quarter},
		{"the first one counts", `{"m":{"event_time":"2026-03-01T10:15:00Z"},"event_time":"2026-03-01T11:15:00Z"}`, quarter},
		{"as far ahead as the skew", `{"event_time":"2026-03-01T12:05:00Z"}`, at("2026-03-01T12:05:00Z")},
		{"further ahead", `{"event_time":"2026-03-01T12:05:00.001Z"}`, 0},
		{"before the range", `{"event_time":"1999-12-31T23:59:59.999Z"}`, 0},
		{"ill-formed", `{"event_time":"2026-03-01 10:15:00Z"}`, 0},
		{"no string", `{"event_time":1772360100000}`, 0},
		{"null", `{"event_time":null}`, 0},
		{"cut behind the key", `{"event_time"`, 0},
		{"cut behind the colon", `{"event_time":`, 0},
		{"cut in the text", `{"event_time":"2026-03-01T10:15:00Z`, 0},
		{"no end in sight", `{"event_time":"` + strings.Repeat("2", 5000) + `"}`, 0},
		{"another key", `{"event_times":"2026-03-01T10:15:00Z"}`, 0},
		{"escaped key", `{"event\u005ftime":"2026-03-01T10:15:00Z"}`, 0},
		{"a value first", `{"a":"event_time","event_time":"2026-03-01T10:15:00Z"}`, 0},
		{"too large", `{"event_time":"2026-03-01T10:15:00Z"}` + strings.Repeat(" ", 1<<20), 0},
		{"empty", ``, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := shop.EventTime([]byte(c.raw), recordTime, shop.DefaultLimits)
			if ok != (c.want != 0) || got != c.want {
				t.Errorf("EventTime = %d, %t; want %d", got, ok, c.want)
			}
		})
	}
}

// Whatever time and offset, the text of it is read back.
func TestEventTimeRoundTrip(t *testing.T) {
	first, last := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC)
	layouts := []string{time.RFC3339, "2006-01-02T15:04:05.0Z07:00", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00", time.RFC3339Nano}
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(first.UnixMilli(), last.UnixMilli()-1).Draw(t, "ms")*1e6 + rapid.Int64Range(0, 999_999).Draw(t, "ns")
		zone := time.FixedZone("", 60*rapid.IntRange(-24*60+1, 24*60-1).Draw(t, "zone"))
		text := time.Unix(0, ns).In(zone).Format(rapid.SampledFrom(layouts).Draw(t, "layout"))
		exact, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := shop.EventTime([]byte(`{"event_time":"`+text+`"}`), math.MaxInt64, shop.DefaultLimits)
		if !ok || got != exact.UnixMilli() {
			t.Fatalf("EventTime of %s = %d, %t; want %d", text, got, ok, exact.UnixMilli())
		}
	})
}

// No record time makes the arithmetic wrap.
func TestEventTimeRecordTimes(t *testing.T) {
	raw := []byte(`{"event_time":"2026-03-01T10:15:00Z"}`)
	for recordTime, want := range map[int64]bool{math.MinInt64: false, math.MinInt64 + 1: false, math.MaxInt64: true} {
		for _, skew := range []time.Duration{0, time.Minute, math.MaxInt64} {
			if _, ok := shop.EventTime(raw, recordTime, shop.Limits{MaxBytes: 100, Skew: skew}); ok != want {
				t.Errorf("record time %d, skew %v: %t; want %t", recordTime, skew, ok, want)
			}
		}
	}
}
