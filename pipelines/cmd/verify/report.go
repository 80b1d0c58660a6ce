package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"example.com/shopstream/internal/lake"
)

// report writes findings as they come, so that any number of them costs no memory.
type report struct {
	mu     sync.Mutex
	w      *bufio.Writer
	format string
	counts map[lake.Verdict]int64
	csv    *csv.Writer
	ended  bool
	err    error
}

func newReport(w io.Writer, format string) (*report, error) {
	r := &report{w: bufio.NewWriter(w), format: format, counts: map[lake.Verdict]int64{}}
	switch format {
	case "table":
	case "json":
		_, r.err = r.w.WriteString(`{"findings":[`)
	case "csv":
		r.csv = csv.NewWriter(r.w)
		r.err = r.csv.Write([]string{"verdict", "object", "found", "do"})
	default:
		return nil, fmt.Errorf("--format=%s: expected table, json or csv", format)
	}
	return r, nil
}

// found takes a finding.
func (r *report) found(f lake.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := len(r.counts) == 0
	r.counts[f.Verdict]++
	var err error
	switch r.format {
	case "json":
		var text []byte
		if text, err = json.Marshal(f); err == nil {
			comma := ",\n"
			if first {
				comma = "\n"
			}
			_, err = fmt.Fprintf(r.w, "%s%s", comma, text)
		}
	case "csv":
		err = r.csv.Write([]string{string(f.Verdict), f.Object, f.Found, f.Do})
	default:
		_, err = fmt.Fprintf(r.w, "%-8s %s\n         %s\n         %s.\n", f.Verdict, f.Object, f.Found, f.Do)
	}
	r.err = errors.Join(r.err, err)
}

func (r *report) faulty() bool { return r.counts[lake.Missing]+r.counts[lake.Damaged] > 0 }

// flush writes what is known when it does not come to an end.
func (r *report) flush() error {
	switch {
	case r.csv != nil:
		r.csv.Flush()
	case r.format == "json" && !r.ended:
		_, err := r.w.WriteString("\n],\n\"incomplete\":true}\n")
		r.err = errors.Join(r.err, err)
	}
	return errors.Join(r.err, r.w.Flush())
}

// end writes what was looked at.
func (r *report) end(c lake.Checked, took time.Duration) error {
	r.ended = true
	var err error
	switch r.format {
	case "json":
		var text []byte
		if text, err = json.Marshal(c); err == nil {
			_, err = fmt.Fprintf(r.w, "\n],\n\"missing\":%d,\"damaged\":%d,\"extra\":%d,\n\"checked\":%s,\n\"seconds\":%.3f}\n",
				r.counts[lake.Missing], r.counts[lake.Damaged], r.counts[lake.Extra], text, took.Seconds())
		}
	case "csv":
	default:
		err = r.summary(c, took)
	}
	r.err = errors.Join(r.err, err)
	return r.flush()
}

func (r *report) summary(c lake.Checked, took time.Duration) error {
	verdict := "Nothing is missing or damaged."
	if r.faulty() {
		verdict = fmt.Sprintf("%d missing, %d damaged.", r.counts[lake.Missing], r.counts[lake.Damaged])
	}
	text := fmt.Sprintf("%s %d objects, %s, in %s", verdict, c.Objects, size(c.Bytes), took.Round(time.Millisecond))
	if s := took.Seconds(); s > 0 {
		text += fmt.Sprintf(" (%.0f MB/s)", float64(c.Bytes)/1e6/s)
	}
	if n := r.counts[lake.Extra]; n > 0 {
		text += fmt.Sprintf("; %d extra, which count nowhere", n)
	}
	if c.Provisional > 0 {
		text += fmt.Sprintf("; %d beyond the seal, which are provisional and were not looked at", c.Provisional)
	}
	if c.Unsummed > 0 {
		text += fmt.Sprintf("; %d of an older program have no checksum and were held to their form", c.Unsummed)
	}
	_, err := fmt.Fprintln(r.w, text+".")
	return err
}

// size is a number of bytes, for people.
func size(bytes int64) string {
	switch {
	case bytes >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
	case bytes >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
}
