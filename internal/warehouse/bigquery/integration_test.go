//go:build integration

package bigquery

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

var exactly = cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })

// emulatedWarehouse has a dataset of its own.
func emulatedWarehouse(t *testing.T, endpoint string) *Warehouse {
	t.Helper()
	w, err := Open(t.Context(), Options{Project: "shop-project", Dataset: "shop_" + uuid.NewString()[:8], Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.EnsureDataset(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// catalogue puts a file of product_catalogue in a lake.
func catalogue(t *testing.T, uri string, rows ...lake.CatalogueRow) warehouse.File {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	date := civil.DateOf(time.Unix(int64(rows[0].Date)*86400, 0).UTC())
	name := lake.GoldName("product_catalogue", date)
	if err := st.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
	return warehouse.File{Lake: uri, Name: name, Rows: int64(len(rows)), Bytes: int64(len(data))}
}

func TestEmulator(t *testing.T) {
	endpoint := emulated(t)
	for _, uri := range []string{"gs://lake/" + uuid.NewString(), t.TempDir()} {
		w := emulatedWarehouse(t, endpoint)
		for _, table := range tables.Published() {
			plan, err := w.EnsureTable(t.Context(), table)
			if err != nil || !plan.Create {
				t.Fatalf("%s: %+v, %v", table.Name, plan, err)
			}
			if plan, err := w.EnsureTable(t.Context(), table); err != nil || plan.Create || plan.Changes != nil {
				t.Fatalf("%s again: expected no change, found %+v, %v", table.Name, plan, err)
			}
		}
		price := shop.Money(1_234_567)
		products := tables.Must("product_catalogue")
		publish := func(date civil.Date, rows ...lake.CatalogueRow) {
			t.Helper()
			for i := range rows {
				rows[i].Date = int32(date.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1}))
			}
			if err := w.Publish(t.Context(), products, date, catalogue(t, uri, rows...)); err != nil {
				t.Fatal(err)
			}
		}
		a := []lake.CatalogueRow{{ProductID: "p1", ProductName: "Cup", Category: "home & garden", Currency: "GBP", Price: &price, Source: "events"}, {ProductID: "p2", Category: "toys", Source: "events"}}
		b := []lake.CatalogueRow{{ProductID: "p3", Category: "toys", Source: "events"}}
		publish(day, a...)
		publish(nextDay, b...)
		publish(day, b...)
		publish(day, a...)
		got, err := w.Query(t.Context(), "SELECT date, product_id, product_name, price FROM product_catalogue WHERE date <= @to AND category <> @no ORDER BY date, product_id",
			warehouse.Params{"to": nextDay, "no": "books"})
		if err != nil {
			t.Fatal(err)
		}
		want := &warehouse.Rows{
			Columns: []warehouse.ResultColumn{{Name: "date", Type: warehouse.Date}, {Name: "product_id", Type: warehouse.String}, {Name: "product_name", Type: warehouse.String}, {Name: "price", Type: warehouse.Numeric}},
			Rows:    [][]any{{day, "p1", "Cup", big.NewRat(1_234_567, 1_000_000)}, {day, "p2", nil, nil}, {nextDay, "p3", nil, nil}},
		}
		if diff := cmp.Diff(want, got, exactly); diff != "" {
			t.Error(diff)
		}
	}
}

// TestEmulatorTypes binds each type and reads it back.
func TestEmulatorTypes(t *testing.T) {
	w := emulatedWarehouse(t, emulated(t))
	at := time.Date(2026, 3, 1, 12, 30, 15, 123456000, time.UTC)
	for _, v := range []any{true, int64(-1 << 62), 0.1, "Ünï'code", day, at, big.NewRat(-1234567890123, 1_000_000)} {
		t.Run(fmt.Sprintf("%T", v), func(t *testing.T) {
			got, err := w.Query(t.Context(), "SELECT @v AS v", warehouse.Params{"v": v})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]any{{v}}, got.Rows, exactly); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, v := range map[string]any{
		"BOOL": (*bool)(nil), "INT64": (*int64)(nil), "FLOAT64": (*float64)(nil), "STRING": nil,
		"DATE": (*civil.Date)(nil), "TIMESTAMP": (*time.Time)(nil), "NUMERIC": (*big.Rat)(nil),
	} {
		t.Run("NULL of "+name, func(t *testing.T) {
			got, err := w.Query(t.Context(), "SELECT COALESCE(@v, CAST(NULL AS "+name+")) AS v", warehouse.Params{"v": v})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Rows) != 1 || got.Rows[0][0] != nil {
				t.Errorf("expected NULL, found %v", got.Rows)
			}
		})
	}
	if _, err := w.Explain(t.Context(), "SELECT 1 AS one", nil); err != nil {
		t.Error(err)
	}
	if _, err := w.Query(t.Context(), "SELECT nothing FROM nowhere", nil); err == nil {
		t.Error("expected an error")
	}
}
