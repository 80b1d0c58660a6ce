package forecast

import (
	"context"
	"fmt"
	"slices"

	"example.com/shopstream/ml/trees"
)

// Tweedie forecasts the expected value with one ensemble of small trees and the
// Tweedie loss of power 1.5 (Tweedie 1984; Zhou et al. 2022): what most would
// try first. Its intervals are the quantiles of the last 48 open days.
type Tweedie struct {
	Features Spec
	Horizon  int
	Seed     uint64
}

// NewTweedie has the features of Recipe.
func NewTweedie() Tweedie { return Tweedie{Features: Recipe().Features, Horizon: 7, Seed: 1} }

// Name implements Model.
func (Tweedie) Name() string { return "tweedie" }

// Fit implements Model.
func (m Tweedie) Fit(ctx context.Context, p *Panel) (Forecaster, error) {
	recipe := Recipe()
	recipe.Features, recipe.Horizon = m.Features, m.Horizon
	learn := p.Best(recipe.TrainSeries, 0)
	names := vocabulary(learn)
	data, err := recipe.data(ctx, learn, names)
	if err != nil {
		return nil, err
	}
	model, err := recipe.Small.train(ctx, data, trees.Params{Objective: trees.Tweedie, Seed: m.Seed})
	if err != nil {
		return nil, err
	}
	return &single{Kind: m.Name(), Features: m.Features, Names: names, model: model}, nil
}

// single forecasts with one tree model, whose prediction is point and mean.
type single struct {
	Kind     string             `json:"kind"`
	Features Spec               `json:"features"`
	Names    map[string]float64 `json:"names"`
	model    *trees.Model
}

// Imported returns a forecaster for a model in XGBoost's JSON format that was
// trained elsewhere, on these features in this order. They cannot be category or
// product, whose numbers only a fit of ours knows.
func Imported(data []byte, features Spec) (Forecaster, error) {
	model, err := trees.Decode(data)
	if err != nil {
		return nil, err
	}
	if model.Features() != len(features) {
		return nil, fmt.Errorf("the model has %d features, and %d are named: they have to be the columns that it was trained on, in order", model.Features(), len(features))
	}
	if names := model.Names(); names != nil && !slices.Equal(names, features.Strings()) {
		return nil, fmt.Errorf("the model's columns are %v, and the features named are %v: they have to be the same, in the same order and spelling", names, features.Strings())
	}
	if i := slices.IndexFunc(features, Feature.categorical); i >= 0 {
		return nil, fmt.Errorf("a model that was trained elsewhere cannot have the feature %s: its numbers are not known here", features[i])
	}
	return &single{Kind: importedKind, Features: features, model: model}, nil
}

// Forecast implements Forecaster.
func (f *single) Forecast(ctx context.Context, p *Panel, horizon int) (*Forecast, error) {
	a := newAxis(p, horizon)
	rows, err := newRows(f.Features, a, f.Names, nil).ahead(ctx)
	if err != nil {
		return nil, err
	}
	points, err := ensemble{f.model}.predict(rows, len(p.Series)*horizon)
	if err != nil {
		return nil, err
	}
	next := 0
	return a.forecast(ctx, func(s *Series, row []Prediction) {
		bounds := empirical(a.values(s))
		for h := range row {
			row[h] = none(points[next]).within(bounds)
			next++
		}
	})
}
