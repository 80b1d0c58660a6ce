package trees

import (
	"cmp"
	"slices"
	"strconv"
)

// FeatureImportance is what one feature did in all trees.
type FeatureImportance struct {
	Feature int
	Name    string  // the feature's name, or f and its number as in XGBoost
	Gain    float64 // loss saved by its splits, summed
	Cover   float64 // hessian (rows, if it is 1) that its splits divided, summed
	Splits  int
}

// Importance lists the features that occur in a split, by falling gain. Gain
// and cover are sums: XGBoost calls them total_gain and total_cover.
func (m *Model) Importance() []FeatureImportance {
	if m == nil {
		return nil
	}
	byFeature := map[int32]*FeatureImportance{}
	for t := range m.trees {
		for i := range m.trees[t].nodes {
			n := &m.trees[t].nodes[i]
			if n.leaf() {
				continue
			}
			f := byFeature[n.feature]
			if f == nil {
				f = &FeatureImportance{Feature: int(n.feature), Name: m.name(int(n.feature))}
				byFeature[n.feature] = f
			}
			f.Gain += float64(n.gain)
			f.Cover += float64(n.cover)
			f.Splits++
		}
	}
	all := make([]FeatureImportance, 0, len(byFeature))
	for _, f := range byFeature {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b FeatureImportance) int {
		return cmp.Or(cmp.Compare(b.Gain, a.Gain), cmp.Compare(a.Feature, b.Feature))
	})
	return all
}

func (m *Model) name(f int) string {
	if f < len(m.names) {
		return m.names[f]
	}
	return "f" + strconv.Itoa(f)
}
