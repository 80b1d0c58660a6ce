// Bench compares training and scoring with Python's xgboost: CPU time, memory
// and error of the same task on the same made data, in processes of their own
// and in turns.
//
//	go run ./ml/trees/bench --rows=1000000 --features=30 --trees=200 --depth=8 --python=venv/bin/python
//
// The interpreter needs xgboost 3 and numpy; without --python, xgboost is left
// out.
package main

import (
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
	"syscall"
)

//go:embed xgboost.py
var pythonProgram string

// task is what both sides do.
type task struct {
	Rows      int    `json:"rows"`
	Features  int    `json:"features"`
	Trees     int    `json:"trees"`
	Depth     int    `json:"depth"`
	Bins      int    `json:"bins"`
	Workers   int    `json:"workers"`
	Objective string `json:"objective"`
	Runs      int    `json:"runs"`
	// Quantised lets xgboost bin the columns while it reads them, which saves
	// it a copy of the data.
	Quantised bool `json:"quantised"`
}

// figure is what one run cost. A side reports the CPU time of its steps; the
// peak is the operating system's for the process.
type figure struct {
	BinCPU   float64 `json:"bin_cpu_s"`
	TrainCPU float64 `json:"train_cpu_s"`
	Wall     float64 `json:"wall_s"` // binning and training
	ScoreCPU float64 `json:"score_cpu_s"`
	RMSE     float64 `json:"rmse"` // on rows held out
	PeakMB   int64   `json:"peak_mb"`
}

// side is a program with the figures of its runs.
type side struct {
	Name string   `json:"name"`
	Runs []figure `json:"runs"`

	command func(ctx context.Context) *exec.Cmd
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == worker {
		exit(work(ctx, os.Args[2]))
	}
	var t task
	var python, format string
	flag.IntVar(&t.Rows, "rows", 1_000_000, "rows to train on; a tenth more is held out")
	flag.IntVar(&t.Features, "features", 30, "columns, at least 5")
	flag.IntVar(&t.Trees, "trees", 200, "trees")
	flag.IntVar(&t.Depth, "depth", 8, "depth of a tree")
	flag.IntVar(&t.Bins, "bins", 255, "bins of a column")
	flag.IntVar(&t.Workers, "workers", 2, "threads")
	flag.StringVar(&t.Objective, "objective", "squared", "squared or poisson")
	flag.IntVar(&t.Runs, "runs", 1, "runs of each side")
	flag.BoolVar(&t.Quantised, "quantised", false, "give xgboost a QuantileDMatrix rather than a DMatrix")
	flag.StringVar(&python, "python", "", "interpreter with xgboost and numpy (default: xgboost is left out)")
	flag.StringVar(&format, "format", "table", "table or json")
	flag.Parse()
	exit(compare(ctx, t, python, format))
}

// worker is the first argument of the process that trains, in the folder of
// the data; the task follows.
const worker = "worker"

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func compare(ctx context.Context, t task, python, format string) (err error) {
	if t.Rows < 100 || t.Features < 5 || t.Runs < 1 {
		return errors.New("at least 100 rows, 5 features and 1 run are needed")
	}
	folder, err := os.MkdirTemp("", "trees-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := makeData(folder, t); err != nil {
		return fmt.Errorf("make data: %w", err)
	}
	sides, err := newSides(folder, t, python)
	if err != nil {
		return err
	}
	for range t.Runs {
		for _, s := range sides {
			f, err := s.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			s.Runs = append(s.Runs, f)
		}
	}
	return report(os.Stdout, t, sides, format)
}

func newSides(folder string, t task, python string) ([]*side, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	sides := []*side{{Name: "trees", command: func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self, worker, string(text))
		cmd.Dir = folder
		return cmd
	}}}
	if python == "" {
		return sides, nil
	}
	script := filepath.Join(folder, "xgboost_side.py")
	if err := os.WriteFile(script, []byte(pythonProgram), 0o644); err != nil {
		return nil, err
	}
	return append(sides, &side{Name: "xgboost", command: func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, python, script, folder, string(text))
		// Threads that wait must not count as work, least of all on a busy machine.
		cmd.Env = append(os.Environ(), "OMP_WAIT_POLICY=PASSIVE")
		return cmd
	}}), nil
}

// run starts the side and reads its figure, the last thing it prints.
func (s *side) run(ctx context.Context) (figure, error) {
	cmd := s.command(ctx)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return figure{}, err
	}
	var f figure
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		return figure{}, fmt.Errorf("read its figures from %q: %w", out.String(), err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.PeakMB = usage.Maxrss / 1024 // KiB on Linux
	}
	return f, nil
}
