package producer_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/producer"
	"example.com/shopstream/transforms/sales"
)

// The history over Christmas, as gold reads it from either file and makes days
// of it that keep every rule.
func TestGoldImportsHistory(t *testing.T) {
	until := civil.Date{Year: 2026, Month: time.January, Day: 3}
	h, err := producer.NewHistory(producer.HistoryOptions{Seed: 5, Until: until, Days: 12, Density: 0.3, Foreign: 0.3})
	if err != nil {
		t.Fatal(err)
	}
	want, err := h.Rows()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"history.csv", "history.parquet"} {
		path := filepath.Join(t.TempDir(), name)
		if err := producer.WriteHistoryFile(path, want, false); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sales.ParseHistory(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-made +read):\n%s", name, diff)
		}
	}

	if !beam.Initialized() {
		beam.Init()
	}
	uri := t.TempDir()
	writeOneOrder(t, uri, until.In(time.UTC))
	view := pipelines.NewGoldView(io.Discard, false)
	defer view.Stop()
	report, err := pipelines.GoldOptions{Lake: uri, TimeZone: "UTC", IncludeOpen: true, History: want}.RunGold(t.Context(), pipelines.Direct, view)
	if err != nil {
		t.Fatal(err)
	}
	if report.Published != 13 || len(report.Failed) != 0 || report.Overlap != 0 {
		t.Errorf("%d days published, failed %v, %d overlap: expected 13, none, 0", report.Published, report.Failed, report.Overlap)
	}
	for date, rows := range report.Checks {
		for _, r := range rows {
			if !r.Passed && r.Severity != "warn" {
				t.Errorf("%s: %s.%s does not hold: %s", date, r.TableName, r.Rule, r.Detail)
			}
		}
	}
	st, err := lake.Shared(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	var stands []lake.DailySalesRow
	for d := h.First(); !d.After(h.Last()); d = d.AddDays(1) {
		day, err := lake.ReadGold[lake.DailySalesRow](t.Context(), st, "daily_sales", d)
		if err != nil {
			t.Fatal(err)
		}
		stands = append(stands, day...)
	}
	if diff := cmp.Diff(want, stands); diff != "" {
		t.Errorf("gold's table (-made +stands):\n%s", diff)
	}
}

// writeOneOrder makes a lake of one hour with one order: gold needs events.
func writeOneOrder(t *testing.T, uri string, at time.Time) {
	t.Helper()
	ctx, window := t.Context(), at.UnixMilli()
	st, err := lake.Shared(ctx, uri)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	const hour = 3_600_000
	must(lake.Init(ctx, st, lake.Settings{Topic: "ecommerce_events", BaseWindowMs: hour, Shards: 1}))
	const price = shop.Money(9_990_000)
	data, err := lake.EncodeSilver(nil, []lake.SilverRow{{
		EventID: "00000000-0000-4000-8000-000000000001", EventType: "order_created", EventTime: at.UnixMicro(), ProductID: "P00005",
		OrderID: "o1", Line: 1, Quantity: 1, UnitPrice: price, Currency: "EUR", SchemaVersion: 1,
	}})
	must(err)
	name := lake.SilverName(window, "toys", 0)
	must(st.Put(ctx, name, data))
	bronze, err := lake.EncodeBronze(nil, []lake.BronzeRow{{Topic: "ecommerce_events"}})
	must(err)
	received := lake.LaneName(lake.Bronze, window, 0)
	must(st.Put(ctx, received, bronze))
	must(lake.PutRow(ctx, st, lake.Row{
		Window: window, End: window + hour, Read: 1, Silver: 1, LateDates: map[string]int64{}, Mark: &kafkaio.Mark{Watermark: window + hour},
		Files: []lake.File{
			{Lane: lake.Silver, Name: name, Rows: 1, Bytes: int64(len(data)), CRC: lake.CRC(data)},
			{Lane: lake.Bronze, Name: received, Rows: 1, Bytes: int64(len(bronze)), CRC: lake.CRC(bronze)},
		},
	}))
	must(lake.PutSeal(ctx, st, window))
}
