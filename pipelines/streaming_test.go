package pipelines

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

func TestMain(m *testing.M) {
	beam.Init()
	os.Exit(m.Run())
}

const topic = "ecommerce_events"

// shopData returns the path of a file of the data sets that tests read.
func shopData(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SHOPSTREAM_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the data set is missing: %v", err)
		}
		t.Skipf("the data set is missing (set SHOPSTREAM_DATA): %v", err)
	}
	return path
}

// startBroker starts a broker in memory with the topic and returns how to
// reach it.
func startBroker(t testing.TB, partitions int) kafkaio.Cluster {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	cluster := kafkaio.Cluster{Brokers: b.Addrs()}
	if _, err := kafkaio.EnsureTopic(t.Context(), cluster, topic, partitions); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// run runs a bounded streaming job as the programs do, over what is in the
// topic, and returns its totals.
func run(t testing.TB, o StreamingOptions) lake.Totals {
	t.Helper()
	if err := o.For(Prism); err != nil {
		t.Fatal(err)
	}
	if err := o.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	totals, closed, err := o.Run(t.Context(), Prism)
	if err != nil {
		t.Fatal(err)
	}
	if !closed {
		t.Fatal("the lake was not closed")
	}
	return totals
}

func options(cluster kafkaio.Cluster, dir string) StreamingOptions {
	return StreamingOptions{
		Source: kafkaio.Options{
			Cluster: cluster, Topic: topic, Bounded: true,
			BaseWindow: time.Minute, OutOfOrderness: 30 * time.Second, Skew: 5 * time.Minute, MaxBytes: 1 << 20,
		},
		Lake: dir, Shards: 1, Start: freshStart,
	}
}
