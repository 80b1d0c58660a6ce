package shop_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/shop/shoptest"
)

const oneEvent = `{"event_id":"0db2b31d-19d3-5751-81ea-62eeaca60e14","event_type":"add_to_cart","event_time":"2026-03-01T10:00:00Z","product_id":"P-1","schema_version":1}`

// utf16Of is a text in UTF-16, with the byte order given.
func utf16Of(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestLooksLike(t *testing.T) {
	wire := func(payload string) string { return "\x00\x00\x00\x00\x2a" + payload }
	for name, tc := range map[string]struct{ value, want string }{
		"null":                    {"", "no value"},
		"blank":                   {" \r\n", "white space"},
		"zeros":                   {strings.Repeat("\x00", 512), "zero bytes"},
		"gzip":                    {"\x1f\x8b\x08\x00\x00", "gzip"},
		"zstd":                    {"\x28\xb5\x2f\xfd\x04", "zstd"},
		"lz4":                     {"\x04\x22\x4d\x18\x64", "lz4"},
		"snappy":                  {"\x82SNAPPY\x00\x00", "snappy"},
		"xlsx":                    {"PK\x03\x04aaaa", "zip"},
		"avro file":               {"Obj\x01\x04\x14", "Avro container"},
		"parquet":                 {"PAR1\x15", "Parquet"},
		"wire with JSON":          {wire(oneEvent), "JSON behind the five bytes"},
		"wire with Avro":          {wire("\x02\x48abc\xff"), "Avro or Protobuf of a schema registry"},
		"UTF-16 LE":               {utf16Of(oneEvent, binary.LittleEndian), "UTF-16"},
		"UTF-16 BE":               {utf16Of(oneEvent, binary.BigEndian), "UTF-16"},
		"UTF-16 with its mark":    {utf16Of("\ufeff"+oneEvent, binary.LittleEndian), "UTF-16"},
		"UTF-8 with its mark":     {"\ufeff" + oneEvent, "byte order mark"},
		"Latin-1":                 {"{\"product_name\":\"Caf\xe9\"}", "no text"},
		"Protobuf":                {"\x0a\x05P-1\xff\xfe\x10\x02", "no text"},
		"array":                   {"[" + oneEvent + "," + oneEvent + "]", "JSON array"},
		"array cut into lines":    {"[", "cut into lines"},
		"object cut into lines":   {"{", "cut into lines"},
		"member":                  {`  "event_id": "0db2b31d",`, "one line of a JSON document"},
		"bracket":                 {"},", "one line of a JSON document"},
		"encoded twice":           {`"{\"event_id\":\"0db2b31d\"}"`, "a JSON string"},
		"number":                  {"17", "single JSON value"},
		"Debezium with schema":    {`{"schema":{"type":"struct"},"payload":{"before":null,"after":{},"op":"c"}}`, "Debezium"},
		"Debezium without":        {`{"before":null,"after":{"event_id":"x"},"source":{"connector":"mysql"},"op":"c"}`, "Debezium"},
		"Debezium of a deletion":  {`{"before":{"id":1},"op":"d"}`, "Debezium"},
		"CloudEvent":              {`{"specversion":"1.0","type":"order","data":{}}`, "CloudEvent"},
		"Google Analytics":        {`{"event_date":"20260301","event_timestamp":"1772359300000000","event_name":"purchase","items":[]}`, "Google Analytics"},
		"Segment":                 {`{"messageId":"ajs-10","type":"track","properties":{"products":[]}}`, "Segment"},
		"order with lines":        {`{"order_id":"o1","items":[{"product_id":"P-1"}]}`, "its lines in one object"},
		"ours, broken":            {strings.Replace(oneEvent, "Z", "+0000", 1), "event of ours"},
		"other JSON":              {`{"id":1,"sku":"P-1","ts":"now"}`, `JSON of another kind, with "id", "sku", "ts"`},
		"many keys":               {`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`, `"h", …`},
		"keys that are not plain": {`{"a\u001b[31m` + strings.Repeat("x", 60) + `":1}`, `"a\x1b[31m`},
		"empty object":            {"{}", "empty JSON object"},
		"two objects":             {oneEvent + "\n" + oneEvent, "event of ours"},
		"two of another kind":     {`{"id":1}{"id":2}`, "several in one record"},
		"cut short":               {`{"id":1,"sku":"P-`, "not whole"},
		"CSV":                     {"536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55", "CSV, separated by commas"},
		"CSV of Excel":            {"900001;A100;BLUE MUG;6;01.12.2010 8:26;2,55;70001;France", "CSV, separated by semicolons"},
		"TSV":                     {"a\tb\tc\nd\te\tf", "CSV, separated by tabs"},
		"XML":                     {"<?xml version=\"1.0\"?><order/>", "XML"},
		"text":                    {"order 17 was paid", "plain text"},
		"prose":                   {"well, that, or\nnothing, of it", "plain text"},
	} {
		t.Run(name, func(t *testing.T) {
			if look := shop.LooksLike([]byte(tc.value)); !strings.Contains(look.What, tc.want) {
				t.Errorf("found %q, want %q in it", look.What, tc.want)
			}
		})
	}
}

// FuzzLooksLike: whatever the value, the words are short, printable text, and
// something is said.
func FuzzLooksLike(f *testing.F) {
	for _, c := range shoptest.Broken() {
		if len(c.Value) < 4096 {
			f.Add(c.Value)
		}
	}
	for _, s := range []string{oneEvent, "[", "{", `"a":`, "\x00\x00\x00\x00\x01{", "\xff\xfe{\x00", "a;b;c", "\x1f\x8b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		look := shop.LooksLike(value)
		if look.What == "" || !utf8.ValidString(look.What) || len(look.What) > 1200 || len(look.Do) > 200 {
			t.Fatalf("%d and %d bytes: %q, %q", len(look.What), len(look.Do), look.What, look.Do)
		}
		for _, r := range look.What + look.Do {
			if r < ' ' || r == 0x7f {
				t.Fatalf("%q is not printable: %q", r, look.What)
			}
		}
		if again := shop.LooksLike(value); again != look {
			t.Fatalf("not a function of the value: %q, then %q", look, again)
		}
	})
}

func TestExcerpt(t *testing.T) {
	for value, want := range map[string]string{
		"":                            "``",
		`{"a":"b"}`:                   "`{\"a\":\"b\"}`",
		"tick ` and tab\t":            `"tick ` + "` and tab" + `\t"`,
		"\x1b[31mred\u202e":           `"\x1b[31mred\u202e"`,
		"cut\xff":                     "`cut\ufffd`",
		strings.Repeat("é", 30):       "`" + strings.Repeat("é", 13) + "…`",
		"caf\u00e9 at 30 bytes long.": "`café at 30 bytes long.`",
	} {
		if got := shop.Excerpt([]byte(value), 30); got != want {
			t.Errorf("Excerpt(%q) = %s, want %s", value, got, want)
		}
	}
}
