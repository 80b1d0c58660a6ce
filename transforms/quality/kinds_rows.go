package quality

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/shopstream/internal/warehouse"
)

// Rules about single rows. NULL breaks none of them but not_null.

// notNull: no NULL, and no empty text.
type notNull struct {
	Columns []string `yaml:"columns"`
}

func (k *notNull) needs() []string { return k.Columns }

func (k *notNull) validate(*schemas) error { return atLeast("columns", k.Columns, 1) }

func (k *notNull) evaluate(e *evaluation) []finding {
	return e.each(k.Columns, func(string) string { return "not NULL" }, func(c *column) []int {
		return e.breaking(func(i int) bool { return !c.null(i) && (c.form != isString || c.text(i) != "") })
	})
}

// within: a number is min or more, and max or less. NaN breaks it.
type within struct {
	Columns []string `yaml:"columns"`
	Min     *decimal `yaml:"min"`
	Max     *decimal `yaml:"max"`
}

func (k *within) needs() []string { return k.Columns }

func (k *within) validate(s *schemas) error {
	if k.Min == nil && k.Max == nil {
		return fmt.Errorf("expected min, max or both, found neither")
	}
	for _, name := range k.Columns {
		c, _ := s.table.Column(name)
		if c.Type == warehouse.Float64 {
			low, high, err := k.floats()
			if err == nil && low > high {
				err = fmt.Errorf("min %s is above max %s", *k.Min, *k.Max)
			}
			if err != nil {
				return err
			}
			continue
		}
		low, high, err := k.ints(c)
		if err != nil {
			return err
		}
		if low > high {
			return fmt.Errorf("min %s is above max %s", *k.Min, *k.Max)
		}
	}
	return atLeast("columns", k.Columns, 1)
}

func (k *within) threshold(string) string {
	switch {
	case k.Max == nil:
		return string(*k.Min) + " or more"
	case k.Min == nil:
		return string(*k.Max) + " or less"
	}
	return string(*k.Min) + " to " + string(*k.Max)
}

func (k *within) evaluate(e *evaluation) []finding {
	return e.each(k.Columns, k.threshold, func(c *column) []int {
		if c.typ == warehouse.Float64 {
			low, high, _ := k.floats()
			return e.breaking(func(i int) bool {
				if c.null(i) {
					return true
				}
				v := c.float(i)
				return v >= low && v <= high
			})
		}
		low, high, _ := k.ints(warehouse.Column{Type: c.typ})
		return e.breaking(func(i int) bool {
			if c.null(i) {
				return true
			}
			v := c.int(i)
			return v >= low && v <= high
		})
	})
}

// accepted: a text is one of a list.
type accepted struct {
	Columns []string `yaml:"columns"`
	Values  []string `yaml:"values"`
}

func (k *accepted) needs() []string { return k.Columns }

func (k *accepted) validate(s *schemas) error {
	if err := atLeast("values", k.Values, 1); err != nil {
		return err
	}
	return s.types(k.Columns, warehouse.String)
}

func (k *accepted) evaluate(e *evaluation) []finding {
	return e.each(k.Columns, func(string) string { return "one of " + strings.Join(k.Values, ", ") }, func(c *column) []int {
		return e.breaking(func(i int) bool { return c.null(i) || slices.Contains(k.Values, c.text(i)) })
	})
}

// pattern: a text matches a regular expression as a whole.
type pattern struct {
	Columns []string `yaml:"columns"`
	Match   string   `yaml:"match"`

	re *regexp.Regexp
}

func (k *pattern) needs() []string { return k.Columns }

func (k *pattern) validate(s *schemas) (err error) {
	if k.Match == "" {
		return fmt.Errorf("match: expected a regular expression, found none")
	}
	if _, err = regexp.Compile(k.Match); err == nil {
		k.re, err = regexp.Compile(`\A(?:` + k.Match + `)\z`)
	}
	if err != nil {
		return fmt.Errorf("match: expected a regular expression: %w", err)
	}
	return s.types(k.Columns, warehouse.String)
}

// remembered bounds how many verdicts on texts a pattern keeps: columns worth a
// pattern mostly have few values.
const remembered = 4096

func (k *pattern) evaluate(e *evaluation) []finding {
	return e.each(k.Columns, func(string) string { return "matches " + k.Match }, func(c *column) []int {
		verdicts := map[string]bool{}
		return e.breaking(func(i int) bool {
			if c.null(i) {
				return true
			}
			text := c.text(i)
			ok, known := verdicts[text]
			if !known {
				if ok = k.re.MatchString(text); len(verdicts) < remembered {
					verdicts[text] = ok
				}
			}
			return ok
		})
	})
}

// referential: a text is one of the values of another table's column on the same
// date.
type referential struct {
	Columns []string  `yaml:"columns"`
	In      reference `yaml:"in"`
}

func (k *referential) needs() []string { return k.Columns }

type reference struct {
	Table  string `yaml:"table"`
	Column string `yaml:"column"`
}

func (k *referential) validate(s *schemas) error {
	other, err := s.other(k.In.Table)
	if err != nil {
		return fmt.Errorf("in: %w", err)
	}
	c, err := columnNamed(other, k.In.Column)
	if err != nil {
		return fmt.Errorf("in: %w", err)
	}
	if c.Type != warehouse.String {
		return fmt.Errorf("in: column %s of table %s: expected a STRING, found a %s", c.Name, other.Name, c.Type)
	}
	return s.types(k.Columns, warehouse.String)
}

func (k *referential) evaluate(e *evaluation) []finding {
	threshold := func(string) string { return "in " + k.In.Table + "." + k.In.Column }
	rows, ok := e.context.Tables[k.In.Table]
	var known column
	if ok {
		known, ok = rows.column(k.In.Column)
	}
	if !ok || known.typ != warehouse.String {
		out := make([]finding, len(k.Columns))
		for i, name := range k.Columns {
			out[i] = unknown(name, threshold(name), "table "+k.In.Table+" has no rows for this date")
		}
		return out
	}
	values := map[string]struct{}{}
	for i := range rows.Len() {
		if !known.null(i) {
			values[known.text(i)] = struct{}{}
		}
	}
	return e.each(k.Columns, threshold, func(c *column) []int {
		return e.breaking(func(i int) bool {
			if c.null(i) {
				return true
			}
			_, ok := values[c.text(i)]
			return ok
		})
	})
}

// zero: numbers are 0; with where, under a condition.
type zero struct {
	Columns []string `yaml:"columns"`
}

func (k *zero) needs() []string { return k.Columns }

func (k *zero) validate(s *schemas) error {
	return s.types(k.Columns, warehouse.Int64, warehouse.Numeric)
}

func (k *zero) evaluate(e *evaluation) []finding {
	return e.each(k.Columns, func(string) string { return "0" }, func(c *column) []int {
		return e.breaking(func(i int) bool { return c.null(i) || c.int(i) == 0 })
	})
}
