package pipelines

import (
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/telemetry"
)

func TestTooManyLateEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		events, late int64
		bound        float64
		want         bool
	}{
		"none":                  {1000, 0, 0.05, false},
		"nothing read":          {0, 0, 0.05, false},
		"at the bound":          {1000, 50, 0.05, false},
		"above it":              {1000, 51, 0.05, true},
		"above it, but few":     {100, 9, 0.05, false},
		"above it, ten":         {100, 10, 0.05, true},
		"all, but few":          {3, 3, 0.05, false},
		"all, and all may be":   {30, 30, 1, false},
		"none may be":           {1_000_000, 10, 0, true},
		"simulated shops' part": {100_000, 100, 0.05, false},
	} {
		l := &LateEvents{Bound: tc.bound, Partitions: map[int32]telemetry.Valid{
			0: {Events: tc.events / 2, Late: tc.late}, 7: {Events: tc.events - tc.events/2},
		}}
		if got := l.TooMany(); got != tc.want {
			t.Errorf("%s: %d of %d with a bound of %g: %t, want %t", name, tc.late, tc.events, tc.bound, got, tc.want)
		}
	}
}

// What was late before is not found again, and what is told names the
// partitions, one of the events and what can be done.
func TestLateEventsError(t *testing.T) {
	before := telemetry.Progress{Valid: map[int32]telemetry.Valid{0: {Events: 1000, Late: 900, Producer: 900}, 3: {Events: 5, Late: 5}}}
	now := telemetry.Progress{
		Valid: map[int32]telemetry.Valid{
			0: {Events: 1100, Late: 901, Producer: 900}, 3: {Events: 5, Late: 5}, 4: {Events: 100}, 5: {Events: 100, Late: 70}, 6: {Events: 100, Late: 30},
			7: {Events: 10, Late: 1}, 8: {Events: 10, Late: 1},
		},
		LastLate: telemetry.LateEvent{Partition: 5, Offset: 17, Time: 1_772_359_201_000, Clock: 1_772_359_500_500},
	}
	find := lateBetween(0.05, 30*time.Second)
	const short = "103 of 420 valid events (24.5 %) are late, expected at most 5 % (stream.max_late_share): 70 of 100 in partition 5, 30 of 100 in partition 6, " +
		"1 of 100 in partition 0, 1 of 10 in partition 7, and 1 more. They count in gold, but not in the live metrics"
	l := find(before, now)
	if got := l.Short(); got != short {
		t.Errorf("found\n%s\nwant\n%s", got, short)
	}
	const one = short + ". Such as partition 5, offset 17: its event time 2026-03-01T10:00:01Z is 4m59.5s behind the partition's clock, and stream.out_of_orderness is 30s. If "
	if got := l.Error(); !strings.HasPrefix(got, one) || !strings.Contains(got, "--out-of-orderness") || !strings.Contains(got, "--max-late-share=1") {
		t.Errorf("found\n%s\nwant\n%s…", got, one)
	}
	now.Valid[6] = telemetry.Valid{Events: 100, Late: 30, Producer: 20}
	if got := find(before, now).Error(); !strings.Contains(got, " 20 of them have time stamps of their producers (message.timestamp.type=CreateTime)") {
		t.Errorf("found\n%s", got)
	}
}
