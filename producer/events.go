package producer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"example.com/shopstream/internal/shop"
)

// maxLine bounds a line of a JSON Lines file: what fits into one Kafka message.
const maxLine = 16<<20 - 1<<10

// events replays our own events, one a line. Lines are passed through as they
// are, so an invalid one becomes a dead letter downstream; only empty lines are
// left out.
//
// The key is the contract's: user, else session, else order, as far as they can
// be read. Where none can, the key is null and the line's own hash chooses the
// partition.
type events struct {
	lines      *lineReader
	total      int64
	partitions int
	parser     *shop.Parser
	bytes      arena
	at         int64
	err        error
}

// lenient are limits that leave the judging to the pipeline.
var lenient = shop.Limits{MaxBytes: maxLine, Skew: 0}

func openEvents(f *File, o ReplayOptions) (Source, error) {
	sorted := f.Sorted() && !o.Legacy
	in, err := f.open(sorted)
	if err == nil && !sorted {
		_, err = io.CopyN(io.Discard, in, f.From)
	}
	if err != nil {
		return nil, err
	}
	return &events{lines: &lineReader{path: f.Path, file: in}, total: f.Records, partitions: o.Partitions, parser: shop.NewParser(lenient)}, nil
}

// eventReader reads the lines of our own events as rows.
type eventReader struct{ lines lineReader }

func (r *eventReader) row() (row, error) {
	line, err := r.lines.next()
	if err != nil {
		return row{}, err
	}
	out := row{start: r.lines.start, end: r.lines.end}
	if len(bytes.TrimSpace(line)) == 0 {
		return out, nil
	}
	out.records = 1
	out.time, out.timed = shop.EventTime(line, anyTime, lenient)
	return out, nil
}

func (s *events) Total() int64 { return s.total }
func (s *events) Err() error   { return s.err }
func (s *events) Close() error { return s.lines.Close() }

func (s *events) Next() (Record, bool) {
	for {
		line, err := s.lines.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
			return Record{}, false
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r := Record{Value: s.bytes.keep(line)}
		if key := s.key(r.Value); key != "" {
			r.Key = s.bytes.keep([]byte(key))
			r.Partition = PartitionOf(r.Key, s.partitions)
		} else {
			r.Partition = PartitionOf(r.Value, s.partitions)
		}
		if ms, ok := shop.EventTime(r.Value, anyTime, lenient); ok {
			r.EventTime = ms
			s.at = max(s.at, ms)
		}
		r.At = s.at
		return r, true
	}
}

func (s *events) key(line []byte) string {
	if e, invalid := s.parser.Parse(line, anyTime); invalid == nil {
		return keyOf(&e)
	}
	var loose struct {
		User    any `json:"user_id"`
		Session any `json:"session_id"`
		Order   any `json:"order_id"`
	}
	if json.Unmarshal(line, &loose) != nil {
		return ""
	}
	for _, v := range []any{loose.User, loose.Session, loose.Order} {
		if text, ok := v.(string); ok && text != "" {
			return text
		}
	}
	return ""
}

// lineReader reads lines of any length up to maxLine.
type lineReader struct {
	path       string
	file       *file
	n          int64
	start, end int64 // of the line with its end, in the content
	long       []byte
}

func (r *lineReader) Close() error { return r.file.Close() }

// next gives a line without its end, valid until the next call, or io.EOF.
func (r *lineReader) next() ([]byte, error) {
	line, err := r.file.ReadSlice('\n')
	r.n++
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(r.long) > maxLine {
				return nil, fmt.Errorf("replay: %s, line %d: longer than %d bytes, the most that one Kafka message holds", r.path, r.n, maxLine)
			}
			line, err = r.file.ReadSlice('\n')
			r.long = append(r.long, line...)
		}
		line = r.long
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("replay: cannot read %s after line %d: %w", r.path, r.n-1, err)
	}
	if len(line) == 0 {
		return nil, io.EOF
	}
	r.start, r.end = r.end, r.end+int64(len(line))
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}
