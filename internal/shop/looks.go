package shop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Look is what a value that is no event looks like, in words. Equal looks of
// many values mean that one producer writes all of them.
type Look struct {
	What string // "an envelope of Debezium"
	Do   string // what makes events of such values; "": nothing can be said
}

// magics are the first bytes of formats that say what they are.
var magics = []struct {
	first string
	look  Look
}{
	{"\x1f\x8b", compressed("gzip")},
	{"\x28\xb5\x2f\xfd", compressed("zstd")},
	{"\x04\x22\x4d\x18", compressed("lz4")},
	{"\xff\x06\x00\x00sNaPpY", compressed("snappy")},
	{"\x82SNAPPY\x00", compressed("snappy")},
	{"BZh", compressed("bzip2")},
	{"PK\x03\x04", Look{"a zip archive, such as an Excel file", "send the rows in it as JSON, one event a record"}},
	{"Obj\x01", Look{"an Avro container file", "send each of its rows as JSON, one event a record"}},
	{"PAR1", Look{"a Parquet file", "send each of its rows as JSON, one event a record"}},
}

func compressed(by string) Look {
	return Look{"compressed with " + by + " by the producer itself", "have the producer send plain JSON, and let Kafka compress: compression.type=" + kafkaCodec(by)}
}

// kafkaCodec is by itself where Kafka has it.
func kafkaCodec(by string) string {
	if by == "bzip2" {
		return "zstd"
	}
	return by
}

const byteOrderMark = "\xef\xbb\xbf"

// LooksLike says what a record's value looks like that is no event. It knows
// the forms that topics of shops mostly have, by the value alone, and never
// fails: what it does not know it calls text or bytes.
func LooksLike(value []byte) Look {
	for _, m := range magics {
		if bytes.HasPrefix(value, []byte(m.first)) {
			return m.look
		}
	}
	text := bytes.TrimSpace(value)
	switch {
	case len(value) == 0:
		return Look{"no value, as compacted topics have to delete a key", "leave such records out of the topic, or accept them as dead letters"}
	case len(text) == 0:
		return Look{"white space", "send one JSON object a record"}
	case len(bytes.Trim(value, "\x00")) == 0:
		return Look{"zero bytes", "look at the file or program that was sent: it was not written to its end"}
	case wireFormat(value):
		return looksOfWire(value)
	case isUTF16(value):
		return Look{"UTF-16", "have the producer write UTF-8"}
	case bytes.HasPrefix(value, []byte(byteOrderMark)):
		return Look{"text with a byte order mark before it", "have the producer write UTF-8 without a byte order mark"}
	case !utf8.Valid(value):
		return Look{"bytes that are no text", "find out what the producer writes (Avro, Protobuf, another character set), and have it send JSON in UTF-8"}
	}
	switch text[0] {
	case '{':
		return looksOfObject(text)
	case '[':
		return looksOfList(text)
	case '"':
		if json.Valid(text) {
			return Look{"a JSON string, such as JSON that was encoded twice", "have the producer send the object itself"}
		}
	case '<':
		return Look{"XML", "have the producer send JSON"}
	}
	if cutLine(text) {
		return Look{"one line of a JSON document that was cut into lines", "send each event as one record: JSON without line breaks, such as jq -c writes"}
	}
	if json.Valid(text) {
		return Look{"a single JSON value without an object around it", "send one JSON object a record"}
	}
	if c, ok := separator(text); ok {
		return Look{"a line of CSV, separated by " + c, "send each row as JSON, one event a record; files of Online Retail and OTTO are replayed with producer replay"}
	}
	return Look{"plain text", "send one JSON object a record"}
}

// wireFormat reports whether a value begins as serializers of a schema registry
// begin theirs: a zero byte and the number of a schema, big-endian.
func wireFormat(value []byte) bool {
	const newest = 1 << 24 // registries count from 1
	if len(value) < 6 || value[0] != 0 {
		return false
	}
	id := binary.BigEndian.Uint32(value[1:])
	return id > 0 && id < newest
}

func looksOfWire(value []byte) Look {
	if rest := bytes.TrimSpace(value[5:]); len(rest) > 0 && rest[0] == '{' {
		return Look{"JSON behind the five bytes of a schema registry (Confluent's wire format)", "have the producer use a serializer without the registry, such as StringSerializer, or convert the topic"}
	}
	return Look{"Avro or Protobuf of a schema registry (Confluent's wire format)", "convert the topic to JSON, one event a record, such as with a stream of ksqlDB or a sink's JsonConverter"}
}

