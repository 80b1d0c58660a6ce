package forecast

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Importance is what a feature does in a model.
type Importance struct {
	Feature string
	Gain    float64 // share of the loss that splits on it saved; the shares sum to 1
	SHAP    float64 // mean |SHAP value| over the rows asked for, in the target's unit
}

// Explainer is a Forecaster that knows what it looks at.
type Explainer interface {
	// Explain returns the features by falling gain. SHAP values (Lundberg et al.
	// 2018) are those of the median for the panel's next day, over at most rows
	// series of the largest sums.
	Explain(ctx context.Context, p *Panel, rows int) ([]Importance, error)
}

// Explain implements Explainer.
func (f *treeFit) Explain(ctx context.Context, p *Panel, rows int) ([]Importance, error) {
	out := make([]Importance, len(f.Model.Features))
	for i, feature := range f.Model.Features {
		out[i].Feature = feature.String()
	}
	total := 0.0
	for _, e := range f.quantiles {
		for _, m := range e {
			for _, i := range m.Importance() {
				out[i.Feature].Gain += i.Gain
				total += i.Gain
			}
		}
	}
	a := newAxis(p.Best(rows, 0), 1)
	if a.panel.Series == nil {
		return out, nil
	}
	values, err := newRows(f.Model.Features, a, f.Names, nil).ahead(ctx)
	if err != nil {
		return nil, err
	}
	median := f.quantiles[pointFrom]
	shap := make([]float64, len(out))
	for n := 0; n < len(values); n += len(out) {
		for _, m := range median {
			if err := m.SHAP(shap, values[n:n+len(out)]); err != nil {
				return nil, err
			}
			for i, v := range shap {
				out[i].SHAP += math.Abs(v) / float64(len(median)*len(a.panel.Series))
			}
		}
	}
	for i := range out {
		if total > 0 {
			out[i].Gain /= total
		}
	}
	slices.SortStableFunc(out, func(a, b Importance) int { return cmp.Compare(b.Gain, a.Gain) })
	return out, nil
}
