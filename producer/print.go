package producer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/IBM/sarama"
)

// Filter chooses records. All that is given must hold; the zero value passes
// everything.
type Filter struct {
	Key    string            // the whole key
	Fields map[string]string // of the value's JSON object, at the top level: the field's text
}

// ParseFields reads "field=value" pairs.
func ParseFields(pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("match %q: expected field=value, such as event_type=order_created", p)
		}
		out[name] = value
	}
	return out, nil
}

// Match reports whether a record passes. Strings are compared without their
// quotes, everything else as it is written: quantity=2, unit_price=12.50.
func (f Filter) Match(m *sarama.ConsumerMessage) bool {
	if f.Key != "" && string(m.Key) != f.Key {
		return false
	}
	if len(f.Fields) == 0 {
		return true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(m.Value, &fields) != nil {
		return false
	}
	for name, want := range f.Fields {
		raw, ok := fields[name]
		if !ok || textOf(raw) != want {
			return false
		}
	}
	return true
}

func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && !bytes.Equal(raw, []byte("null")) {
		return s
	}
	return string(raw)
}

// Printer writes one record.
type Printer func(w io.Writer, m *sarama.ConsumerMessage) error

// ParsePrinter gives the printer of a format: "json" (a line with offset, time,
// key and value), "raw" (the value and a line end) or "table" (columns for a
// person). What is for a person, as raw is on a terminal, is Printable.
func ParsePrinter(format string, terminal bool) (Printer, error) {
	switch format {
	case "json":
		return printJSON, nil
	case "raw":
		if terminal {
			return printShown, nil
		}
		return printRaw, nil
	case "table":
		return printTable, nil
	}
	return nil, fmt.Errorf("format %q: expected json, raw or table", format)
}

func printRaw(w io.Writer, m *sarama.ConsumerMessage) error {
	if _, err := w.Write(m.Value); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func printShown(w io.Writer, m *sarama.ConsumerMessage) error {
	_, err := io.WriteString(w, Printable(string(m.Value))+"\n")
	return err
}

// printed is a record as a line of JSON. A value that is no JSON is text, and
// bytes that are no UTF-8 are in base64.
type printed struct {
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Timestamp time.Time       `json:"timestamp"`
	Key       *string         `json:"key"`
	Value     json.RawMessage `json:"value,omitempty"`
	Text      string          `json:"value_text,omitempty"`
	Base64    string          `json:"value_base64,omitempty"`
}

func printJSON(w io.Writer, m *sarama.ConsumerMessage) error {
	out := printed{Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp.UTC()}
	if m.Key != nil {
		key := string(m.Key)
		out.Key = &key
	}
	switch {
	case m.Value == nil:
		out.Value = json.RawMessage("null")
	case !utf8.Valid(m.Value):
		out.Base64 = base64.StdEncoding.EncodeToString(m.Value)
	case json.Valid(m.Value):
		out.Value = m.Value
	default:
		out.Text = string(m.Value)
	}
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := w.Write(printableJSON(line.Bytes()))
	return err
}

// TableHeader is the head of the columns that the table printer writes.
const TableHeader = "PART     OFFSET  EVENT TIME                TYPE             PRODUCT      QUANTITY       PRICE  KEY"

// printTable writes what it can read of an event, and the start of the value
// where that is nothing.
func printTable(w io.Writer, m *sarama.ConsumerMessage) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(m.Value, &fields) != nil || fields["event_type"] == nil {
		_, err := fmt.Fprintf(w, "%4d %10d  no event: %q\n", m.Partition, m.Offset, clip(m.Value, 80))
		return err
	}
	text := func(name string) string { return Printable(textOf(fields[name])) }
	_, err := fmt.Fprintf(w, "%4d %10d  %-24s  %-15s  %-10.10s %10s %11s  %s\n", m.Partition, m.Offset,
		text("event_time"), text("event_type"), text("product_id"), text("quantity"), strings.TrimSpace(text("unit_price")+" "+text("currency")), Printable(string(m.Key)))
	return err
}
