package pipelines

import (
	"math/rand/v2"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
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
