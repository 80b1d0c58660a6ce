package forecast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"example.com/shopstream/ml/trees"
)

// A fitted model is kept as files: model.json says what it is, and each tree
// model is a file in XGBoost's JSON format, which Python can read.
const (
	modelFile    = "model.json"
	singleFile   = "trees.json"
	importedKind = "xgboost"
	storeFormat  = 1
)

// stored is model.json.
type stored struct {
	Format    int       `json:"format"`
	Kind      string    `json:"kind"`
	Quantiles []float64 `json:"quantiles,omitempty"`
	Recipe    *treeFit  `json:"recipe,omitempty"`
	Single    *single   `json:"single,omitempty"`
}

// Save returns the files of a model that Trees or Tweedie fitted, or Imported
// made.
func Save(f Forecaster) (map[string][]byte, error) {
	files := map[string][]byte{}
	head := stored{Format: storeFormat}
	put := func(name string, m *trees.Model) (err error) {
		files[name], err = m.Encode()
		return err
	}
	switch f := f.(type) {
	case *treeFit:
		head.Kind, head.Recipe, head.Quantiles = Trees{}.Name(), f, treeQuantiles
		for q, e := range f.quantiles {
			for i, m := range e {
				if err := put(quantileFile(q, i), m); err != nil {
					return nil, err
				}
			}
		}
	case *single:
		head.Kind, head.Single = f.Kind, f
		if err := put(singleFile, f.model); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a model of type %T has nothing to save: it learns nothing", f)
	}
	text, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return nil, err
	}
	files[modelFile] = text
	return files, nil
}

func quantileFile(q, size int) string {
	return "quantile-" + strconv.FormatFloat(treeQuantiles[q], 'g', -1, 64) + "-" + [...]string{"small", "big"}[size] + ".json"
}

// Load reads what Save made. A file that is damaged, or of another program, is
// an error that names it.
func Load(file func(name string) ([]byte, error)) (Forecaster, error) {
	data, err := file(modelFile)
	if err != nil {
		return nil, err
	}
	var head stored
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%s is not a model of shopstream's: %w", modelFile, err)
	}
	if head.Format != storeFormat {
		return nil, fmt.Errorf("%s has the format %d: this version of the program reads format %d, so train the model again or use the version that made it", modelFile, head.Format, storeFormat)
	}
	get := func(name string, features Spec) (*trees.Model, error) {
		data, err := file(name)
		if err != nil {
			return nil, err
		}
		m, err := trees.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if m.Features() != len(features) {
			return nil, fmt.Errorf("%s has %d features, and %s names %d", name, m.Features(), modelFile, len(features))
		}
		return m, nil
	}
	switch {
	case head.Kind == Trees{}.Name() && head.Recipe != nil:
		return loadRecipe(head, get)
	case (head.Kind == importedKind || head.Kind == Tweedie{}.Name()) && head.Single != nil:
		f := head.Single
		f.Kind = head.Kind
		f.model, err = get(singleFile, f.Features)
		return f, err
	}
	return nil, fmt.Errorf("%s is of the kind %q, which this version of the program does not know", modelFile, head.Kind)
}

func loadRecipe(head stored, get func(name string, features Spec) (*trees.Model, error)) (Forecaster, error) {
	f := head.Recipe
	if len(head.Quantiles) != len(treeQuantiles) {
		return nil, fmt.Errorf("%s has %d quantiles: expected %v", modelFile, len(head.Quantiles), treeQuantiles)
	}
	f.quantiles = make([]ensemble, len(treeQuantiles))
	for q := range treeQuantiles {
		if head.Quantiles[q] != treeQuantiles[q] {
			return nil, fmt.Errorf("%s has the quantiles %v: expected %v", modelFile, head.Quantiles, treeQuantiles)
		}
		for i := range f.Model.sizes(q) {
			m, err := get(quantileFile(q, i), f.Model.Features)
			if err != nil {
				return nil, err
			}
			f.quantiles[q] = append(f.quantiles[q], m)
		}
	}
	return f, nil
}

// CrossCheck compares the trees of a model with what github.com/dmitryikh/leaves
// makes of the same files, on the panel's next week, of 200 series at most.
func CrossCheck(ctx context.Context, f Forecaster, p *Panel) error {
	var models []*trees.Model
	var features Spec
	var names map[string]float64
	switch f := f.(type) {
	case *treeFit:
		for _, e := range f.quantiles {
			models = append(models, e...)
		}
		features, names = f.Model.Features, f.Names
	case *single:
		models, features, names = []*trees.Model{f.model}, f.Features, f.Names
	}
	const series, week = 200, 7
	rows, err := newRows(features, newAxis(p.Best(series, 0), week), names, nil).ahead(ctx)
	if err != nil {
		return err
	}
	for _, m := range models {
		if err := m.CrossCheck(rows); err != nil && !errors.Is(err, trees.ErrNotForLeaves) {
			return err
		}
	}
	return nil
}
