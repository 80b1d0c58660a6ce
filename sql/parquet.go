package sql

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"cloud.google.com/go/civil"
	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/warehouse"
)

// numericScale are the decimals of a NUMERIC in Parquet, BigQuery's.
const (
	numericScale     = 9
	numericPrecision = 38
)

// WriteParquet writes an answer as a Parquet file: NUMERIC as DECIMAL(38,9),
// times in microseconds, UTC. Every column may be NULL.
func WriteParquet(w io.Writer, rows *warehouse.Rows) error {
	root := ordered{Group: parquet.Group{}}
	for _, c := range rows.Columns {
		if slices.Contains(root.names, c.Name) {
			return NewUsage("Parquet needs each column's name once: %s is there twice, name it with AS", c.Name)
		}
		root.names = append(root.names, c.Name)
		root.Group[c.Name] = parquet.Optional(node(c.Type))
	}
	out := parquet.NewWriter(w, parquet.NewSchema("answer", root), parquet.Compression(&parquet.Zstd))
	for n, row := range rows.Rows {
		values := make(parquet.Row, len(row))
		for i, v := range row {
			value, err := parquetValue(v)
			if err != nil {
				return fmt.Errorf("row %d, column %s: %w", n+1, rows.Columns[i].Name, err)
			}
			level := 1
			if value.IsNull() {
				level = 0
			}
			values[i] = value.Level(0, level, i)
		}
		if _, err := out.WriteRows([]parquet.Row{values}); err != nil {
			return err
		}
	}
	return out.Close()
}

// ordered is a group whose columns are in an order of ours, not by name.
type ordered struct {
	parquet.Group
	names []string
}

func (o ordered) Fields() []parquet.Field {
	byName := map[string]parquet.Field{}
	for _, f := range o.Group.Fields() {
		byName[f.Name()] = f
	}
	out := make([]parquet.Field, len(o.names))
	for i, name := range o.names {
		out[i] = byName[name]
	}
	return out
}

func node(t warehouse.Type) parquet.Node {
	switch t {
	case warehouse.Bool:
		return parquet.Leaf(parquet.BooleanType)
	case warehouse.Int64:
		return parquet.Int(64)
	case warehouse.Float64:
		return parquet.Leaf(parquet.DoubleType)
	case warehouse.Numeric:
		return parquet.Decimal(numericScale, numericPrecision, parquet.FixedLenByteArrayType(16))
	case warehouse.Date:
		return parquet.Date()
	case warehouse.Timestamp:
		return parquet.Timestamp(parquet.Microsecond)
	default:
		return parquet.String()
	}
}

func parquetValue(v any) (parquet.Value, error) {
	switch v := v.(type) {
	case bool:
		return parquet.BooleanValue(v), nil
	case int64:
		return parquet.Int64Value(v), nil
	case float64:
		return parquet.DoubleValue(v), nil
	case string:
		return parquet.ByteArrayValue([]byte(v)), nil
	case civil.Date:
		return parquet.Int32Value(int32(v.DaysSince(civil.Date{Year: 1970, Month: time.January, Day: 1}))), nil
	case time.Time:
		return parquet.Int64Value(v.UnixMicro()), nil
	case *big.Rat:
		return decimalValue(v)
	default:
		return parquet.NullValue(), nil
	}
}

// decimalValue is a DECIMAL(38,9): two's complement in 16 bytes, the highest first.
func decimalValue(r *big.Rat) (parquet.Value, error) {
	scaled := new(big.Rat).Mul(r, big.NewRat(1_000_000_000, 1))
	if !scaled.IsInt() || scaled.Num().BitLen() > 126 {
		return parquet.Value{}, fmt.Errorf("expected a NUMERIC of at most 29 digits before and 9 after the point, found %s", Text(r))
	}
	n := new(big.Int).Set(scaled.Num())
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return parquet.FixedLenByteArrayValue(n.FillBytes(make([]byte, 16))), nil
}
