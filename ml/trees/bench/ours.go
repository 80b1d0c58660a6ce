package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"example.com/shopstream/ml/trees"
)

// work trains and scores the data of the working folder, and prints the
// figures.
func work(ctx context.Context, text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	columns, err := readFloats(columnsFile, t.Rows*t.Features)
	if err != nil {
		return err
	}
	target, err := readFloats(targetFile, t.Rows)
	if err != nil {
		return err
	}
	m := trees.Matrix{}
	for f := range t.Features {
		m.Columns = append(m.Columns, columns[f*t.Rows:(f+1)*t.Rows])
	}
	y := make([]float64, len(target))
	for i, v := range target {
		y[i] = float64(v)
	}
	var f figure
	start, begin := time.Now(), cpuSeconds()
	x, err := trees.Bin(m, t.Bins)
	if err != nil {
		return err
	}
	binned := cpuSeconds()
	f.BinCPU = binned - begin
	p := trees.Params{Trees: t.Trees, LearningRate: 0.1, MaxDepth: t.Depth, MinHessian: 1, L2: 1, Workers: t.Workers}
	switch t.Objective {
	case "squared":
	case "poisson":
		p.Objective = trees.Poisson
	default:
		return fmt.Errorf("objective %q is neither squared nor poisson", t.Objective)
	}
	model, err := trees.Train(ctx, trees.Data{X: x, Y: y}, nil, p, nil)
	if err != nil {
		return err
	}
	f.TrainCPU = cpuSeconds() - binned
	f.Wall = time.Since(start).Seconds()
	if err := score(&f, t, model); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

func score(f *figure, t task, model *trees.Model) error {
	rows, err := readFloats(heldRows, t.heldOut()*t.Features)
	if err != nil {
		return err
	}
	want, err := readFloats(heldTarget, t.heldOut())
	if err != nil {
		return err
	}
	got := make([]float64, len(want))
	begin := cpuSeconds()
	if err := model.Predict(got, rows); err != nil {
		return err
	}
	f.ScoreCPU = cpuSeconds() - begin
	sum := 0.0
	for i, v := range want {
		d := got[i] - float64(v)
		sum += d * d
	}
	f.RMSE = math.Sqrt(sum / float64(len(want)))
	return nil
}

// cpuSeconds is the CPU time of all threads of this process.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return math.NaN()
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
