// Gold compares a run of gold with the same aggregation in DuckDB alone and in
// PySpark: CPU time, wall time and memory of whole processes, run in turns, over
// one lake of simulated events. The totals of all must be the same.
//
// PySpark (3.5) is found through python3; without it, it is left out.
package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

//go:embed spark.py
var sparkProgram string

type settings struct {
	Events  int64   `json:"events"`
	Density float64 `json:"density"`
	Runs    int     `json:"runs"`
	Lake    string  `json:"lake,omitempty"`
	format  string
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "duckdb" {
		if err := aggregate(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "duckdb:", err)
			os.Exit(1)
		}
		return
	}
	var s settings
	flag.Int64Var(&s.Events, "events", 20_000_000, "how many events, of about 250 bytes")
	flag.Float64Var(&s.Density, "density", 1000, "events per second of event time")
	flag.IntVar(&s.Runs, "runs", 1, "runs of each program")
	flag.StringVar(&s.Lake, "lake", "", "a closed lake to use, in UTC days (default: one is made)")
	flag.StringVar(&s.format, "format", "table", "table or json")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// program is one of those that are compared. Each prints a line "totals …" last.
type program struct {
	Name string   `json:"name"`
	Runs []figure `json:"runs"`

	args   func(out string) []string
	totals string
}

// figure is what one run cost, as the operating system has it.
type figure struct {
	CPU    float64 `json:"cpu_s"`
	Wall   float64 `json:"wall_s"`
	PeakMB int64   `json:"peak_mb"` // resident
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func run(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "shopstream-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say("building")
	for _, p := range []string{"./pipelines/cmd/gold", "./pipelines/cmd/streaming", "./producer/cmd/producer"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", p)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", p, err, out)
		}
	}
	lake := s.Lake
	if lake == "" {
		lake = filepath.Join(dir, "lake")
		if err := makeLake(ctx, dir, lake, s); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	programs := []*program{
		{Name: "gold", args: func(string) []string {
			return []string{filepath.Join(dir, "gold"), "--lake=" + lake, "--rebuild"}
		}},
		{Name: "DuckDB", args: func(out string) []string { return []string{self, "duckdb", lake, out} }},
	}
	if submit := sparkSubmit(ctx); submit != "" {
		script := filepath.Join(dir, "spark.py")
		if err := os.WriteFile(script, []byte(sparkProgram), 0o600); err != nil {
			return err
		}
		programs = append(programs, &program{Name: "PySpark", args: func(out string) []string {
			return []string{submit, "--master", "local[2]", "--driver-memory", "4g", "--conf", "spark.ui.enabled=false", "--conf", "spark.local.dir=" + dir, script, lake, out}
		}})
	} else {
		say("PySpark is left out: python3 has no pyspark")
	}
	for i := range s.Runs {
		for _, p := range programs {
			out := filepath.Join(dir, "out")
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			m, err := p.run(ctx, out)
			if err != nil {
				return err
			}
			say("run %d, %s: %.2f CPU s, %.2f s, %d MB", i+1, p.Name, m.CPU, m.Wall, m.PeakMB)
			p.Runs = append(p.Runs, m)
			if err := os.RemoveAll(out); err != nil {
				return err
			}
		}
	}
	want, err := ask(lake+"/gold/daily_sales/*.parquet", "order_lines", "cancelled_lines")
	if err != nil {
		return err
	}
	for _, p := range programs[1:] {
		if p.totals != want {
			return fmt.Errorf("%s made other totals: %s, gold made %s", p.Name, p.totals, want)
		}
	}
	say("all made the same: %s", want)
	return report(s, programs)
}

func (p *program) run(ctx context.Context, out string) (figure, error) {
	args := p.args(out)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return figure{}, fmt.Errorf("%s: %w\n%s%s", p.Name, err, stdout.String(), stderr.String())
	}
	for line := range strings.Lines(stdout.String()) {
		if rest, ok := strings.CutPrefix(line, "totals "); ok {
			p.totals = strings.TrimSpace(rest)
		}
	}
	state := cmd.ProcessState
	usage := state.SysUsage().(*syscall.Rusage)
	return figure{
		CPU: (state.UserTime() + state.SystemTime()).Seconds(), Wall: time.Since(start).Seconds(), PeakMB: usage.Maxrss / 1024,
	}, nil
}

// makeLake runs the streaming job over simulated events.
func makeLake(ctx context.Context, dir, lake string, s settings) error {
	say("making a lake of %d events", s.Events)
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "producer"), "broker", "--port=0", "--data="+filepath.Join(dir, "kafka"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err == nil {
			_ = cmd.Wait() // its exit code says that it was asked to end
		}
	}()
	addr := ""
	lines := bufio.NewScanner(out)
	for addr == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "listening on "); ok {
			addr, _, _ = strings.Cut(rest, ",")
		}
	}
	go func() { // keep the pipe empty
		for lines.Scan() {
		}
	}()
	for _, args := range [][]string{
		{"producer", "simulate", "--brokers=" + addr, "--rate=0", "--flat", fmt.Sprintf("--count=%d", s.Events), fmt.Sprintf("--density=%g", s.Density), "--start=2026-03-01T18:00:00Z"},
		{"streaming", "--brokers=" + addr, "--lake=" + lake, "--bounded", "--metrics-listen=", "--log-level=warn"},
	} {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, args[0]), args[1:]...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, text)
		}
	}
	return os.RemoveAll(filepath.Join(dir, "kafka"))
}

// sparkSubmit is the program of PySpark that runs a script, or "".
func sparkSubmit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "python3", "-c", "import os, pyspark; print(os.path.join(os.path.dirname(pyspark.__file__), 'bin', 'spark-submit'))").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func report(s settings, programs []*program) error {
	if s.format == "json" {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"settings": s, "programs": programs})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "median of each\tCPU s\tof DuckDB\twall s\tpeak MB\t")
	base := median(programs[1].Runs, func(f figure) float64 { return f.CPU })
	for _, p := range programs {
		cpu := median(p.Runs, func(f figure) float64 { return f.CPU })
		fmt.Fprintf(w, "%s\t%.1f\t%.2f\t%.1f\t%.0f\t\n", p.Name, cpu, cpu/base,
			median(p.Runs, func(f figure) float64 { return f.Wall }), median(p.Runs, func(f figure) float64 { return float64(f.PeakMB) }))
	}
	return w.Flush()
}

func median(runs []figure, of func(figure) float64) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
