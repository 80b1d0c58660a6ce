package lake

import (
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

// column appends the values that some rows have in one column: one a row, or of
// a list one an element.
type column[T any] func(dst []parquet.Value, rows []T) []parquet.Value

var silverColumns = []column[SilverRow]{
	text(func(r *SilverRow) string { return r.EventID }),
	text(func(r *SilverRow) string { return r.EventType }),
	integer(func(r *SilverRow) int64 { return r.EventTime }),
	text(func(r *SilverRow) string { return r.ProductID }),
	optionalText(func(r *SilverRow) string { return r.ProductName }),
	optionalText(func(r *SilverRow) string { return r.UserID }),
	optionalText(func(r *SilverRow) string { return r.SessionID }),
	optionalText(func(r *SilverRow) string { return r.Country }),
	optionalText(func(r *SilverRow) string { return r.OrderID }),
	optionalInteger(func(r *SilverRow) int64 { return r.Line }),
	optionalInteger(func(r *SilverRow) int64 { return r.Quantity }),
	optionalInteger(func(r *SilverRow) int64 { return int64(r.UnitPrice) }),
	optionalText(func(r *SilverRow) string { return r.Currency }),
	integer32(func(r *SilverRow) int32 { return r.SchemaVersion }),
	integer32(func(r *SilverRow) int32 { return r.KafkaPartition }),
	integer(func(r *SilverRow) int64 { return r.KafkaOffset }),
}

var lateColumns = append(
	within(silverColumns, func(r *LateRow) *SilverRow { return &r.SilverRow }),
	text(func(r *LateRow) string { return r.Category }),
	integer(func(r *LateRow) int64 { return r.HighTime }),
)

var bronzeColumns = []column[BronzeRow]{
	text(func(r *BronzeRow) string { return r.Topic }),
	integer32(func(r *BronzeRow) int32 { return r.KafkaPartition }),
	integer(func(r *BronzeRow) int64 { return r.KafkaOffset }),
	integer(func(r *BronzeRow) int64 { return r.KafkaTimestamp }),
	optionalBytes(func(r *BronzeRow) []byte { return r.Key }),
	optionalBytes(func(r *BronzeRow) []byte { return r.Value }),
	headers(1, func(h *Header) parquet.Value { return textValue(h.Key) }),
	headers(2, func(h *Header) parquet.Value { return bytesValue(h.Value) }),
}

var deadColumns = append(
	within(bronzeColumns, func(r *DeadRow) *BronzeRow { return &r.BronzeRow }),
	text(func(r *DeadRow) string { return r.Reason }),
	text(func(r *DeadRow) string { return r.Detail }),
)

var metricColumns = []column[MetricRow]{
	integer(func(r *MetricRow) int64 { return r.WindowStart }),
	integer(func(r *MetricRow) int64 { return r.WindowEnd }),
	text(func(r *MetricRow) string { return r.Level }),
	optionalText(func(r *MetricRow) string { return r.ProductID }),
	optionalText(func(r *MetricRow) string { return r.Category }),
	optionalText(func(r *MetricRow) string { return r.Currency }),
	integer(func(r *MetricRow) int64 { return r.OrderLines }),
	integer(func(r *MetricRow) int64 { return r.Units }),
	integer(func(r *MetricRow) int64 { return int64(r.Revenue) }),
	integer(func(r *MetricRow) int64 { return r.CancelledLines }),
	integer(func(r *MetricRow) int64 { return r.CancelledUnits }),
	integer(func(r *MetricRow) int64 { return int64(r.CancelledRevenue) }),
	integer(func(r *MetricRow) int64 { return r.Views }),
	integer(func(r *MetricRow) int64 { return r.Carts }),
	optional(func(r *MetricRow) parquet.Value {
		if r.Conversion == nil {
			return parquet.NullValue()
		}
		return parquet.DoubleValue(*r.Conversion)
	}),
}

// required is a column with a value in every row.
func required[T any](value func(*T) parquet.Value) column[T] {
	return func(dst []parquet.Value, rows []T) []parquet.Value {
		for i := range rows {
			dst = append(dst, value(&rows[i]))
		}
		return dst
	}
}

// optional is a column with NULLs. The library has a writer of its own for Go
// structs with optional fields, but in 0.32.0 that one takes a wrong turn where
// n NULLs, then n values, then NULLs only follow in one step: it writes the last
// as values.
func optional[T any](value func(*T) parquet.Value) column[T] {
	return func(dst []parquet.Value, rows []T) []parquet.Value {
		for i := range rows {
			v := value(&rows[i])
			if !v.IsNull() {
				v = v.Level(0, 1, 0)
			}
			dst = append(dst, v)
		}
		return dst
	}
}

func text[T any](get func(*T) string) column[T] {
	return required(func(r *T) parquet.Value { return textValue(get(r)) })
}

func optionalText[T any](get func(*T) string) column[T] {
	return optional(func(r *T) parquet.Value {
		if s := get(r); s != "" {
			return textValue(s)
		}
		return parquet.NullValue()
	})
}

func integer[T any](get func(*T) int64) column[T] {
	return required(func(r *T) parquet.Value { return parquet.Int64Value(get(r)) })
}

func integer32[T any](get func(*T) int32) column[T] {
	return required(func(r *T) parquet.Value { return parquet.Int32Value(get(r)) })
}

func optionalInteger[T any](get func(*T) int64) column[T] {
	return optional(func(r *T) parquet.Value {
		if n := get(r); n != 0 {
			return parquet.Int64Value(n)
		}
		return parquet.NullValue()
	})
}

func optionalBytes[T any](get func(*T) []byte) column[T] {
	return optional(func(r *T) parquet.Value { return bytesValue(get(r)) })
}

// headers is a column of the elements of the list of headers, in the levels of
// Parquet's LIST. Definition: 0 no element, 1 an element, 2 with a value where
// that is optional; defined is the one of a value. Repetition: 0 a row's first
// element, 1 the others.
func headers(defined int, value func(*Header) parquet.Value) column[BronzeRow] {
	return func(dst []parquet.Value, rows []BronzeRow) []parquet.Value {
		for i := range rows {
			if len(rows[i].Headers) == 0 {
				dst = append(dst, parquet.NullValue())
			}
			for j := range rows[i].Headers {
				v, definition := value(&rows[i].Headers[j]), defined
				if v.IsNull() {
					definition = 1
				}
				dst = append(dst, v.Level(min(j, 1), definition, 0))
			}
		}
		return dst
	}
}

// textValue is a view of a string: the library copies it into the column.
func textValue(s string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

func bytesValue(b []byte) parquet.Value {
	if b == nil {
		return parquet.NullValue()
	}
	return parquet.ByteArrayValue(b)
}

// within makes columns of T of the columns of a part of T.
func within[T, P any](columns []column[P], part func(*T) *P) []column[T] {
	var out []column[T]
	for _, c := range columns {
		out = append(out, func(dst []parquet.Value, rows []T) []parquet.Value {
			for i := range rows {
				dst = c(dst, unsafe.Slice(part(&rows[i]), 1))
			}
			return dst
		})
	}
	return out
}
