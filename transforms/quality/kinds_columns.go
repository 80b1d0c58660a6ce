package quality

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
)

// Rules between the columns of a row, exact. A row with a NULL in one of them
// breaks none but quotient.

// equals: a column is
//
//	sum: [revenue, -cancelled_revenue]   a sum, of INT64 or of NUMERIC
//	product: [quantity, unit_price]      a product of two, at most one a NUMERIC
//	quotient: [revenue, units]           a NUMERIC by an INT64, rounded to the
//	                                     nearest micro-unit, half to even; NULL
//	                                     where the divisor is 0
type equals struct {
	Left     string   `yaml:"left"`
	Sum      []string `yaml:"sum"`
	Product  []string `yaml:"product"`
	Quotient []string `yaml:"quotient"`
}

func (k *equals) needs() []string {
	names := []string{k.Left}
	for _, term := range k.Sum {
		names = append(names, strings.TrimPrefix(term, "-"))
	}
	return append(append(names, k.Product...), k.Quotient...)
}

func (k *equals) validate(s *schemas) error {
	given := 0
	for _, list := range [][]string{k.Sum, k.Product, k.Quotient} {
		if list != nil {
			given++
		}
	}
	if given != 1 {
		return errors.New("expected one of sum, product and quotient beside left")
	}
	left, _ := s.table.Column(k.Left)
	if err := typed(left, warehouse.Int64, warehouse.Numeric); err != nil {
		return err
	}
	types := map[warehouse.Type]int{}
	for _, name := range k.needs()[1:] {
		c, _ := s.table.Column(name)
		if err := typed(c, warehouse.Int64, warehouse.Numeric); err != nil {
			return err
		}
		types[c.Type]++
	}
	switch {
	case k.Sum != nil:
		if err := atLeast("sum", k.Sum, 1); err != nil {
			return err
		}
		if types[left.Type] != len(k.Sum) {
			return fmt.Errorf("sum: column %s is %s, so all terms have to be", k.Left, left.Type)
		}
	case k.Product != nil:
		if len(k.Product) != 2 || types[warehouse.Numeric] > 1 {
			return fmt.Errorf("product: expected two columns, at most one of them NUMERIC, found %v", k.Product)
		}
		if (left.Type == warehouse.Numeric) != (types[warehouse.Numeric] == 1) {
			return fmt.Errorf("product: column %s is %s, which the product is not", k.Left, left.Type)
		}
	default:
		if len(k.Quotient) != 2 || left.Type != warehouse.Numeric || types[warehouse.Numeric] != 1 || types[warehouse.Int64] != 1 {
			return fmt.Errorf("quotient: expected a NUMERIC left and a NUMERIC and an INT64 to divide, found %s of %v", left.Type, k.Quotient)
		}
		if c, _ := s.table.Column(k.Quotient[0]); c.Type != warehouse.Numeric {
			return fmt.Errorf("quotient: expected to divide a NUMERIC, found %s %s", c.Type, c.Name)
		}
	}
	return nil
}

func (k *equals) evaluate(e *evaluation) []finding {
	f := finding{column: k.Left, show: k.needs()}
	cols := make([]*column, len(f.show))
	for i, name := range f.show {
		cols[i] = e.column(name)
	}
	left, cols := cols[0], cols[1:]
	switch {
	case k.Sum != nil:
		f.threshold = "= " + strings.ReplaceAll(strings.Join(k.Sum, " + "), "+ -", "- ")
		f.rows = e.breaking(func(i int) bool {
			if left.null(i) {
				return true
			}
			var sum wide
			for n, c := range cols {
				if c.null(i) {
					return true
				}
				v := wideOf(c.int(i))
				if k.Sum[n][0] == '-' {
					v = wide{}.minus(v)
				}
				sum.add(v)
			}
			return sum == wideOf(left.int(i))
		})
	case k.Product != nil:
		f.threshold = "= " + strings.Join(k.Product, " * ")
		f.rows = e.breaking(func(i int) bool {
			return left.null(i) || cols[0].null(i) || cols[1].null(i) || product(cols[0].int(i), cols[1].int(i)) == wideOf(left.int(i))
		})
	default:
		f.threshold = "= " + strings.Join(k.Quotient, " / ")
		f.rows = e.breaking(func(i int) bool {
			if cols[0].null(i) || cols[1].null(i) {
				return true
			}
			want, ok := shop.Money(cols[0].int(i)).Div(cols[1].int(i))
			if left.null(i) {
				return !ok
			}
			return ok && want == shop.Money(left.int(i))
		})
	}
	return []finding{f}
}

// ordered: each column is at most the next one; a NULL is passed over. NaN breaks
// it.
type ordered struct {
	Columns []string `yaml:"columns"`
}

func (k *ordered) needs() []string { return k.Columns }

func (k *ordered) validate(s *schemas) error {
	if err := atLeast("columns", k.Columns, 2); err != nil {
		return err
	}
	first, _ := s.table.Column(k.Columns[0])
	if err := typed(first, warehouse.Int64, warehouse.Numeric, warehouse.Float64, warehouse.Date, warehouse.Timestamp); err != nil {
		return err
	}
	return s.types(k.Columns, first.Type)
}

func (k *ordered) evaluate(e *evaluation) []finding {
	f := finding{threshold: strings.Join(k.Columns, " <= "), show: k.Columns}
	cols := make([]*column, len(k.Columns))
	for i, name := range k.Columns {
		cols[i] = e.column(name)
	}
	if cols[0].form == isFloat64 {
		f.rows = e.breaking(func(i int) bool { return rising(cols, i, (*column).float) })
	} else {
		f.rows = e.breaking(func(i int) bool { return rising(cols, i, (*column).int) })
	}
	return []finding{f}
}

func rising[T cmp.Ordered](cols []*column, i int, value func(*column, int) T) bool {
	var last T
	seen := false
	for _, c := range cols {
		if c.null(i) {
			continue
		}
		v := value(c, i)
		if v != v || (seen && v < last) {
			return false
		}
		last, seen = v, true
	}
	return true
}
