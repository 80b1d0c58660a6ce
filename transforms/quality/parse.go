package quality

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
)

// kinds makes an empty check of each kind.
var kinds = map[string]func() check{
	"not_null":        func() check { return &notNull{} },
	"unique":          func() check { return &unique{} },
	"range":           func() check { return &within{} },
	"accepted_values": func() check { return &accepted{} },
	"pattern":         func() check { return &pattern{} },
	"referential":     func() check { return &referential{} },
	"zero":            func() check { return &zero{} },
	"equals":          func() check { return &equals{} },
	"ordered":         func() check { return &ordered{} },
	"control_total":   func() check { return &controlTotal{} },
	"same_total":      func() check { return &sameTotal{} },
	"volume":          func() check { return &volume{} },
	"freshness":       func() check { return &freshness{} },
	"ledger_identity": func() check { return &ledgerIdentity{} },
	"sql":             func() check { return &sqlFile{} },
}

// About whole tables: there are no rows to set aside.
var aboutTables = []string{"control_total", "same_total", "volume", "freshness", "ledger_identity", "sql"}

// Without rows of the table: where means nothing.
var withoutRows = []string{"freshness", "ledger_identity", "sql"}

// Load reads the rules of a table from TABLE/quality.yaml, strictly, and holds
// them to its columns. Without that file there are no rules. Errors name the
// file and the line. fsys also has the schemas of the tables that rules refer to
// (TABLE/schema.yaml) and the checks in SQL (TABLE/checks/NAME.sql).
func Load(fsys fs.FS, t warehouse.Table) (Rules, error) {
	name := t.Name + "/quality.yaml"
	text, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return Rules{Table: t.Name, table: t}, nil
	}
	if err != nil {
		return Rules{}, err
	}
	return parse(name, text, &schemas{table: t, files: fsys})
}

// maxFileBytes bounds the work of the YAML parser.
const maxFileBytes = 1 << 20

