package forecast

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/ml/score"
)

// TestForecastsAreSane holds every model to what a caller relies on.
func TestForecastsAreSane(t *testing.T) {
	for seed := range uint64(3) {
		p := randomPanel(seed, 12, 160)
		origins := LastOrigins(p, 2, 9)
		r, err := Backtest{Origins: origins, Horizon: 9, Models: allModels()}.Run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := score.Check(r.Cells); err != nil {
			t.Fatal(err) // finite, not crossing, each once
		}
		for _, c := range r.Cells {
			if c.Point < 0 || c.Mean < 0 || c.Lower95 < 0 || c.Lower95 > c.Lower80 || c.Upper80 > c.Upper95 {
				t.Errorf("not a forecast of a number of pieces: %+v", c)
			}
			if Day(c.Day).Weekday() == 6 && (c.Point != 0 || c.Mean != 0 || c.Upper95 != 0 || c.Open) {
				t.Errorf("the shop is closed on Saturdays: %+v", c)
			}
		}
	}
}

// TestSameForecastOnAnyNumberOfCores also fits twice.
func TestSameForecastOnAnyNumberOfCores(t *testing.T) {
	p := randomPanel(5, 12, 160)
	var want []score.Cell
	for _, cores := range []int{1, 3, 8} {
		old := runtime.GOMAXPROCS(cores)
		r, err := Backtest{Origins: LastOrigins(p, 1, 7), Horizon: 7, Models: allModels()}.Run(t.Context(), p)
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = r.Cells
		}
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(r.Cells)); diff != "" {
			t.Errorf("with %d cores: %s", cores, diff)
		}
	}
}

// TestMeanAddsUp: the expected values of a group sum to the total's forecast.
func TestMeanAddsUp(t *testing.T) {
	p := randomPanel(6, 12, 160)
	recipe := allModels()[len(allModels())-1].(Trees)
	fit, err := recipe.Fit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fit.Forecast(t.Context(), p, 7)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]int, len(p.Series))
	for i := range all {
		all[i] = i
	}
	want := totalAhead(newAxis(p, 7), all)
	for h := range want {
		got := 0.0
		for i := range f.Rows {
			got += f.Rows[i][h].Mean
		}
		if math.Abs(got-want[h]) > 1e-9*math.Max(1, want[h]) {
			t.Errorf("day %d: the means sum to %v, and the total is %v", h+1, got, want[h])
		}
	}
}

func TestSolve(t *testing.T) {
	points := [][]float64{{1, 0, 2}, {2, 0, 4}, {3, 1, 8}, {4, 1, 16}} // quantiles .5, .6, .7, .8
	for _, c := range []struct{ want, tau float64 }{{3, 0.5}, {0, 0.5}, {4.5, 0.55}, {6, 0.6}, {9, 0.65}, {12, 0.7}, {16.5, 0.75}, {21, 0.8}, {99, 0.8}} {
		tau := solve(points, []int{0, 1, 2}, c.want)
		if math.Abs(tau-c.tau) > 1e-7 {
			t.Errorf("the sum %v has τ %v: expected %v", c.want, tau, c.tau)
		}
	}
}

func TestGroups(t *testing.T) {
	p := &Panel{}
	for i := range 1205 {
		p.Series = append(p.Series, Series{ID: fmt.Sprint(i), Y: []float64{float64(i)}})
	}
	got := groups(p)
	if len(got) != 3 || len(got[0]) != 200 || len(got[1]) != 800 || len(got[2]) != 205 || got[0][0] != 1204 || got[2][204] != 0 {
		t.Errorf("groups of %d, first %v", len(got), got[0][0])
	}
	all := slices.Sorted(slices.Values(slices.Concat(got...)))
	if len(slices.Compact(all)) != 1205 {
		t.Error("a series is in no group, or in two")
	}
}

func TestBacktestRefuses(t *testing.T) {
	p := randomPanel(1, 3, 60)
	for name, b := range map[string]Backtest{
		"no origin":         {Horizon: 7, Models: Baselines()},
		"no horizon":        {Origins: LastOrigins(p, 1, 7), Models: Baselines()},
		"too early":         {Origins: []Day{p.Start + 20}, Horizon: 7, Models: Baselines()},
		"not known":         {Origins: []Day{p.End - 6}, Horizon: 7, Models: Baselines()},
		"not in order":      {Origins: []Day{p.End - 7, p.End - 14}, Horizon: 7, Models: Baselines()},
		"too little to fit": {Origins: []Day{p.Start + 28}, Horizon: 7, Models: []Model{Recipe()}},
	} {
		if _, err := b.Run(t.Context(), p); err == nil {
			t.Errorf("%s: there is no error", name)
		} else {
			t.Log(name+":", err)
		}
	}
}
