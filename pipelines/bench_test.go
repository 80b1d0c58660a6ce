//go:build unix

package pipelines

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// BenchmarkStreaming runs the whole job over a dense backlog, with all its
// sinks, and a broker in another process, so that the CPU time is the job's.
// SHOPSTREAM_EVENTS sets how many events (500,000).
func BenchmarkStreaming(b *testing.B) {
	n := setting(b, "SHOPSTREAM_EVENTS", 500_000)
	cluster := brokerProcess(b)
	if _, err := kafkaio.EnsureTopic(b.Context(), cluster, topic, 4); err != nil {
		b.Fatal(err)
	}
	sim := simulate(b, producer.SimulateOptions{Seed: 3, Density: 20_000, Count: n})
	if _, err := producer.Deliver(b.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		b.Fatal(err)
	}
	var read int64
	var cpu time.Duration
	for b.Loop() {
		o := options(cluster, b.TempDir())
		o.Source.BaseWindow, o.Source.Budget = 10*time.Second, 256<<20
		before := cpuTime(b)
		read += run(b, o).Read
		cpu += cpuTime(b) - before
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/1000/float64(read), "µs-CPU/event")
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// brokerProcess starts the embedded broker as a program of its own.
func brokerProcess(t testing.TB) kafkaio.Cluster {
	t.Helper()
	cmd := exec.Command(build(t, "../producer/cmd/producer"), "broker", "--port=0", "--data="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, addr, ok := strings.Cut(lines.Text(), "127.0.0.1:"); ok {
			port := addr
			if i := strings.IndexFunc(addr, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
				port = addr[:i]
			}
			go func() { // keep the pipe empty
				for lines.Scan() {
				}
			}()
			return kafkaio.Cluster{Brokers: []string{"127.0.0.1:" + port}}
		}
	}
	t.Fatalf("the broker did not say where it listens: %v", lines.Err())
	return kafkaio.Cluster{}
}
