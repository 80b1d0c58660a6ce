package shop_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/shop/shoptest"
)

// checkRecord holds Parse, EventTime and AppendJSON against the oracle.
func checkRecord(t rapid.TB, p *shop.Parser, raw []byte, recordTime int64) {
	t.Helper()
	e, inv := p.Parse(raw, recordTime)
	if inv != nil && (inv.Detail == "" || len(inv.Detail) > 200 || !utf8.ValidString(inv.Detail)) {
		t.Errorf("detail %q: want 1 to 200 bytes of UTF-8", inv.Detail)
	}
	if inv != nil && inv.Reason == shop.MalformedJSON && json.Valid(raw) && raw[0] == '{' && !loneSurrogate(raw) && strings.Count(string(raw), "[")+strings.Count(string(raw), "{") <= shop.MaxDepth {
		t.Errorf("%s (%s) of JSON that is well-formed", inv.Reason, inv.Detail)
	}
	if hugeExponent.Match(raw) {
		return // too much for the oracle
	}
	want, err := oracle(raw, recordTime, shop.DefaultLimits)
	switch {
	case err != nil && inv == nil:
		t.Fatalf("Parse = %+v; the oracle says %v", e, err)
	case err == nil && inv != nil:
		t.Fatalf("Parse says %s (%s); the oracle %+v", inv.Reason, inv.Detail, want)
	case inv != nil:
		return
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Fatalf("Parse (-oracle +Parse):\n%s", d)
	}
	if ms, ok := shop.EventTime(raw, recordTime, shop.DefaultLimits); !ok || ms != e.Time {
		t.Fatalf("EventTime = %d, %t; Parse says %d", ms, ok, e.Time)
	}
	e = e.Clone()
	out := shop.AppendJSON(nil, &e)
	back, inv := p.Parse(out, recordTime)
	if inv != nil {
		t.Fatalf("Parse(%s): %s (%s)", out, inv.Reason, inv.Detail)
	}
	if d := cmp.Diff(e, back); d != "" {
		t.Fatalf("AppendJSON (-want +got):\n%s", d)
	}
}

func TestOracleCorpus(t *testing.T) {
	p := parser()
	for _, raw := range shoptest.Good() {
		checkRecord(t, p, raw, shoptest.RecordTime)
	}
	for _, c := range shoptest.Broken() {
		if len(c.Value) > 0 {
			checkRecord(t, p, c.Value, c.RecordTime)
		}
	}
}

// Values that are some field's own, or nearly, or none's.
var oddValues = []string{
	`null`, `""`, `true`, `0`, `-0`, `1`, `2`, `-1`, `1.5`, `1.0`, `1e0`, `1e3`, `1e-7`, `1e400`, `01`, `+1`, `NaN`, `1000000000`, `1000000001`, `9223372036854775808`,
	`"1"`, `"-1"`, `"0.0000001"`, `"1e2"`, `999999999999.999999`, `"x"`, `"\u0000"`, `"\ud800"`, `"😀"`, `[]`, `{}`, `{"a":1,"a":1}`, `{"event_time":"2026-03-01T10:15:00Z"}`, `"event_time"`,
	`"3F1C9A52-0b7e-4d7a-9c1e-5a2b8f6d4e10"`, `"order_created"`, `"product_viewed"`, `"2026-03-01T10:15:00Z"`, `"2026-03-01T12:05:00.001Z"`, `"1999-12-31T23:00:00-01:00"`, `"EUR"`, `"eur"`,
	`"` + strings.Repeat("é", 40) + `"`, `"` + strings.Repeat("é", 41) + `"`, `"` + strings.Repeat("x", 512) + `"`, `"` + strings.Repeat("x", 513) + `"`,
}

