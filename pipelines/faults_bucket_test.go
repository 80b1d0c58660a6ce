package pipelines

import (
	"os"
	"testing"
	"time"

	"example.com/shopstream/internal/lake/laketest"
	"example.com/shopstream/producer"
)

// TestLakeInABucketThatFails runs the job into a bucket whose service and
// network fail in every way, kills it now and then, and compares the lake with
// that of a folder.
func TestLakeInABucketThatFails(t *testing.T) {
	rnd := randomly(t, t.Name())
	cluster := startBroker(t, 4)
	sim := simulate(t, producer.SimulateOptions{Seed: 31, Density: 300, Count: setting(t, "SHOPSTREAM_BUCKET_EVENTS", 30_000)})
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	o := options(cluster, t.TempDir())
	run(t, o)
	want := read(t, o.Lake)

	faults := laketest.NewFaults(rnd.Uint64(), 0.1, laketest.Quick...)
	faults.Next(laketest.Quick...) // each at least once
	expected := laketest.Quick
	if os.Getenv("SHOPSTREAM_KILLS") != "" { // each of these costs the time that a request may take
		hangs := []laketest.Fault{laketest.HangBefore, laketest.HangAfter}
		faults.Next(hangs...)
		expected = append(hangs, expected...)
	}
	faulty, direct := laketest.StartBucket(t, "shop", faults)
	program, uri := build(t, "./cmd/streaming"), "gs://shop/a/lake"
	start := func() *job {
		return startJob(t, program, []string{"STORAGE_EMULATOR_HOST=" + faulty}, streaming(cluster, uri)...)
	}
	killed := 0
	for range setting(t, "SHOPSTREAM_KILLS", 2) {
		if start().killAfter(between(rnd, 300*time.Millisecond, 2*time.Second)) {
			killed++
		}
	}
	began, j := time.Now(), start()
	if err := j.wait(t, 5*time.Minute); err != nil {
		t.Fatalf("%v\n%.3000s", err, j.output())
	}
	counts := faults.Counts()
	t.Logf("%d kills; the last run took %s; faults: %v", killed, time.Since(began).Round(time.Millisecond), counts)
	if missing := faults.Missing(expected...); len(missing) > 0 {
		t.Errorf("these faults did not happen: %q", missing)
	}
	t.Setenv("STORAGE_EMULATOR_HOST", direct)
	same(t, want, read(t, uri))
}
