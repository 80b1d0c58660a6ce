package shoptest

import (
	"fmt"
	"slices"
	"strings"

	"example.com/shopstream/internal/shop"
)

// Broken is a new copy of the corpus of broken records. Their reasons cover
// every one that shop.Reasons lists.
func Broken() []Case {
	return slices.Concat(brokenValues(), brokenSyntax(), brokenKeys(), brokenFields(), brokenOrders(), brokenTimes())
}

// broken is a case of a value that is text.
func broken(name string, value fmt.Stringer, want shop.Reason) Case {
	return Case{Name: name, Value: []byte(value.String()), RecordTime: RecordTime, Want: want}
}

// text is a value that is no object of members.
type text string

func (t text) String() string { return string(t) }

// brokenValues are wrong before they are JSON.
func brokenValues() []Case {
	name := func(s string) event { return order().with("product_name", `"`+s+`"`) }
	return []Case{
		{"null value", nil, RecordTime, shop.NullValue},
		{"empty value", []byte{}, RecordTime, shop.NullValue},
		broken("5 MB", name(strings.Repeat("x", 5_000_000)), shop.TooLarge),
		broken("one byte too large", text(order().String()+strings.Repeat(" ", 1<<20-len(order().String())+1)), shop.TooLarge),
		broken("UTF-8: byte that never is", name("caf\xff"), shop.BadUTF8),
		broken("UTF-8: Latin-1", name("caf\xe9"), shop.BadUTF8),
		broken("UTF-8: sequence cut short", name("\xe2\x82"), shop.BadUTF8),
		broken("UTF-8: continuation alone", name("\x80"), shop.BadUTF8),
		broken("UTF-8: overlong slash", name("\xc0\xaf"), shop.BadUTF8),
		broken("UTF-8: surrogate", name("\xed\xa0\x80"), shop.BadUTF8),
		broken("UTF-8: above U+10FFFF", name("\xf4\x90\x80\x80"), shop.BadUTF8),
		broken("UTF-8: in a key", order().with("caf\xe9", `1`), shop.BadUTF8),
		broken("UTF-8: outside of strings", text(order().String()+"\xff"), shop.BadUTF8),
		broken("UTF-8: before bad syntax", text("{\xff"), shop.BadUTF8),
		broken("UTF-16 with byte order mark", text("\xff\xfe{\x00}\x00"), shop.BadUTF8),
		broken("gzip", text("\x1f\x8b\x08\x00\x00\x00\x00\x00"), shop.BadUTF8),
	}
}

