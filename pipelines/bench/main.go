// Bench measures what the streaming job costs, in one run and interleaved: the
// job as it is and without its limit of memory, a plain Go program that writes
// the same files (the limit), and one thread that only reads and parses (the
// calibrator). The broker is another process: CPU time is the program's alone.
//
// It compares the plain program's files with the job's, byte for byte.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

const (
	topic     = "ecommerce_events"
	plainName = "plain Go"
)

// settings of a benchmark.
type settings struct {
	Events     int64   `json:"events"`
	Density    float64 `json:"events_per_second_of_event_time"`
	Runs       int     `json:"runs"`
	BaseWindow string  `json:"base_window"`
	brokers    string
	format     string
}

func main() {
	var s settings
	flag.Int64Var(&s.Events, "events", 2_000_000, "how many events, of about 250 bytes")
	flag.Float64Var(&s.Density, "density", 20_000, "events per second of event time")
	flag.IntVar(&s.Runs, "runs", 5, "counted runs of each program, after one that is not counted")
	flag.StringVar(&s.BaseWindow, "base-window", "10s", "base window")
	flag.StringVar(&s.brokers, "brokers", "", "a Kafka to use (default: the embedded broker, in a process of its own)")
	flag.StringVar(&s.format, "format", "table", "table or json")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "shopstream-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say("building")
	for _, p := range []string{"./pipelines/cmd/streaming", "./producer/cmd/producer", "./pipelines/bench/plain", "./pipelines/bench/parse"} {
		if err := build(ctx, dir, p); err != nil {
			return err
		}
	}
	if s.brokers == "" {
		addr, stop, err := startBroker(ctx, dir)
		if err != nil {
			return err
		}
		defer stop()
		s.brokers = addr
	}
	say("sending %d events", s.Events)
	if err := send(ctx, s); err != nil {
		return err
	}
	job := []string{filepath.Join(dir, "streaming"), "--bounded", "--metrics-listen=", "--log-level=warn", "--brokers=" + s.brokers, "--base-window=" + s.BaseWindow}
	programs := []*program{
		{Name: "streaming", args: job, lake: true},
		{Name: "streaming, no limit of memory", args: job, env: "GOMEMLIMIT=off", lake: true},
		{Name: plainName, args: []string{filepath.Join(dir, "plain"), "--brokers=" + s.brokers, "--base-window=" + s.BaseWindow}, lake: true},
		{Name: "read and parse", args: []string{filepath.Join(dir, "parse"), "--brokers=" + s.brokers}},
	}
	for i := range s.Runs + 1 {
		var lakes []string
		for j, p := range programs {
			lake := filepath.Join(dir, fmt.Sprintf("lake-%d", j))
			m, err := p.run(ctx, lake)
			if err != nil {
				return err
			}
			say("run %d, %s: %.2f CPU s, %.2f s, %d MB", i, p.Name, m.CPU, m.Wall, m.PeakMB)
			if p.lake {
				lakes = append(lakes, lake)
			}
			if i > 0 {
				p.Runs = append(p.Runs, m)
			}
		}
		if i == 0 {
			files, err := sameFiles(lakes[0], lakes[2])
			if err != nil {
				return err
			}
			say("the job and the plain program wrote the same %d files, byte for byte", files)
		}
		for _, lake := range lakes {
			if err := os.RemoveAll(lake); err != nil {
				return err
			}
		}
	}
	return report(os.Stdout, s, programs)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func build(ctx context.Context, dir, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// startBroker runs the embedded broker as a program of its own.
func startBroker(ctx context.Context, dir string) (addr string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "producer"), "broker", "--port=0", "--data="+filepath.Join(dir, "kafka"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			say("broker: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			say("broker: %v", err)
		}
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "listening on "); ok {
			addr, _, _ := strings.Cut(rest, ",")
			go func() { // keep the pipe empty
				for lines.Scan() {
				}
			}()
			return addr, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("the broker did not say where it listens")
}

func send(ctx context.Context, s settings) error {
	cluster := kafkaio.Cluster{Brokers: []string{s.brokers}}
	if _, err := kafkaio.EnsureTopic(ctx, cluster, topic, 4); err != nil {
		return err
	}
	sim, err := producer.NewSimulator(producer.SimulateOptions{
		Seed: 3, Start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Partitions: 4, Density: s.Density, Flat: true, Count: s.Events,
		Duplicates: 0.02, Invalid: 0.01, Late: 0.001, OutOfOrder: 0.2,
	})
	if err != nil {
		return err
	}
	_, err = producer.Deliver(ctx, cluster, topic, sim, producer.DeliverOptions{})
	return err
}

// program is one of those that are compared.
type program struct {
	Name string   `json:"name"`
	Runs []figure `json:"runs"`

	args []string
	env  string
	lake bool // takes --lake
}

// figure is what one run cost, as the operating system has it.
type figure struct {
	CPU    float64 `json:"cpu_s"`
	Wall   float64 `json:"wall_s"`
	PeakMB int64   `json:"peak_mb"` // resident
}

func (p *program) run(ctx context.Context, lake string) (figure, error) {
	args := p.args[1:]
	if p.lake {
		args = append(args[:len(args):len(args)], "--lake="+lake)
	}
	cmd := exec.CommandContext(ctx, p.args[0], args...)
	if p.env != "" {
		cmd.Env = append(os.Environ(), p.env)
	}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return figure{}, fmt.Errorf("%s: %w\n%s", p.Name, err, out)
	}
	wall := time.Since(began)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return figure{}, errors.New("this system does not say what a process has used")
	}
	peak := usage.Maxrss // KiB
	if runtime.GOOS == "darwin" {
		peak /= 1024 // bytes there
	}
	return figure{CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), Wall: wall.Seconds(), PeakMB: peak / 1000}, nil
}

func writeJSON(f *os.File, v any) error {
	e := json.NewEncoder(f)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
