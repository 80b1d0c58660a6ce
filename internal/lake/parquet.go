package lake

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// maxRowsPerRowGroup bounds what a reader has to hold of one row group.
	maxRowsPerRowGroup = 1_000_000
	// rowsPerStep is how many rows go into one column at a time: a page may be
	// longer than its limit by so many.
	rowsPerStep = 64
)

// EncodeSilver appends a Parquet file of the rows to dst. Equal rows make equal
// bytes. Like all Encode functions it may be called from many goroutines, and
// keeps nothing of the rows.
func EncodeSilver(dst []byte, rows []SilverRow) ([]byte, error) {
	return silverEncoder.encode(dst, rows)
}

// EncodeLate appends a Parquet file of the rows to dst.
func EncodeLate(dst []byte, rows []LateRow) ([]byte, error) { return lateEncoder.encode(dst, rows) }

// EncodeBronze appends a Parquet file of the rows to dst.
func EncodeBronze(dst []byte, rows []BronzeRow) ([]byte, error) {
	return bronzeEncoder.encode(dst, rows)
}

// EncodeDead appends a Parquet file of the rows to dst.
func EncodeDead(dst []byte, rows []DeadRow) ([]byte, error) { return deadEncoder.encode(dst, rows) }

// EncodeMetrics appends a Parquet file of the rows to dst.
func EncodeMetrics(dst []byte, rows []MetricRow) ([]byte, error) {
	return metricsEncoder.encode(dst, rows)
}

var (
	silverEncoder  = &encoder[SilverRow]{columns: silverColumns}
	lateEncoder    = &encoder[LateRow]{columns: lateColumns}
	bronzeEncoder  = &encoder[BronzeRow]{columns: bronzeColumns}
	deadEncoder    = &encoder[DeadRow]{columns: deadColumns}
	metricsEncoder = &encoder[MetricRow]{columns: metricColumns}
)

// encoder writes files of one kind of row, column by column: the library's
// writer of Go structs makes values of some NULLs (see optional).
type encoder[T any] struct {
	columns []column[T] // in the order of T's schema
	// A writer costs far more to make than to use for a small file.
	writers sync.Pool
}

type writer struct {
	*parquet.Writer
	values []parquet.Value
}

func (e *encoder[T]) encode(dst []byte, rows []T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w, ok := e.writers.Get().(*writer)
	if ok {
		w.reset(out)
	} else {
		w = &writer{Writer: parquet.NewWriter(out,
			parquet.SchemaOf(new(T)),
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
			parquet.CreatedBy("shopstream", "1", "parquet-go"),
			parquet.WriteBufferSize(0), // the output is memory
			// Bounds of pages are in the page index. In the pages' headers the
			// library puts empty ones or none, as its buffers happen to be.
			parquet.DataPageStatistics(false),
		)}
	}
	for len(rows) > 0 {
		group := rows[:min(len(rows), maxRowsPerRowGroup)]
		rows = rows[len(group):]
		if err := e.writeGroup(w, group); err != nil {
			return dst, fmt.Errorf("encode rows of %T as Parquet: %w", *new(T), err)
		}
	}
	if err := w.Close(); err != nil {
		return dst, fmt.Errorf("encode rows of %T as Parquet: %w", *new(T), err)
	}
	e.writers.Put(w) // not after an error: its state is unknown then
	return out.Bytes(), nil
}

func (e *encoder[T]) writeGroup(w *writer, rows []T) error {
	columns := w.ColumnWriters()
	for len(rows) > 0 {
		step := rows[:min(len(rows), rowsPerStep)]
		rows = rows[len(step):]
		for i, values := range e.columns {
			w.values = values(w.values[:0], step)
			if _, err := columns[i].WriteRowValues(w.values); err != nil {
				return err
			}
		}
	}
	clear(w.values[:cap(w.values)]) // they point into the rows
	return w.Flush()
}

// reset prepares a closed writer for the next file. The library's Reset clears
// the columns' paths in the metadata of the last file, which share memory with
// those of the next: all files but a writer's first would have columns without
// names (parquet-go issue 602, in 0.32.0). Taking the paths away first keeps
// them.
func (w *writer) reset(out *bytes.Buffer) {
	for _, group := range w.File().Metadata().RowGroups {
		for i := range group.Columns {
			group.Columns[i].MetaData.PathInSchema = nil
		}
	}
	w.Reset(out)
}
