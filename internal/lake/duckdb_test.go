package lake_test

import (
	"database/sql"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// openDuckDB opens an empty database in memory.
func openDuckDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, set := range []string{"SET autoinstall_known_extensions=false", "SET TimeZone='UTC'"} {
		if _, err := db.ExecContext(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// query returns rows as text, NULL as "NULL", columns separated by |.
func query(t *testing.T, db *sql.DB, q string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values, pointers := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(names))
		for i, v := range values {
			texts[i] = "NULL"
			if v != nil {
				texts[i] = fmt.Sprint(v)
			}
		}
		out = append(out, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func openLake(t *testing.T) lake.Store {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// write puts rows as a file and returns an SQL expression that reads it.
func write[T any](t *testing.T, st lake.Store, name string, rows []T, encode func([]byte, []T) ([]byte, error)) string {
	t.Helper()
	file, err := encode(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(t.Context(), name, file); err != nil {
		t.Fatal(err)
	}
	return "read_parquet('" + strings.ReplaceAll(filepath.Join(st.URI(), name), "'", "''") + "', hive_partitioning=false)"
}

func wantRows(t *testing.T, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DuckDB reads (-want +got):\n%s", diff)
	}
}

func describe(t *testing.T, db *sql.DB, from string) []string {
	t.Helper()
	return query(t, db, "SELECT column_name || ' ' || column_type FROM (DESCRIBE SELECT * FROM "+from+")")
}

var silverTypes = []string{
	"event_id VARCHAR", "event_type VARCHAR", "event_time TIMESTAMP WITH TIME ZONE", "product_id VARCHAR", "product_name VARCHAR",
	"user_id VARCHAR", "session_id VARCHAR", "country VARCHAR", "order_id VARCHAR", "line BIGINT", "quantity BIGINT",
	"unit_price DECIMAL(18,6)", "currency VARCHAR", "schema_version INTEGER", "kafka_partition INTEGER", "kafka_offset BIGINT",
	"category VARCHAR",
}

var bronzeTypes = []string{
	"topic VARCHAR", "kafka_partition INTEGER", "kafka_offset BIGINT", "kafka_timestamp TIMESTAMP WITH TIME ZONE", "key BLOB", "value BLOB",
	`headers STRUCT("key" VARCHAR, "value" BLOB)[]`, "create_time BOOLEAN",
}

func micros(t time.Time) int64 { return t.UnixMicro() }

var (
	windowStart = time.Date(2026, 3, 1, 10, 15, 0, 0, time.UTC)
	eventTime   = windowStart.Add(123 * time.Millisecond)

	view  = lake.SilverRow{EventID: "a", EventType: "product_viewed", EventTime: micros(eventTime), ProductID: "P1", SchemaVersion: 1, KafkaOffset: 41, Category: "toys"}
	order = lake.SilverRow{
		EventID: "b", EventType: "order_created", EventTime: micros(eventTime) + 1, ProductID: "P1", ProductName: "Wooden train", UserID: "u1", SessionID: "s1",
		Country: "GB", OrderID: "o1", Line: 1, Quantity: 2, UnitPrice: 2_550_001, Currency: "GBP", SchemaVersion: 1, KafkaPartition: 3, KafkaOffset: math.MaxInt64, Category: "toys",
	}
)

func TestDuckDBReadsSilver(t *testing.T) {
	t.Parallel()
	db, st := openDuckDB(t), openLake(t)
	from := write(t, st, lake.SilverName(windowStart.UnixMilli(), "toys", 0), []lake.SilverRow{view, order, view}, lake.EncodeSilver)
	wantRows(t, describe(t, db, from), silverTypes)
	wantRows(t, query(t, db, "SELECT * REPLACE (event_time::VARCHAR AS event_time, unit_price::VARCHAR AS unit_price) FROM "+from), []string{
		"a|product_viewed|2026-03-01 10:15:00.123+00|P1|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|1|0|41|toys",
		"b|order_created|2026-03-01 10:15:00.123001+00|P1|Wooden train|u1|s1|GB|o1|1|2|2.550001|GBP|1|3|9223372036854775807|toys",
		"a|product_viewed|2026-03-01 10:15:00.123+00|P1|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|1|0|41|toys",
	})
	wantRows(t, query(t, db, "SELECT sum(unit_price * quantity)::VARCHAR FROM "+from), []string{"5.100002"})
}

func TestDuckDBReadsLate(t *testing.T) {
	t.Parallel()
	db, st := openDuckDB(t), openLake(t)
	from := write(t, st, lake.LaneName(lake.Late, windowStart.UnixMilli(), 3),
		[]lake.LateRow{{SilverRow: order, HighTime: micros(eventTime.Add(time.Hour))}}, lake.EncodeLate)
	wantRows(t, describe(t, db, from), append(silverTypes[:len(silverTypes):len(silverTypes)], "high_time TIMESTAMP WITH TIME ZONE"))
	wantRows(t, query(t, db, "SELECT event_id, unit_price::VARCHAR, category, high_time::VARCHAR FROM "+from),
		[]string{"b|2.550001|toys|2026-03-01 11:15:00.123+00"})
}

func TestDuckDBReadsBronzeAndDead(t *testing.T) {
	t.Parallel()
	db, st := openDuckDB(t), openLake(t)
	records := []lake.BronzeRow{
		{Topic: "ecommerce_events", KafkaPartition: 3, KafkaOffset: 7, KafkaTimestamp: micros(eventTime), Key: []byte("k"), Value: []byte("{\"a\":\xff\x00}"), CreateTime: true},
		{Topic: "ecommerce_events", Value: []byte{}, Headers: []lake.Header{{Key: "trace", Value: []byte("1")}, {Key: "empty", Value: []byte{}}, {Key: "null"}}},
		{Topic: "ecommerce_events"},
	}
	const columns = "topic, kafka_partition, kafka_offset, kafka_timestamp::VARCHAR, hex(key), hex(value), headers::VARCHAR, create_time"
	want := []string{
		"ecommerce_events|3|7|2026-03-01 10:15:00.123+00|6B|7B2261223AFF007D|[]|true",
		"ecommerce_events|0|0|1970-01-01 00:00:00+00|NULL||[{'key': trace, 'value': 1}, {'key': empty, 'value': ''}, {'key': 'null', 'value': NULL}]|false",
		"ecommerce_events|0|0|1970-01-01 00:00:00+00|NULL|NULL|[]|false",
	}
	bronze := write(t, st, lake.LaneName(lake.Bronze, windowStart.UnixMilli(), 3), records, lake.EncodeBronze)
	wantRows(t, describe(t, db, bronze), bronzeTypes)
	wantRows(t, query(t, db, "SELECT "+columns+" FROM "+bronze), want)

	var dead []lake.DeadRow
	for i, r := range records {
		dead = append(dead, lake.DeadRow{BronzeRow: r, Reason: "malformed_json", Detail: fmt.Sprint("at byte ", i)})
		want[i] += fmt.Sprint("|malformed_json|at byte ", i)
	}
	letters := write(t, st, lake.LaneName(lake.Dead, windowStart.UnixMilli(), 3), dead, lake.EncodeDead)
	wantRows(t, describe(t, db, letters), append(bronzeTypes[:len(bronzeTypes):len(bronzeTypes)], "reason VARCHAR", "detail VARCHAR"))
	wantRows(t, query(t, db, "SELECT "+columns+", reason, detail FROM "+letters), want)
}

func TestDuckDBReadsMetrics(t *testing.T) {
	t.Parallel()
	db, st := openDuckDB(t), openLake(t)
	half, most, least, zero := 0.5, shop.MaxMoney, shop.Money(-1), shop.Money(0)
	from := write(t, st, lake.MetricsName("5m", windowStart.UnixMilli()), []lake.MetricRow{
		{
			WindowStart: micros(windowStart), WindowEnd: micros(windowStart.Add(5 * time.Minute)), Level: lake.LevelProduct, ProductID: "P1", Category: "toys", Currency: "GBP",
			OrderLines: 1, Units: 2, Revenue: &most, CancelledLines: 3, CancelledUnits: 4, CancelledRevenue: &least, Views: 2, Carts: 6, Conversion: &half,
		},
		{WindowStart: micros(windowStart), WindowEnd: micros(windowStart.Add(5 * time.Minute)), Level: lake.LevelShop, Revenue: &zero},
	}, lake.EncodeMetrics)
	wantRows(t, describe(t, db, from), []string{
		"window_start TIMESTAMP WITH TIME ZONE", "window_end TIMESTAMP WITH TIME ZONE", "level VARCHAR", "product_id VARCHAR", "category VARCHAR", "currency VARCHAR",
		"order_lines BIGINT", "units BIGINT", "revenue DECIMAL(18,6)", "cancelled_lines BIGINT", "cancelled_units BIGINT", "cancelled_revenue DECIMAL(18,6)",
		"views BIGINT", "carts BIGINT", "conversion DOUBLE",
	})
	wantRows(t, query(t, db, "SELECT COLUMNS(*)::VARCHAR FROM "+from), []string{
		"2026-03-01 10:15:00+00|2026-03-01 10:20:00+00|product|P1|toys|GBP|1|2|999999999999.999999|3|4|-0.000001|2|6|0.5",
		"2026-03-01 10:15:00+00|2026-03-01 10:20:00+00|shop|NULL|NULL|NULL|0|0|0.000000|0|0|NULL|0|0|NULL",
	})
}

// TestDuckDBReadsCategories writes one file a category and wants DuckDB to read
// each category and the date as they are, without any option.
func TestDuckDBReadsCategories(t *testing.T) {
	t.Parallel()
	db, st := openDuckDB(t), openLake(t)
	categories := []string{
		"toys", "home & garden", "a/b", "ü", "x=y", "%41", "..", ".", "~_-.", "a+b", "a b ", "#1", "?", "100%", `"quoted"`, "it's", "日本", "[a]*", "a,b;c",
		"null", "NULL", "__HIVE_DEFAULT_PARTITION__", "123", "007", "7", "2026-03-01", "true", "a\\b", "tab\there", strings.Repeat("ü", lake.MaxCategory/2),
	}
	for i, category := range categories {
		row := order
		row.EventID, row.KafkaOffset, row.Category = category, int64(i), category
		write(t, st, lake.SilverName(windowStart.UnixMilli(), category, 0), []lake.SilverRow{row}, lake.EncodeSilver)
	}
	// What a killed process leaves is no part of the lake.
	if err := st.Put(t.Context(), "silver/date=2026-03-01/category-toys/README", []byte("no parquet")); err != nil {
		t.Fatal(err)
	}
	got := query(t, db, "SELECT category, event_id, date::VARCHAR FROM read_parquet('"+st.URI()+
		"/silver/*/*/*.parquet') WHERE date = DATE '2026-03-01' ORDER BY kafka_offset")
	var want []string
	for _, category := range categories {
		want = append(want, category+"|"+category+"|2026-03-01")
	}
	wantRows(t, got, want)
	for _, category := range categories {
		got := query(t, db, "SELECT event_id FROM read_parquet('"+st.URI()+
			"/silver/*/*/*.parquet') WHERE category = '"+strings.ReplaceAll(category, "'", "''")+"'")
		wantRows(t, got, []string{category})
	}
}
