package sql

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/warehouse"
)

// Usage is an error of who asks: an unknown name, or a value of another type.
type Usage struct{ message string }

func (u *Usage) Error() string { return u.message }

// NewUsage returns a *Usage.
func NewUsage(format string, args ...any) error { return &Usage{fmt.Sprintf(format, args...)} }

// Unknown is the *Usage of a name that is not among the known ones: it suggests
// the nearest.
func Unknown(what, name string, known []string) error {
	switch near, ok := nearest(name, known); {
	case ok:
		return NewUsage("there is no %s %q: did you mean %s?", what, name, near)
	case len(known) == 0:
		return NewUsage("there is no %s %q, and no other", what, name)
	}
	return NewUsage("there is no %s %q: expected %s", what, name, strings.Join(known, ", "))
}

// nearest returns the name that is fewest changes away, if that is near: two
// letters or a third of them, but not all, or a beginning of it.
func nearest(name string, known []string) (string, bool) {
	best, at := "", math.MaxInt
	for _, k := range known {
		d := distance(name, k)
		if len(name) >= 3 && len(k) > len(name) && k[:len(name)] == name {
			d = 1
		}
		if d < at && d <= min(max(2, len(k)/3), len(k)-1) {
			best, at = k, d
		}
	}
	return best, best != ""
}

// distance is how many letters must be added, removed or changed to make one
// text of the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Bind returns the values of a query's parameters: those given as text, and the
// defaults of the others. The text NULL is no value, which most parameters take
// for "all"; a parameter with a default refuses it.
func (q Query) Bind(given map[string]string) (warehouse.Params, error) {
	out := warehouse.Params{}
	names := make([]string, len(q.Parameters))
	for i, p := range q.Parameters {
		names[i] = p.Name
		if text, ok := given[p.Name]; ok {
			p.Default = &text
			if text == "NULL" && q.Parameters[i].Default == nil {
				p.Default = nil
			}
		}
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		out[p.Name] = value
	}
	for name := range given {
		if !slices.Contains(names, name) {
			return nil, Unknown("parameter of "+q.Name, name, names)
		}
	}
	from, isFrom := out["from"].(civil.Date)
	if to, isTo := out["to"].(civil.Date); isFrom && isTo && from.After(to) {
		return nil, NewUsage("%s: from=%s is after to=%s: did you mean from=%[3]s and to=%[2]s?", q.Name, from, to)
	}
	return out, nil
}

var decimal = regexp.MustCompile(`^[+-]?\d{1,29}(\.\d{1,9})?$`)

// value is the parameter's default, of its type.
func (p Parameter) value() (any, error) {
	if p.Default == nil {
		return nil, known(p.Name, p.Type)
	}
	v, err := ParseValue("parameter "+p.Name, p.Type, *p.Default)
	if err != nil {
		return nil, err
	}
	if len(p.Values) > 0 && !slices.Contains(p.Values, *p.Default) {
		return nil, Unknown("value of "+p.Name, *p.Default, p.Values)
	}
	if n, ok := v.(int64); ok && p.Min != nil && n < *p.Min {
		return nil, NewUsage("parameter %s: expected %d or more, found %d", p.Name, *p.Min, n)
	}
	return v, nil
}

var examples = map[warehouse.Type]string{
	warehouse.Bool:      "true or false",
	warehouse.Int64:     "a whole number such as 10",
	warehouse.Float64:   "a number such as 0.5",
	warehouse.Numeric:   "a number such as 12.50, with at most 9 decimals",
	warehouse.String:    "a text",
	warehouse.Date:      "a date such as 2026-03-31",
	warehouse.Timestamp: "a time such as 2026-03-31T10:00:00Z",
}

func known(name string, t warehouse.Type) error {
	if _, ok := examples[t]; !ok {
		return Unknown("type (of "+name+")", string(t), []string{"BOOL", "INT64", "FLOAT64", "NUMERIC", "STRING", "DATE", "TIMESTAMP"})
	}
	return nil
}

// ParseValue reads the text of a value of a type. The error of another one is a
// *Usage that says what was expected of name.
func ParseValue(name string, t warehouse.Type, text string) (any, error) {
	var value any
	var err error
	switch t {
	case warehouse.Bool:
		value = text == "true"
		if text != "true" && text != "false" {
			err = strconv.ErrSyntax
		}
	case warehouse.Int64:
		value, err = strconv.ParseInt(text, 10, 64)
	case warehouse.Float64:
		value, err = strconv.ParseFloat(text, 64)
	case warehouse.Numeric:
		// big.Rat alone reads more: fractions, hexadecimals, and exponents that
		// take all memory.
		if !decimal.MatchString(text) {
			err = strconv.ErrSyntax
			break
		}
		value, _ = new(big.Rat).SetString(text)
	case warehouse.String:
		value = text
	case warehouse.Date:
		value, err = civil.ParseDate(text)
	case warehouse.Timestamp:
		var at time.Time
		at, err = time.Parse(time.RFC3339, text)
		value = at.UTC()
	default:
		return nil, known(name, t)
	}
	if err != nil {
		return nil, NewUsage("%s: expected %s (%s), found %q", name, examples[t], t, text)
	}
	return value, nil
}
