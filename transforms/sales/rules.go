package sales

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/shopstream/internal/lake"
)

// Rules say how business days are made of events.
type Rules struct {
	Lake      string // URI
	TimeZone  string // IANA name
	From, To  int32  // business days, as days since the epoch, both included
	Catalogue string // object of the lake that PutCatalogue wrote; "": none
	History   string // object of the lake that PutHistory wrote; "": none
	Suspects  string // name of an object that the run keeps in the lake, and that nobody needs after it
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

// complete gives an event without a category that of the catalogue.
func (c *Catalogue) complete(e *event) {
	if c == nil || e.Category != uncategorized {
		return
	}
	if p, ok := c.products[e.ProductID]; ok && p.Category != "" {
		e.Category = p.Category
	}
}

func (r Rules) catalogue(ctx context.Context) (*Catalogue, error) {
	if r.Catalogue == "" {
		return nil, nil
	}
	st, err := lake.Shared(ctx, r.Lake)
	if err != nil {
		return nil, err
	}
	data, err := st.Get(ctx, r.Catalogue)
	if err != nil {
		return nil, err
	}
	var c Catalogue
	if err := json.Unmarshal(data, &c.products); err != nil {
		return nil, fmt.Errorf("catalogue %s of lake %s: %w", r.Catalogue, r.Lake, err)
	}
	return &c, nil
}

// PutCatalogue keeps a catalogue in the lake, where every worker finds it, and
// returns the object's name, which follows from its content.
func PutCatalogue(ctx context.Context, st lake.Store, products map[string]CatalogueProduct) (string, error) {
	data, err := json.Marshal(products) // sorted by key
	if err != nil {
		return "", err
	}
	return putInput(ctx, st, "catalogue", ".json", data)
}

// PutHistory keeps past daily sales in the lake, likewise. The rows must be
// sorted, so that equal ones make an equal name.
func PutHistory(ctx context.Context, st lake.Store, rows []lake.DailySalesRow) (string, error) {
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		return "", err
	}
	return putInput(ctx, st, "history", ".parquet", data)
}

func putInput(ctx context.Context, st lake.Store, kind, extension string, data []byte) (string, error) {
	name := "inputs/" + kind + "/" + Hash(data)[:16] + extension
	return name, st.Put(ctx, name, data)
}
