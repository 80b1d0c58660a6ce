package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
)

// report writes the figures as a table, or all of them as JSON. A range is
// that of the counted runs.
func report(out *os.File, s settings, programs []*program) error {
	if s.format == "json" {
		return writeJSON(out, map[string]any{
			"settings": s, "go": runtime.Version(), "cores": runtime.NumCPU(), "programs": programs,
		})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "program\tµs CPU an event (range)\tevents a second\tpeak MB\ttimes plain Go (range)\n")
	plain := programs[slices.IndexFunc(programs, func(p *program) bool { return p.Name == plainName })]
	for _, p := range programs {
		perEvent := func(f figure) float64 { return f.CPU * 1e6 / float64(s.Events) }
		low, cpu, high := spread(p.Runs, perEvent)
		_, rate, _ := spread(p.Runs, func(f figure) float64 { return float64(s.Events) / f.Wall })
		_, _, peak := spread(p.Runs, func(f figure) float64 { return float64(f.PeakMB) })
		ratios := make([]figure, len(p.Runs)) // run by run: the machine's pace drifts
		for i := range ratios {
			ratios[i].CPU = p.Runs[i].CPU / plain.Runs[i].CPU
		}
		rlow, ratio, rhigh := spread(ratios, func(f figure) float64 { return f.CPU })
		fmt.Fprintf(w, "%s\t%.2f (%.2f–%.2f)\t%.0fk\t%.0f\t%.2f (%.2f–%.2f)\n", p.Name, cpu, low, high, rate/1000, peak, ratio, rlow, rhigh)
	}
	return w.Flush()
}

// spread is the lowest, the median and the highest of a figure.
func spread(runs []figure, of func(figure) float64) (low, median, high float64) {
	values := make([]float64, len(runs))
	for i, f := range runs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[0], values[len(values)/2], values[len(values)-1]
}
