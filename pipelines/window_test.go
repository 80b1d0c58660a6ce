package pipelines

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

// TestBaseWindowFor: windows are not many more than the records are worth, and
// no longer than they have to be; the graph takes each.
func TestBaseWindowFor(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		records int64
		span    time.Duration
		want    time.Duration
	}{
		{0, 0, time.Minute},
		{1, 0, time.Minute},
		{30_000, 50 * time.Minute, time.Minute},
		{2_000_000, 8000 * time.Second, time.Minute},
		{1_000_000, 7 * day, 15 * time.Minute},
		{23_000, 187 * day, day},
		{541_909, 373 * day, day},
		{100_000_000, 365 * day, 15 * time.Minute},
	} {
		if got := BaseWindowFor(tc.records, tc.span); got != tc.want {
			t.Errorf("%d records over %s: %s, want %s", tc.records, tc.span, got, tc.want)
		}
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		records, span := rnd.Int64N(1<<rnd.IntN(32)+1), time.Duration(rnd.Int64N(int64(1000*day)))
		got := BaseWindowFor(records, span)
		o := StreamingOptions{Lake: "x", Source: kafkaio.Options{BaseWindow: got, MaxBytes: 1}}
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		if n := int64(span / got); got < day && n > 100+records/1000 {
			t.Errorf("%d records over %s: %d windows of %s", records, span, n, got)
		}
		if more := BaseWindowFor(2*records, span); more > got {
			t.Errorf("%d records over %s: %s, twice as many %s", records, span, got, more)
		}
	}
}

// TestSparse: a hint where windows have few events and a longer base window would
// do, and none for a dense shop, a small lake, or windows without events.
func TestSparse(t *testing.T) {
	rows := func(n int, every time.Duration, silver int64) (out []lake.Row) {
		for i := range n {
			at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * every).UnixMilli()
			out = append(out, lake.Row{Window: at, End: at + every.Milliseconds(), Read: silver, Silver: silver, Files: make([]lake.File, 10)})
		}
		return out
	}
	for _, tc := range []struct {
		name string
		rows []lake.Row
		base time.Duration
		want string // a part of it
	}{
		{"a file of half a year", rows(18_000, 15*time.Minute, 2), 15 * time.Minute, "36000 events are in 18000 windows of 15m0s, and 180000 files"},
		{"its base window", rows(18_000, 15*time.Minute, 2), 15 * time.Minute, "--base-window=24h0m0s"},
		{"dense", rows(18_000, time.Minute, 5_000), time.Minute, ""},
		{"one in ten", rows(18_000, time.Minute, 101), time.Minute, ""},
		{"small", rows(100, time.Minute, 1), time.Minute, ""},
		{"nothing but what came before a clock", rows(18_000, time.Minute, 0), time.Minute, ""},
		{"no longer one", rows(200, 24*time.Hour, 2), 24 * time.Hour, ""},
	} {
		got := sparse(tc.rows, tc.base)
		if !strings.Contains(got, tc.want) || (tc.want == "") != (got == "") {
			t.Errorf("%s: %q, expected %q in it", tc.name, got, tc.want)
		}
	}
}
