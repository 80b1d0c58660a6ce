package kafkaio

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A clock that went through JSON at any point, as a runner's checkpoint does
// it, or was made again of its last values, goes on as if it had not.
func TestClockIsItsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := rapid.SampledFrom([]ClockRule{{1, 1, 1}, {3, 2, 2}, {8, 4, 2}, ClockRule{}.orDefault()}).Draw(t, "rule")
		values := rapid.SliceOfN(rapid.Int64Range(0, 60), 0, 300).Draw(t, "values")
		whole, other := (*clock)(nil).clone(rule.Last), (*clock)(nil).clone(rule.Last)
		high, otherHigh := NoTime, NoTime
		for i, v := range values {
			switch rapid.IntRange(0, 20).Draw(t, "what") {
			case 0:
				data, err := json.Marshal(other)
				if err != nil {
					t.Fatal(err)
				}
				other = nil
				if err := json.Unmarshal(data, &other); err != nil {
					t.Fatal(err)
				}
			case 1:
				other = newClock(values[max(0, i-ClockMemory):i])
			case 2:
				other = other.clone(rule.Last)
			}
			high, otherHigh = whole.push(rule, v, high), other.push(rule, v, otherHigh)
			if high != otherHigh {
				t.Fatalf("after %d values: %d and %d", i+1, high, otherHigh)
			}
		}
	})
}

// A claimed state keeps its clock: what a slice reads on changes a copy.
func TestTakeLeavesTheClaimedClock(t *testing.T) {
	st := restriction{Watermark: NoTime, Parts: []partState{{End: noEnd, High: NoTime}}}
	records := func() []Record {
		return []Record{{Offset: 1, Time: 5, Timestamp: 9}, {Offset: 2, Time: 7, Timestamp: 9}}
	}
	w := Windowing{Base: 10}
	st.take(w, "t", &st.Parts[0], records(), 3)
	claimed := st.clone()
	st.take(w, "t", &st.Parts[0], records(), 5)
	if diff := cmp.Diff([]int64{5, 7}, claimed.Parts[0].Clock.values()); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
}

func FuzzClockJSON(f *testing.F) {
	f.Add([]byte(`"AA"`))
	f.Add([]byte(`""`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c clock
		if json.Unmarshal(data, &c) != nil {
			return
		}
		out, err := json.Marshal(&c)
		if err != nil {
			t.Fatal(err)
		}
		var again clock
		if err := json.Unmarshal(out, &again); err != nil || !slices.Equal(c.values(), again.values()) {
			t.Fatalf("%v: %v and %v", err, c.values(), again.values())
		}
	})
}

func BenchmarkTake(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	times := make([]int64, 1<<16)
	for i := range times {
		times[i] = int64(i)*5 - rng.Int64N(20_000)
	}
	w := Windowing{Base: 60_000, Bound: 30_000, Skew: 300_000}
	for name, create := range map[string]bool{"broker": false, "producer": true} {
		b.Run(name, func(b *testing.B) {
			st := restriction{Watermark: NoTime, Parts: []partState{{End: noEnd, High: NoTime}}}
			records := make([]Record, turnRecords)
			b.ReportAllocs()
			for n, base := 0, int64(1<<40); n < b.N; n += len(records) {
				for i := range records {
					at := (n + i) % len(times)
					if at == 0 {
						base += int64(len(times)) * 5
					}
					records[i] = Record{Offset: int64(n + i), Time: base + times[at], Timestamp: base + int64(at)*5, CreateTime: create}
				}
				st.take(w, "t", &st.Parts[0], records, int64(n+len(records)))
			}
		})
	}
}
