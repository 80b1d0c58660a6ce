package score

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Metric is the name of a number in Metrics, as JSON has it: "wape", "mase".
type Metric string

// The metrics that Difference compares: lower is better in all of them.
const (
	MAE             Metric = "mae"
	RMSE            Metric = "rmse"
	WAPE            Metric = "wape"
	EqualBiasWAPE   Metric = "equal_bias_wape"
	MASE            Metric = "mase"
	RMSSE           Metric = "rmsse"
	IntervalScore80 Metric = "interval_score_80"
	IntervalScore95 Metric = "interval_score_95"
)

var losses = []Metric{MAE, RMSE, WAPE, EqualBiasWAPE, MASE, RMSSE, IntervalScore80, IntervalScore95}

// counts and numbers are the fields of Metrics in JSON, in its order.
var counts = []struct {
	name string
	of   func(*Metrics) *int
}{
	{"n", func(m *Metrics) *int { return &m.N }},
	{"series", func(m *Metrics) *int { return &m.Series }},
	{"origins", func(m *Metrics) *int { return &m.Origins }},
	{"unscaled", func(m *Metrics) *int { return &m.Unscaled }},
	{"intervals_80", func(m *Metrics) *int { return &m.Intervals80 }},
	{"intervals_95", func(m *Metrics) *int { return &m.Intervals95 }},
}

var numbers = []struct {
	name Metric
	of   func(*Metrics) *float64
}{
	{MAE, func(m *Metrics) *float64 { return &m.MAE }},
	{RMSE, func(m *Metrics) *float64 { return &m.RMSE }},
	{"r2", func(m *Metrics) *float64 { return &m.R2 }},
	{WAPE, func(m *Metrics) *float64 { return &m.WAPE }},
	{"bias", func(m *Metrics) *float64 { return &m.Bias }},
	{"mean_bias", func(m *Metrics) *float64 { return &m.MeanBias }},
	{EqualBiasWAPE, func(m *Metrics) *float64 { return &m.EqualBiasWAPE }},
	{MASE, func(m *Metrics) *float64 { return &m.MASE }},
	{RMSSE, func(m *Metrics) *float64 { return &m.RMSSE }},
	{"pinball_025", func(m *Metrics) *float64 { return &m.Pinball[0] }},
	{"pinball_100", func(m *Metrics) *float64 { return &m.Pinball[1] }},
	{"pinball_500", func(m *Metrics) *float64 { return &m.Pinball[2] }},
	{"pinball_900", func(m *Metrics) *float64 { return &m.Pinball[3] }},
	{"pinball_975", func(m *Metrics) *float64 { return &m.Pinball[4] }},
	{"coverage_80", func(m *Metrics) *float64 { return &m.Coverage80 }},
	{"coverage_95", func(m *Metrics) *float64 { return &m.Coverage95 }},
	{IntervalScore80, func(m *Metrics) *float64 { return &m.IntervalScore80 }},
	{IntervalScore95, func(m *Metrics) *float64 { return &m.IntervalScore95 }},
}

// Value returns a metric by its name in JSON, and whether there is one.
func (m Metrics) Value(name Metric) (float64, bool) {
	for _, f := range numbers {
		if f.name == name {
			return *f.of(&m), true
		}
	}
	return math.NaN(), false
}

// MarshalJSON writes an object with snake_case keys in a fixed order: the counts
// n, series, origins, unscaled, intervals_80, intervals_95; then mae, rmse, r2,
// wape, bias, mean_bias, equal_bias_wape, mase, rmsse, pinball_025, pinball_100,
// pinball_500, pinball_900, pinball_975, coverage_80, coverage_95,
// interval_score_80, interval_score_95. A number that is NaN or infinite is null.
func (m Metrics) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for _, f := range counts {
		fmt.Fprintf(&b, "%q:%d,", f.name, *f.of(&m))
	}
	for i, f := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", f.name, jsonNumber(*f.of(&m)))
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

func jsonNumber(v float64) []byte {
	text, err := json.Marshal(v)
	if err != nil { // NaN or infinite: JSON has no such number
		return []byte("null")
	}
	return text
}

// UnmarshalJSON reads what MarshalJSON writes. Numbers that are null or missing
// are NaN, missing counts 0, and keys that are unknown are skipped.
func (m *Metrics) UnmarshalJSON(data []byte) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return fmt.Errorf("score: metrics: expected a JSON object: %w", err)
	}
	*m = Metrics{}
	for _, f := range counts {
		if raw, ok := values[f.name]; ok {
			if err := json.Unmarshal(raw, f.of(m)); err != nil {
				return fmt.Errorf("score: metrics: %s is %s, expected a whole number: %w", f.name, raw, err)
			}
		}
	}
	for _, f := range numbers {
		number := f.of(m)
		*number = math.NaN()
		if raw, ok := values[string(f.name)]; ok {
			if err := json.Unmarshal(raw, number); err != nil {
				return fmt.Errorf("score: metrics: %s is %s, expected a number or null: %w", f.name, raw, err)
			}
		}
	}
	return nil
}
