package lake_test

import (
	"testing"

	"example.com/shopstream/internal/lake"
)

// TestDuckDBReadsOddTexts has what events may hold and programs stumble over.
func TestDuckDBReadsOddTexts(t *testing.T) {
	t.Parallel()
	db, st := openDuckDB(t), openLake(t)
	row := order
	row.ProductID, row.ProductName, row.UserID = "P\x001", "\x00", "\u2028\U0001F600\uFFFD"
	row.Category = "a\x00b"
	write(t, st, lake.SilverName(windowStart.UnixMilli(), "a\x00b", 0), []lake.SilverRow{row}, lake.EncodeSilver)
	wantRows(t, query(t, db, "SELECT product_id, product_name, user_id, category FROM read_parquet('"+st.URI()+
		"/silver/*/*/*.parquet') WHERE product_id = 'P' || chr(0) || '1' AND category = 'a' || chr(0) || 'b'"),
		[]string{"P\x001|\x00|\u2028\U0001F600\uFFFD|a\x00b"})

	// The first and the last timestamp that ingest keeps of a record.
	from := write(t, st, lake.LaneName(lake.Bronze, 0, 0), []lake.BronzeRow{
		{KafkaTimestamp: -62_135_596_800_000_000, Headers: []lake.Header{{Key: "a\x00\uFFFD"}}},
		{KafkaTimestamp: 253_402_300_799_999_000},
	}, lake.EncodeBronze)
	wantRows(t, query(t, db, "SELECT kafka_timestamp::VARCHAR, headers[1].key FROM "+from), []string{
		"0001-01-01 00:00:00+00|a\x00\uFFFD", "9999-12-31 23:59:59.999+00|NULL",
	})
}
