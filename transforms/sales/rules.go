package sales

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/sql/tables"
	"example.com/shopstream/transforms/quality"
)

// Rules say how business days are made of events.
type Rules struct {
	Lake      string            // URI
	TimeZone  string            // IANA name
	From, To  int32             // business days, as days since the epoch, both included
	Catalogue string            // object of the lake that KeepCatalogue wrote; "": none
	History   string            // object of the lake that KeepHistory wrote; "": none
	Quality   map[string]string // text of quality.yaml by table, in place of the built-in rules
	Suspects  string            // name of an object that the run keeps in the lake, and that nobody needs after it
}

// CheckQuality returns an error if a text of own rules is wrong.
func (r Rules) CheckQuality() error {
	_, err := r.quality()
	return err
}

// QualityHash stands for the rules that days are held to.
func (r Rules) QualityHash() (string, error) {
	var all []byte
	for _, t := range tables.Published() {
		if t.Name == lake.AttemptsTable { // it has no rules, and came later: no day has to be made again for it
			continue
		}
		text, err := fs.ReadFile(ruleFiles(r.Quality), t.Name+"/quality.yaml")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		all = append(append(all, t.Name...), text...)
	}
	return lake.Hash(all), nil
}

// quality are the rules by table.
func (r Rules) quality() (map[string]quality.Rules, error) {
	rules := map[string]quality.Rules{}
	for _, t := range tables.All() {
		var err error
		if rules[t.Name], err = quality.Load(ruleFiles(r.Quality), t); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// ruleFiles are the files of sql/tables, some of them with other rules.
type ruleFiles map[string]string

func (f ruleFiles) Open(name string) (fs.File, error) { return tables.Files.Open(name) }

func (f ruleFiles) ReadFile(name string) ([]byte, error) {
	if text, ok := f[strings.TrimSuffix(name, "/quality.yaml")]; ok {
		return []byte(text), nil
	}
	return tables.Files.ReadFile(name)
}

// Catalogue is what the shop says of its products. A nil Catalogue knows none.
type Catalogue struct {
	products map[string]CatalogueProduct
}

// CatalogueProduct is an entry of a catalogue; "" is not known.
type CatalogueProduct struct {
	Name     string `json:"name,omitempty"`
	Category string `json:"category,omitempty"`
}

// uncategorized is the category of an event that has none.
const uncategorized = "uncategorized"

// complete gives an event the category of the catalogue, if it has one.
func (c *Catalogue) complete(e *event) { e.Category = c.category(e.ProductID, e.Category) }

// category is a product's category: that of the catalogue, else the one given.
func (c *Catalogue) category(product, of string) string {
	if c == nil {
		return of
	}
	return cmp.Or(c.products[product].Category, of)
}

// file puts daily sales under the categories of the catalogue. Rows that thereby
// are one product's in one category are added up; distinct counts, which do not
// add up, are then not known.
func (c *Catalogue) file(daily []lake.DailySalesRow) []lake.DailySalesRow {
	if c == nil {
		return daily
	}
	at := map[dailyKey]int{}
	var out []lake.DailySalesRow
	for _, r := range daily {
		r.Category = c.category(r.ProductID, r.Category)
		k := dailyKey{r.ProductID, r.Category, r.Currency}
		i, again := at[k]
		if !again {
			at[k] = len(out)
			out = append(out, r)
			continue
		}
		a := amounts{}
		a.add(&out[i])
		a.add(&r)
		sum := &out[i]
		sum.OrderLines, sum.Units, sum.Revenue, sum.Orders, sum.Customers = a.Lines, a.Units, a.Revenue, nil, nil
		sum.CancelledLines, sum.CancelledUnits, sum.CancelledRevenue = a.CancelledLines, a.CancelledUnits, a.CancelledRevenue
		sum.Views, sum.Carts, sum.AveragePrice, sum.NetRevenue = a.views, a.carts, a.average(), a.net()
	}
	lines := map[[2]string]int64{}
	for i := range out {
		lines[[2]string{out[i].ProductID, out[i].Category}] += out[i].OrderLines
	}
	for i := range out {
		if r := &out[i]; r.Currency == "" {
			r.Conversion = conversion(lines[[2]string{r.ProductID, r.Category}], r.Views)
		}
	}
	slices.SortFunc(out, func(a, b lake.DailySalesRow) int {
		return cmp.Or(cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return out
}

func (r Rules) catalogue(ctx context.Context) (*Catalogue, error) {
	if r.Catalogue == "" {
		return nil, nil
	}
	st, err := lake.Shared(ctx, r.Lake)
	if err != nil {
		return nil, err
	}
	data, err := readInput(ctx, st, r.Catalogue)
	if err != nil {
		return nil, err
	}
	var c Catalogue
	if err := json.Unmarshal(data, &c.products); err != nil {
		return nil, fmt.Errorf("catalogue %s of lake %s: %w", r.Catalogue, r.Lake, err)
	}
	return &c, nil
}
