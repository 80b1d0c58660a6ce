// Package report shows a backtest to people and programs: [HTML] as one page
// that needs nothing else, no network and no script, [Table] as text for a
// terminal, [JSON] for a program. All three show the same [Report], whose
// scores [Report.Score] takes from cells.
//
// Output is a function of the report alone, byte for byte.
package report
