package duck

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/sqltest"
	"example.com/shopstream/sql/tables"
)

var rats = cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })

func openTest(t *testing.T, texts map[string]string) *Duck {
	t.Helper()
	folder := t.TempDir()
	if err := sqltest.WriteLake(t.Context(), folder, texts); err != nil {
		t.Fatal(err)
	}
	return openAt(t, folder, Options{Threads: 1})
}

func openAt(t *testing.T, uri string, o Options) *Duck {
	t.Helper()
	d, err := Open(t.Context(), uri, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.spill); err == nil {
			t.Errorf("%s is left", d.spill)
		}
	})
	return d
}

func ask1(t *testing.T, d *Duck, text string, params warehouse.Params) *warehouse.Rows {
	t.Helper()
	rows, err := d.Query(t.Context(), text, params)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return rows
}

func TestTypes(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	moment := time.Date(2026, 3, 1, 10, 0, 0, 123456000, time.UTC)
	numeric, _ := new(big.Rat).SetString("-12345678901234567890123456789.123456789")
	params := warehouse.Params{
		"b": true, "i": int64(-1 << 63), "f": 0.1, "n": numeric, "s": "ü'\"@x", "d": civil.Date{Year: 2026, Month: 3, Day: 1}, "t": moment, "z": nil,
	}
	rows := ask1(t, d, "SELECT @b AS b, @i AS i, @f AS f, @n AS n, @s AS s, @d AS d, @t AS t, CAST(@z AS DATE) AS z", params)
	want := &warehouse.Rows{
		Columns: []warehouse.ResultColumn{
			{Name: "b", Type: warehouse.Bool},
			{Name: "i", Type: warehouse.Int64},
			{Name: "f", Type: warehouse.Float64},
			{Name: "n", Type: warehouse.Numeric},
			{Name: "s", Type: warehouse.String},
			{Name: "d", Type: warehouse.Date},
			{Name: "t", Type: warehouse.Timestamp},
			{Name: "z", Type: warehouse.Date},
		},
		Rows: [][]any{{true, int64(-1 << 63), 0.1, numeric, "ü'\"@x", civil.Date{Year: 2026, Month: 3, Day: 1}, moment, nil}},
	}
	if diff := cmp.Diff(want, rows, rats); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []any{1, "a\x00", big.NewRat(1, 3), (*big.Rat)(nil), civil.Date{Month: 13}, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(29), nil))} {
		if _, err := d.Query(t.Context(), "SELECT @x", warehouse.Params{"x": bad}); err == nil || !strings.Contains(err.Error(), "parameter @x: expected") {
			t.Errorf("%v: error %v", bad, err)
		}
	}
}

