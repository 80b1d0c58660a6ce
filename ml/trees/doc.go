// Package trees trains and evaluates gradient-boosted decision trees.
//
// A Matrix of float32 columns is cut into histogram bins once (Bin) and can
// then train many models (Train), also at the same time. Trees grow
// depth-wise or, with Params.MaxLeaves, best first. Missing values (NaN) go
// to a learned side; categorical columns are split into two sets.
//
// Gradients are summed as fixed-point integers. Integer sums do not depend on
// their order, so a model depends on the data, the parameters and the seed
// only: not on the number of workers, nor on the machine.
//
// A Model is written and read in the JSON format of XGBoost 3 (Encode,
// Decode): Python's xgboost loads it and scores the same, and the other way
// round. It is immutable and safe for concurrent use.
package trees
