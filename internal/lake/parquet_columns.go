package lake

import (
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/shop"
)

// columns collects the values of a few rows, by column in the order of the
// schema.
type columns struct {
	values [][]parquet.Value
	bytes  int // of texts and byte strings
}

func (c *columns) silver(r *SilverRow) {
	c.text(0, r.EventID)
	c.text(1, r.EventType)
	c.integer(2, r.EventTime)
	c.text(3, r.ProductID)
	c.optionalText(4, r.ProductName)
	c.optionalText(5, r.UserID)
	c.optionalText(6, r.SessionID)
	c.optionalText(7, r.Country)
	c.optionalText(8, r.OrderID)
	c.optionalInteger(9, r.Line)
	c.optionalInteger(10, r.Quantity)
	c.optionalInteger(11, int64(r.UnitPrice))
	c.optionalText(12, r.Currency)
	c.integer32(13, r.SchemaVersion)
	c.integer32(14, r.KafkaPartition)
	c.integer(15, r.KafkaOffset)
	c.text(16, r.Category)
}

func (c *columns) late(r *LateRow) {
	c.silver(&r.SilverRow)
	c.integer(17, r.HighTime)
}

func (c *columns) bronze(r *BronzeRow) {
	c.text(0, r.Topic)
	c.integer32(1, r.KafkaPartition)
	c.integer(2, r.KafkaOffset)
	c.integer(3, r.KafkaTimestamp)
	c.optionalBytes(4, r.Key)
	c.optionalBytes(5, r.Value)
	c.headers(6, 7, r.Headers)
	c.add(8, parquet.BooleanValue(r.CreateTime))
}

func (c *columns) dead(r *DeadRow) {
	c.bronze(&r.BronzeRow)
	c.text(9, r.Reason)
	c.text(10, r.Detail)
}

func (c *columns) metric(r *MetricRow) {
	c.integer(0, r.WindowStart)
	c.integer(1, r.WindowEnd)
	c.text(2, r.Level)
	c.optionalText(3, r.ProductID)
	c.optionalText(4, r.Category)
	c.optionalText(5, r.Currency)
	c.integer(6, r.OrderLines)
	c.integer(7, r.Units)
	c.optionalMoney(8, r.Revenue)
	c.integer(9, r.CancelledLines)
	c.integer(10, r.CancelledUnits)
	c.optionalMoney(11, r.CancelledRevenue)
	c.integer(12, r.Views)
	c.integer(13, r.Carts)
	c.optionalNumber(14, r.Conversion)
}

func (c *columns) add(i int, v parquet.Value) { c.values[i] = append(c.values[i], v) }

// present marks the value of an optional column as not NULL.
func present(v parquet.Value) parquet.Value { return v.Level(0, 1, 0) }

func (c *columns) integer(i int, n int64)   { c.add(i, parquet.Int64Value(n)) }
func (c *columns) integer32(i int, n int32) { c.add(i, parquet.Int32Value(n)) }

func (c *columns) optionalInteger(i int, n int64) {
	if n == 0 {
		c.add(i, parquet.NullValue())
	} else {
		c.add(i, present(parquet.Int64Value(n)))
	}
}

// optionalMoney keeps nil and zero apart.
func (c *columns) optionalMoney(i int, m *shop.Money) {
	if m == nil {
		c.add(i, parquet.NullValue())
	} else {
		c.add(i, present(parquet.Int64Value(int64(*m))))
	}
}

// view is a value that points to a string: writing copies it.
func view(s string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

func (c *columns) text(i int, s string) {
	c.bytes += len(s)
	c.add(i, view(s))
}

func (c *columns) optionalText(i int, s string) {
	if s == "" {
		c.add(i, parquet.NullValue())
	} else {
		c.bytes += len(s)
		c.add(i, present(view(s)))
	}
}

func (c *columns) optionalBytes(i int, b []byte) {
	if b == nil {
		c.add(i, parquet.NullValue())
	} else {
		c.bytes += len(b)
		c.add(i, present(parquet.ByteArrayValue(b)))
	}
}

// headers adds a list in the levels of Parquet's LIST. Repetition: 0 the first
// element of a row, 1 the others. Definition: 0 no element, 1 an element, 2 an
// element with a value where that is optional.
func (c *columns) headers(keys, values int, list []Header) {
	if len(list) == 0 {
		c.add(keys, parquet.NullValue())
		c.add(values, parquet.NullValue())
	}
	for i, h := range list {
		c.bytes += len(h.Key) + len(h.Value)
		c.add(keys, view(h.Key).Level(min(i, 1), 1, 0))
		if h.Value == nil {
			c.add(values, parquet.NullValue().Level(min(i, 1), 1, 0))
		} else {
			c.add(values, parquet.ByteArrayValue(h.Value).Level(min(i, 1), 2, 0))
		}
	}
}

// reset forgets the values, and what they point to.
func (c *columns) reset() {
	c.bytes = 0
	for i, values := range c.values {
		clear(values)
		c.values[i] = values[:0]
	}
}
