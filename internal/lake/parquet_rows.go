package lake

import "example.com/shopstream/internal/shop"

// The rows of the lake's Parquet files; the tags are the files' schema.
//
// Times are microseconds since the epoch, UTC (TIMESTAMP, adjusted to UTC).
// Amounts are shop.Money, whose micro-units are DECIMAL(18,6) as they stand.
// In an optional column nil or the zero value ("", 0, a nil slice) is NULL; an empty
// slice that is not nil is an empty value.

// SilverRow is one event of the silver lane. Its date is in the file's path, and so
// is its category, which is the same in all of a file.
type SilverRow struct {
	EventID     string     `parquet:"event_id"`
	EventType   string     `parquet:"event_type,dict"`
	EventTime   int64      `parquet:"event_time,timestamp(microsecond)"`
	ProductID   string     `parquet:"product_id"`
	ProductName string     `parquet:"product_name,optional"`
	UserID      string     `parquet:"user_id,optional"`
	SessionID   string     `parquet:"session_id,optional"`
	Country     string     `parquet:"country,optional,dict"`
	OrderID     string     `parquet:"order_id,optional"`
	Line        int64      `parquet:"line,optional"`
	Quantity    int64      `parquet:"quantity,optional"`
	UnitPrice   shop.Money `parquet:"unit_price,optional,decimal(6:18)"`
	Currency    string     `parquet:"currency,optional,dict"`

	SchemaVersion  int32 `parquet:"schema_version"`
	KafkaPartition int32 `parquet:"kafka_partition"`
	KafkaOffset    int64 `parquet:"kafka_offset"`

	Category string `parquet:"category,dict"` // files of older programs have no such column, which reads as ""
}

// LateRow is one event of the late lane: its file holds all categories, and
// events of several dates.
type LateRow struct {
	SilverRow
	// HighTime is the highest event time in the partition up to the record.
	HighTime int64 `parquet:"high_time,timestamp(microsecond)"`
}

// BronzeRow is one Kafka record as it was received. Its slices may be views of
// a fetched batch: encoding copies them.
type BronzeRow struct {
	Topic          string   `parquet:"topic,dict"`
	KafkaPartition int32    `parquet:"kafka_partition"`
	KafkaOffset    int64    `parquet:"kafka_offset"`
	KafkaTimestamp int64    `parquet:"kafka_timestamp,timestamp(microsecond)"`
	Key            []byte   `parquet:"key,optional"`
	Value          []byte   `parquet:"value,optional"`
	Headers        []Header `parquet:"headers,list"`
	CreateTime     bool     `parquet:"create_time"` // the producer stamped it; files of older programs have no such column, which reads as false
}

// Header is one header of a Kafka record. The keys of a record may repeat.
type Header struct {
	Key   string `parquet:"key"`
	Value []byte `parquet:"value,optional"`
}

// DeadRow is one record that is no valid event.
type DeadRow struct {
	BronzeRow
	Reason string `parquet:"reason,dict"`
	Detail string `parquet:"detail"` // for people
}

// MetricsRow levels.
const (
	LevelProduct  = "product"
	LevelCategory = "category"
	LevelShop     = "shop"
)

// MetricRow is the sums of one metrics window for one product, category or the
// whole shop, in one currency.
type MetricRow struct {
	WindowStart int64  `parquet:"window_start,timestamp(microsecond)"`
	WindowEnd   int64  `parquet:"window_end,timestamp(microsecond)"`
	Level       string `parquet:"level,dict"` // LevelProduct, LevelCategory or LevelShop
	ProductID   string `parquet:"product_id,optional"`
	Category    string `parquet:"category,optional"`
	// Currency is NULL where nothing was ordered or cancelled.
	Currency string `parquet:"currency,optional,dict"`

	OrderLines int64 `parquet:"order_lines"`
	Units      int64 `parquet:"units"`
	// Revenue and CancelledRevenue are nil where the sum does not fit.
	Revenue          *shop.Money `parquet:"revenue,decimal(6:18)"`
	CancelledLines   int64       `parquet:"cancelled_lines"`
	CancelledUnits   int64       `parquet:"cancelled_units"`
	CancelledRevenue *shop.Money `parquet:"cancelled_revenue,decimal(6:18)"`
	Views            int64       `parquet:"views"`
	Carts            int64       `parquet:"carts"`
	// Conversion is order lines per view; nil without views.
	Conversion *float64 `parquet:"conversion"`
}
