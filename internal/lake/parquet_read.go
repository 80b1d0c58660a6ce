package lake

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ReadAll reads a whole Parquet file of the lake. Optional columns that the
// file does not have are NULL; columns that T does not have are ignored. The
// error of a damaged file names it.
func ReadAll[T any](ctx context.Context, st Store, name string) ([]T, error) {
	o, err := st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	rows, err := readRows[T](o)
	if err := errors.Join(err, o.Close()); err != nil {
		return nil, fmt.Errorf("lake %s: %s: expected a whole Parquet file of %T: %w: delete it, then have it written again or restore it from a copy", st.URI(), name, *new(T), err)
	}
	return rows, nil
}

func readRows[T any](o Object) (rows []T, err error) {
	// The library checks the structure of a file as it goes, but not all of it.
	defer func() {
		if r := recover(); r != nil {
			rows, err = nil, fmt.Errorf("damaged: %v", r)
		}
	}()
	if err := checkTail(o); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(o, o.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, err
	}
	if err := checkSchema(f.Schema(), parquet.SchemaOf(new(T))); err != nil {
		return nil, err
	}
	if err := checkCodecs(f); err != nil {
		return nil, err
	}
	r := parquet.NewGenericReader[T](f)
	defer r.Close()
	for {
		// The number of rows in a damaged file may be anything: grow by steps.
		rows = slices.Grow(rows, int(min(max(f.NumRows()-int64(len(rows)), 1), 1<<14)))
		n, err := r.Read(rows[len(rows):cap(rows)])
		rows = rows[:len(rows)+n]
		switch {
		case errors.Is(err, io.EOF):
			if int64(len(rows)) != f.NumRows() {
				return nil, fmt.Errorf("expected %d rows, found %d", f.NumRows(), len(rows))
			}
			return rows, nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, fmt.Errorf("expected %d rows, found %d", f.NumRows(), len(rows))
		}
	}
}

// checkTail wants the end of a Parquet file: the length of the footer, which
// the library believes, and the format's name.
func checkTail(o Object) error {
	const name, least = "PAR1", 12
	if o.Size() < least {
		return fmt.Errorf("expected at least %d bytes, found %d", least, o.Size())
	}
	var tail [8]byte
	if _, err := o.ReadAt(tail[:], o.Size()-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if got := string(tail[4:]); got != name {
		return fmt.Errorf("expected %q at the end, found %q", name, got)
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > o.Size()-least {
		return fmt.Errorf("expected a footer within the file's %d bytes, found one of %d", o.Size(), n)
	}
	return nil
}

// checkSchema wants every required column of want in have, and no column of
// another physical type.
func checkSchema(have, want *parquet.Schema) error {
	for _, path := range want.Columns() {
		wanted, _ := want.Lookup(path...)
		found, ok := have.Lookup(path...)
		switch {
		case !ok && !wanted.Node.Optional():
			return fmt.Errorf("the file has no column %s", strings.Join(path, "."))
		case ok && found.Node.Type().Kind() != wanted.Node.Type().Kind():
			return fmt.Errorf("column %s: expected %v, found %v", strings.Join(path, "."), wanted.Node.Type(), found.Node.Type())
		}
	}
	return nil
}

// checkCodecs wants the compression that the encoders use. A flipped bit can
// name another, and the library's LZ4 takes all memory for data that is none.
func checkCodecs(f *parquet.File) error {
	for _, group := range f.Metadata().RowGroups {
		for _, chunk := range group.Columns {
			if codec := chunk.MetaData.Codec; codec != format.Zstd {
				return fmt.Errorf("column %s: expected ZSTD compression, found %v", strings.Join(chunk.MetaData.PathInSchema, "."), codec)
			}
		}
	}
	return nil
}
