package duck

import (
	"strings"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// deadTable is the one table over a lane of the lake: its files have the records'
// own bytes, of which the view shows what a terminal can be trusted with.
const deadTable = string(lake.Dead)

// deadColumns are the table's columns in terms of the lane's.
var deadColumns = map[string]string{
	// The window that a file is of stands in its name: PARTITION-20260301T101500Z.parquet, of a copy with more behind it.
	"arrived":         `strptime(regexp_extract(filename, '[0-9]+-([0-9]{8}T[0-9]{6}([.][0-9]{3})?Z)[^/]*$', 1), ['%Y%m%dT%H%M%SZ', '%Y%m%dT%H%M%S.%gZ']) AT TIME ZONE 'UTC'`,
	"topic":           "topic",
	"kafka_partition": "CAST(kafka_partition AS BIGINT)",
	"kafka_offset":    "kafka_offset",
	"record_time":     "kafka_timestamp",
	"reason":          "reason",
	"detail":          "detail",
	"key":             printable("key"),
	"value":           printable("value"),
	"value_bytes":     "CAST(octet_length(value) AS BIGINT)",
}

// printable is the beginning of a column of bytes as text, in which nothing is
// left that a terminal would act on; bytes that are no UTF-8 are written as DuckDB
// writes them, \xFF.
func printable(column string) string {
	text := `regexp_replace(left(TRY(decode(` + column + `)), 200), '[\p{C}\p{Zl}\p{Zp}]', chr(65533), 'g')`
	return `coalesce(` + text + `, CAST(` + column + `[1:100] AS VARCHAR))`
}

// defineDead is the statement that makes the table's view over files of the lane.
func defineDead(t warehouse.Table, files []string) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = deadColumns[c.Name] + " AS " + sqlName(c.Name)
	}
	// Files of older programs have no column create_time.
	return "CREATE OR REPLACE VIEW " + sqlName(t.Name) + " AS SELECT " + strings.Join(columns, ", ") +
		" FROM read_parquet([" + fileList(files) + "], hive_partitioning = false, filename = true, union_by_name = true)"
}
