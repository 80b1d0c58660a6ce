package producer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// Format names what a replayed file holds.
type Format string

// The formats that Open reads, each also compressed with gzip.
const (
	OnlineRetail Format = "online-retail" // UCI Online Retail as CSV
	OTTO         Format = "otto"          // OTTO recommender sessions, one JSON object a line
	Events       Format = "events"        // our own events, one JSON object a line
)

// Formats lists them, for messages.
var Formats = []Format{OnlineRetail, OTTO, Events}

// ParseFormat reads a Format's name; "" and "auto" stand for recognising the
// format by the file's content.
func ParseFormat(s string) (Format, error) {
	if s == "" || s == "auto" {
		return "", nil
	}
	for _, f := range Formats {
		if s == string(f) {
			return f, nil
		}
	}
	return "", fmt.Errorf("unknown format %q: expected auto or one of %v", s, Formats)
}

// ReplayOptions of Open and File.Replay.
type ReplayOptions struct {
	Format     Format // empty: recognised by content; not for Replay
	Partitions int    // at least 1
	// Legacy keeps the file's order and makes Online Retail's event ids of line
	// numbers, as earlier versions did: to go on with a topic of theirs.
	Legacy bool
}

// Open inspects a file and opens it for replay. The caller closes the source.
func Open(path string, o ReplayOptions) (Source, error) {
	if o.Partitions < 1 {
		return nil, fmt.Errorf("replay: %d partitions: expected at least 1", o.Partitions)
	}
	f, err := Inspect(context.Background(), path, InspectOptions{Format: o.Format})
	if err != nil {
		return nil, err
	}
	return f.Replay(o)
}

// Replay opens what is to be replayed of an inspected file. The caller closes
// the source.
//
// Records come in the file's order, or in that of (event time, place in the
// file) where Sorted says so. The file must be as it was.
func (f *File) Replay(o ReplayOptions) (Source, error) {
	if o.Partitions < 1 {
		return nil, fmt.Errorf("replay: %d partitions: expected at least 1", o.Partitions)
	}
	switch f.Format {
	case OnlineRetail:
		return openRetail(f, o)
	case OTTO:
		return openOTTO(f, o.Partitions), nil
	}
	return openEvents(f, o)
}

// open opens the records that are to be replayed, behind what stands before the
// first one.
func (f *File) open(sorted bool) (*file, error) {
	if sorted {
		return openOrdered(f, f.Content.Bytes)
	}
	return openContent(f.Path, f.Content.Bytes, nil)
}

// Recognise tells a file's format by its first line.
func Recognise(path string) (Format, error) {
	f, err := openFile(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // opened for reading
	line, err := f.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("replay: cannot read %s: %w", path, err)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	line = bytes.TrimSpace(line)
	switch {
	case bytes.HasPrefix(line, []byte("InvoiceNo,")):
		return OnlineRetail, nil
	case bytes.HasPrefix(line, []byte("{")) && bytes.Contains(line, []byte(`"session"`)) && bytes.Contains(line, []byte(`"events"`)):
		return OTTO, nil
	case bytes.HasPrefix(line, []byte("{")):
		return Events, nil
	}
	return "", fmt.Errorf("replay: cannot tell what %s holds: its first line is neither Online Retail's CSV header (InvoiceNo,…) nor a JSON object, but %q: name the format (one of %v)",
		path, clip(line, 60), Formats)
}

func clip(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	return append(b[:n:n], "…"...)
}

// file is a buffered file, decompressed if need be, without a byte order mark.
type file struct {
	*bufio.Reader
	compressed bool
	skipped    int64 // bytes of the byte order mark
	close      func() error
}

func newFile(in io.Reader, close func() error) *file {
	return &file{Reader: bufio.NewReaderSize(in, 256<<10), close: close}
}

func (f *file) Close() error { return f.close() }

func openFile(path string) (*file, error) {
	info, err := os.Stat(path)
	switch { // before it is opened, for which a pipe lets one wait
	case err != nil: // os.Open says it
	case info.IsDir():
		return nil, fmt.Errorf("replay: %s is a folder: expected a file", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("replay: %s is a pipe or a device: expected a file, since it is read more than once", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	out := newFile(f, f.Close)
	if magic, _ := out.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(out.Reader)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replay: %s looks like gzip, but: %w", path, err), f.Close())
		}
		out = newFile(z, func() error { return errors.Join(z.Close(), f.Close()) })
		out.compressed = true
	}
	if mark, _ := out.Peek(3); bytes.Equal(mark, []byte{0xef, 0xbb, 0xbf}) {
		out.skipped = int64(len(mark))
		_, err = out.Discard(len(mark))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("replay: cannot read %s: %w", path, err), out.Close())
	}
	return out, nil
}
