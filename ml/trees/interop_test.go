//go:build integration

package trees

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python is the interpreter with xgboost 3 and numpy.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SHOPSTREAM_TEST_PYTHON")
	if path != "" {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatal("SHOPSTREAM_TEST_PYTHON must name a Python interpreter with xgboost 3 and numpy")
	}
	t.Skip("SHOPSTREAM_TEST_PYTHON does not name a Python interpreter with xgboost 3 and numpy")
	return ""
}

func peer(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(python(t), append([]string{filepath.Join("testdata", "peer.py")}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("peer.py %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func writeFloats(t *testing.T, path string, values []float32) string {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFloats(t *testing.T, path string, n int) []float32 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, n)
	if len(text) != 4*n {
		t.Fatalf("%s has %d bytes, want %d", path, len(text), 4*n)
	}
	if err := binary.Read(bytes.NewReader(text), binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	return values
}

const interopRows = 20000

// interop is data with missing and integer values, and odd ones in the rows to
// score.
func interop(categorical bool) (e example, types string, scored []float32) {
	e = newExample(interopRows, 21)
	types = "qqcqq"
	if !categorical {
		e = e.numeric()
		types = "qqqqq"
	}
	scored = e.m.RowMajor(0, interopRows)
	for i := range scored {
		if i%5 != 2 && i%101 == 0 {
			scored[i] *= 1e6
		}
	}
	return e, types, scored
}

// worst compares predictions, relative to max(1, |y|).
func worst(t *testing.T, got []float64, want []float32) {
	t.Helper()
	largest := 0.0
	for i, w := range want {
		d := math.Abs(got[i]-float64(w)) / max(1, math.Abs(float64(w)))
		if !(d <= 1e-4) {
			t.Fatalf("row %d: %v here, %v in Python", i, got[i], w)
		}
		largest = max(largest, d)
	}
	t.Logf("largest difference %.2g·max(1, |y|) on %d rows", largest, len(want))
}

// Models trained here score the same in Python.
func TestPythonScoresOurModels(t *testing.T) {
	for name, p := range objectives {
		for _, categorical := range []bool{false, true} {
			kind := name
			if categorical {
				kind += " categorical"
			}
			t.Run(kind, func(t *testing.T) {
				e, types, scored := interop(categorical)
				if name == "poisson" {
					e.m.Names = nil
				}
				p.Trees, p.LearningRate, p.MaxDepth, p.MinRows = 100, 0.1, 6, 5
				m := train(t, Data{X: e.bin(t, 255), Y: e.y}, p)
				text, err := m.Encode()
				if err != nil {
					t.Fatal(err)
				}
				folder := t.TempDir()
				file, out := filepath.Join(folder, "model.json"), filepath.Join(folder, "out.f32")
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				peer(t, "score", file, writeFloats(t, filepath.Join(folder, "rows.f32"), scored), types, out, strings.Join(e.m.Names, ","))
				got := make([]float64, interopRows)
				if err := m.Predict(got, scored); err != nil {
					t.Fatal(err)
				}
				worst(t, got, readFloats(t, out, interopRows))
			})
		}
	}
}

// Models that Python trains score the same here.
func TestWeScoreModelsOfPython(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"squared":       {"objective": "reg:squarederror"},
		"exact":         {"objective": "reg:squarederror", "tree_method": "exact"},
		"poisson":       {"objective": "count:poisson"},
		"tweedie":       {"objective": "reg:tweedie", "tweedie_variance_power": 1.3},
		"quantile":      {"objective": "reg:quantileerror", "quantile_alpha": 0.8},
		"absoluteerror": {"objective": "reg:absoluteerror"},
		"categorical":   {"objective": "reg:squarederror", "max_cat_to_onehot": 1},
		"leafwise":      {"objective": "count:poisson", "grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0},
		"forest":        {"objective": "reg:squarederror", "num_parallel_tree": 3, "subsample": 0.7},
	} {
		t.Run(name, func(t *testing.T) {
			e, types, _ := interop(name == "categorical")
			y := make([]float32, len(e.y))
			for i, v := range e.y {
				y[i] = float32(v)
			}
			if _, given := params["max_depth"]; !given {
				params["max_depth"] = 6
			}
			params["rounds"], params["eta"], params["nthread"] = 100, 0.1, 1
			text, err := json.Marshal(params)
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			file, out := filepath.Join(folder, "model.json"), filepath.Join(folder, "out.f32")
			rows := e.m.RowMajor(0, interopRows)
			peer(t, "train", string(text), writeFloats(t, filepath.Join(folder, "rows.f32"), rows),
				writeFloats(t, filepath.Join(folder, "y.f32"), y), types, file, out)
			written, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(written)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float64, interopRows)
			if err := m.Predict(got, rows); err != nil {
				t.Fatal(err)
			}
			worst(t, got, readFloats(t, out, interopRows))
		})
	}
}
