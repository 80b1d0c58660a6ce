package quality

import (
	"fmt"
	"strings"

	"example.com/shopstream/internal/warehouse"
)

// condition says which rows a rule looks at: terms that all hold, joined by
// "and". A term is
//
//	cancelled            a BOOL is true
//	not cancelled        it is false
//	order_lines = 0      an INT64, NUMERIC or STRING has that value
//	currency is null
//	currency is not null
type condition struct {
	text  string
	terms []term
}

type term struct {
	column string
	test   test
	text   string
	number int64
}

type test uint8

const (
	isTrue test = iota
	isFalse
	isNull
	isSet
	isNumber
	isText
)

func parseCondition(text string, t warehouse.Table) (condition, error) {
	c := condition{text: strings.Join(strings.Fields(text), " ")}
	if c.text == "" {
		return c, nil
	}
	for part := range strings.SplitSeq(c.text, " and ") {
		one, err := parseTerm(part, t)
		if err != nil {
			return c, err
		}
		c.terms = append(c.terms, one)
	}
	return c, nil
}

func parseTerm(text string, t warehouse.Table) (one term, err error) {
	words := strings.Split(text, " ")
	switch {
	case len(words) == 1:
		one = term{column: words[0], test: isTrue}
	case len(words) == 2 && words[0] == "not":
		one = term{column: words[1], test: isFalse}
	case len(words) == 3 && words[1] == "is" && words[2] == "null":
		one = term{column: words[0], test: isNull}
	case len(words) == 4 && words[1] == "is" && words[2] == "not" && words[3] == "null":
		one = term{column: words[0], test: isSet}
	case len(words) == 3 && words[1] == "=":
		one = term{column: words[0], test: isText, text: words[2]}
	default:
		return one, fmt.Errorf(`where: expected terms such as "cancelled", "not cancelled", "order_lines = 0", "currency is null" or "currency is not null", joined by "and", found %q`, text)
	}
	c, err := columnNamed(t, one.column)
	if err != nil {
		return one, fmt.Errorf("where: %w", err)
	}
	switch one.test {
	case isTrue, isFalse:
		if c.Type != warehouse.Bool {
			return one, fmt.Errorf("where: column %s alone: expected a BOOL, found a %s", c.Name, c.Type)
		}
	case isText:
		if c.Type == warehouse.String {
			break
		}
		one.test = isNumber
		if one.number, err = parseNumber(one.text, c); err != nil {
			return one, fmt.Errorf("where: %w", err)
		}
	}
	return one, nil
}

func (c condition) needs() []string {
	names := make([]string, len(c.terms))
	for i, one := range c.terms {
		names[i] = one.column
	}
	return names
}

// match marks the rows for which the condition holds; nil stands for all.
func (c condition) match(e *evaluation) []bool {
	if len(c.terms) == 0 {
		return nil
	}
	match := make([]bool, e.rows.Len())
	for i := range match {
		match[i] = true
	}
	for _, one := range c.terms {
		col := e.column(one.column)
		for i := range match {
			match[i] = match[i] && one.holds(col, i)
		}
	}
	return match
}

// holds is false for a NULL, but where the term asks for one.
func (t term) holds(c *column, i int) bool {
	if null := c.null(i); null || t.test == isNull {
		return null && t.test == isNull
	}
	switch t.test {
	case isTrue:
		return c.int(i) == 1
	case isFalse:
		return c.int(i) == 0
	case isNumber:
		return c.int(i) == t.number
	case isText:
		return c.text(i) == t.text
	}
	return true
}
