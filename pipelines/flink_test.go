//go:build integration

package pipelines

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// TestFlink runs the streaming program on a real Flink and compares its lake
// with that of Prism, row for row: undisturbed, and with the worker and the
// task manager killed and a savepoint in between. SHOPSTREAM_EVENTS sets how
// many events (200,000).
func TestFlink(t *testing.T) {
	f := startFlink(t)
	count := setting(t, "SHOPSTREAM_EVENTS", 200_000)
	cluster := testBrokers()
	const name = "flink"
	if _, err := kafkaio.EnsureTopic(t.Context(), cluster, name, 4); err != nil {
		t.Fatal(err)
	}
	sim := simulate(t, producer.SimulateOptions{Seed: 21, Density: 200, Count: count})
	if _, err := producer.Deliver(t.Context(), cluster, name, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	o := options(cluster, t.TempDir())
	o.Source.Topic = name
	run(t, o)
	want, whole := read(t, o.Lake), o.Lake

	t.Run("undisturbed", func(t *testing.T) {
		f := *f
		f.t = t
		dir := t.TempDir()
		began, before := time.Now(), cpu(f.taskManagerPid())
		r := f.start(name, dir, "--bounded")
		var worker time.Duration
		f.eventually(20*time.Minute, "the end", func() bool {
			for _, pid := range f.workers() {
				worker = max(worker, cpu(pid))
			}
			return len(r.ended) > 0
		})
		out := r.wait(time.Second)
		if !strings.Contains(out, "the ledger's identity holds") {
			t.Errorf("the lake was not closed:\n%s", out)
		}
		same(t, want, read(t, dir))
		taskManager := cpu(f.taskManagerPid()) - before
		t.Logf("%d events in %s (with the start of the job); CPU an event: task manager %.1f µs, worker %.1f µs", count, time.Since(began).Round(time.Second),
			float64(taskManager.Microseconds())/float64(count), float64(worker.Microseconds())/float64(count))
		f.noWorkers()
	})
	t.Run("killed and stopped", func(t *testing.T) {
		f := *f
		f.t = t
		dir := t.TempDir()
		// Slow enough to be disturbed: a slice a second for each of the two groups, some 50 in all.
		t.Setenv("SHOPSTREAM_STREAM_BUNDLE_RECORDS", strconv.FormatInt(count/100, 10))
		r := f.start(name, dir, "--flink-max-bundle=1s")
		job := f.running()
		f.progress(dir, kafkaio.NoTime)
		killed := time.Now()
		f.kill(f.workers()...)
		f.restarted(job, killed)
		f.progress(dir, f.progress(dir, kafkaio.NoTime))
		t.Logf("worker killed: new rows after %s", time.Since(killed).Round(time.Second))
		sameUpToSeal(t, whole, want, dir)

		killed = time.Now()
		f.kill(f.taskManagerPid())
		f.startTaskManager()
		f.restarted(job, killed)
		f.progress(dir, f.progress(dir, kafkaio.NoTime))
		t.Logf("task manager killed: new rows after %s", time.Since(killed).Round(time.Second))

		savepoint := f.stop(job)
		if out := r.wait(2 * time.Minute); strings.Contains(out, "the ledger's identity holds") {
			t.Errorf("a stopped job closed the lake:\n%s", out)
		}
		stopped := sameUpToSeal(t, whole, want, dir)
		t.Logf("stopped at %s with %d of %d records visible", savepoint, stopped, count)
		if stopped > count*3/4 {
			t.Error("the job was at its end before it was stopped: it is too short for this test")
		}

		if out, err := f.refused(name, dir); err == nil || !strings.Contains(out, "has data") {
			t.Errorf("a new job on this lake: %v\n%s", err, out)
		}
		if err := os.Unsetenv("SHOPSTREAM_STREAM_BUNDLE_RECORDS"); err != nil {
			t.Fatal(err)
		}
		r = f.start(name, dir, "--flink-savepoint="+savepoint)
		job = f.running()
		f.eventually(5*time.Minute, "the rest of the records", func() bool {
			ledger, err := lake.ReadLedger(t.Context(), mustStore(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			return lake.Total(ledger.Visible()).Read > count*9/10
		})
		f.stop(job)
		r.wait(2 * time.Minute)
		sameUpToSeal(t, whole, want, dir)
		f.noWorkers()
	})
}

// TestFlinkCheckpoints measures how large the checkpoints of a job get while
// nothing comes and while 10,000 events a second do. SHOPSTREAM_FLINK_MINUTES
// sets how long each takes (0: 20 seconds).
func TestFlinkCheckpoints(t *testing.T) {
	f := startFlink(t)
	each := time.Duration(setting(t, "SHOPSTREAM_FLINK_MINUTES", 0)) * time.Minute
	if each == 0 {
		each = 20 * time.Second
	}
	cluster := testBrokers()
	const name = "checkpoints"
	if _, err := kafkaio.EnsureTopic(t.Context(), cluster, name, 4); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := f.start(name, dir)
	job := f.running()
	watch := func(what string) {
		for i := range 4 {
			time.Sleep(each / 4)
			size, n := f.checkpointed(job)
			t.Logf("%s, %s: checkpoint %d has %d KB", what, each/4*time.Duration(i+1), n, size/1000)
		}
	}
	watch("idle")
	sim, err := producer.NewSimulator(producer.SimulateOptions{
		Seed: 22, Start: time.Now(), Partitions: 4, Density: 10_000, Flat: true, Count: int64(each/time.Second) * 10_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	delivered := make(chan error, 1)
	go func() {
		_, err := producer.Deliver(t.Context(), cluster, name, sim, producer.DeliverOptions{Rate: 10_000})
		delivered <- err
	}()
	watch("10,000 events a second")
	if err := <-delivered; err != nil {
		t.Error(err)
	}
	if _, n := f.checkpointed(job); n == 0 {
		t.Error("no checkpoint was completed")
	}
	f.stop(job)
	if out := r.wait(time.Minute); strings.Contains(out, "identity") {
		t.Errorf("an endless job closed its lake:\n%s", out)
	}
	f.noWorkers()
}

// sameUpToSeal compares what readers see of a lake with the same windows of a
// whole one, row for row, and returns how many records that is.
func sameUpToSeal(t *testing.T, whole string, want contents, dir string) (records int64) {
	t.Helper()
	ledger, err := lake.ReadLedger(t.Context(), mustStore(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	seal, _ := ledger.Sealed()
	rows := slices.DeleteFunc(ledger.Rows, func(r lake.Row) bool { return r.End > seal.End })
	all, err := lake.ReadLedger(t.Context(), mustStore(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	wantRows := slices.DeleteFunc(all.Rows, func(r lake.Row) bool { return r.End > seal.End })
	// With the same number of rows of every lane, none that is not in the whole lake means that none is missing.
	if diff := cmp.Diff(lake.Total(wantRows), lake.Total(rows)); diff != "" {
		t.Errorf("up to the seal (-want +got):\n%s", diff)
	}
	got := read(t, dir)
	within(t, want.bronze, got.bronze)
	within(t, want.silver, got.silver)
	within(t, want.late, got.late)
	within(t, want.dead, got.dead)
	within(t, want.metrics, got.metrics)
	return lake.Total(rows).Read
}

// progress waits until readers see a window after the one that ends at seen,
// and returns the end of the newest.
func (f *flinkCluster) progress(dir string, seen int64) (end int64) {
	f.t.Helper()
	st := mustStore(f.t, dir)
	f.eventually(3*time.Minute, "new rows in the lake", func() bool {
		ledger, err := lake.ReadLedger(f.t.Context(), st)
		if err != nil {
			f.t.Fatal(err)
		}
		row, ok := ledger.Sealed()
		end = row.End
		return ok && end > seen
	})
	return end
}

// refused starts a job that the program must refuse.
func (f *flinkCluster) refused(topic, dir string) (out string, err error) {
	f.t.Helper()
	r := f.start(topic, dir, "--bounded")
	select {
	case err = <-r.ended:
	case <-time.After(time.Minute):
		f.t.Fatal("a job on a lake with data was taken")
	}
	return r.out.String(), err
}

// noWorkers checks that no worker outlives its job.
func (f *flinkCluster) noWorkers() {
	f.t.Helper()
	f.eventually(time.Minute, "the end of all workers", func() bool { return len(f.workers()) == 0 })
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "shopstream-options-*"))
	if err != nil || len(left) > 0 {
		f.t.Errorf("left: %v (%v)", left, err)
	}
}
