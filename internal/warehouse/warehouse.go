// Package warehouse is where gold's tables are asked: one small interface, with
// an engine in each of its folders. Both take the same GoogleSQL text and give
// the same rows.
package warehouse

import (
	"context"

	"cloud.google.com/go/civil"
)

// Warehouse holds tables and answers queries. Its methods may be called from
// many goroutines at once.
type Warehouse interface {
	// Publish makes a file the whole content of a table's partition of date.
	// Readers see the old partition or the new one, never a part of either.
	// Publishing the same content again changes nothing.
	Publish(ctx context.Context, t Table, date civil.Date, f File) error
	// Query runs one SELECT of GoogleSQL. Tables are named without a dataset;
	// parameters as @name, and they are bound, never put into the text.
	Query(ctx context.Context, text string, params Params) (*Rows, error)
	// Close releases connections.
	Close() error
}

// File is a Parquet file of a lake.
type File struct {
	Lake  string // URI of the lake
	Name  string // of the object in it
	Rows  int64
	Bytes int64
	Hash  string // of its content, hexadecimal
}

// Params are the values of a query's parameters by name: nil, bool, int64,
// float64, string, civil.Date, time.Time or *big.Rat (NUMERIC).
type Params map[string]any

// Rows is a query's answer, in the order that the query asks for.
//
// A value is nil (NULL), bool, int64, float64, string, civil.Date, time.Time
// (UTC, microseconds) or *big.Rat (NUMERIC, exact).
type Rows struct {
	Columns []ResultColumn
	Rows    [][]any
	// Bytes is what the engine says it had to read (billed on BigQuery); 0 where it does not say.
	Bytes int64
}

// ResultColumn is one column of an answer.
type ResultColumn struct {
	Name string
	Type Type
}