// brokenSyntax is no JSON object.
func brokenSyntax() []Case {
	whole := order().String()
	bad := func(name, value string) Case { return broken("JSON: "+name, text(value), shop.MalformedJSON) }
	unknown := func(name, value string) Case {
		return broken("JSON: "+name, order().with("extra", value), shop.MalformedJSON)
	}
	return []Case{
		bad("only white space", " \n\t\r"),
		bad("cut behind the brace", whole[:1]),
		bad("cut in a key", whole[:6]),
		bad("cut behind a key", whole[:11]),
		bad("cut behind a colon", whole[:12]),
		bad("cut in a string", whole[:20]),
		bad("cut behind a comma", whole[:strings.Index(whole, ",")+1]),
		bad("cut in a number", whole[:strings.Index(whole, `"quantity":`)+len(`"quantity":3`)]),
		bad("cut before the last brace", whole[:len(whole)-1]),
		bad("cut in an escape", `{"a":"\u12`),
		bad("cut behind an escape", `{"a":"\n`),
		bad("cut in the escape of a key", `{"\`),
		bad("cut in a surrogate pair", `{"a":"\ud83d\u`),
		bad("cut in an array", `{"a":[1,`),
		bad("cut behind a minus", `{"a":-`),
		bad("cut in a literal", `{"a":tru`),
		bad("two objects", whole+whole),
		bad("two objects on two lines", whole+"\n"+whole),
		bad("garbage behind", whole+"x"),
		bad("brace behind", whole+"}"),
		bad("NUL behind", whole+"\x00"),
		bad("byte order mark", "\uFEFF"+whole),
		bad("array of an event", "["+whole+"]"),
		bad("string", `"order_created"`),
		bad("number", `42`),
		bad("null", `null`),
		bad("true", `true`),
		bad("text", `order_created`),
		bad("XML", `<event id="1"/>`),
		bad("CSV", `536365,85123A,WHITE HANGING HEART,6,2.55`),
		bad("line comment", "// an order\n"+whole),
		bad("block comment", `{/* an order */`+whole[1:]),
		bad("single quotes", strings.ReplaceAll(whole, `"`, `'`)),
		bad("key without quotes", strings.Replace(whole, `"quantity"`, `quantity`, 1)),
		bad("comma before the brace", whole[:len(whole)-1]+",}"),
		bad("comma first", "{,"+whole[1:]),
		bad("two commas", strings.Replace(whole, ",", ",,", 1)),
		bad("no comma", strings.Replace(whole, ",", " ", 1)),
		bad("no colon", strings.Replace(whole, ":", " ", 1)),
		bad("equals sign", strings.Replace(whole, ":", "=", 1)),
		bad("number as a key", `{1:2}`),
		bad("100,000 arrays deep", `{"a":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+"}"),
		bad("100,000 objects deep", strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000)),
		bad("100,000 brackets without an end", `{"a":`+strings.Repeat("[", 100_000)),
		unknown("65 deep", strings.Repeat("[", 64)+strings.Repeat("]", 64)),
		unknown("65 objects deep", strings.Repeat(`{"a":`, 64)+`1`+strings.Repeat("}", 64)),
		unknown("NaN", `NaN`),
		unknown("nan", `nan`),
		unknown("Infinity", `Infinity`),
		unknown("-Infinity", `-Infinity`),
		unknown("undefined", `undefined`),
		unknown("True", `True`),
		unknown("nulls", `nulls`),
		unknown("leading zero", `01`),
		unknown("plus", `+1`),
		unknown("point at the end", `1.`),
		unknown("point first", `.5`),
		unknown("two points", `1.0.1`),
		unknown("exponent without digits", `1e`),
		unknown("exponent with a sign only", `1e+`),
		unknown("minus only", `-`),
		unknown("two minuses", `--1`),
		unknown("hexadecimal", `0x1F`),
		unknown("underscore", `1_000`),
		unknown("no value", ``),
		unknown("array without a comma", `[1 2]`),
		unknown("array with a comma at the end", `[1,]`),
		unknown("array closed by a brace", `[1}`),
		unknown("new line in a string", "\"a\nb\""),
		unknown("tab in a string", "\"a\tb\""),
		unknown("NUL in a string", "\"a\x00b\""),
		unknown("NUL between", "\x001"),
		unknown("unknown escape", `"\x41"`),
		unknown("escaped single quote", `"\'"`),
		unknown("bad hexadecimal digits", `"\u12G4"`),
		unknown("bad hexadecimal digits in a pair", `"\ud83d\uDXYZ"`),
		unknown("upper-case U", `"\U0041"`),
		unknown("new line behind an escape", "\"\\n\n\""),
		unknown("high surrogate alone", `"\ud83d"`),
		unknown("low surrogate alone", `"\ude00"`),
		unknown("surrogates in the wrong order", `"\ude00\ud83d"`),
		unknown("high surrogate and a letter", `"\ud83dA"`),
		unknown("high surrogate and another escape", `"\ud83d\u0041"`),
		unknown("non-breaking space between", "\u00a01"),
		unknown("curly quotes", `“a”`),
		broken("JSON: NaN as the price", order().with("unit_price", `NaN`), shop.MalformedJSON),
		broken("JSON: half of a pair in the name", order().with("product_name", `"\ud800"`), shop.MalformedJSON),
	}
}

// brokenKeys have a key twice.
func brokenKeys() []Case {
	many := make([]string, 2000)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":0`, i%1999)
	}
	twice := func(name string, e event) Case { return broken("key twice: "+name, e, shop.DuplicateKey) }
	return []Case{
		twice("equal values", order().last("quantity", `3`)),
		twice("other values", order().last("quantity", `4`)),
		twice("null first", order().first("user_id", `null`)),
		twice("escaped", order().last(`quan\u0074ity`, `4`)),
		twice("event time", order().last("event_time", `"2026-03-01T10:15:00.123Z"`)),
		twice("event time, escaped", order().last(`\u0065vent_time`, `"2026-03-01T10:15:00.123Z"`)),
		twice("unknown", order().last("x", `1`).last("x", `1`)),
		twice("unknown, escaped", order().last("x", `1`).last(`\u0078`, `1`)),
		twice("empty", order().last("", `1`).last("", `1`)),
		twice("beyond the basic plane", order().last("😀", `1`).last(`\ud83d\ude00`, `1`)),
		twice("nested", order().last("x", `{"a":1,"b":2,"a":3}`)),
		twice("nested in an array", order().last("x", `[{},{"a":[{"b":1,"b":1}]}]`)),
		twice("a contract's name, nested", order().last("x", `{"line":1,"line":2}`)),
		twice("among 2,000", order().last("x", `{`+strings.Join(many, ",")+`}`)),
		twice("and a field missing", order().without("product_id").last("x", `1`).last("x", `1`)),
	}
}
