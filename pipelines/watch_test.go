package pipelines

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/shopstream/internal/telemetry"
)

// counted is a finding of a few records among others.
type counted struct{ n, of int64 }

func (c counted) tell() bool    { return c.n >= leastTold && 20*c.n > c.of }
func (c counted) Error() string { return "" }

// TestWatch: never two warnings within a period, none of what is not worth it, each
// record is looked at until it was told or its period is over, and nothing is
// kept from being told for longer than a period.
func TestWatch(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		p := telemetry.Progress{Valid: map[int32]telemetry.Valid{}}
		w := watch[counted]{period: time.Minute, since: now, between: func(before, now telemetry.Progress) counted {
			return counted{now.Late - before.Late, now.Read - before.Read}
		}}
		lastTold, lastOver := time.Time{}, now
		var since counted
		for range rapid.IntRange(1, 60).Draw(rt, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second)
			n := rapid.Int64Range(0, 30).Draw(rt, "n")
			of := n + rapid.Int64Range(0, 300).Draw(rt, "others")
			p.Late, p.Read = p.Late+n, p.Read+of
			since.n, since.of = since.n+n, since.of+of
			found, tell, over := w.observe(now, p)
			if found != since {
				rt.Fatalf("found %v, want all since the last period: %v", found, since)
			}
			if may := now.Sub(lastTold) >= time.Minute; tell != (may && since.tell()) {
				rt.Fatalf("%v, told %s ago: told now: %t", since, now.Sub(lastTold), tell)
			}
			if over != (tell || now.Sub(lastOver) >= time.Minute) {
				rt.Fatalf("a period of %s is over: %t", now.Sub(lastOver), over)
			}
			if tell {
				lastTold = now
			}
			if over {
				lastOver, since = now, counted{}
			}
		}
	})
}
