package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"example.com/shopstream/ml/score"
)

// Date is a day since 1970-01-01; in JSON it is "2006-01-02".
type Date int32

// String returns the date as "2006-01-02".
func (d Date) String() string { return score.DateOf(int32(d)) }

// MarshalText returns the date as "2006-01-02".
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a date such as "2006-01-02".
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("report: date %q, expected one such as 2006-01-02: %w", text, err)
	}
	*d = Date(t.Unix() / 86400)
	return nil
}

// Values are numbers, of which some may be missing: NaN, null in JSON.
type Values []float64

// MarshalJSON writes an array; a value that is NaN or infinite is null.
func (v Values) MarshalJSON() ([]byte, error) {
	numbers := make([]*float64, len(v))
	for i := range v {
		numbers[i] = finite(&v[i])
	}
	return json.Marshal(numbers)
}

// UnmarshalJSON reads an array; null is NaN.
func (v *Values) UnmarshalJSON(data []byte) error {
	var numbers []*float64
	if err := json.Unmarshal(data, &numbers); err != nil {
		return fmt.Errorf("report: values: expected an array of numbers and nulls: %w", err)
	}
	*v = make(Values, len(numbers))
	for i, n := range numbers {
		(*v)[i] = math.NaN()
		if n != nil {
			(*v)[i] = *n
		}
	}
	return nil
}

// MarshalJSON writes feature, gain and shap; NaN as null.
func (i Importance) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Feature string   `json:"feature"`
		Gain    *float64 `json:"gain"`
		SHAP    *float64 `json:"shap"`
	}{i.Feature, finite(&i.Gain), finite(&i.SHAP)})
}

// finite returns the number, or nil if JSON has none such.
func finite(v *float64) *float64 {
	if math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// JSON writes the report as one object, indented, with the keys of Report's
// fields in their order; nothing is left out. Metrics and differences have the
// keys that the score package documents. Models are sorted by WAPE, features by
// importance. Dates are "2006-01-02", generated is RFC 3339, a number that is
// unknown or undefined is null, and an empty list is [].
func JSON(w io.Writer, r Report) error {
	r, err := r.prepared()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(r.withoutNil(), "", "  ")
	if err != nil {
		return fmt.Errorf("report: write as JSON: %w", err)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("report: write as JSON: %w", err)
	}
	return nil
}

// withoutNil makes lists that are nil empty, for programs that expect lists.
func (r Report) withoutNil() Report {
	r.Origins, r.Notes = list(r.Origins), list(r.Notes)
	r.ByHorizon, r.BySegment, r.ByOrigin = list(r.ByHorizon), list(r.BySegment), list(r.ByOrigin)
	r.Importance = list(r.Importance)
	models := make([]Model, len(r.Models))
	for i, m := range r.Models {
		m.Against = list(m.Against)
		models[i] = m
	}
	r.Models = models
	r.Examples, r.Next = plotsWithoutNil(r.Examples), plotsWithoutNil(r.Next)
	return r
}

func plotsWithoutNil(plots []Plot) []Plot {
	out := make([]Plot, len(plots))
	for i, p := range plots {
		p.Days = list(p.Days)
		forecasts := make([]Forecast, len(p.Forecasts))
		for k, f := range p.Forecasts {
			f.Days = list(f.Days)
			forecasts[k] = f
		}
		p.Forecasts = forecasts
		out[i] = p
	}
	return out
}

func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}
