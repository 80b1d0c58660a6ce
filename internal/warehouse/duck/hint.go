package duck

import (
	"strings"
)

// hint says what to write in place of a construct of GoogleSQL that DuckDB does
// not take, or takes for something else: docs/sql.md.
type hint struct {
	construct string
	found     func(tokens []token, i int) bool // at token i
	instead   string
}

var hints = []hint{
	{"DATE_TRUNC", call("date_trunc", "timestamp_trunc", "datetime_trunc"), "DATE_SUB(d, INTERVAL (EXTRACT(DAY FROM d) - 1) DAY) for the month of d, DATE_SUB(d, INTERVAL (MOD(UNIX_DATE(d) + 3, 7)) DAY) for its Monday"},
	{"DATE_DIFF", call("date_diff", "timestamp_diff", "datetime_diff"), "UNIX_DATE(a) - UNIX_DATE(b) for the days between"},
	{"SAFE_CAST", call("safe_cast"), "CAST(CASE WHEN … THEN x END AS …) with a condition that leaves out what cannot be cast"},
	{"PERCENTILE_…", call("percentile_cont", "percentile_disc"), ranked},
	{"APPROX_QUANTILES", call("approx_quantiles"), ranked},
	{"APPROX_COUNT_DISTINCT", call("approx_count_distinct"), "COUNT(DISTINCT x)"},
	{"APPROX_TOP_…", call("approx_top_count", "approx_top_sum"), "GROUP BY x ORDER BY COUNT(*) DESC, x LIMIT n"},
	{"STRUCT", structure, "a column a value"},
	{"an array", array, "a row a value (UNION ALL, GROUP BY)"},
	{"* EXCEPT or * REPLACE", except, "the names of the columns that are wanted"},
}

const ranked = "ROW_NUMBER() OVER (ORDER BY x) AS place and COUNT(*) OVER () AS everybody, and of these the row WHERE place = DIV(everybody + 1, 2) for the median"

// explain returns what is to be written in place of the constructs of a text
// that failed; "" if there are none.
func explain(text string) string {
	tokens, err := tokenize(text)
	if err != nil {
		return ""
	}
	var out []string
	for _, h := range hints {
		for i := range tokens {
			if h.found(tokens, i) {
				out = append(out, h.construct+" is not for both engines: write "+h.instead)
				break
			}
		}
	}
	return strings.Join(out, "; ")
}

// call finds calls of functions.
func call(names ...string) func([]token, int) bool {
	return func(tokens []token, i int) bool {
		for _, name := range names {
			if isWord(tokens[i], name) && isSymbol(neighbour(tokens, i, +1), "(") {
				return true
			}
		}
		return false
	}
}

func structure(tokens []token, i int) bool {
	after := neighbour(tokens, i, +1)
	return isWord(tokens[i], "struct") && (isSymbol(after, "(") || isSymbol(after, "<"))
}

func array(tokens []token, i int) bool {
	return isSymbol(tokens[i], "[") || call("array", "array_agg", "unnest", "generate_array", "generate_date_array")(tokens, i) ||
		isWord(tokens[i], "array") && isSymbol(neighbour(tokens, i, +1), "<")
}

func except(tokens []token, i int) bool {
	before := neighbour(tokens, i, -1)
	return isSymbol(before, "*") && (isWord(tokens[i], "except") || isWord(tokens[i], "replace")) && isSymbol(neighbour(tokens, i, +1), "(")
}

func isSymbol(t token, text string) bool { return t.kind == symbol && t.text == text }
