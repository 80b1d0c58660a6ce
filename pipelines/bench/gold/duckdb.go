package main

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "github.com/duckdb/duckdb-go/v2" // what gold is compared with
)

// The sums of a group of events, as gold has them.
const sums = `
	count(*) FILTER (event_type = 'order_created') AS order_lines,
	count(DISTINCT order_id) FILTER (event_type = 'order_created') AS orders,
	count(DISTINCT user_id) FILTER (event_type = 'order_created') AS customers,
	coalesce(sum(quantity) FILTER (event_type = 'order_created'), 0) AS units,
	coalesce(sum(quantity * unit_price) FILTER (event_type = 'order_created'), 0) AS revenue,
	count(*) FILTER (event_type = 'order_cancelled') AS cancelled_lines,
	coalesce(sum(quantity) FILTER (event_type = 'order_cancelled'), 0) AS cancelled_units,
	coalesce(sum(quantity * unit_price) FILTER (event_type = 'order_cancelled'), 0) AS cancelled_revenue,
	count(*) FILTER (event_type = 'product_viewed') AS views,
	count(*) FILTER (event_type = 'add_to_cart') AS carts`

// aggregate makes gold's tables of a lake with DuckDB alone, by the way that
// took it the least: ids that are there twice by their hashes first, then the
// events, each once, into a table in memory, then a query a table.
func aggregate(lake, out string) (err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	const columns = `event_id, event_type, event_time, product_id, product_name, user_id, session_id, country, order_id, line, quantity, unit_price, currency, category, CAST(event_time AS DATE) AS day`
	statements := []string{
		"SET threads = 2", "SET TimeZone = 'UTC'", "SET preserve_insertion_order = false", "SET temp_directory = '" + filepath.Join(out, "spill") + "'",
		fmt.Sprintf(`CREATE VIEW every AS
			SELECT %[1]s FROM read_parquet('%[2]s/silver/**/*.parquet', hive_partitioning = true)
			UNION ALL SELECT %[1]s FROM read_parquet('%[2]s/late/**/*.parquet', hive_partitioning = false)`, columns, lake),
		`CREATE TABLE twice AS SELECT h FROM (SELECT hash(event_id) AS h FROM every) GROUP BY h HAVING count(*) > 1`,
		`CREATE TABLE events AS
			SELECT * FROM every WHERE hash(event_id) NOT IN (SELECT h FROM twice)
			UNION ALL
			(SELECT * FROM every WHERE hash(event_id) IN (SELECT h FROM twice)
			QUALIFY row_number() OVER (PARTITION BY day, event_id ORDER BY event_time, hash(product_id, quantity, unit_price)) = 1)`,
	}
	for name, query := range map[string]string{
		"daily_sales":      "SELECT day, product_id, category, currency, " + sums + " FROM events GROUP BY ALL ORDER BY ALL",
		"category_revenue": "SELECT day, category, currency, count(DISTINCT product_id) FILTER (event_type = 'order_created') AS products, " + sums + " FROM events GROUP BY ALL ORDER BY ALL",
		"hourly_sales":     "SELECT day, date_trunc('hour', event_time) AS hour_start, category, currency, " + sums + " FROM events GROUP BY ALL ORDER BY ALL",
		"order_lines": `SELECT day, event_id, event_time, event_type, order_id, line, product_id, category, user_id, session_id, country, quantity, unit_price, currency,
			quantity * unit_price AS amount FROM events WHERE event_type IN ('order_created', 'order_cancelled') ORDER BY day, event_time, event_id`,
		"product_catalogue": `SELECT day, product_id, arg_max(product_name, event_time), arg_max(category, event_time), arg_max(unit_price, event_time),
			min(unit_price), max(unit_price) FROM events GROUP BY ALL ORDER BY ALL`,
	} {
		statements = append(statements, fmt.Sprintf("COPY (%s) TO '%s/%s.parquet' (FORMAT parquet, COMPRESSION zstd)", query, out, name))
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil { //nolint:gosec // G701: its own texts
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	totals, err := ask(out+"/daily_sales.parquet", "order_lines", "cancelled_lines")
	if err != nil {
		return err
	}
	fmt.Println("totals", totals)
	return nil
}

// ask sums what every program must have made alike.
func ask(files, lines, cancelled string) (totals string, err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	query := fmt.Sprintf(`SELECT format('{} lines, {} orders, {} units, {} cancelled, {} views, {} carts, revenue {}',
		CAST(sum(%[1]s) AS BIGINT), CAST(sum(orders) AS BIGINT), CAST(sum(units) AS BIGINT), CAST(sum(%[2]s) AS BIGINT), CAST(sum(views) AS BIGINT), CAST(sum(carts) AS BIGINT), CAST(sum(revenue) AS VARCHAR))
		FROM read_parquet('%[3]s', hive_partitioning = false)`, lines, cancelled, files)
	return totals, db.QueryRow(query).Scan(&totals) //nolint:gosec // G701: its own text
}
