package pipelines

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // reads what the job wrote, knowing nothing of it
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// What is in the UCI Online Retail file, counted without this program.
const (
	retailLines     = 541_909
	retailOrders    = 530_104
	retailCancelled = 9_288
	retailDead      = 2_517
	retailUnits     = 5_588_376
)

// deliverRetail sends the file, or its first lines, to a new topic.
func deliverRetail(t testing.TB, limit int64) kafkaio.Cluster {
	t.Helper()
	cluster := startBroker(t, 4)
	src, err := producer.Open(shopData(t, "online_retail.csv.gz"), producer.ReplayOptions{Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close() // reading only
	if _, err := producer.Deliver(context.Background(), cluster, topic, src, producer.DeliverOptions{Limit: limit}); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// TestOnlineRetail replays a real shop's year and compares the lake, as DuckDB
// reads it, with what is known of the file.
func TestOnlineRetail(t *testing.T) {
	o := options(deliverRetail(t, 0), t.TempDir())
	o.Source.BaseWindow = 24 * time.Hour
	run(t, o)
	st, ledger := openLake(t, o.Lake)

	t.Run("ledger", func(t *testing.T) {
		totals := lake.Total(ledger.Rows)
		if err := totals.Check(); err != nil {
			t.Error(err)
		}
		want := lake.Totals{Read: retailLines, Silver: retailOrders + retailCancelled, Dead: map[string]int64{"bad_price": retailDead}}
		if diff := cmp.Diff(want, totals); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if ledger.Closed == nil || cmp.Diff(want, ledger.Closed.Totals) != "" {
			t.Errorf("the lake is not closed with these totals: %+v", ledger.Closed)
		}
		rows := map[lake.Lane]int64{}
		for _, r := range ledger.Rows {
			for _, f := range r.Files {
				rows[f.Lane] += f.Rows
			}
		}
		wantRows := map[lake.Lane]int64{lake.Bronze: retailLines, lake.Silver: retailOrders + retailCancelled, lake.Dead: retailDead}
		if diff := cmp.Diff(wantRows, rows); diff != "" {
			t.Errorf("rows of the files (-want +got):\n%s", diff)
		}
	})

	t.Run("gold", func(t *testing.T) { retailGold(t, o) })

	db := openDuckDB(t)
	load(t, db, "silver", st, laneFiles(ledger, lake.Silver))
	load(t, db, "dead", st, laneFiles(ledger, lake.Dead))
	load(t, db, "bronze", st, laneFiles(ledger, lake.Bronze))
	for _, kind := range []string{"5m", "1h", "sliding-1h"} {
		load(t, db, strings.ReplaceAll("m"+kind, "-", "_"), st, metricFiles(t, ledger, kind))
	}

	const sale, cancelled = "event_type = 'order_created'", "event_type = 'order_cancelled'"
	amounts := fmt.Sprintf("%d|%d|10666684.544000|%d|896812.490000", retailOrders, retailUnits, retailCancelled)
	top := []string{"DOT|206248.770000", "22423|174484.740000", "23843|168469.600000"}
	for _, tc := range []struct {
		name, query string
		want        []string
	}{
		{"types", "SELECT column_name || ' ' || column_type FROM (DESCRIBE silver)", []string{
			"event_id VARCHAR", "event_type VARCHAR", "event_time TIMESTAMP WITH TIME ZONE", "product_id VARCHAR", "product_name VARCHAR",
			"user_id VARCHAR", "session_id VARCHAR", "country VARCHAR", "order_id VARCHAR", "line BIGINT", "quantity BIGINT",
			"unit_price DECIMAL(18,6)", "currency VARCHAR", "schema_version INTEGER", "kafka_partition INTEGER", "kafka_offset BIGINT",
			"category VARCHAR", "date DATE",
		}},
		{"types of metrics", "SELECT column_name || ' ' || column_type FROM (DESCRIBE m5m) WHERE column_name IN ('window_start', 'window_end', 'revenue', 'cancelled_revenue')", []string{
			"window_start TIMESTAMP WITH TIME ZONE", "window_end TIMESTAMP WITH TIME ZONE", "revenue DECIMAL(18,6)", "cancelled_revenue DECIMAL(18,6)",
		}},
		{"order lines, units, revenue, cancelled lines and revenue", "SELECT count(*) FILTER (" + sale + "), sum(quantity) FILTER (" + sale + "), sum(quantity * unit_price) FILTER (" + sale + "), " +
			"count(*) FILTER (" + cancelled + "), sum(quantity * unit_price) FILTER (" + cancelled + ") FROM silver", []string{amounts}},
		{"orders, products, days", "SELECT count(DISTINCT order_id), count(DISTINCT product_id), count(DISTINCT date) FROM silver WHERE " + sale, []string{"19960|3922|305"}},
		{"cancelled orders", "SELECT count(DISTINCT order_id) FROM silver WHERE " + cancelled, []string{"3836"}},
		{
			"days", "SELECT date, sum(quantity * unit_price) FROM silver WHERE " + sale + " AND date IN ('2010-12-01', '2011-12-09') GROUP BY date ORDER BY date",
			[]string{"2010-12-01|58960.790000", "2011-12-09|200920.600000"},
		},
		{"dates are of the event times", "SELECT count(*) FROM silver WHERE date <> event_time::DATE", []string{"0"}},
		{"ids are of one line each", "SELECT count(DISTINCT event_id) FROM silver", []string{fmt.Sprint(retailOrders + retailCancelled)}},
		{"without a customer", "SELECT count(*) FROM silver WHERE user_id IS NULL AND " + sale, []string{"132220"}},
		{"top products", "SELECT product_id, sum(quantity * unit_price) AS r FROM silver WHERE " + sale + " GROUP BY product_id ORDER BY r DESC LIMIT 3", top},
		{"dead letters", "SELECT reason, count(*) FROM dead GROUP BY reason", []string{fmt.Sprintf("bad_price|%d", retailDead)}},
		{
			"dead letters are in bronze, byte for byte", "SELECT count(*) FROM dead JOIN bronze USING (kafka_partition, kafka_offset) WHERE dead.value = bronze.value AND dead.key IS NOT DISTINCT FROM bronze.key AND dead.kafka_timestamp = bronze.kafka_timestamp",
			[]string{fmt.Sprint(retailDead)},
		},
		{"bronze is the log", "SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset)) FROM bronze", []string{fmt.Sprintf("%d|%d", retailLines, retailLines)}},
		{"metrics, 5 minutes", sumsOf("m5m", "TRUE"), sameAtEachLevel(amounts)},
		{"metrics, hours", sumsOf("m1h", "TRUE"), sameAtEachLevel(amounts)},
		{"metrics, top products", "SELECT product_id, sum(revenue) AS r FROM m1h WHERE level = 'product' GROUP BY product_id ORDER BY r DESC LIMIT 3", top},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, query(t, db, tc.query)); diff != "" {
				t.Errorf("DuckDB reads (-want +got):\n%s", diff)
			}
		})
	}
	// Every twelfth sliding window: hours that begin at :00, at :05, … Each set covers all time once.
	for phase := range 12 {
		t.Run(fmt.Sprintf("metrics, sliding, phase %d", phase), func(t *testing.T) {
			where := fmt.Sprintf("epoch_ms(window_end) // 300000 %% 12 = %d", phase)
			if diff := cmp.Diff(sameAtEachLevel(amounts), query(t, db, sumsOf("msliding_1h", where))); diff != "" {
				t.Errorf("DuckDB reads (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBaseWindowsAgree reads a part of the file with base windows of a minute
// and of a day: other files, the same rows and metrics.
func TestBaseWindowsAgree(t *testing.T) {
	cluster := deliverRetail(t, 20_000)
	day := options(cluster, t.TempDir())
	day.Source.BaseWindow = 24 * time.Hour
	run(t, day)
	minute := options(cluster, t.TempDir())
	run(t, minute)
	want := read(t, day.Lake)
	if want.totals.Read != 20_000 || len(want.metrics) == 0 {
		t.Fatalf("%d records read, %d metrics", want.totals.Read, len(want.metrics))
	}
	same(t, want, read(t, minute.Lake))
}

func sumsOf(table, where string) string {
	return "SELECT level, sum(order_lines), sum(units), sum(revenue), sum(cancelled_lines), sum(cancelled_revenue) FROM " + table + " WHERE " + where + " GROUP BY level ORDER BY level"
}

func sameAtEachLevel(amounts string) []string {
	return []string{"category|" + amounts, "product|" + amounts, "shop|" + amounts}
}

func metricFiles(t testing.TB, ledger *lake.Ledger, kind string) []lake.File {
	t.Helper()
	var files []lake.File
	for _, r := range ledger.VisibleMetrics() {
		for _, f := range r.Files {
			k, err := lake.ParseName(f.Name)
			if err != nil {
				t.Fatal(err)
			}
			if k.Kind == kind {
				files = append(files, f)
			}
		}
	}
	return files
}

func openDuckDB(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // settings are of a connection
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	runSQL(t, db, "SET TimeZone = 'UTC'")
	return db
}

// load makes a table of the rows of files of a lake.
func load(t testing.TB, db *sql.DB, name string, st lake.Store, files []lake.File) {
	t.Helper()
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = "'" + strings.ReplaceAll(filepath.Join(st.URI(), f.Name), "'", "''") + "'"
	}
	slices.Sort(quoted)
	runSQL(t, db, "CREATE TABLE "+name+" AS SELECT * FROM read_parquet(["+strings.Join(quoted, ",")+"], hive_partitioning = true)")
}

func runSQL(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%.300s: %v", statement, err)
	}
}

// query returns rows as text, columns separated by |.
func query(t testing.TB, db *sql.DB, q string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT concat_ws('|', *COLUMNS(*)) FROM ("+q+")")
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close() // reading only
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
