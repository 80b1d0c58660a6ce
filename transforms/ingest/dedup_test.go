package ingest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

// naiveDedup says the same as dedup in as many words as it takes.
func naiveDedup(events []event) (kept []event, duplicates, conflicts int64) {
	for _, e := range events {
		duplicate, conflict := false, false
		for _, k := range kept {
			if k.Event == e.Event {
				duplicate = true
			}
			if k.ID == e.ID && k.Time == e.Time {
				conflict = true
			}
		}
		switch {
		case duplicate:
			duplicates++
			continue
		case conflict:
			conflicts++
		}
		kept = append(kept, e)
	}
	return kept, duplicates, conflicts
}

// fewEvents draws events of few ids, times and contents.
var fewEvents = rapid.Custom(func(t *rapid.T) []event {
	n := rapid.IntRange(0, 60).Draw(t, "events")
	events := make([]event, n)
	for i := range events {
		pick := func(name string) int { return rapid.IntRange(0, 2).Draw(t, name) }
		events[i] = event{
			Event: shop.Event{
				ID: uuid.UUID{byte(pick("id"))}, Time: logStart + int64(pick("time")), Type: shop.ProductViewed,
				ProductID: "P" + string(rune('0'+pick("product"))), Category: "toys", Version: 1,
			},
			at: located{int32(pick("partition")), int64(i)},
		}
	}
	return events
})

func asGiven(events []event) []int32 {
	order := make([]int32, len(events))
	for i := range order {
		order[i] = int32(i)
	}
	return order
}

func TestDedup(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := fewEvents.Draw(t, "events")
		want, duplicates, conflicts := naiveDedup(events)
		order, d, c := dedup(events, asGiven(events))
		var got []event
		for _, at := range order {
			got = append(got, events[at])
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(event{}, located{}), cmpopts.EquateEmpty()); diff != "" || d != duplicates || c != conflicts {
			t.Fatalf("%d duplicates and %d conflicts, want %d and %d; kept (-want +got):\n%s", d, c, duplicates, conflicts, diff)
		}
	})
}

// TestSilverOrder hands the same events over in other batches and orders: the
// file is the same byte for byte, and holds of each duplicate the lowest
// (partition, offset).
func TestSilverOrder(t *testing.T) {
	t.Parallel()
	fn := &writeFn{Topic: topic, Rules: testRules}
	rapid.Check(t, func(t *rapid.T) {
		events := fewEvents.Draw(t, "events")
		if len(events) == 0 {
			return
		}
		write := func(order []int, cuts int) (ack, []byte) {
			packed := make([][]byte, cuts)
			for _, i := range order {
				b := &packed[i%cuts]
				*b = appendEvent(*b, &events[i].Event, events[i].at)
			}
			for i, b := range packed {
				packed[i] = s2.Encode(nil, b)
			}
			a, data, err := fn.group(logStart, "e0/toys", packed)
			if err != nil {
				t.Fatal(err)
			}
			return a, data
		}
		order := make([]int, len(events))
		for i := range order {
			order[i] = i
		}
		want, wantData := write(order, 1)
		got, data := write(rapid.Permutation(order).Draw(t, "order"), rapid.IntRange(1, 4).Draw(t, "batches"))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(ack{})); diff != "" {
			t.Fatalf("acknowledgement (-in order +shuffled):\n%s", diff)
		}
		if string(data) != string(wantData) {
			t.Fatal("the file depends on the order in which batches come")
		}
		slices.SortFunc(events, func(a, b event) int { return a.at.compare(b.at) })
		_, duplicates, conflicts := naiveDedup(events)
		if got.Duplicates != duplicates || got.Conflicts != conflicts || got.File.Rows != int64(len(events))-duplicates {
			t.Fatalf("acknowledgement %+v, want %d duplicates and %d conflicts of %d events", got, duplicates, conflicts, len(events))
		}
	})
}

// TestDedupOfOneID: a producer that gives every event the same id must not
// stop the job.
func TestDedupOfOneID(t *testing.T) {
	t.Parallel()
	const n = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	events := make([]event, n)
	for i := range events {
		events[i] = event{Event: shop.Event{Time: int64(i % 1000), Quantity: int64(i), ProductID: "P1"}, at: located{0, int64(i)}}
	}
	rng.Shuffle(n/2, func(i, j int) { events[i], events[j] = events[j], events[i] })
	start := time.Now()
	kept, duplicates, conflicts := dedup(events, asGiven(events))
	if len(kept) != n || duplicates != 0 || conflicts != n-1000 {
		t.Errorf("%d kept, %d duplicates, %d conflicts", len(kept), duplicates, conflicts)
	}
	// Comparing each with each takes minutes.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%d events of one id took %s", n, took)
	}
}
