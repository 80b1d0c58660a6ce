//go:build integration

package pipelines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// The tests of this file mount disks: they need root.

func mount(t testing.TB, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		t.Fatalf("mount %s (only root may): %v", dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// disturbed is a topic with what an undisturbed run makes of it.
type disturbed struct {
	program string
	cluster kafkaio.Cluster
	want    contents
	took    time.Duration
	bytes   int64
}

func undisturbed(t testing.TB, count int64) disturbed {
	t.Helper()
	d := disturbed{program: build(t, "./cmd/streaming"), cluster: brokerProcess(t)}
	if _, err := kafkaio.EnsureTopic(t.Context(), d.cluster, topic, 4); err != nil {
		t.Fatal(err)
	}
	sim := simulate(t, producer.SimulateOptions{Seed: 21, Density: 1000, Count: count})
	if _, err := producer.Deliver(t.Context(), d.cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	dir, began := t.TempDir(), time.Now()
	if err := startJob(t, d.program, nil, streaming(d.cluster, dir)...).wait(t, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	d.took, d.want = time.Since(began), read(t, dir)
	for _, name := range filesOf(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d.bytes += (info.Size()+4095)/4096*4096 + 1024 // a file takes whole pages
	}
	return d
}

// finish runs the job until it ends well. Where its disk fails, the cause must
// be named; then the disk is mended, and the job started again unless it goes
// on by itself. It returns how often the disk had failed.
func (d disturbed) finish(t testing.TB, dir, cause string, breakIt func(), mend func()) (failed int) {
	t.Helper()
	for failed < 20 {
		j := startJob(t, d.program, nil, streaming(d.cluster, dir)...)
		if breakIt != nil {
			breakIt()
		}
		seen := 0
		for running := true; running; {
			select {
			case <-j.ended:
				running = false
			case <-time.After(20 * time.Millisecond):
			}
			if n := strings.Count(j.output(), cause); n > seen {
				seen = n
				failed++
				mend()
			}
		}
		switch {
		case j.err == nil:
			return failed
		case seen == 0:
			t.Fatalf("the job failed (%v) without naming %q:\n%.3000s", j.err, cause, j.output())
		}
		partial := read(t, dir) // what readers see of a lake on a disk that failed
		within(t, d.want.silver, partial.silver)
		within(t, d.want.metrics, partial.metrics)
	}
	t.Fatalf("the disk failed %d times", failed)
	return failed
}

// TestDiskFillsUp lets a disk fill up in mid-run, several times, and makes it
// larger.
func TestDiskFillsUp(t *testing.T) {
	rnd := randomly(t, t.Name())
	d := undisturbed(t, 150_000)
	dir := t.TempDir()
	size := int64(float64(d.bytes) * (0.2 + 0.2*rnd.Float64()))
	mount(t, "tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	lakeDir := filepath.Join(dir, "lake")
	failed := d.finish(t, lakeDir, "no space left on device", nil, func() {
		size += d.bytes / 3
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", size)); err != nil {
			t.Fatal(err)
		}
	})
	if failed == 0 {
		t.Error("the disk was never full")
	}
	t.Logf("the disk was full %d times", failed)
	same(t, d.want, read(t, lakeDir))
	onlyNamed(t, lakeDir)
}

// TestDiskGetsReadOnly makes one folder of the lake read-only in mid-run, as a
// disk does that its file system found an error on, and writable again. The
// folders are mounts of their own, because the lock's open file keeps the
// whole disk from being made read-only.
func TestDiskGetsReadOnly(t *testing.T) {
	rnd := randomly(t, t.Name())
	d := undisturbed(t, 150_000)
	const cause = "read-only file system"
	for _, part := range []string{"silver", "bronze", "ledger"} {
		t.Run(part, func(t *testing.T) {
			lakeDir := filepath.Join(t.TempDir(), "lake")
			dir := filepath.Join(lakeDir, part)
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			mount(t, dir, dir, "", unix.MS_BIND, "")
			writable := func(yes bool) error {
				flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT)
				if !yes {
					flags |= unix.MS_RDONLY
				}
				return unix.Mount("", dir, "", flags, "")
			}
			broken := false
			failed := d.finish(t, lakeDir, cause, func() {
				if broken {
					return // once is enough
				}
				broken = true
				time.Sleep(between(rnd, d.took/10, d.took/2))
				for range 10_000 { // not while a file is open
					if writable(false) == nil {
						return
					}
				}
				t.Error("the folder cannot be made read-only")
			}, func() {
				if err := writable(true); err != nil {
					t.Fatal(err)
				}
			})
			if failed == 0 {
				t.Error("nothing was written while the folder was read-only")
			}
			same(t, d.want, read(t, lakeDir))
			onlyNamed(t, lakeDir)
		})
	}
}

// TestSlowDisk writes to a real block device that takes 1 MiB a second.
func TestSlowDisk(t *testing.T) {
	d := undisturbed(t, 60_000)
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	device := command(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() { command(t, "losetup", "--detach", device) })
	command(t, "mkfs.ext4", "-q", device)
	dir := t.TempDir()
	mount(t, device, dir, "ext4", 0, "")
	t.Cleanup(throttle(t, device, 1<<20)) // before the unmount, which writes

	lakeDir, began := filepath.Join(dir, "lake"), time.Now()
	if err := startJob(t, d.program, nil, streaming(d.cluster, lakeDir)...).wait(t, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, and %s on a disk of 1 MiB/s", d.took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took < 2*d.took {
		t.Errorf("the disk was not slow: %s, without the limit %s", took, d.took)
	}
	same(t, d.want, read(t, lakeDir))
	onlyNamed(t, lakeDir)
}

// throttle limits what is written to a device, bytes a second, until the
// returned function is called. It is the root group's limit, because the
// kernel, not the process, writes a file's pages; other devices are as before.
func throttle(t testing.TB, device string, rate int) (end func()) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil {
		t.Fatal(err)
	}
	const file = "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device"
	limit := func(rate int) error {
		return os.WriteFile(file, fmt.Appendf(nil, "%d:%d %d", unix.Major(st.Rdev), unix.Minor(st.Rdev), rate), 0)
	}
	if err := limit(rate); err != nil {
		t.Fatalf("a limit for a block device needs root and cgroup v1's blkio controller: %v", err)
	}
	return func() {
		if err := limit(0); err != nil {
			t.Error(err)
		}
	}
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}
