package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/shopstream/ml/score"
)

// column is a metric as people read it.
type column struct {
	metric score.Metric
	label  string
	short  string // the label where space is scarce
	best   bestIs
	format func(float64) string
	words  string // one line: what it says
}

type bestIs int

const (
	lowest bestIs = iota
	highest
	nearZero
	near80
	near95
)

// columns are the metrics that are shown, in their order.
var columns = []column{
	{score.WAPE, "WAPE", "WAPE", lowest, ratio, "The sum of all errors as a share of all that was sold: 0.75 means that errors add up to 75 % of sales. Lower is better."},
	{score.EqualBiasWAPE, "WAPE at equal bias", "at bias -5%", lowest, ratio, "WAPE after every model is scaled to forecast 5 % too little in total, so that none gains by leaning low."},
	{"bias", "Bias", "bias", nearZero, signed, "Forecast less sold, as a share of sold: −0.05 means that 5 % too little was forecast in total."},
	{score.MASE, "MASE", "MASE", lowest, ratio, "The error against that of repeating the week before, a mean over series: below 1 is better than that."},
	{score.RMSSE, "RMSSE", "RMSSE", lowest, ratio, "Like MASE with squared errors: large misses count more."},
	{score.MAE, "MAE", "MAE", lowest, amount, "The mean error of a day, in the target's unit."},
	{score.RMSE, "RMSE", "RMSE", lowest, amount, "The root of the mean squared error of a day: large misses count more."},
	{"r2", "R²", "R²", highest, ratio, "The share of the variance that the forecast explains. It looks good wherever large and small series are pooled: trust WAPE and MASE."},
	{"coverage_80", "80 % held", "80% held", near80, percent, "The share of open days on which sales were inside the 80 % interval: 80 % is right."},
	{"coverage_95", "95 % held", "95% held", near95, percent, "The same for the 95 % interval."},
	{score.IntervalScore80, "Interval score 80", "score 80", lowest, amount, "The width of the 80 % interval plus a fine for each miss: narrow and right is low."},
	{score.IntervalScore95, "Interval score 95", "score 95", lowest, amount, "The same for the 95 % interval."},
}

func (c column) of(m score.Metrics) float64 {
	v, _ := m.Value(c.metric)
	return v
}

// distance is how far a value is from the best that there can be.
func (c column) distance(v float64) float64 {
	switch c.best {
	case highest:
		return -v
	case nearZero:
		return math.Abs(v)
	case near80:
		return math.Abs(v - .80)
	case near95:
		return math.Abs(v - .95)
	default:
		return v
	}
}

const none = "–" // shown where a number is undefined

func defined(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func ratio(v float64) string {
	if !defined(v) {
		return none
	}
	return minus(strconv.FormatFloat(v, 'f', 3, 64))
}

func signed(v float64) string {
	if text := ratio(v); v > 0 && strings.Trim(text, "0.") != "" {
		return "+" + text
	}
	return ratio(v)
}

func percent(v float64) string {
	if !defined(v) {
		return none
	}
	return strconv.FormatFloat(100*v, 'f', 1, 64) + " %"
}

// amount shows a quantity of the target with about four digits.
func amount(v float64) string {
	switch {
	case !defined(v):
		return none
	case math.Abs(v) >= 1e9:
		return minus(strconv.FormatFloat(v, 'g', 4, 64))
	case math.Abs(v) >= 100:
		return minus(thousands(strconv.FormatFloat(v, 'f', 0, 64)))
	default:
		return minus(strconv.FormatFloat(v, 'f', 2, 64))
	}
}

// minus writes the sign as a minus, and none before a zero.
func minus(s string) string {
	digits, negative := strings.CutPrefix(s, "-")
	if !negative || strings.Trim(digits, "0.") == "" {
		return digits
	}
	return "−" + digits
}

func thousands(s string) string {
	digits, negative := strings.CutPrefix(s, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}

const unknown = "unknown"

// verdict says what an interval of a difference means.
func verdict(d score.Interval) string {
	switch {
	case d.Better():
		return "better"
	case d.Worse():
		return "worse"
	case !defined(d.Lower) || !defined(d.Upper):
		return unknown
	default:
		return "no clear difference"
	}
}

func bounds(d score.Interval) string {
	if !defined(d.Lower) || !defined(d.Upper) {
		return none
	}
	return fmt.Sprintf("%s to %s", signed(d.Lower), signed(d.Upper))
}

func labelOf(metric score.Metric) string {
	for _, c := range columns {
		if c.metric == metric {
			return c.label
		}
	}
	return string(metric)
}

// facts say what the report is about, in a line.
func (r Report) facts() string {
	facts := []string{"forecasts of " + r.Target + " by " + r.Level}
	if r.Target == "" || r.Level == "" {
		facts = facts[:0]
	}
	if r.Horizon > 0 {
		facts = append(facts, count(r.Horizon, "day")+" ahead")
	}
	switch n := len(r.Origins); n {
	case 0:
	case 1:
		facts = append(facts, fmt.Sprintf("1 origin, %s", r.Origins[0]))
	default:
		facts = append(facts, fmt.Sprintf("%s, %s to %s", count(n, "origin"), slices.Min(r.Origins), slices.Max(r.Origins)))
	}
	if r.DataTo > 0 {
		facts = append(facts, fmt.Sprintf("data of %s to %s", r.DataFrom, r.DataTo))
	}
	return strings.Join(append(facts, fmt.Sprintf("seed %d", r.Seed)), " · ")
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(strconv.Itoa(n)) + " " + thing + "s"
}

// summary says in a sentence which model is best, and by how much.
func (r Report) summary() string {
	if len(r.Models) == 0 || !defined(r.Models[0].Metrics.WAPE) {
		return "No model has a WAPE: nothing was sold on the days that were forecast, or nothing was forecast."
	}
	best := r.Models[0]
	text := fmt.Sprintf("Best by WAPE: %s, %s, with a bias of %s.", best.Model, ratio(best.Metrics.WAPE), signed(best.Metrics.Bias))
	closest := -1
	for i, a := range best.Against {
		if a.Difference.Metric == score.WAPE && (closest < 0 || a.Difference.Difference > best.Against[closest].Difference.Difference) {
			closest = i
		}
	}
	if closest < 0 {
		return text
	}
	a := best.Against[closest]
	text += fmt.Sprintf(" Against the best baseline, %s, that is %s", a.Baseline, signed(a.Difference.Difference))
	if verdict(a.Difference) == unknown {
		return text + "; there are too few series and origins to tell chance."
	}
	return text + fmt.Sprintf(" (%.0f %% interval %s): %s.", 100*a.Difference.Confidence, bounds(a.Difference), verdict(a.Difference))
}
