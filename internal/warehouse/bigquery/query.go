package bigquery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"github.com/google/uuid"
	"google.golang.org/api/iterator"

	"example.com/shopstream/internal/warehouse"
)

// Query runs one SELECT. A parameter that is nil is a NULL of type STRING, which
// BigQuery also takes for a DATE or a TIMESTAMP; for another type, give a nil
// pointer: (*int64)(nil), (*float64)(nil), (*bool)(nil), (*big.Rat)(nil).
// Rows.Bytes are the bytes billed.
func (w *Warehouse) Query(ctx context.Context, text string, params warehouse.Params) (*warehouse.Rows, error) {
	q, err := w.query(text, params)
	if err != nil {
		return nil, err
	}
	wait := w.o.retry.wait
	for n := 1; ; n++ {
		rows, err := w.ask(ctx, q)
		switch {
		case err == nil:
			return rows, nil
		case n >= w.o.retry.attempts, !temporaryReason(reasonOf(err)), ctx.Err() != nil:
			return nil, w.explain("query", err)
		}
		if err := pause(ctx, wait); err != nil {
			return nil, w.explain("query", err)
		}
		wait = min(2*wait, w.o.retry.longest)
	}
}

// Explain checks a query without running it, and returns how many bytes it
// would read.
func (w *Warehouse) Explain(ctx context.Context, text string, params warehouse.Params) (bytes int64, err error) {
	q, err := w.query(text, params)
	if err != nil {
		return 0, err
	}
	q.DryRun = true
	var job *bigquery.Job
	err = call(ctx, func(ctx context.Context, _ *calls) error {
		job, err = q.Run(ctx)
		return err
	})
	if err != nil {
		return 0, w.explain("explain", err)
	}
	status := job.LastStatus()
	if err := status.Err(); err != nil {
		return 0, w.explain("explain", err)
	}
	return status.Statistics.TotalBytesProcessed, nil
}

func (w *Warehouse) query(text string, params warehouse.Params) (*bigquery.Query, error) {
	q := w.client.Query(text)
	q.DefaultProjectID, q.DefaultDatasetID = w.o.Project, w.o.Dataset
	q.MaxBytesBilled = w.o.MaxBytesBilled
	q.Labels = w.labels()
	q.Location = w.o.Location
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value, err := parameter(params[name])
		if err != nil {
			return nil, fmt.Errorf("parameter @%s: %w", name, err)
		}
		q.Parameters = append(q.Parameters, bigquery.QueryParameter{Name: name, Value: value})
	}
	return q, nil
}

// numericDigits is how many decimals a NUMERIC has.
const numericDigits = 9

// parameter converts a value so that the client sees its type.
func parameter(v any) (any, error) {
	null := func(t warehouse.Type) (any, error) {
		return &bigquery.QueryParameterValue{Type: bigquery.StandardSQLDataType{TypeKind: string(t)}, Value: bigquery.NullString{}}, nil
	}
	switch v := v.(type) {
	case nil:
		return null(warehouse.String)
	case bool, int64, float64, string, civil.Date:
		return v, nil
	case time.Time:
		return v.UTC(), nil
	case *big.Rat:
		if v == nil {
			return null(warehouse.Numeric)
		}
		if !numeric(v) {
			return nil, fmt.Errorf("expected a NUMERIC (29 digits and %d decimals), found %s", numericDigits, v.RatString())
		}
		return v, nil
	case *bool:
		return optional(v, warehouse.Bool, null)
	case *int64:
		return optional(v, warehouse.Int64, null)
	case *float64:
		return optional(v, warehouse.Float64, null)
	case *string:
		return optional(v, warehouse.String, null)
	case *civil.Date:
		return optional(v, warehouse.Date, null)
	case *time.Time:
		return optional(v, warehouse.Timestamp, null)
	}
	return nil, fmt.Errorf("expected nil, bool, int64, float64, string, civil.Date, time.Time or *big.Rat, found %T", v)
}

func optional[T any](v *T, t warehouse.Type, null func(warehouse.Type) (any, error)) (any, error) {
	if v == nil {
		return null(t)
	}
	return parameter(*v)
}

// numericLimit is what a NUMERIC stays below.
var numericLimit = new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(29), nil))

// numeric reports whether a NUMERIC can hold v exactly.
func numeric(v *big.Rat) bool {
	digits, exact := v.FloatPrec()
	return exact && digits <= numericDigits && new(big.Rat).Abs(v).Cmp(numericLimit) < 0
}

// ask runs a query once and reads all its rows.
func (w *Warehouse) ask(ctx context.Context, q *bigquery.Query) (*warehouse.Rows, error) {
	q.JobID = "shopstream_query_" + uuid.NewString()
	out := &warehouse.Rows{Rows: [][]any{}}
	var job *bigquery.Job
	err := call(ctx, func(ctx context.Context, _ *calls) (err error) {
		job, err = q.Run(ctx)
		if hasCode(err, http.StatusConflict) { // an answer got lost
			job, err = w.client.JobFromIDLocation(ctx, q.JobID, w.o.Location)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = call(ctx, func(ctx context.Context, _ *calls) error {
		rows, err := job.Read(ctx)
		if err != nil {
			return err
		}
		for {
			var values []bigquery.Value
			err := rows.Next(&values)
			if errors.Is(err, iterator.Done) {
				break
			}
			if err != nil {
				return err
			}
			row := make([]any, len(values))
			for i, v := range values {
				if row[i], err = result(v); err != nil {
					return fmt.Errorf("column %s: %w", rows.Schema[i].Name, err)
				}
			}
			out.Rows = append(out.Rows, row)
		}
		for _, f := range rows.Schema {
			t, ok := columnType(f.Type)
			if !ok || f.Repeated {
				return fmt.Errorf("column %s is of type %s: cast it to one of BOOL, INT64, FLOAT64, NUMERIC, STRING, DATE, TIMESTAMP", f.Name, typeOf(f))
			}
			out.Columns = append(out.Columns, warehouse.ResultColumn{Name: f.Name, Type: t})
		}
		status, err := job.Status(ctx)
		if err != nil {
			return err
		}
		if s, ok := status.Statistics.Details.(*bigquery.QueryStatistics); ok {
			out.Bytes = s.TotalBytesBilled
		}
		return nil
	})
	return out, err
}

// result converts a value of the client's.
func result(v bigquery.Value) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, civil.Date, *big.Rat:
		return v, nil
	case time.Time:
		return v.UTC(), nil
	}
	return nil, fmt.Errorf("expected a value of BOOL, INT64, FLOAT64, NUMERIC, STRING, DATE or TIMESTAMP, found %T: cast it", v)
}