// isUTF16 reports a byte order mark, or letters with a zero byte each.
func isUTF16(value []byte) bool {
	if bytes.HasPrefix(value, []byte("\xff\xfe")) || bytes.HasPrefix(value, []byte("\xfe\xff")) {
		return true
	}
	head := value[:min(len(value), 64)&^1]
	if len(head) < 4 {
		return false
	}
	var zero [2]int
	for i, c := range head {
		if c == 0 {
			zero[i%2]++
		}
	}
	half := len(head) / 2
	return (zero[0] == half && zero[1] == 0) || (zero[1] == half && zero[0] == 0)
}

// shownKeys is how many keys of an object a look names.
const shownKeys = 8

// looksOfObject looks at a JSON object by its keys.
func looksOfObject(text []byte) Look {
	keys, whole := topKeys(text)
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(keys, n) })
	}
	switch {
	case has("payload", "schema"), has("before", "after"), has("after", "op"), has("before", "op"):
		return Look{"an envelope of Debezium or Kafka Connect", "unwrap it: the transform ExtractNewRecordState, and JsonConverter with schemas.enable=false"}
	case has("specversion", "type"):
		return Look{"a CloudEvent", "send what is in its data as the record's value"}
	case has("event_name", "event_timestamp"):
		return Look{"an event of Google Analytics", "map each item to an event of the contract"}
	case has("messageId", "type"):
		return Look{"an event of Segment", "map each product of its properties to an event of the contract"}
	case has("items"), has("products"), has("lineItems"), has("line_items"):
		return Look{"an order with its lines in one object", "send one event for each line"}
	case has("event_id", "event_type"):
		return Look{"an event of ours with something wrong", "see the reasons"}
	case !whole && len(keys) == 0:
		return Look{"the beginning of a JSON document that was cut into lines", "send each event as one record: JSON without line breaks, such as jq -c writes"}
	case !whole:
		return Look{"a JSON object that is not whole, or several in one record; it begins with " + firstKeys(keys), "send each event as one record, and whole"}
	case len(keys) == 0:
		return Look{"an empty JSON object", ""}
	}
	return Look{"JSON of another kind, with " + firstKeys(keys), "map its fields to those of the contract (internal/shop/event.schema.json)"}
}

// firstKeys names the first keys, each cut and escaped.
func firstKeys(keys []string) string {
	var names []string
	for _, k := range keys[:min(len(keys), shownKeys)] {
		names = append(names, quote([]byte(k)))
	}
	if len(keys) > shownKeys {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// topKeys returns the keys of the object that text begins with, up to the first
// mistake, and whether there is nothing but that object.
func topKeys(text []byte) (keys []string, whole bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return keys, false
		}
		name, ok := key.(string)
		if !ok {
			return keys, false
		}
		keys = append(keys, name)
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return keys, false
		}
	}
	if _, err := d.Token(); err != nil {
		return keys, false
	}
	_, err := d.Token()
	return keys, err == io.EOF
}

func looksOfList(text []byte) Look {
	if json.Valid(text) {
		return Look{"a JSON array, as batches have", "send one event a record, not a list of them"}
	}
	return Look{"the beginning of a JSON array that was cut into lines", "send each event as one record: JSON without line breaks, such as jq -c '.[]' writes"}
}

// separator finds the separator of a line of CSV: one that is there twice or
// more, as often in each of the first lines.
func separator(text []byte) (string, bool) {
	lines := bytes.SplitN(text, []byte("\n"), 4)
	if len(lines) > 3 {
		lines = lines[:3]
	}
	for _, s := range []struct {
		char byte
		name string
	}{{'\t', "tabs"}, {';', "semicolons"}, {',', "commas"}, {'|', "bars"}} {
		n := bytes.Count(lines[0], []byte{s.char})
		if n >= 2 && !slices.ContainsFunc(lines, func(l []byte) bool { return bytes.Count(l, []byte{s.char}) != n }) {
			return s.name, true
		}
	}
	return "", false
}

// cutLine reports whether a text is a line from inside a JSON document: brackets
// alone, or a member of an object.
func cutLine(text []byte) bool {
	if len(bytes.Trim(text, "{}[], ")) == 0 {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var key string
	if d.Decode(&key) != nil {
		return false
	}
	return bytes.HasPrefix(bytes.TrimSpace(text[d.InputOffset():]), []byte(":"))
}
