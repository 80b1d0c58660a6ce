// Package score says how good forecasts were: errors, bias, and how often an
// interval held what it promised, over any set of cells, and whether one model
// is better than another beyond chance.
//
// A [Cell] is one forecast of one day beside what happened. [Summarise] pools
// cells into [Metrics], [By] does so for each model, segment or horizon, and
// [Difference] compares two models on the same cells with a paired bootstrap.
// [Check] finds cells that no score should be taken of.
//
// Closed days count in errors, where actual and forecast are 0; they are left
// out of everything about intervals and quantiles, which they would flatter.
//
// Every result is a function of the set of cells: their order changes no bit of
// it, and a bootstrap with the same seed draws the same series.
package score
