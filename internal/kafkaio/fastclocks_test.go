package kafkaio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// An hour of a shop of 100 events a second in 4 partitions, each up to 25 s out
// of order; some devices, or some producers that stamp their records, are four
// minutes fast. The late events are those of the first and those of the second;
// docs/design.md has the table.
func TestFastClocks(t *testing.T) {
	const (
		events    = 360_000
		fastBy    = 240_000
		perSecond = 100
	)
	kinds := []struct {
		name             string
		create, stamps   bool // stamped by producers; the fast ones stamp what they think
		replay, oldClock bool // sent a year later; the highest event time as the clock
	}{
		{name: "LogAppendTime"},
		{name: "CreateTime, fast devices", create: true},
		{name: "CreateTime, fast producers", create: true, stamps: true},
		{name: "an old file sent again", replay: true},
		{name: "before: the highest event time", oldClock: true},
	}
	for _, kind := range kinds {
		for _, share := range []float64{0, 0.001, 0.01, 0.05} {
			rng := rand.New(rand.NewPCG(7, math.Float64bits(share)))
			w := Windowing{Base: 60_000, Bound: 30_000, Skew: 300_000}
			st := restriction{Watermark: NoTime}
			for p := range int32(4) {
				part := partState{ID: p, End: noEnd, High: NoTime}
				if kind.oldClock {
					part.MaxUntil = math.MaxInt64
				}
				st.Parts = append(st.Parts, part)
			}
			records := make([][]Record, 4)
			const start = int64(1_772_360_000_000)
			for i := range int64(events) {
				now := start + i*1000/perSecond
				r := Record{Time: now - rng.Int64N(25_000)*rng.Int64N(2), Timestamp: now, CreateTime: kind.create}
				if rng.Float64() < share {
					r.Time += fastBy
					if kind.stamps {
						r.Timestamp += fastBy
					}
				}
				if kind.replay {
					r.Timestamp = now + 31_536_000_000
				}
				p := rng.IntN(4)
				r.Offset = int64(len(records[p]))
				records[p] = append(records[p], r)
			}
			late := 0
			for p := range records {
				for _, b := range st.take(w, "t", &st.Parts[p], records[p], int64(len(records[p]))) {
					for i := range b.Records {
						if b.Records[i].Late {
							late++
						}
					}
				}
			}
			name := fmt.Sprintf("%s, %g %% fast", kind.name, share*100)
			t.Logf("%-50s %.3f %% late", name, 100*float64(late)/events)
			switch {
			case kind.oldClock && share > 0 && late < events/2:
				t.Errorf("%s: %d of %d events are late: this shop shows nothing", name, late, events)
			case !kind.oldClock && late > 0:
				t.Errorf("%s: %d of %d events are late, want none", name, late, events)
			}
		}
	}
}
