package sales

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	for _, t := range tables.All() {
		text, err := fs.ReadFile(ruleFiles(r.Quality), t.Name+"/quality.yaml")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		all = append(append(all, t.Name...), text...)
	}
	return Hash(all), nil
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
