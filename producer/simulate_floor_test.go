package producer

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNotBefore: no late event is before that time, which may be after the start,
// and what is late is late.
func TestNotBefore(t *testing.T) {
	room := false
	rapid.Check(t, func(rt *rapid.T) {
		before := time.Duration(rapid.Int64Range(-2*3600_000, 30*3600_000).Draw(rt, "before the start")) * time.Millisecond
		o := SimulateOptions{
			Seed:       rapid.Uint64().Draw(rt, "seed"),
			Start:      time.UnixMilli(rapid.Int64Range(1_000_000_000_000, 1_700_000_000_000).Draw(rt, "start")),
			Partitions: rapid.IntRange(1, 4).Draw(rt, "partitions"),
			Density:    rapid.SampledFrom([]float64{0.01, 1, 1000}).Draw(rt, "density"),
			Count:      1500, Late: 0.2, OutOfOrder: 0.2, Duplicates: 0.1, Invalid: 0.1,
			Skew: time.Duration(rapid.IntRange(0, 2).Draw(rt, "skew")) * time.Hour,
		}
		o.NotBefore = o.Start.Add(-o.Skew - before)
		s, err := NewSimulator(o)
		if err != nil {
			rt.Fatal(err)
		}
		high := make([]int64, o.Partitions)
		late := int64(0)
		for {
			r, ok := s.Next()
			if !ok {
				break
			}
			if r.EventTime == 0 {
				continue
			}
			if h := &high[r.Partition]; *h-r.EventTime >= time.Hour.Milliseconds() {
				late++
				if r.EventTime < o.NotBefore.UnixMilli() {
					rt.Fatalf("a late event is at %d, before %d", r.EventTime, o.NotBefore.UnixMilli())
				}
			} else {
				*h = max(*h, r.EventTime)
			}
		}
		if got := s.Truth().Late; got != late {
			rt.Fatalf("truth has %d late, the log %d", got, late)
		}
		room = room || late > 0
	})
	if !room {
		t.Error("no event was ever late, so that nothing was tested")
	}
}

// TestNotBeforeFarAway: a time that leaves room for all late events changes no byte.
func TestNotBeforeFarAway(t *testing.T) {
	log := func(notBefore time.Time) (out []string) {
		s, err := NewSimulator(SimulateOptions{Seed: 4, Start: testStart, Density: 10, Count: 2000, Late: 0.1, NotBefore: notBefore})
		if err != nil {
			t.Fatal(err)
		}
		for r, ok := s.Next(); ok; r, ok = s.Next() {
			out = append(out, fmt.Sprintf("%d %s", r.Partition, r.Value))
		}
		return out
	}
	without, with := log(time.Time{}), log(testStart.Add(-25*time.Hour))
	if len(without) != 2000 || len(with) != len(without) {
		t.Fatalf("%d and %d records", len(without), len(with))
	}
	for i := range with {
		if with[i] != without[i] {
			t.Fatalf("record %d: %s, want %s", i, with[i], without[i])
		}
	}
}
