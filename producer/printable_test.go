package producer

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/IBM/sarama"
)

// FuzzPrinters: whatever a record holds, a line of each format for people shows
// nothing that a terminal obeys, and what is shown stands for one text only; a
// line of JSON besides says what the record holds.
func FuzzPrinters(f *testing.F) {
	for _, s := range []string{
		"", "plain", "\x1b]0;title\x07", "\x1b[2J", "\u009b31m", "\u202eevil\u2066", "\x7f", "a\r\nb\tc", "\xff\xfe\x1b", "\u2028", "\u00a0", `back\slash \x1b`, "日本語 ü", "\U000e0001", "\u200b",
	} {
		quoted, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(s), []byte(`{"event_type":`+string(quoted)+`,"event_time":"x","product_id":"`+strings.ToValidUTF8(strings.Map(func(r rune) rune {
			if r < ' ' || r == '\\' || r == '"' {
				return -1
			}
			return r
		}, s), "")+`","currency":`+string(quoted)+`}`))
		f.Add([]byte(nil), []byte(s))
		f.Add([]byte(s), quoted)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		m := &sarama.ConsumerMessage{Key: key, Value: value, Offset: 7}
		for _, format := range []string{"table", "json", "raw"} {
			p, err := ParsePrinter(format, true)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := p(&out, m); err != nil {
				t.Fatal(err)
			}
			line, ended := strings.CutSuffix(out.String(), "\n")
			if !ended || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s of %q, %q: %q", format, key, value, out.String())
			}
		}
		text := string(key)
		if back, err := strconv.Unquote(`"` + strings.ReplaceAll(Printable(text), `"`, `\"`) + `"`); err != nil || back != text {
			t.Errorf("%q is shown as %q, which is %q (%v)", text, Printable(text), back, err)
		}
		if json.Valid(value) && utf8.Valid(value) {
			var out bytes.Buffer
			if err := printJSON(&out, m); err != nil {
				t.Fatal(err)
			}
			var got struct{ Value any }
			var want any
			if json.Unmarshal(value, &want) != nil {
				return // a number that no float holds
			}
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || !reflect.DeepEqual(got.Value, want) {
				t.Errorf("%s, of the value %s (%v)", out.Bytes(), value, err)
			}
		}
	})
}

// Raw is what was sent, where nobody looks at it.
func TestRawIsRaw(t *testing.T) {
	p, err := ParsePrinter("raw", false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p(&out, &sarama.ConsumerMessage{Value: []byte("\x1b[2J\xff")}); err != nil || out.String() != "\x1b[2J\xff\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