// TestGoogleSQL has what the queries use, with BigQuery's results.
func TestGoogleSQL(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	for expression, want := range map[string]any{
		"SAFE_DIVIDE(1, 0)":                               nil,
		"SAFE_DIVIDE(NULL, 2)":                            nil,
		"SAFE_DIVIDE(1, 4)":                               0.25,
		"ROUND(CAST(SAFE_DIVIDE(1, 3) AS NUMERIC), 4)":    big.NewRat(3333, 10000),
		"ROUND(CAST(0.00005 AS NUMERIC), 4)":              big.NewRat(1, 10000),
		"ROUND(CAST(-0.00005 AS NUMERIC), 4)":             big.NewRat(-1, 10000),
		"CAST('1.1234567895' AS NUMERIC)":                 big.NewRat(1123456790, 1000000000),
		"NUMERIC '0.000001'":                              big.NewRat(1, 1000000),
		"DIV(7, 2)":                                       int64(3),
		"MOD(7, 3)":                                       int64(1),
		"DATE_ADD(DATE '2024-02-28', INTERVAL 1 DAY)":     civil.Date{Year: 2024, Month: 2, Day: 29},
		"DATE_SUB(DATE '2024-03-01', INTERVAL (2-1) DAY)": civil.Date{Year: 2024, Month: 2, Day: 29},
		"UNIX_DATE(DATE '1969-12-31')":                    int64(-1),
		"DATE_FROM_UNIX_DATE(59)":                         civil.Date{Year: 1970, Month: 3, Day: 1},
		"FORMAT_DATE('%Y-%m', DATE '2026-03-09')":         "2026-03",
		"EXTRACT(DAY FROM DATE '2026-03-09')":             int64(9),
		"DATE(TIMESTAMP '2026-03-01 23:59:59+00')":        civil.Date{Year: 2026, Month: 3, Day: 1},
		"TIMESTAMP '2026-03-01 12:00:00'":                 time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		"CAST(CAST(1 AS FLOAT64) AS STRING)":              "1.0",
		"IF(TRUE, 'a', 'b')":                              "a",
		"(SELECT LOGICAL_AND(x) FROM (SELECT TRUE AS x UNION ALL SELECT NULL))": true,
		"(SELECT COUNTIF(x > 1) FROM (SELECT 1 AS x UNION ALL SELECT 2))":       int64(1),
		"(SELECT SUM(x) FROM (SELECT 1 AS x UNION ALL SELECT 2))":               int64(3),
	} {
		rows := ask1(t, d, "SELECT "+expression+" AS x", nil)
		if diff := cmp.Diff([][]any{{want}}, rows.Rows, rats); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
	const three = "(SELECT 1 AS x UNION ALL SELECT NULL UNION ALL SELECT 2)"
	for order, want := range map[string][][]any{
		"x":            {{nil}, {int64(1)}, {int64(2)}},
		"x DESC":       {{int64(2)}, {int64(1)}, {nil}},
		"x NULLS LAST": {{int64(1)}, {int64(2)}, {nil}},
	} {
		if diff := cmp.Diff(want, ask1(t, d, "SELECT x FROM "+three+" ORDER BY "+order, nil).Rows); diff != "" {
			t.Errorf("ORDER BY %s (-want +got):\n%s", order, diff)
		}
	}
}

// TestSums wants sums that no float and no 64 bits could hold, and an error where
// the answer's type cannot.
func TestSums(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("date, product_id, currency, units, revenue\n")
	for i := range 20 {
		fmt.Fprintf(&b, "2026-03-01, %d, GBP, 9000000000000000000, 999999999999.999999\n", i)
	}
	d := openTest(t, map[string]string{"daily_sales": b.String()})
	want, _ := new(big.Rat).SetString("19999999999999.99998")
	if diff := cmp.Diff([][]any{{want}}, ask1(t, d, "SELECT SUM(revenue) AS x FROM daily_sales", nil).Rows, rats); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err := d.Query(t.Context(), "SELECT SUM(units) AS x FROM daily_sales", nil)
	if err == nil || !strings.Contains(err.Error(), "row 1, column x: expected an INT64, found 180000000000000000000") {
		t.Errorf("error %v", err)
	}
	_, err = d.Query(t.Context(), "SELECT [1, 2] AS x", nil)
	if err == nil || !strings.Contains(err.Error(), "column x: expected BOOL") {
		t.Errorf("error %v", err)
	}
}

// TestReadsOnlyTables wants every way out of the tables to be closed.
func TestReadsOnlyTables(t *testing.T) {
	t.Parallel()
	d := openTest(t, map[string]string{"daily_sales": "date, product_id\n2026-03-01, A\n"})
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"SELECT * FROM read_csv('" + secret + "')", "SELECT * FROM read_text('" + secret + "')", "SELECT * FROM `" + secret + "`",
		"SELECT * FROM glob('" + filepath.Dir(secret) + "/*')", "SELECT * FROM read_text('" + d.store.URI() + "/gold/../../../etc/passwd')",
		"COPY (SELECT 1) TO '" + secret + "'", "ATTACH '" + secret + "'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA version", "SET threads = 1",
		"CREATE TABLE a AS SELECT 1", "DROP VIEW daily_sales", "SELECT 1; DROP VIEW daily_sales", "CALL pragma_version()", "EXPLAIN ANALYZE SELECT 1",
		"SELECT * FROM query('DROP VIEW daily_sales')", "WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a", "SELECT getenv('HOME')",
	} {
		if rows, err := d.Query(t.Context(), text, nil); err == nil {
			t.Errorf("%s: expected an error, found %v", text, rows.Rows)
		}
	}
	if n := len(ask1(t, d, "SELECT * FROM daily_sales", nil).Rows); n != 1 {
		t.Errorf("%d rows after all that, expected 1", n)
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "a\n1\n" {
		t.Errorf("the file is %q now, error %v", data, err)
	}
	if rows := ask1(t, d, "SELECT current_setting('TimeZone') AS a, current_setting('enable_external_access') AS b, current_setting('lock_configuration') AS c", nil); !cmp.Equal(rows.Rows, [][]any{{"UTC", false, true}}) {
		t.Errorf("settings %v", rows.Rows)
	}
}

// TestTables wants every table to be there, with the columns of its schema,
// without and with a file.
func TestTables(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, table := range tables.All() {
		value := "2026-03-01"
		if column, _ := table.Column(table.Partition); column.Type == warehouse.Timestamp {
			value += "T00:00:00Z"
		}
		texts[table.Name] = table.Partition + "\n" + value + "\n"
	}
	for rows, d := range []*Duck{openTest(t, nil), openTest(t, texts)} {
		for _, table := range tables.All() {
			answer := ask1(t, d, "SELECT * FROM "+table.Name, nil)
			var want []warehouse.ResultColumn
			for _, c := range table.Columns {
				want = append(want, warehouse.ResultColumn{Name: c.Name, Type: c.Type})
			}
			if diff := cmp.Diff(want, answer.Columns); diff != "" || len(answer.Rows) != rows {
				t.Errorf("%s: %d rows, expected %d; columns (-want +got):\n%s", table.Name, len(answer.Rows), rows, diff)
			}
		}
	}
}

// TestGoldRows reads files as gold writes them.
func TestGoldRows(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a[b]*? 'c'") // patterns and quotes in the name
	st, err := lake.OpenStore(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	day := civil.Date{Year: 2026, Month: 3, Day: 1}
	two := int64(2)
	data, err := lake.EncodeGold(nil, []lake.DailySalesRow{
		{Date: int32(day.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1})), ProductID: "A", Category: "toys", Currency: "GBP", Orders: &two, Revenue: shop.MaxMoney, Complete: true, Source: "events"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sqltest.Publish(t.Context(), st, "daily_sales", day, data); err != nil {
		t.Fatal(err)
	}
	d := openAt(t, folder, Options{})
	want, _ := new(big.Rat).SetString("999999999999.999999")
	rows := ask1(t, d, "SELECT date, product_id, currency, orders, customers, revenue, average_price, complete FROM daily_sales", nil)
	if diff := cmp.Diff([][]any{{day, "A", "GBP", int64(2), nil, want, nil, true}}, rows.Rows, rats); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	file := warehouse.File{Lake: st.URI(), Name: lake.GoldName("daily_sales", day), Rows: 1, Bytes: int64(len(data))}
	if err := d.Publish(t.Context(), tables.Must("daily_sales"), day, file); err != nil {
		t.Error(err)
	}
}

// TestFilesOfOtherColumns wants the file to be named.
func TestFilesOfOtherColumns(t *testing.T) {
	t.Parallel()
	const name = "gold/daily_sales/2026-03-02.parquet"
	good := map[string]string{"daily_sales": "date, product_id\n2026-03-01, A\n2026-03-02, B\n", "order_lines": "date, event_id\n2026-03-02, 1\n"}
	for what, change := range map[string]struct {
		change func(folder string) error
		want   []string
	}{
		"another table's": {
			func(folder string) error {
				return os.Rename(filepath.Join(folder, "gold/order_lines/2026-03-02.parquet"), filepath.Join(folder, name))
			},
			[]string{name, "as published", "run gold, which makes the day again"},
		},
		"an older version's": {
			func(folder string) error {
				data, err := os.ReadFile(filepath.Join(folder, "gold/order_lines/2026-03-02.parquet"))
				if err != nil {
					return err
				}
				st, err := lake.OpenStore(context.Background(), folder)
				if err != nil {
					return err
				}
				return sqltest.Publish(context.Background(), st, "daily_sales", civil.Date{Year: 2026, Month: 3, Day: 2}, data)
			},
			[]string{name, "column 2 is event_id VARCHAR, expected product_id VARCHAR", "have gold write the date again"},
		},
		"cut off": {
			func(folder string) error { return os.Truncate(filepath.Join(folder, name), 1000) },
			[]string{name, "run gold, which makes the day again"},
		},
		"empty": {
			func(folder string) error { return os.WriteFile(filepath.Join(folder, name), nil, 0o600) },
			[]string{name},
		},
	} {
		folder := t.TempDir()
		if err := sqltest.WriteLake(t.Context(), folder, good); err != nil {
			t.Fatal(err)
		}
		if err := change.change(folder); err != nil {
			t.Fatal(err)
		}
		d := openAt(t, folder, Options{})
		_, err := d.Query(t.Context(), "SELECT date FROM daily_sales", nil)
		for _, want := range change.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, expected one with %q", what, err, want)
			}
		}
		ask1(t, d, "SELECT date FROM category_revenue", nil) // others can still be asked
	}
}

// TestPublish wants a wrong file to be refused before a reader finds it.
func TestPublish(t *testing.T) {
	t.Parallel()
	d := openTest(t, map[string]string{"daily_sales": "date, product_id\n2026-03-01, A\n", "order_lines": "date, event_id\n2026-03-01, 1\n"})
	day, table := civil.Date{Year: 2026, Month: 3, Day: 1}, tables.Must("daily_sales")
	name := lake.GoldName("daily_sales", day)
	info, err := os.Stat(filepath.Join(d.store.URI(), name))
	if err != nil {
		t.Fatal(err)
	}
	good := warehouse.File{Lake: d.store.URI(), Name: name, Rows: 1, Bytes: info.Size()}
	for range 2 {
		if err := d.Publish(t.Context(), table, day, good); err != nil {
			t.Error(err)
		}
	}
	for want, change := range map[string]func(f *warehouse.File, table *warehouse.Table, day *civil.Date){
		"expected a file of the lake":                                func(f *warehouse.File, _ *warehouse.Table, _ *civil.Date) { f.Lake = "/other" },
		"expected a file of the partition":                           func(_ *warehouse.File, _ *warehouse.Table, day *civil.Date) { day.Day = 2 },
		"expected a file of the partition 2026-03-01 of order_lines": func(_ *warehouse.File, table *warehouse.Table, _ *civil.Date) { *table = tables.Must("order_lines") },
		"expected 2 rows, found 1":                                   func(f *warehouse.File, _ *warehouse.Table, _ *civil.Date) { f.Rows = 2 },
		"bytes, found":                                               func(f *warehouse.File, _ *warehouse.Table, _ *civil.Date) { f.Bytes++ },
		"file does not exist": func(f *warehouse.File, _ *warehouse.Table, day *civil.Date) {
			day.Day, f.Name = 3, lake.GoldName("daily_sales", civil.Date{Year: 2026, Month: 3, Day: 3})
		},
		"expected the columns of version 1 of the table": func(_ *warehouse.File, table *warehouse.Table, _ *civil.Date) { table.Columns = table.Columns[1:] },
	} {
		f, table, day := good, table, day
		change(&f, &table, &day)
		if err := d.Publish(t.Context(), table, day, f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected one with %q", err, want)
		}
	}
	// Rows of another day.
	other := filepath.Join(d.store.URI(), lake.GoldName("daily_sales", civil.Date{Year: 2026, Month: 3, Day: 2}))
	if err := os.MkdirAll(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(d.store.URI(), name), other); err != nil {
		t.Fatal(err)
	}
	good.Name = lake.GoldName("daily_sales", civil.Date{Year: 2026, Month: 3, Day: 2})
	if err := d.Publish(t.Context(), table, civil.Date{Year: 2026, Month: 3, Day: 2}, good); err == nil || !strings.Contains(err.Error(), "found 1 of other days") {
		t.Errorf("error %v", err)
	}
}

// TestReadersAtOnce has several warehouses and readers over a partition that is
// replaced all the time: each sees it whole, and a new one as soon as it is there.
func TestReadersAtOnce(t *testing.T) {
	t.Parallel()
	folder, versions := t.TempDir(), t.TempDir()
	var files [2][]byte
	for i := range files {
		var b strings.Builder
		b.WriteString("date, product_id, units\n")
		for n := range 1000 * (i + 1) {
			fmt.Fprintf(&b, "2026-03-01, %d, %d\n", n, i)
		}
		if err := sqltest.WriteLake(t.Context(), versions, map[string]string{"daily_sales": b.String()}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(versions, "gold/daily_sales/2026-03-01.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = data
	}
	st, err := lake.OpenStore(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	one, two := openAt(t, folder, Options{Threads: 2}), openAt(t, folder, Options{Threads: 2})
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := sqltest.Publish(t.Context(), st, "daily_sales", civil.Date{Year: 2026, Month: 3, Day: 1}, files[i%2]); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	seen := [4]map[string]int{}
	for i, d := range []*Duck{one, one, two, two} {
		seen[i] = map[string]int{}
		wg.Go(func() {
			for ctx.Err() == nil {
				rows, err := d.Query(t.Context(), "SELECT COUNT(*) AS n, MIN(units) AS least, MAX(units) AS most FROM daily_sales", nil)
				if err != nil {
					t.Error(err)
					return
				}
				seen[i][fmt.Sprint(rows.Rows[0])]++
			}
		})
	}
	wg.Wait()
	for i := range seen {
		delete(seen[i], "[0 <nil> <nil>]") // before the first file
		for _, whole := range []string{"[1000 0 0]", "[2000 1 1]"} {
			if seen[i][whole] == 0 {
				t.Errorf("reader %d never saw %s: %v", i, whole, seen[i])
			}
			delete(seen[i], whole)
		}
		if len(seen[i]) > 0 {
			t.Errorf("reader %d saw parts: %v", i, seen[i])
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := d.Query(ctx, "SELECT SUM(a.range * b.range) AS x FROM range(10000000) AS a CROSS JOIN range(10000000) AS b", nil)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) > 10*time.Second {
		t.Errorf("error %v after %v", err, time.Since(started))
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	plan, err := d.Explain(t.Context(), "SELECT date FROM daily_sales WHERE date = @d", warehouse.Params{"d": civil.Date{Year: 2026, Month: 3, Day: 1}})
	if err != nil || !strings.Contains(plan, "EMPTY_RESULT") && !strings.Contains(plan, "FILTER") && !strings.Contains(plan, "PROJECTION") {
		t.Errorf("plan %q, error %v", plan, err)
	}
}
