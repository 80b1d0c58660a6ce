// Package forecast predicts a shop's daily demand: of its products, categories
// and in total, in units or in money, for the next days.
//
// A Panel is a set of daily series of equal calendar, without the days from its
// end on. A Model is fitted on a panel and gives a Forecaster, which forecasts
// from the end of any panel. Nothing gets to see a day that is not in its
// panel, so no feature can leak what is forecast: Panel.Before cuts the later
// days off, and Backtest hands out nothing else.
//
// Demand is what was ordered. Cancellations are not subtracted (they come days
// later, and a shop must have held the goods), and a day on which a product was
// out of stock counts as one without demand: recorded demand is censored by
// stock, and so is the forecast.
//
// All results are functions of the panel, the parameters and the seed, whatever
// the number of cores.
package forecast
