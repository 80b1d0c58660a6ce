package pipelines

import (
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// simulated returns a topic with some thousand events of a shop with every
// kind of trouble.
func simulated(t testing.TB) kafkaio.Cluster {
	t.Helper()
	cluster := startBroker(t, 4)
	sim, err := producer.NewSimulator(producer.SimulateOptions{
		Seed: 11, Start: time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC), Partitions: 4, Density: 5, Flat: true, Count: 6000,
		Duplicates: 0.05, Invalid: 0.05, Late: 0.01, OutOfOrder: 0.3, MaxDelay: 25 * time.Second,
		SkewPartition: 2, Skew: 24 * time.Hour, Foreign: 0.2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// TestRunnersAndStoresAgree runs one job over one topic on Prism into a
// folder, on the direct runner, and on Prism into a bucket: the same lake, row
// for row.
func TestRunnersAndStoresAgree(t *testing.T) {
	cluster := simulated(t)
	o := options(cluster, t.TempDir())
	run(t, o)
	want := read(t, o.Lake)
	if w := want.totals; w.Read != 6000 || w.Duplicates == 0 || w.Late == 0 || len(w.Dead) < 10 || len(want.metrics) == 0 {
		t.Fatalf("the topic lacks some trouble: %+v", w)
	}

	t.Run("direct", func(t *testing.T) {
		o := options(cluster, t.TempDir())
		if err := o.For(Direct); err != nil {
			t.Fatal(err)
		}
		if err := o.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		totals, closed, err := o.Run(t.Context(), Direct)
		if err != nil {
			t.Fatal(err)
		}
		if !closed || totals.Read != want.totals.Read {
			t.Errorf("closed: %t, totals %+v", closed, totals)
		}
		same(t, want, read(t, o.Lake))
	})
	t.Run("bucket", func(t *testing.T) {
		o := options(cluster, startBucket(t)+"/shop/lake")
		run(t, o)
		same(t, want, read(t, o.Lake))
	})
}

// The direct runner cannot end an endless job.
func TestDirectNeedsBounded(t *testing.T) {
	o := options(kafkaio.Cluster{}, t.TempDir())
	o.Source.Bounded = false
	if err := o.For(Direct); err == nil || !strings.Contains(err.Error(), "add --bounded") {
		t.Errorf("got %v", err)
	}
}

// startBucket makes a bucket on a server in this process and returns its URI.
func startBucket(t testing.TB) string {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "bucket"})
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(server.URL(), "http://"))
	return "gs://bucket"
}
