//go:build integration

package pipelines

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/shopstream/producer"
)

// TestSupervisedJobOutlivesItsDisk: the lake's disk is full for a while, or
// read-only. The job goes on in the same process, and the lake is that of a run
// to which nothing happened.
func TestSupervisedJobOutlivesItsDisk(t *testing.T) {
	cluster := startBroker(t, 4)
	sim := simulate(t, producer.SimulateOptions{Seed: 51, Density: 1000, Count: 100_000})
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	o, began := options(cluster, t.TempDir()), time.Now()
	run(t, o)
	took, want := time.Since(began), read(t, o.Lake)

	for name, c := range map[string]struct {
		prepare func(t *testing.T, lake string)
		disturb func(t *testing.T, lake string)
		mend    func(lake string) error
	}{
		"full": {
			func(t *testing.T, lake string) { mount(t, "tmpfs", lake, "tmpfs", 0, "size=4m") },
			func(*testing.T, string) {},
			func(lake string) error { return unix.Mount("tmpfs", lake, "tmpfs", unix.MS_REMOUNT, "size=1g") },
		},
		"read-only": {
			func(t *testing.T, lake string) {
				dir := filepath.Join(lake, "silver")
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				mount(t, dir, dir, "", unix.MS_BIND, "")
			},
			func(t *testing.T, lake string) {
				time.Sleep(took / 4)
				for range 10_000 { // not while a file is open
					if unix.Mount("", filepath.Join(lake, "silver"), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "") == nil {
						return
					}
				}
				t.Error("the folder cannot be made read-only")
			},
			func(lake string) error {
				return unix.Mount("", filepath.Join(lake, "silver"), "", unix.MS_BIND|unix.MS_REMOUNT, "")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lake")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, dir)
			o := options(cluster, dir)
			if err := o.For(Prism); err != nil {
				t.Fatal(err)
			}
			if err := o.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			disturbed := make(chan struct{})
			go func() {
				defer close(disturbed)
				c.disturb(t, dir)
			}()
			var waits atomic.Int32
			_, closed, err := o.RunSupervised(t.Context(), Prism, Supervision{Restarts: 5, Waiting: func(time.Duration) {
				if waits.Add(1) == 2 { // broken for two attempts at least
					if err := c.mend(dir); err != nil {
						t.Error(fmt.Errorf("mend: %w", err))
					}
				}
			}})
			<-disturbed
			if err != nil || !closed || waits.Load() < 2 {
				t.Fatalf("%v, closed %v, after %d restarts; want it done after 2 or more", err, closed, waits.Load())
			}
			same(t, want, read(t, dir))
			onlyNamed(t, dir)
		})
	}
}
