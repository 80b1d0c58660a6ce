package forecast

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec lists the features of a model, in the order of its columns: one text for
// fit and predict, kept in the model's manifest. A feature is written as a
// function of what it looks at:
//
//	lag(y,3)               value 3 open days before the forecast begins
//	mean(y,12)             mean of the last 12 open days; also median, max, min, sd
//	quantile(y,24,0.75)    quantile of the last 24 open days
//	ewm(y,0.1)             exponentially weighted mean over all open days
//	ratio(y,12,48)         mean of the last 12 open days over that of the last 48
//	active(24)             share of the last 24 open days with a sale
//	since_sale(60)         open days since the last sale, at most 60
//	age(150)               open days since the first sale, at most 150
//	per_order              pieces an order over the last 48 open days
//	price_level(12)        all-time mean price over the mean of the last 12 open days
//	price_change           last price over the mean of the last 48 open days
//	same_weekday(2)        value on the weekday of the day forecast, 2 weeks back
//	weekday_mean(8)        mean of its last 8 values; also weekday_median
//	weekday, horizon, index, month, day_of_month, week_of_year, holiday
//	                       of the day forecast; index is its place among open days
//	fourier_sin(365.25,1)  seasonality of a period in days, and its order; also fourier_cos
//	category, product      number of the name in the model's vocabulary, categorical
//	category_mean(24)      mean of the last 24 open days over the category's series
//
// y is the target; w the target, each day capped at the 95 % quantile of the 96
// open days up to it; orders the orders a day. Windows count days on which the
// shop was open.
//
// A feature sees the open days before the forecast begins and the calendar of
// the day forecast, nothing else. Where there is nothing to look at, it is NaN.
type Spec []Feature

// Feature is one call: its name and arguments.
type Feature struct {
	name string
	of   string // y, w or orders; "" where the function has no series argument
	args []float64
}

// functions are the features with the number of their numeric arguments.
var functions = map[string]struct {
	series  bool
	numbers int
	check   func(args []float64) bool
}{
	"lag": {true, 1, count}, "mean": {true, 1, count}, "median": {true, 1, count}, "max": {true, 1, count}, "min": {true, 1, count},
	"sd": {true, 1, count}, "quantile": {true, 2, func(a []float64) bool { return count(a[:1]) && a[1] >= 0 && a[1] <= 1 }},
	"ewm": {true, 1, func(a []float64) bool { return a[0] > 0 && a[0] <= 1 }}, "ratio": {true, 2, count},
	"active": {false, 1, count}, "since_sale": {false, 1, count}, "age": {false, 1, count}, "per_order": {},
	"price_level": {false, 1, count}, "price_change": {}, "same_weekday": {false, 1, count}, "weekday_mean": {false, 1, count},
	"weekday_median": {false, 1, count}, "weekday": {}, "horizon": {}, "index": {}, "month": {}, "day_of_month": {},
	"week_of_year": {}, "holiday": {}, "category": {}, "product": {}, "category_mean": {false, 1, count},
	"fourier_sin": {false, 2, period}, "fourier_cos": {false, 2, period},
}

const maxWindow = 5000 // open days

func count(args []float64) bool {
	for _, a := range args {
		if a < 1 || a > maxWindow || a != math.Trunc(a) {
			return false
		}
	}
	return true
}

func period(args []float64) bool { return args[0] >= 2 && args[0] <= 1e4 && count(args[1:]) }

