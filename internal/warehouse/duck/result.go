package duck

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"cloud.google.com/go/civil"
	"github.com/duckdb/duckdb-go/v2"

	"example.com/shopstream/internal/warehouse"
)

// columnTypes are the types of an answer by DuckDB's name. It sums BIGINT as
// HUGEINT; DECIMAL has its digits in the name.
var columnTypes = map[string]warehouse.Type{
	"BOOLEAN": warehouse.Bool,
	"TINYINT": warehouse.Int64, "SMALLINT": warehouse.Int64, "INTEGER": warehouse.Int64, "BIGINT": warehouse.Int64, "HUGEINT": warehouse.Int64,
	"UTINYINT": warehouse.Int64, "USMALLINT": warehouse.Int64, "UINTEGER": warehouse.Int64, "UBIGINT": warehouse.Int64, "UHUGEINT": warehouse.Int64,
	"FLOAT": warehouse.Float64, "DOUBLE": warehouse.Float64,
	"DECIMAL":   warehouse.Numeric,
	"VARCHAR":   warehouse.String,
	"DATE":      warehouse.Date,
	"TIMESTAMP": warehouse.Timestamp, "TIMESTAMPTZ": warehouse.Timestamp,
}

// readRows reads an answer to its end.
func readRows(rows driver.Rows) (*warehouse.Rows, error) {
	out := &warehouse.Rows{Rows: [][]any{}}
	for i, name := range rows.Columns() {
		found := rows.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(i)
		base, _, _ := strings.Cut(found, "(")
		typ, ok := columnTypes[base]
		if !ok {
			return nil, fmt.Errorf("column %s: expected BOOL, INT64, FLOAT64, NUMERIC, STRING, DATE or TIMESTAMP, found %s: cast it", name, found)
		}
		out.Columns = append(out.Columns, warehouse.ResultColumn{Name: name, Type: typ})
	}
	for {
		values := make([]driver.Value, len(out.Columns))
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		row := make([]any, len(out.Columns))
		for i, v := range values {
			var err error
			if row[i], err = convert(v, out.Columns[i].Type); err != nil {
				return nil, fmt.Errorf("row %d, column %s: %w", len(out.Rows)+1, out.Columns[i].Name, err)
			}
		}
		out.Rows = append(out.Rows, row)
	}
}

// convert returns a driver's value as warehouse.Rows has it.
func convert(v driver.Value, typ warehouse.Type) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v, nil
	case int8:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case uint16:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint64:
		return whole(new(big.Int).SetUint64(v))
	case *big.Int:
		return whole(v)
	case float32:
		return float64(v), nil
	case duckdb.Decimal:
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.Scale)), nil)
		return new(big.Rat).SetFrac(v.Value, scale), nil
	case time.Time:
		if typ == warehouse.Date {
			return civil.DateOf(v.UTC()), nil
		}
		return v.UTC(), nil
	default:
		return nil, fmt.Errorf("expected a value of %s, found a %T of the driver", typ, v)
	}
}

func whole(n *big.Int) (any, error) {
	if !n.IsInt64() {
		return nil, fmt.Errorf("expected an INT64, found %v, which does not fit: cast what is summed to NUMERIC", n)
	}
	return n.Int64(), nil
}
