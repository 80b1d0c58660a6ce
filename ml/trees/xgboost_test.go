package trees

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// scores are what Python's xgboost predicts; testdata/peer.py writes them.
type scores struct {
	Rows      [][]*float32 `json:"rows"` // null: missing
	Predicted []float64    `json:"predicted"`
	Margin    []float64    `json:"margin"`
	SHAP      [][]float64  `json:"shap"` // of the first rows; the expected margin last
}

func (s scores) rowMajor() (rows []float32) {
	for _, row := range s.Rows {
		for _, v := range row {
			if v == nil {
				rows = append(rows, float32(math.NaN()))
			} else {
				rows = append(rows, *v)
			}
		}
	}
	return rows
}

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "xgboost", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fixtures are the models of testdata that can be read.
var fixtures = []string{
	"squarederror", "poisson", "tweedie", "quantile", "absoluteerror", "gamma", "logistic",
	"categorical", "onehot", "forest", "pruned", "stopped",
}

// Models that Python's xgboost trained score here as there, as they are and
// after Encode and Decode, and have the same SHAP values.
func TestModelsOfPythonScoreTheSame(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			var want scores
			if err := json.Unmarshal(readFixture(t, name+".scores"), &want); err != nil {
				t.Fatal(err)
			}
			m, err := Decode(readFixture(t, name))
			if err != nil {
				t.Fatal(err)
			}
			text, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			rows := want.rowMajor()
			for _, m := range []*Model{m, again} {
				got := make([]float64, len(want.Rows))
				if err := m.Predict(got, rows); err != nil {
					t.Fatal(err)
				}
				compare(t, "prediction", got, want.Predicted, 1e-5)
				if err := m.Margin(got, rows); err != nil {
					t.Fatal(err)
				}
				compare(t, "margin", got, want.Margin, 1e-5)
				for i, want := range want.SHAP {
					got := make([]float64, m.features)
					if err := m.SHAP(got, rows[i*m.features:][:m.features]); err != nil {
						t.Fatal(err)
					}
					compare(t, fmt.Sprintf("SHAP of row %d, feature", i), append(got, m.Expected()), want, 1e-4)
				}
			}
		})
	}
}

