package producer

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Fast clocks change nothing but the times that their customers' records carry,
// and the same customers have them throughout.
func TestFastClocksOfCustomers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := SimulateOptions{
			Seed: rapid.Uint64().Draw(rt, "seed"), Start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Count: 2000,
			Duplicates: 0.05, Late: 0.01, OutOfOrder: 0.2,
		}
		right, err := NewSimulator(o)
		if err != nil {
			rt.Fatal(err)
		}
		o.FastClocks = rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(rt, "share")
		o.FastBy = time.Duration(rapid.IntRange(1, 3_600_000).Draw(rt, "ms")) * time.Millisecond
		wrong, err := NewSimulator(o)
		if err != nil {
			rt.Fatal(err)
		}
		customers, fast := map[string]int64{}, 0
		for {
			want, ok := right.Next()
			got, more := wrong.Next()
			if ok != more {
				rt.Fatalf("one shop has closed: %t, %t", ok, more)
			}
			if !ok {
				break
			}
			if string(got.Key) != string(want.Key) || got.Partition != want.Partition || got.At != want.At || got.EventTime-want.EventTime != got.Ahead {
				rt.Fatalf("%+v, want %+v", got, want)
			}
			if got.Ahead != 0 && got.Ahead != o.FastBy.Milliseconds() {
				rt.Fatalf("%d ms ahead, want 0 or %s", got.Ahead, o.FastBy)
			}
			if was, known := customers[string(got.Key)]; known && was != got.Ahead {
				rt.Fatalf("%s is %d ms ahead, and was %d", got.Key, got.Ahead, was)
			}
			if customers[string(got.Key)] = got.Ahead; got.Ahead > 0 {
				fast++
			}
		}
		n := 0
		for _, ahead := range customers {
			if ahead > 0 {
				n++
			}
		}
		if found := float64(n) / float64(len(customers)); found < o.FastClocks/3 || found > o.FastClocks*3 {
			rt.Fatalf("%d of %d customers are fast, want a share of %g", n, len(customers), o.FastClocks)
		}
	})
}

func TestFastClocksAreRefused(t *testing.T) {
	for _, o := range []SimulateOptions{{FastClocks: -0.1}, {FastClocks: 1.1}, {FastBy: -time.Second}, {FastBy: 2 * time.Hour}} {
		o.Start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		if _, err := NewSimulator(o); err == nil || !strings.Contains(err.Error(), "fast") {
			t.Errorf("%+v: %v, want an error", o, err)
		}
	}
}
