// Package scoring forecasts the series of a shop on many workers, with a model
// of the registry: batch scoring for series that do not fit one process.
//
// The recipe (see forecast.Trees) forecasts series in groups of like rank, whose
// total it meets. So what a series needs of the others has to reach it:
//
//	series ─▶ check ─┬─▶ the largest sums ─▶ where groups begin ─▶ to every shard
//	                 └─▶ by shard ───────────────────────────────────────┐
//	   ┌──────────────────────────────────────────────── CoGroupByKey ◀──┘
//	   ▼
//	 draft: features and trees ─┬─▶ sums of each group ─▶ solve ─▶ to every shard
//	                            └─▶ by shard ──────────────────────────┐
//	   ┌────────────────────────────────────────────── CoGroupByKey ◀──┘
//	   ▼
//	 finish ─▶ predictions
//
// What few know, all shards are told through a second input of the grouping, not
// as side inputs. Histories and drafts cross a shuffle once each, and are
// streamed: a worker holds some 64 series, and sums whose size does not depend on
// how many series there are.
//
// The predictions are a function of the series, the shop's axis and the model
// version. Sums are exact and rounded once, so that bundles, workers and shards
// make no difference to any bit. They are those of the model's Forecast in one
// process, where the last digits of means may differ: there sums are rounded term
// by term.
//
// Every element comes out once: as a prediction, or as a dead letter with the
// reason. What is no element's fault, such as a model that cannot be read, fails
// the job.
package scoring