func compare(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%d values of %s, want %d", len(got), what, len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance*max(1, math.Abs(want[i]))) {
			t.Errorf("%s %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// The parameters of an objective survive the file.
func TestEncodeDecodeKeepsTheModel(t *testing.T) {
	for name, p := range objectives {
		for _, categorical := range []bool{false, true} {
			e := newExample(800, 17)
			if !categorical {
				e = e.numeric()
			}
			p.Trees, p.LearningRate, p.MaxLeaves = 6, 0.3, 15
			m := train(t, Data{X: e.bin(t, 64), Y: e.y}, p)
			text, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if back.Objective() != p.Objective || back.Alpha() != p.Alpha || !slices.Equal(back.Names(), e.m.Names) || back.Trees() != 6 {
				t.Errorf("%s: objective %v, alpha %v, names %q, %d trees come back", name, back.Objective(), back.Alpha(), back.Names(), back.Trees())
			}
			rows := extreme(e.m.RowMajor(0, 300), 4)
			got, want := make([]float64, 300), make([]float64, 300)
			if err := m.Predict(want, rows); err != nil {
				t.Fatal(err)
			}
			if err := back.Predict(got, rows); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, categorical %v: other predictions come back", name, categorical)
			}
			if !slices.Equal(back.Importance(), m.Importance()) {
				t.Errorf("%s: another importance comes back", name)
			}
			if again, err := back.Encode(); err != nil || !bytes.Equal(again, text) {
				t.Errorf("%s: another text is written the second time (%v)", name, err)
			}
		}
	}
}

// edited changes one text of a fixture; it must occur.
func edited(t testing.TB, name, from, to string) []byte {
	t.Helper()
	text := readFixture(t, name)
	if !bytes.Contains(text, []byte(from)) {
		t.Fatalf("the fixture %s has no %q", name, from)
	}
	return bytes.Replace(text, []byte(from), []byte(to), 1)
}

func TestDecodeRefuses(t *testing.T) {
	whole := readFixture(t, "squarederror")
	for _, test := range []struct {
		name string
		text []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"text", []byte("hello"), "expected a JSON object"},
		{"UBJSON", []byte("{L\x00\x00\x00\x00\x00\x00\x00\x07learner{"), "the file is UBJSON"},
		{"other JSON", []byte(`{"a": 1}`), "this is no XGBoost model"},
		{"cut off", whole[:len(whole)/2], "the text is damaged"},
		{"dart", readFixture(t, "dart"), `the booster is "dart"`},
		{"gblinear", readFixture(t, "linear"), `the booster is "gblinear"`},
		{"multi-class", readFixture(t, "multiclass"), `num_class is "3"`},
		{"several quantiles", readFixture(t, "quantiles"), `num_target is "2"`},
		{"objective", edited(t, "squarederror", "reg:squarederror", "rank:ndcg"), `objective "rank:ndcg" cannot be read`},
		{"objective parameters", edited(t, "poisson", "poisson_regression_param", "other_param"), "parameters of objective"},
		{"tree count", edited(t, "squarederror", `"num_trees":"6"`, `"num_trees":"7"`), `num_trees is "7" but the file holds 6`},
		{"node count", edited(t, "squarederror", `"num_nodes":"15"`, `"num_nodes":"999999999"`), "num_nodes"},
		{"no features", edited(t, "squarederror", `"num_feature":"4","num_target"`, `"num_feature":"0","num_target"`), `num_feature is "0"`},
		{"many features", edited(t, "squarederror", `"num_feature":"4","num_target"`, `"num_feature":"2000000000","num_target"`), "num_feature is"},
		{"a feature out of range", edited(t, "squarederror", `"split_indices":[`, `"split_indices":[9`), "is not from 0 to 3"},
		{"child out of range", edited(t, "squarederror", `"left_children":[1,`, `"left_children":[99,`), "child 99 is not from 1 to"},
		{"negative child", edited(t, "squarederror", `"left_children":[1,`, `"left_children":[-1,`), "child -1 is not from 1 to"},
		{"cycle", edited(t, "squarederror", `"left_children":[1,3`, `"left_children":[1,1`), "two parents or is in a cycle"},
		{"other parent", edited(t, "squarederror", `"parents":[2147483647,0`, `"parents":[2147483647,1`), "names 1 as its parent"},
		{"short array", edited(t, "squarederror", `"sum_hessian":[`, `"sum_hessian":[1,`), "sum_hessian has"},
		{"overflow", edited(t, "squarederror", `"split_conditions":[`, `"split_conditions":[1e99,`), "cannot unmarshal number 1e99"},
		{"base score", edited(t, "squarederror", `"base_score":"[`, `"base_score":"[1,`), "base_score"},
		{"log of nothing", edited(t, "poisson", `"base_score":"[`, `"base_score":"[-`), "base_score is -"},
		{"category segment", edited(t, "categorical", `"categories_segments":[0`, `"categories_segments":[4000`), "outside the list"},
		{"category size", edited(t, "categorical", `"categories_sizes":[`, `"categories_sizes":[-`), "outside the list"},
		{"category", edited(t, "categorical", `"categories":[`, `"categories":[-`), "category -"},
		{"no categories", edited(t, "categorical", `"categories_nodes":[`, `"categories_nodes":[6`), "a categorical split has no categories"},
		{"split type", edited(t, "squarederror", `"split_type":[0`, `"split_type":[9`), "split type 9"},
		{"best round", edited(t, "stopped", `"best_iteration":"`, `"best_iteration":"9`), "best_iteration is 9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Decode(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// A model of a chain of splits, or of many tiny trees, decodes within the
// memory bound; a chain deeper than allowed is refused.
func chain(depth int) []byte {
	n := 2*depth + 1
	x := &xgbTree{Param: xgbTreeParam{NumNodes: fmt.Sprint(n), SizeLeafVector: "1"}}
	x.Parents = make([]int32, n)
	x.Parents[0] = xgbRoot
	for i := range n {
		left, right := int32(xgbNone), int32(xgbNone)
		if i%2 == 0 && i < n-1 {
			left, right = int32(i+1), int32(i+2)
			x.Parents[left], x.Parents[right] = int32(i), int32(i)
		}
		x.LeftChildren = append(x.LeftChildren, left)
		x.RightChildren = append(x.RightChildren, right)
	}
	x.BaseWeights, x.LossChanges, x.SplitConditions, x.SumHessian = make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	x.DefaultLeft, x.SplitType, x.SplitIndices = make([]int8, n), make([]int8, n), make([]int32, n)
	text, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return model(string(text))
}

// model wraps trees into a file.
func model(trees ...string) []byte {
	info := strings.TrimSuffix(strings.Repeat("0,", len(trees)), ",")
	return []byte(fmt.Sprintf(`{"learner":{"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"%d"},"tree_info":[%s],"trees":[%s]}},`+
		`"learner_model_param":{"base_score":"0.5","num_class":"0","num_feature":"1"},"objective":{"name":"reg:squarederror"}}}`, len(trees), info, strings.Join(trees, ",")))
}

func TestDepthIsBounded(t *testing.T) {
	m, err := Decode(chain(maxDepth))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.SHAP(make([]float64, 1), []float32{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(chain(maxDepth + 1)); err == nil || !strings.Contains(err.Error(), "deeper than 512") {
		t.Errorf("error %v for a chain of %d", err, maxDepth+1)
	}
}

// allocated is what Decode allocates in all, garbage included.
func allocated(text []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = Decode(text)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// The bound is on all that is allocated, so also on the peak.
const (
	allocPerByte = 64
	allocFixed   = 64 << 10
)

func TestDecodeMemoryIsBoundedByTheText(t *testing.T) {
	tiny := strings.Repeat(`{},`, 100000)
	texts := map[string][]byte{
		"chain":      chain(maxDepth),
		"tiny trees": model(strings.TrimSuffix(tiny, ",")),
		"zeros":      model(`{"left_children":[` + strings.Repeat("0,", 100000) + `0]}`),
		"huge count": model(`{"tree_param":{"num_nodes":"2147483647"},"left_children":[-1]}`),
		"nested":     []byte(strings.Repeat(`{"learner":`, 100000)),
		"brackets":   []byte(`{"learner":` + strings.Repeat(`[`, 100000)),
		"names":      []byte(`{"learner":{"feature_names":[` + strings.Repeat(`"",`, 100000) + `""]}}`),
		"attributes": []byte(`{"learner":{"attributes":{` + strings.Repeat(`"":"",`, 100000) + `"":""}}}`),
	}
	for _, name := range fixtures {
		texts[name] = readFixture(t, name)
	}
	// Many nodes that share one long list of categories.
	shared := &xgbTree{Param: xgbTreeParam{NumNodes: "1"}, LeftChildren: []int32{-1}, RightChildren: []int32{-1}}
	for i := range 20000 {
		shared.Categories = append(shared.Categories, int32(i))
		shared.CategoriesNodes = append(shared.CategoriesNodes, int32(i))
		shared.CategoriesSegments = append(shared.CategoriesSegments, 0)
		shared.CategoriesSizes = append(shared.CategoriesSizes, 20000)
	}
	text, err := json.Marshal(shared)
	if err != nil {
		t.Fatal(err)
	}
	texts["shared categories"] = model(string(text))
	for name, text := range texts {
		if got, limit := allocated(text), uint64(allocPerByte*len(text)+allocFixed); got > limit {
			t.Errorf("%s: %d bytes for a text of %d, at most %d are allowed", name, got, len(text), limit)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range append(slices.Clone(fixtures), "dart", "linear", "multiclass", "quantiles") {
		f.Add(readFixture(f, name))
	}
	f.Add(chain(3))
	f.Add(model(`{}`))
	f.Add([]byte("{L\x00\x00\x00\x00\x00\x00\x00\x07learner{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, limit := allocated(text), uint64(allocPerByte*len(text)+allocFixed); got > 4*limit {
			// The runtime's own work may be counted, too: hence the slack.
			t.Errorf("%d bytes for a text of %d", got, len(text))
		}
		m, err := Decode(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "trees: ") {
				t.Errorf("error %q does not say where it comes from", err)
			}
			return
		}
		// What is read can be used, and written and read again.
		if m.Features() > 1000 {
			return
		}
		rows := make([]float32, 3*m.Features())
		for i := range rows {
			rows[i] = []float32{0, float32(math.NaN()), -7.5, 3}[i%4]
		}
		got, want := make([]float64, 3), make([]float64, 3)
		if err := m.Margin(got, rows); err != nil {
			t.Fatal(err)
		}
		m.walk(want, rows)
		for i := range want {
			if math.Float64bits(got[i]) != math.Float64bits(want[i]) && got[i] == got[i] {
				t.Errorf("row %d: margin %v, a plain walk gives %v", i, got[i], want[i])
			}
		}
		if err := m.SHAP(make([]float64, m.Features()), rows[:m.Features()]); err != nil {
			t.Fatal(err)
		}
		written, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if back.Trees() != m.Trees() {
			t.Errorf("%d trees come back of %d", back.Trees(), m.Trees())
		}
	})
}
