package producer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"example.com/shopstream/internal/shop"
)

// TruthWindow is the length of Truth's windows: the pipeline's finest metrics.
const TruthWindow = 5 * time.Minute

// Truth is what a right pipeline makes of a simulated log, if its
// out-of-orderness is SimulateOptions.Bound and its base window at most an hour:
// every record is exactly one of silver, duplicate, late or dead. Its JSON is the file of `producer simulate --ledger`.
type Truth struct {
	Records    []int64               `json:"records"` // by partition
	Silver     int64                 `json:"silver"`
	Duplicates int64                 `json:"duplicates"`
	Late       int64                 `json:"late"`
	Dead       map[shop.Reason]int64 `json:"dead"`
	// Cells are the sums of silver's rows by Cell, in Cell's order.
	Cells []TruthCell `json:"cells"`
}

// Cell is one product's window. Views and carts have no currency: they are
// counted in cells where it is empty.
type Cell struct {
	Window   time.Time `json:"window"` // its start, UTC
	Product  string    `json:"product_id"`
	Category string    `json:"category"`
	Currency string    `json:"currency"`
}

// Sums of a cell.
type Sums struct {
	OrderLines       int64      `json:"order_lines"`
	Units            int64      `json:"units"`
	Revenue          shop.Money `json:"-"`
	CancelledLines   int64      `json:"cancelled_lines"`
	CancelledUnits   int64      `json:"cancelled_units"`
	CancelledRevenue shop.Money `json:"-"`
	Views            int64      `json:"views"`
	Carts            int64      `json:"carts"`
}

// TruthCell is a cell with its sums. In JSON the amounts are decimal strings.
type TruthCell struct {
	Cell
	Sums
}

// jsonCell is TruthCell with its amounts as text.
type jsonCell struct {
	Cell
	Sums
	Revenue          string `json:"revenue"`
	CancelledRevenue string `json:"cancelled_revenue"`
}

// MarshalJSON implements json.Marshaler.
func (c TruthCell) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonCell{Cell: c.Cell, Sums: c.Sums, Revenue: c.Revenue.String(), CancelledRevenue: c.CancelledRevenue.String()})
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *TruthCell) UnmarshalJSON(b []byte) error {
	var in jsonCell
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	c.Cell, c.Sums = in.Cell, in.Sums
	var err error
	if c.Revenue, err = shop.ParseMoney(in.Revenue); err != nil {
		return fmt.Errorf("revenue: %w", err)
	}
	if c.CancelledRevenue, err = shop.ParseMoney(in.CancelledRevenue); err != nil {
		return fmt.Errorf("cancelled_revenue: %w", err)
	}
	return nil
}

// WriteFile writes the ledger, replacing the file as a whole.
func (t Truth) WriteFile(path string) error {
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	part := path + ".part"
	if err := os.WriteFile(part, append(b, '\n'), 0o640); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// ReadTruth reads what WriteFile wrote.
func ReadTruth(path string) (Truth, error) {
	var t Truth
	b, err := os.ReadFile(path)
	if err != nil {
		return t, fmt.Errorf("ledger: %w", err)
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, fmt.Errorf("ledger %s: %w", path, err)
	}
	return t, nil
}

// truth is Truth while it grows, by small numbers instead of names.
type truth struct {
	records          []int64
	duplicates, late int64
	dead             map[shop.Reason]int64
	cells            map[truthKey]*Sums
}

type truthKey struct {
	window   int64 // number since the epoch
	product  int32
	currency int32 // -1: none
}

func (t *truth) init(partitions int) {
	t.records = make([]int64, partitions)
	t.dead = map[shop.Reason]int64{}
	t.cells = map[truthKey]*Sums{}
}

// add counts a row of silver; false is an overflow.
func (t *truth) add(a *action) bool {
	e := &a.event
	k := truthKey{window: e.Time / TruthWindow.Milliseconds(), product: int32(a.product), currency: -1}
	if e.IsOrder() {
		k.currency = int32(a.currency)
	}
	s := t.cells[k]
	if s == nil {
		s = new(Sums)
		t.cells[k] = s
	}
	switch e.Type {
	case shop.ProductViewed:
		s.Views++
		return true
	case shop.AddToCart:
		s.Carts++
		return true
	}
	lines, units, revenue := &s.OrderLines, &s.Units, &s.Revenue
	if e.Type == shop.OrderCancelled {
		lines, units, revenue = &s.CancelledLines, &s.CancelledUnits, &s.CancelledRevenue
	}
	amount, ok := e.UnitPrice.Mul(e.Quantity)
	if !ok {
		return false
	}
	*lines++
	*units += e.Quantity
	*revenue, ok = revenue.Add(amount)
	return ok
}

func (t *truth) export(c *catalogue) Truth {
	out := Truth{
		Records: slices.Clone(t.records), Duplicates: t.duplicates, Late: t.late, Dead: maps.Clone(t.dead),
		Cells: make([]TruthCell, 0, len(t.cells)),
	}
	for k, s := range t.cells {
		p := &c.products[k.product]
		cell := Cell{
			Window:  time.UnixMilli(k.window * TruthWindow.Milliseconds()).UTC(),
			Product: p.id, Category: categories[p.category].name,
		}
		if k.currency >= 0 {
			cell.Currency = currencies[k.currency].code
		}
		out.Cells = append(out.Cells, TruthCell{cell, *s})
		out.Silver += s.OrderLines + s.CancelledLines + s.Views + s.Carts
	}
	slices.SortFunc(out.Cells, func(a, b TruthCell) int {
		return cmp.Or(a.Window.Compare(b.Window), strings.Compare(a.Product, b.Product), strings.Compare(a.Currency, b.Currency))
	})
	return out
}
