package forecast

import (
	"fmt"
	"slices"
	"strings"
)

// Models returns the models that suit a level, simplest first, with these days
// of horizon and this seed.
func Models(level Level, horizon int, seed uint64) []Model {
	models := append(Baselines(), Index{})
	if level != Product {
		return models
	}
	tweedie, recipe := NewTweedie(), Recipe()
	tweedie.Horizon, tweedie.Seed = horizon, seed
	recipe.Horizon, recipe.Seed = horizon, seed
	return append(models, Ridge{Horizon: horizon}, tweedie, recipe)
}

// Choose returns the models of these names, in the order of all; all if there
// are none.
func Choose(all []Model, names []string) ([]Model, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, m := range all {
		known = append(known, m.Name())
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no model %q at this level: expected some of %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(m Model) bool { return !slices.Contains(names, m.Name()) }), nil
}
