package sql_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
)

func TestParseValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  warehouse.Type
		text string
		want any // nil: an error
	}{
		{warehouse.Int64, "-9223372036854775808", int64(-1 << 63)},
		{warehouse.Int64, "9223372036854775808", nil},
		{warehouse.Int64, "1.0", nil},
		{warehouse.Int64, "", nil},
		{warehouse.Float64, "1e-3", 0.001},
		{warehouse.Float64, "x", nil},
		{warehouse.Numeric, "-12.000000001", rat("-12.000000001")},
		{warehouse.Numeric, "1/3", nil},
		{warehouse.Numeric, "1e9", nil},
		{warehouse.Numeric, "0.1234567891", nil},
		{warehouse.Bool, "true", true},
		{warehouse.Bool, "yes", nil},
		{warehouse.String, "", ""},
		{warehouse.Date, "2024-02-29", civil.Date{Year: 2024, Month: 2, Day: 29}},
		{warehouse.Date, "2023-02-29", nil},
		{warehouse.Date, "2023-2-1", nil},
		{warehouse.Timestamp, "2026-03-01T12:00:00+02:00", time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)},
		{warehouse.Timestamp, "2026-03-01", nil},
		{"TEXT", "x", nil},
	} {
		got, err := sql.ParseValue("x", c.typ, c.text)
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", c.typ, c.text, diff)
		}
		if usage := (*sql.Usage)(nil); (c.want == nil) != errors.As(err, &usage) {
			t.Errorf("%s %q: error %v", c.typ, c.text, err)
		}
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	q, err := sql.Lookup("top_selling_products")
	if err != nil {
		t.Fatal(err)
	}
	got, err := q.Bind(map[string]string{"from": "2026-03-01", "currency": "NULL"})
	if err != nil {
		t.Fatal(err)
	}
	want := warehouse.Params{"from": civil.Date{Year: 2026, Month: 3, Day: 1}, "to": nil, "limit": int64(10), "currency": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		given map[string]string
		want  string
	}{
		"an unknown name": {map[string]string{"limits": "1"}, `there is no parameter of top_selling_products "limits": did you mean limit?`},
		"a far name":      {map[string]string{"xyz": "1"}, "expected from, to, limit, currency"},
		"another type":    {map[string]string{"limit": "ten"}, `parameter limit: expected a whole number such as 10 (INT64), found "ten"`},
		"no value":        {map[string]string{"limit": "NULL"}, `parameter limit: expected a whole number`},
	} {
		if _, err := q.Bind(c.given); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected one with %q", name, err, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"daily_revenu": "did you mean daily_revenue?", "dayly-revenue": "did you mean daily_revenue?", "top": "did you mean top_selling_products?",
		"rfm": "did you mean rfm_segments?", "zzz": "expected abc_products, basket,", "": "expected abc_products",
	} {
		_, err := sql.Lookup(name)
		var usage *sql.Usage
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, expected one with %q", name, err, want)
		}
	}
	for _, name := range sql.Main {
		if _, err := sql.Lookup(name); err != nil {
			t.Error(err)
		}
	}
}
