package quality

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"example.com/shopstream/internal/warehouse"
)

// rowCount is what counts rows where a column would be summed.
const rowCount = "rows"

// measures are sums over a table's rows: of columns, or the number of rows; apart
// for each value of the columns by. Amounts have to be apart by currency.
type measures struct{ columns, by []string }

func (m measures) needs() []string {
	return slices.DeleteFunc(slices.Concat(m.columns, m.by), func(name string) bool { return name == rowCount })
}

// most is how many columns a sum can be apart by.
const most = 2

func (m measures) check(s *schemas, mostBy int) error {
	if err := atLeast("columns", m.columns, 1); err != nil {
		return err
	}
	if len(m.by) > mostBy {
		return fmt.Errorf("by: expected at most %d columns, found %d", mostBy, len(m.by))
	}
	if len(m.by) > 0 {
		if err := s.types(m.by, warehouse.String); err != nil {
			return fmt.Errorf("by: %w", err)
		}
	}
	_, currencies := s.table.Column("currency")
	for _, name := range m.columns {
		if name == rowCount {
			continue
		}
		c, _ := s.table.Column(name)
		if err := typed(c, warehouse.Int64, warehouse.Numeric); err != nil {
			return err
		}
		if c.Type == warehouse.Numeric && currencies && !slices.Contains(m.by, "currency") {
			return fmt.Errorf("column %s: amounts of different currencies are never added up: add by: [currency]", name)
		}
	}
	return nil
}

// group is the values of the columns by; the empty text stands for NULL.
type group [most]string

// label words a group for people and in the names of controls: GBP, home/GBP.
func (g group) label(by int) string { return strings.Join(g[:by], "/") }

type sums map[group]wide

// sum sums a column, or counts rows, of those that match marks (nil: all). It is
// false if the rows lack a column of that type.
func sum(rows Rows, match []bool, name string, t warehouse.Type, by []string) (sums, bool) {
	var value column
	if name != rowCount {
		var ok bool
		if value, ok = rows.column(name); !ok || value.typ != t {
			return nil, false
		}
	}
	keys := make([]column, len(by))
	for i, b := range by {
		var ok bool
		if keys[i], ok = rows.column(b); !ok || keys[i].typ != warehouse.String {
			return nil, false
		}
	}
	found := map[group]*wide{{}: {}}
	for i := range rows.Len() {
		if match != nil && !match[i] {
			continue
		}
		v := int64(1)
		if name != rowCount {
			if value.null(i) {
				continue
			}
			v = value.int(i)
		}
		var g group
		for n := range keys {
			if !keys[n].null(i) {
				g[n] = keys[n].text(i)
			}
		}
		total := found[g]
		if total == nil {
			total = &wide{}
			found[g] = total
		}
		total.add(wideOf(v))
	}
	out := sums{}
	for g, total := range found {
		out[g] = *total
	}
	return out, true
}

// differ says where sums are not those wanted; one that is not there is 0.
func (have sums) differ(f *finding, want sums, by int, t warehouse.Type) {
	var wrong []string
	largest := 0.0
	for _, g := range sortedGroups(have, want) {
		if have[g] == want[g] {
			continue
		}
		largest = max(largest, math.Abs(have[g].minus(want[g]).float(t)))
		text := have[g].render(t) + " instead of " + want[g].render(t)
		if by > 0 {
			text = quote(g.label(by)) + ": " + text
		}
		wrong = append(wrong, text)
	}
	f.measured, f.failed = &largest, len(wrong) > 0
	f.detail = strings.Join(wrong[:min(shownRows, len(wrong))], "; ")
	if more := len(wrong) - shownRows; more > 0 {
		f.detail += fmt.Sprintf("; and %d more", more)
	}
}

