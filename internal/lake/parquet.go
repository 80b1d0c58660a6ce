package lake

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// maxRowsPerRowGroup bounds what a reader has to hold of one row group.
const maxRowsPerRowGroup = 1_000_000

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
	silverEncoder  encoder[SilverRow]
	lateEncoder    encoder[LateRow]
	bronzeEncoder  encoder[BronzeRow]
	deadEncoder    encoder[DeadRow]
	metricsEncoder encoder[MetricRow]
)

// encoder writes files of one kind of row. A writer costs far more to make
// than to use for a small file, so they are pooled.
type encoder[T any] struct{ writers sync.Pool }

func (e *encoder[T]) encode(dst []byte, rows []T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w, ok := e.writers.Get().(*parquet.GenericWriter[T])
	if ok {
		reset(w, out)
	} else {
		w = parquet.NewGenericWriter[T](out,
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
			parquet.MaxRowsPerRowGroup(maxRowsPerRowGroup),
			parquet.CreatedBy("shopstream", "1", "parquet-go"),
			parquet.WriteBufferSize(0), // the output is memory
		)
	}
	if _, err := w.Write(rows); err != nil {
		return dst, fmt.Errorf("encode %d rows of %T: %w", len(rows), *new(T), err)
	}
	if err := w.Close(); err != nil {
		return dst, fmt.Errorf("encode %d rows of %T: %w", len(rows), *new(T), err)
	}
	e.writers.Put(w) // not after an error: its state is unknown then
	return out.Bytes(), nil
}

// reset prepares a closed writer for the next file. The library's Reset clears
// the columns' paths in the metadata of the last file, which share memory with
// those of the next: all files but a writer's first would have columns without
// names (parquet-go issue 602, in 0.32.0). Taking the paths away first keeps
// them.
func reset[T any](w *parquet.GenericWriter[T], out *bytes.Buffer) {
	for _, group := range w.File().Metadata().RowGroups {
		for i := range group.Columns {
			group.Columns[i].MetaData.PathInSchema = nil
		}
	}
	w.Reset(out)
}
