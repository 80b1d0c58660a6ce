package producer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// place is where a record lies in a file's content, and its event time: 16
// bytes a record are all that a file is sorted in.
type place struct {
	time int64  // ms; that of the record before it where it has none
	at   uint64 // offset and length
}

const (
	lengthBits = 24
	mostLength = 1<<lengthBits - 1
	mostOffset = 1<<(64-lengthBits) - 1
)

// openOrdered opens a file's content from an offset to an end (0: its own) as if
// its records stood in the order of (event time, place in the file). What stands
// before the first record is left where it is.
func openOrdered(f *File, end int64) (_ *file, err error) {
	content, base, err := seekable(f.Path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, content.Close())
		}
	}()
	in, err := openContent(f.Path, end, nil)
	if err != nil {
		return nil, err
	}
	defer in.Close() // opened for reading
	rows, err := f.rows(in)
	if err != nil {
		return nil, err
	}
	places := make([]place, 0, f.Records)
	o := &ordered{content: content, base: base}
	var last int64
	for n := int64(1); ; n++ {
		r, err := rows.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if n == 1 {
			o.head = r.start
		}
		if r.timed {
			last = r.time
		}
		if r.start < f.From || r.records == 0 {
			continue
		}
		length := r.end - r.start
		if length > mostLength || r.start > mostOffset {
			return nil, fmt.Errorf("replay: %s, record %d: %d bytes at offset %d: a file that is not in order of time can be sorted up to %d bytes a record and 1 TiB in all", f.Path, n, length, r.start, mostLength)
		}
		places = append(places, place{last, uint64(r.start)<<lengthBits | uint64(length)})
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.at, b.at)) })
	o.places = places
	return newFile(o, content.Close), nil
}

// seekable opens a file's content for reading at offsets; base is what to add
// to them. Compressed content is decompressed into a temporary file first, which
// is gone with its last reader.
func seekable(path string) (content *os.File, base int64, err error) {
	in, err := openFile(path)
	if err != nil {
		return nil, 0, err
	}
	if !in.compressed {
		f, err := os.Open(path)
		if err != nil {
			return nil, 0, errors.Join(fmt.Errorf("replay: %w", err), in.Close())
		}
		return f, in.skipped, in.Close()
	}
	spool, err := os.CreateTemp("", "replay-*")
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("replay: %s is compressed and not in order of time; it takes a temporary file to sort it: %w", path, err), in.Close())
	}
	_, err = io.Copy(spool, in)
	err = errors.Join(err, os.Remove(spool.Name()), in.Close())
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("replay: %s is compressed and not in order of time; decompressing it into a temporary file: %w", path, err), spool.Close())
	}
	return spool, 0, nil
}

// ordered reads the head of a file's content, and then its records by their
// places.
type ordered struct {
	content io.ReaderAt
	base    int64
	head    int64 // bytes before the first record, which come first
	places  []place

	piece []byte // the rest of what is being read
	buf   []byte
}

func (o *ordered) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(o.piece) == 0 {
		offset, length := int64(0), o.head
		switch {
		case o.head > 0:
			o.head = 0
		case len(o.places) == 0:
			return 0, io.EOF
		default:
			offset, length = int64(o.places[0].at>>lengthBits), int64(o.places[0].at&mostLength)
			o.places = o.places[1:]
		}
		if err := o.load(offset, length); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.piece)
	o.piece = o.piece[n:]
	return n, nil
}

// load reads a piece of the content; one without the end of a line gets one.
func (o *ordered) load(offset, length int64) error {
	o.buf = slices.Grow(o.buf[:0], int(length)+1)[:length]
	if _, err := o.content.ReadAt(o.buf, o.base+offset); err != nil {
		return fmt.Errorf("the file has changed while it was read: %w", err)
	}
	if length > 0 && o.buf[length-1] != '\n' {
		o.buf = append(o.buf, '\n')
	}
	o.piece = o.buf
	return nil
}