// ParseSpec reads features, one a text.
func ParseSpec(texts []string) (Spec, error) {
	spec := make(Spec, 0, len(texts))
	for _, text := range texts {
		f, err := parseFeature(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(spec, func(g Feature) bool { return g.String() == f.String() }) {
			return nil, fmt.Errorf("the feature %s is there twice", f)
		}
		spec = append(spec, f)
	}
	if len(spec) == 0 {
		return nil, fmt.Errorf("there is no feature: a model needs at least one")
	}
	return spec, nil
}

func parseFeature(text string) (Feature, error) {
	name, rest, call := strings.Cut(strings.ReplaceAll(text, " ", ""), "(")
	f := Feature{name: name}
	kind, ok := functions[name]
	if !ok {
		return f, fmt.Errorf("there is no feature %q: see the documentation of Spec", text)
	}
	var args []string
	if call {
		inner, closed := strings.CutSuffix(rest, ")")
		if !closed {
			return f, fmt.Errorf("the feature %q has no closing parenthesis", text)
		}
		args = strings.Split(inner, ",")
	}
	if kind.series {
		if len(args) == 0 || !slices.Contains([]string{"y", "w", "orders"}, args[0]) {
			return f, fmt.Errorf("the feature %q does not say what it looks at: expected y, w or orders", text)
		}
		f.of, args = args[0], args[1:]
	}
	if len(args) != kind.numbers {
		return f, fmt.Errorf("the feature %q has %d numbers: expected %d", text, len(args), kind.numbers)
	}
	for _, a := range args {
		v, err := strconv.ParseFloat(a, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return f, fmt.Errorf("the feature %q has the argument %q: expected a number", text, a)
		}
		f.args = append(f.args, v)
	}
	if kind.check != nil && !kind.check(f.args) {
		return f, fmt.Errorf("the feature %q has a number out of range: windows are whole numbers from 1 to %d, factors and quantiles in 0…1", text, maxWindow)
	}
	return f, nil
}

// String is the form that ParseSpec reads.
func (f Feature) String() string {
	var args []string
	if f.of != "" {
		args = append(args, f.of)
	}
	for _, a := range f.args {
		args = append(args, strconv.FormatFloat(a, 'g', -1, 64))
	}
	if len(args) == 0 {
		return f.name
	}
	return f.name + "(" + strings.Join(args, ",") + ")"
}

// Strings returns the features as ParseSpec reads them.
func (s Spec) Strings() []string {
	texts := make([]string, len(s))
	for i, f := range s {
		texts[i] = f.String()
	}
	return texts
}

// MarshalJSON writes the features' texts.
func (s Spec) MarshalJSON() ([]byte, error) { return json.Marshal(s.Strings()) }

// UnmarshalJSON reads them.
func (s *Spec) UnmarshalJSON(data []byte) error {
	var texts []string
	if err := json.Unmarshal(data, &texts); err != nil {
		return fmt.Errorf("a list of features is a list of texts: %w", err)
	}
	spec, err := ParseSpec(texts)
	if err != nil {
		return err
	}
	*s = spec
	return nil
}

// categorical reports whether the feature's values are names' numbers.
func (f Feature) categorical() bool { return f.name == "category" || f.name == "product" }

// ofDay reports whether the feature depends on the day that is forecast; all
// others depend on where the forecast begins alone.
func (f Feature) ofDay() bool {
	switch f.name {
	case "same_weekday", "weekday_mean", "weekday_median", "weekday", "horizon", "index", "month", "day_of_month", "week_of_year",
		"holiday", "fourier_sin", "fourier_cos":
		return true
	}
	return false
}

// known is what a feature may look at: open days before the forecast begins.
type known struct {
	y, w, orders []float64 // since the first sale
	price        []float64 // NaN without a sale
	weekdays     []time.Weekday
	category     []float64 // mean over the category's series, as long as y
	names        map[string]float64
	id, group    string  // names of the series and its category
	priceNow     float64 // a price to assume; NaN is the last one
}

// aim is the day that is forecast.
type aim struct {
	day     Day
	horizon int // calendar days from the beginning, 1 for the first
	index   int // place among the open days, 0 for the panel's first
	holiday bool
}

func (k *known) of(name string) []float64 {
	switch name {
	case "w":
		return k.w
	case "orders":
		return k.orders
	}
	return k.y
}

// value computes a feature.
func (f Feature) value(k *known, at aim) float64 {
	arg := func(i int) int { return int(f.args[i]) }
	switch f.name {
	case "lag":
		if vs, n := k.of(f.of), arg(0); n <= len(vs) {
			return vs[len(vs)-n]
		}
		return math.NaN()
	case "mean":
		return meanOrNaN(last(k.of(f.of), arg(0)))
	case "median":
		return quantile(sorted(last(k.of(f.of), arg(0))), 0.5)
	case "max":
		return quantile(sorted(last(k.of(f.of), arg(0))), 1)
	case "min":
		return quantile(sorted(last(k.of(f.of), arg(0))), 0)
	case "quantile":
		return quantile(sorted(last(k.of(f.of), arg(0))), f.args[1])
	case "sd":
		return deviation(last(k.of(f.of), arg(0)))
	case "ewm":
		state := math.NaN()
		for _, v := range k.of(f.of) {
			state = smooth(state, v, f.args[0])
		}
		return state
	case "ratio":
		return over(meanOrNaN(last(k.of(f.of), arg(0))), meanOrNaN(last(k.of(f.of), arg(1))))
	case "active":
		return active(last(k.y, arg(0)))
	case "since_sale":
		return sinceSale(k.y, arg(0))
	case "age":
		return float64(min(len(k.y), arg(0)))
	case "per_order":
		return over(sum(last(k.y, 48)), sum(last(k.orders, 48)))
	case "price_level":
		return over(meanOfKnown(k.price), meanOfKnown(last(k.price, arg(0))))
	case "price_change":
		now := k.priceNow
		if math.IsNaN(now) {
			now = lastKnown(k.price)
		}
		return over(now, meanOfKnown(last(k.price, 48)))
	case "category_mean":
		return meanOrNaN(last(k.category, arg(0)))
	case "category":
		return k.name("category:" + k.group)
	case "product":
		return k.name("product:" + k.id)
	}
	return f.valueOfDay(k, at)
}

// valueOfDay computes a feature that depends on the day forecast.
func (f Feature) valueOfDay(k *known, at aim) float64 {
	date := at.day.Time()
	switch f.name {
	case "same_weekday":
		if vs := k.sameWeekday(at.day.Weekday(), int(f.args[0])); len(vs) == int(f.args[0]) {
			return vs[0]
		}
		return math.NaN()
	case "weekday_mean":
		return meanOrNaN(k.sameWeekday(at.day.Weekday(), int(f.args[0])))
	case "weekday_median":
		return quantile(sorted(k.sameWeekday(at.day.Weekday(), int(f.args[0]))), 0.5)
	case "weekday":
		return float64(at.day.Weekday())
	case "horizon":
		return float64(at.horizon)
	case "index":
		return float64(at.index)
	case "month":
		return float64(date.Month())
	case "day_of_month":
		return float64(date.Day())
	case "week_of_year":
		_, week := date.ISOWeek()
		return float64(week)
	case "holiday":
		if at.holiday {
			return 1
		}
		return 0
	case "fourier_sin":
		return math.Sin(2 * math.Pi * f.args[1] * float64(at.day) / f.args[0])
	case "fourier_cos":
		return math.Cos(2 * math.Pi * f.args[1] * float64(at.day) / f.args[0])
	}
	panic("every function of ParseSpec has a value: " + f.name)
}

// sameWeekday returns the last n values on a weekday, oldest first.
func (k *known) sameWeekday(w time.Weekday, n int) []float64 {
	var vs []float64
	for i := len(k.y) - 1; i >= 0 && len(vs) < n; i-- {
		if k.weekdays[i] == w {
			vs = append(vs, k.y[i])
		}
	}
	slices.Reverse(vs)
	return vs
}

func (k *known) name(key string) float64 {
	if n, ok := k.names[key]; ok {
		return n
	}
	return math.NaN() // not seen in the fit
}

func meanOrNaN(vs []float64) float64 {
	if len(vs) == 0 {
		return math.NaN()
	}
	return mean(vs)
}

// meanOfKnown is the mean of the values that are not NaN.
func meanOfKnown(vs []float64) float64 {
	total, n := 0.0, 0
	for _, v := range vs {
		if !math.IsNaN(v) {
			total += v
			n++
		}
	}
	return over(total, float64(n))
}

func lastKnown(vs []float64) float64 {
	for _, v := range slices.Backward(vs) {
		if !math.IsNaN(v) {
			return v
		}
	}
	return math.NaN()
}

// deviation is the standard deviation of the values as a population.
func deviation(vs []float64) float64 {
	m, ss := meanOrNaN(vs), 0.0
	for _, v := range vs {
		ss += (v - m) * (v - m)
	}
	return math.Sqrt(over(ss, float64(len(vs))))
}

// over divides; NaN by 0.
func over(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

func active(vs []float64) float64 {
	n := 0
	for _, v := range vs {
		if v > 0 {
			n++
		}
	}
	return over(float64(n), float64(len(vs)))
}

func sinceSale(vs []float64, most int) float64 {
	for i, v := range slices.Backward(vs) {
		if v > 0 {
			return float64(min(most, len(vs)-1-i))
		}
	}
	return float64(most)
}

func sorted(vs []float64) []float64 {
	vs = slices.Clone(vs)
	slices.Sort(vs)
	return vs
}
