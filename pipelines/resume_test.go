package pipelines

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// TestResumeTouchesNothingThatCannotBeReadAgain continues closed lakes whose
// topic has lost their records: an error, and the lake as it was.
func TestResumeTouchesNothingThatCannotBeReadAgain(t *testing.T) {
	fill := func(t *testing.T, count int64) kafkaio.Cluster {
		cluster := startBroker(t, 4)
		if _, err := producer.Deliver(t.Context(), cluster, topic, simulate(t, producer.SimulateOptions{Seed: 5, Density: 50, Count: count}), producer.DeliverOptions{}); err != nil {
			t.Fatal(err)
		}
		return cluster
	}
	for name, c := range map[string]struct {
		count  int64 // enough for a watermark, or not
		then   func(t *testing.T, o *StreamingOptions)
		expect string
	}{
		"another topic of that name, sealed": {60_000, func(t *testing.T, o *StreamingOptions) { o.Source.Cluster = fill(t, 60_000) }, "deleted and created again"},
		"another topic, nothing sealed":      {2_000, func(t *testing.T, o *StreamingOptions) { o.Source.Cluster = fill(t, 1_000) }, "deleted and created again"},
		"latest, nothing sealed":             {2_000, func(_ *testing.T, o *StreamingOptions) { o.Source.Start.Latest = true }, "drop --start"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(fill(t, c.count), t.TempDir())
			run(t, o)
			before := read(t, o.Lake)
			c.then(t, &o)
			err := o.Resume(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.expect) {
				t.Fatalf("resume: %v, want an error with %q", err, c.expect)
			}
			same(t, before, read(t, o.Lake))
			ledger, err := lake.ReadLedger(context.Background(), mustStore(t, o.Lake))
			if err != nil || ledger.Closed == nil {
				t.Errorf("the lake is not closed any more (%v)", err)
			}
		})
	}
}

// TestSecondWriterIsRefused starts a second job on the lake of a first one.
func TestSecondWriterIsRefused(t *testing.T) {
	o := options(startBroker(t, 1), t.TempDir())
	first := o
	if err := first.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.Resume(t.Context()); err == nil || !strings.Contains(err.Error(), "is in use by process") {
		t.Fatalf("a second writer: %v, want a refusal that names the first", err)
	}
	if err := first.lease.Release(); err != nil {
		t.Fatal(err)
	}
	if err := o.Resume(t.Context()); err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := o.lease.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestClusterRunnersNeedALakeOfTheirOwn is about what a job that keeps its own
// state must not be started on.
func TestClusterRunnersNeedALakeOfTheirOwn(t *testing.T) {
	o := options(startBroker(t, 1), t.TempDir())
	if err := o.For("dataflow"); err == nil || !strings.Contains(err.Error(), "gs://") {
		t.Errorf("Dataflow with a folder: %v, want an error that asks for a bucket", err)
	}
	if err := o.New(t.Context()); err != nil {
		t.Fatalf("a new lake: %v", err)
	}
	st := mustStore(t, o.Lake)
	if err := lake.PutRow(t.Context(), st, lake.Row{Window: 0, End: time.Minute.Milliseconds()}); err != nil {
		t.Fatal(err)
	}
	if err := o.New(t.Context()); err == nil || !strings.Contains(err.Error(), "has data") {
		t.Errorf("a lake with rows: %v, want a refusal", err)
	}
}

func mustStore(t testing.TB, uri string) lake.Store {
	t.Helper()
	st, err := lake.OpenStore(context.Background(), uri)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
