package lake

import (
	"bytes"
	"cmp"
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

// ReadAll reads a whole Parquet file that one of the Encode functions made of
// rows of type T. The error of a damaged file, or one of other rows, names it.
func ReadAll[T any](ctx context.Context, st Store, name string) ([]T, error) {
	o, err := st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	rows, err := readRows[T](o)
	if err := cmp.Or(err, o.Close()); err != nil {
		return nil, fmt.Errorf("lake %s: %s: expected a whole Parquet file of %T: %w: restore it from a copy, or delete it and have it written again", st.URI(), name, *new(T), err)
	}
	return rows, nil
}

// ReadFile is ReadAll for a file as the ledger names it: one of other bytes or
// rows is an error, too.
func ReadFile[T any](ctx context.Context, st Store, f File) ([]T, error) {
	data, err := st.Get(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != f.Bytes {
		err = fmt.Errorf("expected %d bytes, found %d", f.Bytes, len(data))
	} else {
		err = checkCRC(f, CRC(data))
	}
	var rows []T
	if err == nil {
		rows, err = DecodeRows[T](data)
	}
	if err == nil && int64(len(rows)) != f.Rows {
		err = fmt.Errorf("expected %d rows, found %d", f.Rows, len(rows))
	}
	if err != nil {
		return nil, damaged(st, f.Name, err)
	}
	return rows, nil
}

// DecodeRows is ReadAll for a file in memory.
func DecodeRows[T any](data []byte) ([]T, error) {
	rows, err := readRows[T](memoryObject{bytes.NewReader(data)})
	if err != nil {
		return nil, fmt.Errorf("expected a whole Parquet file of %T, as the lake's own are: %w", *new(T), err)
	}
	return rows, nil
}

type memoryObject struct{ *bytes.Reader }

func (memoryObject) Close() error { return nil }

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
	if err := checkSchema(f.Schema(), parquet.SchemaOf(new(T)), laterColumn(new(T))); err != nil {
		return nil, err
	}
	if err := checkChunks(f); err != nil {
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

// laterColumn is the column that a kind of rows has not in files of older programs,
// where it reads as zero; "": there is none.
func laterColumn(row any) string {
	switch row.(type) {
	case *BronzeRow, *DeadRow:
		return "create_time"
	case *SilverRow:
		return "category"
	}
	return ""
}

// checkSchema wants the columns of a row's type, in that order. The library
// would convert, but believes a damaged schema, too.
func checkSchema(have, want *parquet.Schema, later string) error {
	if parquet.EqualNodes(have, want) {
		return nil
	}
	found, wanted := have.Fields(), want.Fields()
	if _, ok := have.Lookup(later); !ok && later != "" {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(f parquet.Field) bool { return f.Name() == later })
	}
	for i := range min(len(found), len(wanted)) {
		if found[i].Name() != wanted[i].Name() || !parquet.EqualNodes(found[i], wanted[i]) {
			return fmt.Errorf("column %d: expected %s, found %s", i+1, describe(wanted[i]), describe(found[i]))
		}
	}
	if len(found) == len(wanted) {
		return nil // of an older program
	}
	return fmt.Errorf("expected %d columns, found %d", len(wanted), len(found))
}

func describe(f parquet.Field) string {
	switch {
	case f.Optional():
		return fmt.Sprintf("optional %s %v", f.Name(), f.Type())
	case f.Repeated():
		return fmt.Sprintf("repeated %s %v", f.Name(), f.Type())
	default:
		return fmt.Sprintf("%s %v", f.Name(), f.Type())
	}
}

// checkChunks wants column chunks of the schema's types and the encoders'
// compression. A flipped bit can name others: the library believes the type, and
// its LZ4 takes all memory for data that is none.
func checkChunks(f *parquet.File) error {
	columns := f.Schema().Columns()
	for i, group := range f.Metadata().RowGroups {
		if len(group.Columns) != len(columns) {
			return fmt.Errorf("row group %d: expected %d columns, found %d", i, len(columns), len(group.Columns))
		}
		for j, path := range columns {
			chunk := group.Columns[j].MetaData
			leaf, _ := f.Schema().Lookup(path...)
			if want := leaf.Node.Type().Kind(); parquet.Kind(chunk.Type) != want || chunk.Codec != format.Zstd {
				return fmt.Errorf("column %s: expected %v in ZSTD, found %v in %v", strings.Join(path, "."), want, parquet.Kind(chunk.Type), chunk.Codec)
			}
		}
	}
	return nil
}
