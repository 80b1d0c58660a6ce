//go:build unix

package cmdtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// bin is the folder of the programs, readable for every user.
var bin string

func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "shopstream-programs-"); err == nil {
		err = os.Chmod(bin, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// programs are built when a test first asks for one, as `make build` does:
// those for a cluster without cgo.
var programs = func() map[string]func() error {
	all := map[string]func() error{}
	for pkg, cgo := range map[string]string{
		"pipelines/cmd/streaming": "0", "pipelines/cmd/gold": "0", "pipelines/cmd/rebuild": "0", "pipelines/cmd/verify": "0", "pipelines/cmd/warehouse": "0", "producer/cmd/producer": "0",
		"ml/cmd/backtest": "0", "ml/cmd/train": "0", "ml/cmd/predict": "0", "ml/cmd/serve": "0",
		"pipelines/cmd/local": "1", "sql/cmd/sql": "1", // they link DuckDB
	} {
		all[filepath.Base(pkg)] = sync.OnceValue(func() error {
			cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin+"/", "example.com/shopstream/"+pkg)
			cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
			}
			return nil
		})
	}
	return all
}()

// patience is how long a program may take.
const patience = 60 * time.Second

// program prepares a run in an empty folder, with nothing in the environment
// that would configure it.
func program(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return programWithin(t, patience, name, args...)
}

// programWithin is program for a run that takes long.
func programWithin(t testing.TB, longest time.Duration, name string, args ...string) *exec.Cmd {
	t.Helper()
	if err := programs[name](); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	return cmd
}

// result is what a program left.
type result struct {
	code           int // −1: it was ended by a signal
	stdout, stderr string
}

func run(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return end(t, cmd, cmd.Run(), &stdout, &stderr)
}

func end(t testing.TB, cmd *exec.Cmd, err error, stdout, stderr fmt.Stringer) result {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must is a run that has to end well.
func must(t testing.TB, name string, args ...string) result {
	t.Helper()
	r := run(t, program(t, name, args...))
	if r.code != 0 {
		t.Fatalf("%s %q: exit code %d\n%s%s", name, args, r.code, r.stdout, r.stderr)
	}
	return r
}

// process is a program that runs beside the test.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan error
}

// output may be read while a program writes it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- cmd.Wait() }()
	return p
}

// interrupt is Ctrl-C; it returns what the program left and how long it took
// to end.
func (p *process) interrupt() (result, time.Duration) {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatalf("%v: %v\n%s%s", p.cmd, err, p.stdout.String(), p.stderr.String())
	}
	err := <-p.ended // the context of the command bounds this
	return end(p.t, p.cmd, err, &p.stdout, &p.stderr), time.Since(began)
}

// eventually waits until what does not return an error anymore.
func eventually(t testing.TB, what func() error) {
	t.Helper()
	deadline := time.Now().Add(patience / 2)
	for {
		err := what()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const topic = "ecommerce_events"

// startBroker starts a broker in memory, with the topic if it gets partitions.
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
	if partitions > 0 {
		if _, err := kafkaio.EnsureTopic(t.Context(), cluster, topic, partitions); err != nil {
			t.Fatal(err)
		}
	}
	return cluster
}

func brokers(c kafkaio.Cluster) string { return "--brokers=" + strings.Join(c.Brokers, ",") }

func deliver(t testing.TB, c kafkaio.Cluster, src producer.Source, o producer.DeliverOptions) {
	t.Helper()
	if _, err := producer.Deliver(t.Context(), c, topic, src, o); err != nil {
		t.Error(err)
	}
}

func simulator(t testing.TB, o producer.SimulateOptions) *producer.Simulator {
	t.Helper()
	s, err := producer.NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
