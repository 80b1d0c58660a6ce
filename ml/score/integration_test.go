//go:build integration

package score

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

// TestMetricsMatchPython compares with scikit-learn, utilsforecast and NumPy, as
// their users would call them. SHOPSTREAM_TEST_PYTHON is a Python that has them.
func TestMetricsMatchPython(t *testing.T) {
	python := os.Getenv("SHOPSTREAM_TEST_PYTHON")
	if python == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("SHOPSTREAM_TEST_PYTHON is not set: name a Python with scikit-learn, utilsforecast, pandas and numpy")
		}
		t.Skip("SHOPSTREAM_TEST_PYTHON is not set")
	}
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 10))
		cells := randomCells(r, "m", 30, 3, 7)
		input, err := json.Marshal(columnsOf(cells))
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command(python, "testdata/metrics.py")
		var problems bytes.Buffer
		command.Stdin, command.Stderr = bytes.NewReader(input), &problems
		output, err := command.Output()
		if err != nil {
			t.Fatalf("metrics.py: %v\n%s", err, &problems)
		}
		var want map[Metric]float64
		if err := json.Unmarshal(output, &want); err != nil {
			t.Fatalf("metrics.py wrote %q: %v", output, err)
		}
		compareMetrics(t, Summarise(cells), want)
	}
}

// columnsOf returns cells as columns; NaN is null.
func columnsOf(cells []Cell) map[string][]any {
	columns := map[string][]any{}
	for _, c := range cells {
		add := func(name string, value any) { columns[name] = append(columns[name], value) }
		add("series", c.Series)
		add("origin", c.Origin)
		add("day", c.Day)
		add("open", c.Open)
		for name, v := range map[string]float64{
			"actual": c.Actual, "point": c.Point, "mean": c.Mean, "lower80": c.Lower80, "upper80": c.Upper80,
			"lower95": c.Lower95, "upper95": c.Upper95, "scale": c.Scale, "scale_squared": c.ScaleSquared,
		} {
			if math.IsNaN(v) {
				add(name, nil)
			} else {
				add(name, v)
			}
		}
	}
	return columns
}