// A valid order with a few of its members replaced, doubled or dropped, in any
// order: what changing bytes seldom hits.
func TestOracleMembers(t *testing.T) {
	p := parser()
	valid := [][2]string{
		{"event_id", `"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10"`},
		{"event_type", `"order_created"`},
		{"event_time", `"2026-03-01T10:15:00.123Z"`},
		{"product_id", `"P-1"`},
		{"user_id", `"u-1"`},
		{"session_id", `"s-1"`},
		{"category", `"toys"`},
		{"product_name", `"A toy"`},
		{"country", `"FR"`},
		{"order_id", `"o-1"`},
		{"line", `1`},
		{"quantity", `3`},
		{"unit_price", `"12.95"`},
		{"currency", `"EUR"`},
		{"schema_version", `1`},
		{"extra", `{"a":[1]}`},
	}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		members := slices.Clone(valid)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			i := rapid.IntRange(0, len(members)-1).Draw(t, "member")
			m := [2]string{members[i][0], rapid.SampledFrom(oddValues).Draw(t, "value")}
			switch rapid.SampledFrom([]string{"replace", "replace", "replace", "drop", "add", "escape"}).Draw(t, "change") {
			case "replace":
				members[i] = m
			case "drop":
				members = slices.Delete(members, i, i+1)
			case "add":
				members = append(members, m)
			case "escape":
				members[i][0] = strings.Replace(members[i][0], "e", `\u0065`, 1)
			}
		}
		var texts []string
		for _, m := range rapid.Permutation(members).Draw(t, "order") {
			texts = append(texts, `"`+m[0]+`":`+m[1])
		}
		raw := []byte("{" + strings.Join(texts, ",") + "}")
		checkRecord(t, p, raw, shoptest.RecordTime)
		if _, inv := p.Parse(raw, shoptest.RecordTime); inv == nil {
			accepted++
		}
	})
	if accepted < 10 {
		t.Errorf("only %d records were valid; want enough to say something", accepted)
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range shoptest.Good() {
		if len(raw) < 4096 {
			f.Add(raw, shoptest.RecordTime)
		}
	}
	for _, c := range shoptest.Broken() {
		if len(c.Value) < 4096 {
			f.Add(c.Value, c.RecordTime)
		}
	}
	p := parser()
	f.Fuzz(func(t *testing.T, raw []byte, recordTime int64) {
		if len(raw) == 0 || recordTime > 1<<60 {
			return // the oracle's sum would wrap
		}
		checkRecord(t, p, raw, recordTime)
	})
}

// FuzzEventTime is about the text of a time: as EventTime finds it, and in an
// event that is otherwise valid.
func FuzzEventTime(f *testing.F) {
	for _, s := range []string{
		"2026-03-01T10:15:00.123Z", "2026-03-01T10:15:00Z", "2026-03-01T10:15:00.123456789+05:30", "2000-02-29T00:00:00-00:00", "1999-12-31T23:59:59-23:59",
		"2100-12-31T23:59:59.999Z", "2101-01-01T00:59:59+01:00", "2016-12-31T23:59:60Z", "2026-02-30T24:00:00Z", "0000-01-01T00:00:00Z", `2026\u002d03-01T10:15:00Z`, "",
	} {
		f.Add(s)
	}
	const recordTime = 4_200_000_000_000 // after every time in range
	p := parser()
	f.Fuzz(func(t *testing.T, s string) {
		raw := []byte(`{"schema_version":1,"event_id":"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10","event_type":"add_to_cart","product_id":"p","event_time":"` + s + `"}`)
		ms, ok := shop.EventTime(raw, recordTime, shop.DefaultLimits)
		if !strings.Contains(s, `"`) {
			if want, wantOK := oracleTime(s); ok != wantOK || (ok && ms != want) {
				t.Fatalf("EventTime(%q) = %d, %t; the oracle says %d, %t", s, ms, ok, want, wantOK)
			}
		}
		checkRecord(t, p, raw, recordTime)
	})
}

func FuzzMoney(f *testing.F) {
	for _, s := range []string{
		"0", "-0", "1", "12.95", "-0.5", "1e3", "1E-6", "1e-7", "0.0000010", "999999999999.999999", "1000000000000", "1e400", "0e400", "01", "+1", ".5", "1.", "1e", "1e+", "", "-", "NaN", "1_0", "0x1", " 1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2000 || hugeExponent.MatchString(s) {
			return // too much for the oracle
		}
		m, err := shop.ParseMoney(s)
		want, ok := oracleMoney(s)
		if (err == nil) != ok || m != want {
			t.Fatalf("ParseMoney(%q) = %d, %v; the oracle says %d, %t", s, m, err, want, ok)
		}
		if b, bErr := shop.ParseMoney([]byte(s)); b != m || (bErr == nil) != (err == nil) {
			t.Fatalf("of bytes %d, %v; of a string %d, %v", b, bErr, m, err)
		}
		if err != nil {
			return
		}
		if back, err := shop.ParseMoney(m.String()); err != nil || back != m {
			t.Fatalf("ParseMoney(%q) = %d, %v; want %d", m.String(), back, err, m)
		}
	})
}
