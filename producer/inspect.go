package producer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"
)

// Prefix is the beginning of a file, or all of it, by its content: what it
// holds decompressed and without a byte order mark.
type Prefix struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// InspectOptions of Inspect.
type InspectOptions struct {
	Format Format // empty: recognised by content
	// Known are contents that were replayed before. A file that begins with one of
	// them is replayed from where that ends: it has grown.
	Known []Prefix
	// End is how many bytes of the content count; 0: all.
	End int64
	// Bound is how far a record may be behind the highest time before it in a
	// replay that keeps the file's order: the pipeline's out-of-orderness.
	// 0: 30 s.
	Bound time.Duration
	// Progress, if set, is told now and then how many records were read.
	Progress func(records int64)
}

// File is a file that was read once, before its replay: every line was checked,
// and what is told here is known.
type File struct {
	Path    string
	Format  Format
	Content Prefix        // all of it
	From    int64         // where the replay begins: the end of the longest of Known, 0 if none is the file's beginning
	Records int64         // to be replayed
	Before  int64         // records before From
	First   time.Time     // the lowest event time of the records to be replayed, zero if none has one
	Last    time.Time     // the highest one that is not after the time of reading
	Behind  time.Duration // how far a record is behind the highest time before it, at most

	bound time.Duration
	otto  []ottoEvent
}

// Sorted reports whether a replay puts the records in the order of event time:
// some are so far behind others that the pipeline would take them for late.
func (f *File) Sorted() bool { return f.Format == OTTO || f.Behind > f.bound }

// Nothing reports whether all of the file was replayed before.
func (f *File) Nothing() bool { return f.From > 0 && f.From == f.Content.Bytes }

// Inspect reads a file once, whole.
func Inspect(ctx context.Context, path string, o InspectOptions) (*File, error) {
	f := &File{Path: path, Format: o.Format, bound: o.Bound}
	if f.bound == 0 {
		f.bound = defaultBound
	}
	if f.Format == "" {
		var err error
		if f.Format, err = Recognise(path); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(Formats, f.Format) {
		return nil, fmt.Errorf("replay: unknown format %q: expected one of %v", f.Format, Formats)
	}
	sum := newPrefixSum(o.Known)
	in, err := openContent(path, o.End, sum)
	if err != nil {
		return nil, err
	}
	rows, err := f.rows(in)
	if err == nil {
		err = f.survey(ctx, rows, sum, o.Progress)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, in) // what a reader of rows has not needed
	}
	closing := in.Close() // of a damaged file it may say what reading has said
	if err = cmp.Or(err, closing); err != nil {
		return nil, err
	}
	f.Content = sum.all()
	if slices.Contains(o.Known, f.Content) {
		f.forget() // also where the last line has no end
		f.From = f.Content.Bytes
	}
	return f, nil
}

// forget counts what was to be replayed as replayed before.
func (f *File) forget() {
	f.Before, f.Records = f.Before+f.Records, 0
	f.First, f.Last, f.Behind, f.otto = time.Time{}, time.Time{}, 0, nil
}

// row is where a record lies in a file's content, and when it was.
type row struct {
	start, end int64
	time       int64 // ms, UTC
	timed      bool
	records    int64 // 0 of an empty line, many of a session of OTTO's
	newest     int64 // of a session: the time of its last event, time being that of the first
}

// rowReader reads the rows of a format in the file's order.
type rowReader interface {
	row() (row, error) // io.EOF at the end
}

func (f *File) rows(in *file) (rowReader, error) {
	switch f.Format {
	case OnlineRetail:
		return newRetailReader(f.Path, in)
	case OTTO:
		return &ottoReader{lines: lineReader{path: f.Path, file: in}, file: f}, nil
	}
	return &eventReader{lines: lineReader{path: f.Path, file: in}}, nil
}

func (f *File) survey(ctx context.Context, rows rowReader, sum *prefixSum, progress func(int64)) error {
	now := time.Now().UnixMilli()
	var high, first, last, read int64
	for n := int64(0); ; n++ {
		if n%4096 == 4095 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if progress != nil {
				progress(read)
			}
		}
		r, err := rows.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		// What was read ahead has been summed up: a prefix that ends before this row is known.
		if end := sum.longest(r.start); end > f.From {
			f.forget()
			f.From, high, first, last = end, 0, 0, 0
		}
		read += r.records
		f.Records += r.records
		if !r.timed {
			continue
		}
		if r.time < high {
			f.Behind = max(f.Behind, time.Duration(high-r.time)*time.Millisecond)
		}
		high = max(high, r.time)
		if first == 0 || r.time < first {
			first = r.time
		}
		if newest := cmp.Or(r.newest, r.time); newest <= now {
			last = max(last, newest)
		}
	}
	if first != 0 {
		f.First = time.UnixMilli(first).UTC()
	}
	if last != 0 {
		f.Last = time.UnixMilli(last).UTC()
	}
	return nil
}

// openContent opens a file's content up to its end, and tells sum of every byte.
func openContent(path string, end int64, sum io.Writer) (*file, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	var in io.Reader = f.Reader
	if end > 0 {
		in = io.LimitReader(in, end)
	}
	if sum != nil {
		in = io.TeeReader(in, sum)
	}
	return newFile(in, f.close), nil
}

// prefixSum sums up what is written to it, and looks for known prefixes.
type prefixSum struct {
	hash  hash.Hash
	bytes int64
	known []Prefix // still to be reached, the shortest first
	found []int64  // ends of known prefixes at which a line ends
}

func newPrefixSum(known []Prefix) *prefixSum {
	known = slices.DeleteFunc(slices.Clone(known), func(p Prefix) bool { return p.Bytes <= 0 })
	slices.SortFunc(known, func(a, b Prefix) int { return int(min(1, max(-1, a.Bytes-b.Bytes))) })
	return &prefixSum{hash: sha256.New(), known: known}
}

func (s *prefixSum) all() Prefix {
	return Prefix{s.bytes, hex.EncodeToString(s.hash.Sum(nil))}
}

func (s *prefixSum) Write(p []byte) (int, error) {
	n := len(p)
	for len(s.known) > 0 && s.known[0].Bytes <= s.bytes+int64(len(p)) {
		head := p[:s.known[0].Bytes-s.bytes]
		s.add(head)
		p = p[len(head):]
		// Where a line goes on it is another line now, and all of the file is another file.
		if bytes.HasSuffix(head, []byte("\n")) && s.all() == s.known[0] {
			s.found = append(s.found, s.bytes)
		}
		s.known = s.known[1:]
	}
	s.add(p)
	return n, nil
}

func (s *prefixSum) add(p []byte) {
	s.hash.Write(p) // never fails
	s.bytes += int64(len(p))
}

// longest is the end of the longest known prefix that ends at or before an
// offset, 0 if there is none.
func (s *prefixSum) longest(offset int64) int64 {
	for _, end := range slices.Backward(s.found) {
		if end <= offset {
			return end
		}
	}
	return 0
}
