package kafkaio

import (
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// A slice that reads nothing still claims what it has found out: a runner that
// takes a checkpoint then must not lose a new partition, nor where a read that
// was asked to finish ends.
func TestSliceWithoutDataClaims(t *testing.T) {
	c := startBroker(t, 1)
	fn := &reading{Options: Options{ID: t.Name(), Cluster: c, Topic: testTopic, EventTime: "test", Refresh: time.Nanosecond, Bundle: time.Nanosecond}}
	fn.Options.defaults()
	if err := fn.Setup(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Close(fn.Options.ID); err != nil {
			t.Error(err)
		}
	})
	st, err := fn.CreateInitialRestriction(nil)
	if err != nil {
		t.Fatal(err)
	}
	// claimed is the state that a slice leaves behind, which must emit nothing.
	claimed := func(st restriction) restriction {
		t.Helper()
		rt := fn.CreateTracker(st)
		if _, _, err := fn.slice(t.Context(), rt, func(_ beam.EventTime, b RecordBatch) { t.Errorf("emitted %+v", b) }); err != nil {
			t.Fatal(err)
		}
		return rt.GetRestriction().(restriction)
	}
	if err := admin(t, c).CreatePartitions(testTopic, 2, nil, false); err != nil {
		t.Fatal(err)
	}
	if st = claimed(st); len(st.Parts) != 2 {
		t.Fatalf("%d partitions are claimed, want the new one too: %+v", len(st.Parts), st)
	}
	st.Parts = st.Parts[:1]
	produce(t, c, events(0, steps(1000, 1, 10)...)...)
	if err := fn.restart(); err != nil { // its fetchers may have records by now
		t.Fatal(err)
	}
	Finish(fn.Options.ID)
	if st = claimed(st); st.Parts[0].End != 10 || st.Finished {
		t.Errorf("claimed %+v, want the end 10 and more to read", st)
	}
}

// restart drops the connections of the source and what they have fetched.
func (fn *reading) restart() error { return sourceOf(fn.Options.ID).release(0) }

// A runner that reads groups of partitions one after the other is told to come
// back later only where nothing came and nothing is there.
func TestSliceSaysWhenItIsIdle(t *testing.T) {
	c := startBroker(t, 1)
	fn := &reading{Options: Options{ID: t.Name(), Cluster: c, Topic: testTopic, EventTime: "test", Bundle: time.Second, IdleSlice: 20 * time.Millisecond}}
	fn.Options.defaults()
	if err := fn.Setup(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Close(fn.Options.ID); err != nil {
			t.Error(err)
		}
	})
	produce(t, c, events(0, steps(1000, 1, 10)...)...)
	st, err := fn.CreateInitialRestriction(nil)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for calls := 0; ; calls++ {
		if calls == 100 {
			t.Fatal("it is never idle")
		}
		rt := fn.CreateTracker(st)
		before := read
		_, idle, err := fn.slice(t.Context(), rt, func(_ beam.EventTime, b RecordBatch) { read += len(b.Records) })
		if err != nil {
			t.Fatal(err)
		}
		st = rt.GetRestriction().(restriction)
		if !idle {
			continue
		}
		if read < 10 || read > before {
			t.Fatalf("idle after %d of 10 records, %d of them in this call", read, read-before)
		}
		break
	}
}
