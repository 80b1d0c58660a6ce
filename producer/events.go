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

// events replays our own events, one a line, in the file's order. Lines are
// passed through as they are, so an invalid one becomes a dead letter
// downstream; only empty lines are left out.
//
// The key is the contract's: user, else session, else order, as far as they can
// be read. Where none can, the key is null and the line's own hash chooses the
// partition.
type events struct {
	lines      *lineReader
	partitions int
	parser     *shop.Parser
	bytes      arena
	at         int64
	err        error
}

// lenient are limits that leave the judging to the pipeline.
var lenient = shop.Limits{MaxBytes: maxLine, Skew: 0}

func openEvents(path string, partitions int) (Source, error) {
	lines, err := openLines(path)
	if err != nil {
		return nil, err
	}
	return &events{lines: lines, partitions: partitions, parser: shop.NewParser(lenient)}, nil
}

func (s *events) Total() int64 { return -1 }
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
	path string
	file *file
	n    int64
	long []byte
}

func openLines(path string) (*lineReader, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return &lineReader{path: path, file: f}, nil
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
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}
