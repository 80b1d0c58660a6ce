package shop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/shop/shoptest"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(shop.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, raw []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// What a schema cannot say: it sees a decoded value, without the text, the
// record around it, or an arithmetic of several members.
var (
	beyondSchema = map[shop.Reason]bool{
		shop.TooLarge: true, shop.BadUTF8: true, shop.DuplicateKey: true,
		shop.AmbiguousEventTime: true, shop.EventTimeInFuture: true, shop.BadRecordTime: true,
	}
	beyondSchemaCases = map[string]bool{
		"JSON: 65 deep":                               true,
		"JSON: 65 objects deep":                       true,
		"JSON: half of a pair in the name":            true,
		"JSON: high surrogate alone":                  true,
		"JSON: low surrogate alone":                   true,
		"JSON: surrogates in the wrong order":         true,
		"JSON: high surrogate and a letter":           true,
		"JSON: high surrogate and another escape":     true,
		"price: times quantity overflows":             true,
		"price: times the largest quantity overflows": true,
		"quantity: point zero":                        true, // an integer to JSON Schema
		"quantity: exponent":                          true,
		"schema_version: point zero":                  true,
		"schema_version: exponent":                    true,
		"time: year 1999 by its offset":               true,
		"time: year 2101 by its offset":               true,
		"time: year 1999":                             true,
		"time: year 2101":                             true,
	}
)

func TestSchemaAgrees(t *testing.T) {
	s := compileSchema(t)
	for _, raw := range shoptest.Good() {
		if err := validate(s, raw); err != nil {
			t.Errorf("schema refuses %.300s: %v", raw, err)
		}
	}
	for _, c := range shoptest.Broken() {
		if c.Name == "price: exponent beyond any integer" {
			continue // the library's own rational cannot hold it, and it panics
		}
		// Lengths are characters to a schema; the corpus is in two bytes each.
		beyond := beyondSchema[c.Want] || beyondSchemaCases[c.Name] || strings.HasPrefix(c.Name, "too long: ")
		err := validate(s, c.Value)
		if err == nil && !beyond {
			t.Errorf("%s: schema takes %.300s; Parse says %s", c.Name, c.Value, c.Want)
		}
		if err != nil && beyondSchemaCases[c.Name] {
			t.Errorf("%s: schema says %v; this is no exception", c.Name, err)
		}
	}
}

// Of all codes of three letters Parse takes those of the schema.
func TestSchemaCurrencies(t *testing.T) {
	var doc struct {
		Then struct {
			Properties struct{ Currency struct{ Enum []string } }
		}
	}
	if err := json.Unmarshal([]byte(shop.Schema()), &doc); err != nil {
		t.Fatal(err)
	}
	base := shoptest.Good()[0]
	if !bytes.Contains(base, []byte(`"EUR"`)) {
		t.Fatalf("expected an order in EUR first, found %s", base)
	}
	var taken []string
	p := parser()
	for i := range 26 * 26 * 26 {
		code := string([]byte{'A' + byte(i/676), 'A' + byte(i/26%26), 'A' + byte(i%26)})
		raw := bytes.Replace(base, []byte(`"EUR"`), []byte(`"`+code+`"`), 1)
		if _, inv := p.Parse(raw, shoptest.RecordTime); inv == nil {
			taken = append(taken, code)
		} else if inv.Reason != shop.BadCurrency {
			t.Fatalf("%s: %+v", code, inv)
		}
	}
	if d := cmp.Diff(doc.Then.Properties.Currency.Enum, taken); d != "" || len(taken) != 155 {
		t.Errorf("%d currencies; want 155 (-schema +Parse):\n%s", len(taken), d)
	}
}

// A schema of another version than the reader's would be a lie.
func TestSchemaVersion(t *testing.T) {
	var doc struct {
		ID         string `json:"$id"`
		Properties struct {
			Version struct{ Maximum int } `json:"schema_version"`
		}
	}
	if err := json.Unmarshal([]byte(shop.Schema()), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Properties.Version.Maximum != shop.SchemaVersion || doc.ID != fmt.Sprintf("urn:shopstream:event:%d", shop.SchemaVersion) {
		t.Errorf("schema %s takes versions up to %d; the reader's is %d", doc.ID, doc.Properties.Version.Maximum, shop.SchemaVersion)
	}
}
