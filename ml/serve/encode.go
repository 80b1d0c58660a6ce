package serve

import (
	"encoding/json"
	"math"
	"strconv"

	"example.com/shopstream/ml/forecast"
)

// fragment is the JSON of one series' forecast of one target, without its tail,
// cut so that any range of days is a piece of it.
type fragment struct {
	head []byte  // up to the list of days
	days []byte  // the days, each with a comma behind it
	ends []int32 // where each day ends in days
}

const fragmentTail = "]}"

// appendTo appends the forecast of the days from the first up to, and without,
// the last.
func (f *fragment) appendTo(dst []byte, from, to int) []byte {
	begin := int32(0)
	if from > 0 {
		begin = f.ends[from-1]
	}
	dst = append(dst, f.head...)
	dst = append(dst, f.days[begin:f.ends[to-1]-1]...)
	return append(dst, fragmentTail...)
}

// size is at least what appendTo appends.
func (f *fragment) size() int { return len(f.head) + len(f.days) + len(fragmentTail) }

// seriesHead is what a forecast says before its days.
type seriesHead struct {
	Level        forecast.Level    `json:"level"`
	Series       string            `json:"series"`
	Category     string            `json:"category,omitempty"`
	Target       forecast.Target   `json:"target"`
	Arm          string            `json:"arm"`
	ModelVersion string            `json:"model_version"`
	Fallback     forecast.Fallback `json:"fallback,omitempty"`
	Forecasts    []struct{}        `json:"forecasts"` // filled in by the days
}

// newFragment encodes the lines of one series and target, in the order of days.
func newFragment(lines []forecast.Line, a arm, version string) (fragment, error) {
	first := &lines[0]
	head, err := json.Marshal(seriesHead{
		Level: first.Level, Series: first.Series, Category: first.Category, Target: first.Target,
		Arm: a.String(), ModelVersion: version, Fallback: first.Fallback, Forecasts: []struct{}{},
	})
	if err != nil {
		return fragment{}, err
	}
	f := fragment{head: head[:len(head)-len(fragmentTail)]}
	for i := range lines {
		f.days = append(appendDay(f.days, &lines[i]), ',')
		f.ends = append(f.ends, int32(len(f.days))) //nolint:gosec // a few days of some hundred bytes
	}
	return f, nil
}

func appendDay(dst []byte, l *forecast.Line) []byte {
	dst = append(dst, `{"date":"`...)
	dst = append(dst, l.Day.String()...)
	dst = append(dst, `","horizon":`...)
	dst = strconv.AppendInt(dst, int64(l.Horizon), 10)
	dst = append(dst, ',')
	return append(appendPrediction(dst, l.Prediction), '}')
}

// appendPrediction appends the fields of a prediction.
func appendPrediction(dst []byte, p forecast.Prediction) []byte {
	for i, field := range [...]struct {
		name  string
		value float64
	}{
		{"point", p.Point},
		{"mean", p.Mean},
		{"lower_80", p.Lower80},
		{"upper_80", p.Upper80},
		{"lower_95", p.Lower95},
		{"upper_95", p.Upper95},
	} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, field.name...)
		dst = append(dst, `":`...)
		dst = appendNumber(dst, field.value)
	}
	return dst
}

// appendNumber appends a number rounded to 4 decimals (more would be noise, and
// longer), or null for one that is not finite.
func appendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	const scale = 1e4
	if rounded := math.Round(v*scale) / scale; !math.IsInf(rounded, 0) {
		v = rounded
	}
	return strconv.AppendFloat(dst, v+0, 'f', -1, 64) // + 0 turns -0 into 0
}

// number is a float64 that is written like those of forecasts.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) { return appendNumber(nil, float64(n)), nil }

// prediction is a forecast.Prediction in JSON.
type prediction forecast.Prediction

// MarshalJSON implements json.Marshaler.
func (p prediction) MarshalJSON() ([]byte, error) {
	return append(appendPrediction([]byte{'{'}, forecast.Prediction(p)), '}'), nil
}
