package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// report prints every run, and the totals beside each other.
func report(w io.Writer, t task, sides []*side, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Task  task    `json:"task"`
			Cores int     `json:"cores"`
			Sides []*side `json:"sides"`
		}{t, runtime.NumCPU(), sides})
	case "table":
	default:
		return fmt.Errorf("format %q is neither table nor json", format)
	}
	fmt.Fprintf(w, "%d rows × %d features, %d trees of depth %d, %d bins, %s, %d threads, %d cores\n",
		t.Rows, t.Features, t.Trees, t.Depth, t.Bins, t.Objective, t.Workers, runtime.NumCPU())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tbin CPU s\ttrain CPU s\twall s\tpeak MB\tRMSE\trows scored/CPU s\t")
	for i := range t.Runs {
		for _, s := range sides {
			f := s.Runs[i]
			fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%.2f\t%d\t%.5f\t%.0f\t\n",
				s.Name, f.BinCPU, f.TrainCPU, f.Wall, f.PeakMB, f.RMSE, float64(t.heldOut())/f.ScoreCPU)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(sides) == 2 {
		ours, theirs := sides[0].mean(), sides[1].mean()
		fmt.Fprintf(w, "CPU time %.2f×, memory %.2f× of xgboost's\n", ours.TrainCPU/theirs.TrainCPU, float64(ours.PeakMB)/float64(theirs.PeakMB))
	}
	return nil
}

// mean is over the runs; TrainCPU includes binning, which xgboost does in part
// while it trains.
func (s *side) mean() figure {
	var sum figure
	n := len(s.Runs)
	for _, f := range s.Runs {
		sum.TrainCPU += (f.BinCPU + f.TrainCPU) / float64(n)
		sum.PeakMB += f.PeakMB
	}
	sum.PeakMB /= int64(n)
	return sum
}
