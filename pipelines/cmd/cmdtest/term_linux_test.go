package cmdtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/shopstream/internal/ending"
	"example.com/shopstream/producer"
)

// terminate is SIGTERM, after which a program ends by itself or by force, and
// says which. The program's own bound is what is tested: a program that hangs
// beyond it fails with the test's.
func terminate(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	r := end(t, p.cmd, <-p.ended, &p.stdout, &p.stderr)
	switch {
	case r.code == 130 && strings.Contains(r.stderr, "stopped; the next run goes on where the ledger ends"):
	case r.code == ending.Forced && strings.Contains(r.stderr, "stopped by force") && strings.Contains(r.stderr, `"still_running":"`):
	default:
		t.Errorf("exit code %d, want 130 or %d, with a word why:\n%s", r.code, ending.Forced, r.stderr)
	}
	t.Logf("exit code %d", r.code)
}

// brokerProcess is a broker that can be stopped, with a topic that has events.
func brokerProcess(t *testing.T) (cmd *exec.Cmd, flag string) {
	t.Helper()
	p := start(t, program(t, "producer", "broker", "--port=0"))
	open := onceListening(t, p)
	flag = "--brokers=" + open.tcp[0].String()
	must(t, "producer", "simulate", flag, "--rate=0", "--count=3000", "--seed=3")
	return p.cmd, flag
}

// TestTermWithoutDescriptors takes all descriptors from a job that runs.
func TestTermWithoutDescriptors(t *testing.T) {
	cluster := startBroker(t, 2)
	deliver(t, cluster, simulator(t, producer.SimulateOptions{Seed: 3, Start: time.Now().UTC().Add(-time.Hour), Partitions: 2, Rate: 1000, Flat: true, Count: 2000}), producer.DeliverOptions{})
	p := start(t, program(t, "streaming", brokers(cluster), "--lake="+t.TempDir(), "--log-format=json"))
	watch := watchOf(t, p)
	eventually(t, func() error { return watch.atLeast("shopstream_records_read_total", 1) })
	pid := p.cmd.Process.Pid
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	most := unix.Rlimit{Cur: uint64(len(fds)), Max: uint64(len(fds))}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &most, nil); err != nil {
		t.Fatal(err)
	}
	// Whoever connects now gets no descriptor: there is none.
	conn, err := net.Dial("tcp", strings.TrimPrefix(watch.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's
	terminate(t, p)
}

// TestTermWhileKafkaHangs stops the broker of a job that runs, and starts one
// with a broker that accepts connections and never answers.
func TestTermWhileKafkaHangs(t *testing.T) {
	broker, flag := brokerProcess(t)
	p := start(t, program(t, "streaming", flag, "--lake="+t.TempDir(), "--log-format=json"))
	watch := watchOf(t, p)
	eventually(t, func() error { return watch.atLeast("shopstream_records_read_total", 1) })
	if err := broker.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(broker.Process.Signal(syscall.SIGCONT), broker.Process.Kill()); err != nil {
			t.Error(err)
		}
	})
	terminate(t, p)

	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close() //nolint:errcheck // a test's
	connected := make(chan net.Conn, 1)
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			select {
			case connected <- conn:
			default:
			}
		}
	}()
	p = start(t, program(t, "streaming", "--brokers="+mute.Addr().String(), "--lake="+t.TempDir(), "--log-format=json"))
	<-connected
	terminate(t, p)
}