// parse reads a file of the form
//
//	rules:
//	  - name: positive
//	    severity: quarantine
//	    where: not cancelled
//	    range: {columns: [quantity], min: 1}
//
// where the key of the last line is the kind.
func parse(name string, text []byte, s *schemas) (Rules, error) {
	r := Rules{Table: s.table.Name, table: s.table}
	fail := func(at *token.Token, err error) (Rules, error) {
		if at != nil && at.Position != nil {
			return Rules{}, fmt.Errorf("%s:%d: %w", name, at.Position.Line, err)
		}
		return Rules{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxFileBytes {
		return fail(nil, fmt.Errorf("expected a file of at most %d bytes, found %d", maxFileBytes, len(text)))
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		at, err := unwrap(err)
		return fail(at, err)
	}
	var list *ast.SequenceNode
	if len(file.Docs) == 1 {
		if m, ok := file.Docs[0].Body.(ast.MapNode); ok {
			for it := m.MapRange(); it.Next(); {
				if key := it.Key().GetToken(); key.Value != "rules" || list != nil {
					return fail(key, fmt.Errorf("expected rules and nothing else, found %q", key.Value))
				}
				list, _ = it.Value().(*ast.SequenceNode)
			}
		}
	}
	if list == nil || len(list.Values) == 0 {
		return fail(nil, errors.New("expected one document with rules: and a list of them"))
	}
	for _, node := range list.Values {
		rule, at, err := parseRule(node, s)
		if err != nil {
			return fail(at, err)
		}
		if slices.ContainsFunc(r.Rules, func(o Rule) bool { return o.Name == rule.Name }) {
			return fail(at, fmt.Errorf("rule %s is there twice", rule.Name))
		}
		r.Rules = append(r.Rules, rule)
	}
	return r, nil
}

// parseRule returns the rule, or the error and where it is.
func parseRule(node ast.Node, s *schemas) (rule Rule, at *token.Token, err error) {
	at = node.GetToken()
	m, ok := node.(ast.MapNode)
	if !ok {
		return rule, at, errors.New("expected a rule with a name, a severity and a kind, found something else")
	}
	var where string
	var whereAt, kindAt, severityAt *token.Token
	var body ast.Node
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken()
		if at == node.GetToken() {
			at = key
		}
		switch key.Value {
		case "name", "severity", "where":
			value, ok := it.Value().(*ast.StringNode)
			if !ok {
				return rule, key, fmt.Errorf("%s: expected a text", key.Value)
			}
			switch key.Value {
			case "name":
				rule.Name = value.Value
			case "severity":
				rule.Severity, severityAt = Severity(value.Value), key
			default:
				where, whereAt = value.Value, key
			}
		default:
			if kinds[key.Value] == nil {
				return rule, key, fmt.Errorf("expected name, severity, where or one of the kinds %s, found %q", strings.Join(sortedKeys(kinds), ", "), key.Value)
			}
			if body != nil {
				return rule, key, fmt.Errorf("expected one kind a rule, found %s and %s", rule.Kind, key.Value)
			}
			rule.Kind, kindAt, body = key.Value, key, it.Value()
		}
	}
	named := func(err error) error { return fmt.Errorf("rule %s: %w", rule.Name, err) }
	switch {
	case rule.Name == "" || strings.Trim(rule.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return rule, at, fmt.Errorf("expected a name of lower-case letters, digits and _, found %q", rule.Name)
	case body == nil:
		return rule, at, named(fmt.Errorf("expected one of the kinds %s, found none", strings.Join(sortedKeys(kinds), ", ")))
	case severityAt == nil || !slices.Contains([]Severity{Warn, Quarantine, Fail}, rule.Severity):
		return rule, at, named(fmt.Errorf("expected a severity of %s, %s or %s, found %q", Warn, Quarantine, Fail, rule.Severity))
	case rule.Severity == Quarantine && slices.Contains(aboutTables, rule.Kind):
		return rule, severityAt, named(fmt.Errorf("%s is not about single rows, so there is nothing to quarantine: take %s or %s", rule.Kind, Warn, Fail))
	case rule.Severity == Quarantine && s.table.SumsOf != "":
		return rule, severityAt, named(fmt.Errorf("a row of %s sums rows of %s, and other tables sum them too: set those aside, with a rule of %s, or take %s or %s", s.table.Name, s.table.SumsOf, s.table.SumsOf, Warn, Fail))
	case where != "" && slices.Contains(withoutRows, rule.Kind):
		return rule, whereAt, named(fmt.Errorf("%s does not look at rows: leave where out", rule.Kind))
	}
	rule.check = kinds[rule.Kind]()
	if err := yaml.NodeToValue(body, rule.check, yaml.Strict()); err != nil {
		at, err := unwrap(err)
		if at == nil {
			at = kindAt
		}
		return rule, at, named(fmt.Errorf("%s: %w", rule.Kind, err))
	}
	for _, name := range rule.check.needs() {
		if _, err := columnNamed(s.table, name); err != nil {
			return rule, kindAt, named(fmt.Errorf("%s: %w", rule.Kind, err))
		}
	}
	if err := rule.check.validate(s); err != nil {
		return rule, kindAt, named(fmt.Errorf("%s: %w", rule.Kind, err))
	}
	if rule.where, err = parseCondition(where, s.table); err != nil {
		return rule, whereAt, named(err)
	}
	if f, ok := rule.check.(*sqlFile); ok {
		rule.SQL = f.File
	}
	return rule, at, nil
}

// unwrap takes the line apart from an error of the YAML library, whose text
// would have several lines.
func unwrap(err error) (*token.Token, error) {
	var y yaml.Error
	if errors.As(err, &y) {
		return y.GetToken(), errors.New(y.GetMessage())
	}
	return nil, err
}

// schemas are what the rules of a table are held to.
type schemas struct {
	table warehouse.Table
	files fs.FS
}

// other returns another table.
func (s *schemas) other(name string) (warehouse.Table, error) {
	if name == "" || strings.Contains(name, "/") {
		return warehouse.Table{}, fmt.Errorf("expected the name of a table, found %q", name)
	}
	if name == s.table.Name {
		return warehouse.Table{}, fmt.Errorf("expected another table, found %s itself", name)
	}
	text, err := fs.ReadFile(s.files, name+"/schema.yaml")
	if err != nil {
		return warehouse.Table{}, fmt.Errorf("there is no table %q: %w", name, err)
	}
	return warehouse.ParseTable(text)
}

// types holds columns, one or more, to types.
func (s *schemas) types(names []string, allowed ...warehouse.Type) error {
	if err := atLeast("columns", names, 1); err != nil {
		return err
	}
	for _, name := range names {
		c, _ := s.table.Column(name)
		if err := typed(c, allowed...); err != nil {
			return err
		}
	}
	return nil
}

func typed(c warehouse.Column, allowed ...warehouse.Type) error {
	if slices.Contains(allowed, c.Type) {
		return nil
	}
	words := make([]string, len(allowed))
	for i, t := range allowed {
		words[i] = string(t)
	}
	return fmt.Errorf("column %s: expected a type of %s, found %s", c.Name, strings.Join(words, ", "), c.Type)
}

func columnNamed(t warehouse.Table, name string) (warehouse.Column, error) {
	c, ok := t.Column(name)
	if ok {
		return c, nil
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return c, fmt.Errorf("table %s has no column %q; it has %s", t.Name, name, strings.Join(names, ", "))
}

// atLeast asks for a list of different texts.
func atLeast(what string, list []string, n int) error {
	if len(list) < n {
		return fmt.Errorf("%s: expected %d or more, found %d", what, n, len(list))
	}
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			return fmt.Errorf("%s: %s is there twice", what, v)
		}
	}
	return nil
}

// decimal is a number as it stands in the file, so that it stays exact.
type decimal string

// UnmarshalYAML takes the text of a number.
func (d *decimal) UnmarshalYAML(n ast.Node) error {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		*d = decimal(n.GetToken().Value)
		return nil
	case *ast.StringNode: // the library takes 1e+06 for one
		*d = decimal(n.Value)
		return nil
	}
	return fmt.Errorf("expected a number, found %s", n)
}

// parseNumber reads a value of an INT64 or NUMERIC column.
func parseNumber(text string, c warehouse.Column) (int64, error) {
	switch c.Type {
	case warehouse.Int64:
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("column %s: expected a whole number, found %q", c.Name, text)
		}
		return v, nil
	case warehouse.Numeric:
		v, err := shop.ParseMoney(text)
		return int64(v), err
	}
	return 0, typed(c, warehouse.Int64, warehouse.Numeric, warehouse.Float64)
}

func (k *within) ints(c warehouse.Column) (low, high int64, err error) {
	low, high = math.MinInt64, math.MaxInt64
	if k.Min != nil {
		if low, err = parseNumber(string(*k.Min), c); err != nil {
			return 0, 0, err
		}
	}
	if k.Max != nil {
		high, err = parseNumber(string(*k.Max), c)
	}
	return low, high, err
}

func (k *within) floats() (low, high float64, err error) {
	low, high = math.Inf(-1), math.Inf(1)
	if k.Min != nil {
		if low, err = parseFloat(string(*k.Min)); err != nil {
			return 0, 0, err
		}
	}
	if k.Max != nil {
		high, err = parseFloat(string(*k.Max))
	}
	return low, high, err
}

func parseFloat(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("expected a number, found %q", text)
	}
	return v, nil
}