func sortedGroups(all ...sums) []group {
	var out []group
	for _, s := range all {
		for g := range s {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b group) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

// controlTotal: sums are those that were made apart from the tables.
type controlTotal struct {
	Columns []string `yaml:"columns"`
	By      []string `yaml:"by"`
	Control string   `yaml:"control"` // name of the total; that of the column if it is empty
}

func (k *controlTotal) needs() []string { return measures{k.Columns, k.By}.needs() }

func (k *controlTotal) validate(s *schemas) error {
	if k.Control != "" && len(k.Columns) != 1 {
		return errors.New("control names the total of one column: expected one in columns")
	}
	return measures{k.Columns, k.By}.check(s, 1)
}

func (k *controlTotal) evaluate(e *evaluation) []finding {
	out := make([]finding, len(k.Columns))
	for i, name := range k.Columns {
		control := k.Control
		if control == "" {
			control = name
		}
		f := finding{column: columnName(name), threshold: "= " + control + " of the events"}
		if e.context.Control == nil {
			out[i] = unknown(f.column, f.threshold, "no control totals were made")
			continue
		}
		t := e.typeOf(name)
		have, _ := sum(e.rows, e.match, name, t, k.By)
		want := sums{}
		for key, v := range e.context.Control {
			base, value, apart := strings.Cut(key, "/")
			if base == control && apart == (len(k.By) > 0) {
				want[group{value}] = wideOf(v)
			}
		}
		have.differ(&f, want, len(k.By), t)
		out[i] = f
	}
	return out
}

// columnName is the column of a result: none where rows are counted.
func columnName(measure string) string {
	if measure == rowCount {
		return ""
	}
	return measure
}

func (e *evaluation) typeOf(measure string) warehouse.Type {
	if measure == rowCount {
		return warehouse.Int64
	}
	c, _ := e.table.Column(measure)
	return c.Type
}

// sameTotal: sums are those of another table of the date.
type sameTotal struct {
	Columns []string `yaml:"columns"`
	By      []string `yaml:"by"`
	Table   string   `yaml:"table"`
	Column  string   `yaml:"column"` // of the other table; the same name if it is empty
}

func (k *sameTotal) needs() []string { return measures{k.Columns, k.By}.needs() }

func (k *sameTotal) validate(s *schemas) error {
	if err := (measures{k.Columns, k.By}).check(s, most); err != nil {
		return err
	}
	if k.Column != "" && len(k.Columns) != 1 {
		return errors.New("column names the other table's column for one of this table: expected one in columns")
	}
	other, err := s.other(k.Table)
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	for _, name := range k.By {
		c, err := columnNamed(other, name)
		if err == nil {
			err = typed(c, warehouse.String)
		}
		if err != nil {
			return fmt.Errorf("by: %w", err)
		}
	}
	for _, name := range k.Columns {
		there := k.there(name)
		mine, _ := s.table.Column(name)
		if name == rowCount {
			mine.Type = warehouse.Int64
		}
		if there == rowCount {
			if mine.Type != warehouse.Int64 {
				return fmt.Errorf("column: expected an INT64 beside a count of rows, found %s %s", mine.Type, name)
			}
			continue
		}
		c, err := columnNamed(other, there)
		if err == nil {
			err = typed(c, mine.Type)
		}
		if err != nil {
			return fmt.Errorf("column: %w", err)
		}
	}
	return nil
}

func (k *sameTotal) there(name string) string {
	if k.Column != "" {
		return k.Column
	}
	return name
}

func (k *sameTotal) evaluate(e *evaluation) []finding {
	out := make([]finding, len(k.Columns))
	for i, name := range k.Columns {
		t, there := e.typeOf(name), k.there(name)
		f := finding{column: columnName(name), threshold: "= " + there + " of " + k.Table}
		var want sums
		other, ok := e.context.Tables[k.Table]
		if ok {
			want, ok = sum(other, nil, there, t, k.By)
		}
		if !ok {
			out[i] = unknown(f.column, f.threshold, "table "+k.Table+" has no rows for this date")
			continue
		}
		have, _ := sum(e.rows, e.match, name, t, k.By)
		have.differ(&f, want, len(k.By), t)
		out[i] = f
	}
	return out
}
