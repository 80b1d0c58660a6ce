// Package demand is the work of the forecasting programs: it reads gold's
// daily_sales, backtests models, trains them into the registry, and writes
// demand_predictions.
package demand
