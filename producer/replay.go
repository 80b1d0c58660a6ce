package producer

import (
	"bufio"
	"bytes"
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

// ReplayOptions of Open.
type ReplayOptions struct {
	Format     Format // empty: recognised by content
	Partitions int    // at least 1
}

// Open opens a file for replay. The caller closes the source.
//
// Online Retail is read twice and OTTO whole before the first record: their
// totals are known, and a broken line is an error before anything is sent.
func Open(path string, o ReplayOptions) (Source, error) {
	if o.Partitions < 1 {
		return nil, fmt.Errorf("replay: %d partitions: expected at least 1", o.Partitions)
	}
	format := o.Format
	if format == "" {
		var err error
		if format, err = Recognise(path); err != nil {
			return nil, err
		}
	}
	switch format {
	case OnlineRetail:
		return openRetail(path, o.Partitions)
	case OTTO:
		return openOTTO(path, o.Partitions)
	case Events:
		return openEvents(path, o.Partitions)
	}
	return nil, fmt.Errorf("replay: unknown format %q: expected one of %v", format, Formats)
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
	close func() error
}

func (f *file) Close() error { return f.close() }

func openFile(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(fmt.Errorf("replay: %s is a folder: expected a file", path), f.Close())
	}
	r := bufio.NewReaderSize(f, 256<<10)
	out := &file{Reader: r, close: f.Close}
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replay: %s looks like gzip, but: %w", path, err), f.Close())
		}
		out.Reader = bufio.NewReaderSize(z, 256<<10)
		out.close = func() error { return errors.Join(z.Close(), f.Close()) }
	}
	if mark, _ := out.Peek(3); bytes.Equal(mark, []byte{0xef, 0xbb, 0xbf}) {
		_, err = out.Discard(3)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("replay: cannot read %s: %w", path, err), out.Close())
	}
	return out, nil
}
