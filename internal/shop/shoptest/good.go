package shoptest

import (
	"fmt"
	"strings"

	"example.com/shopstream/internal/shop"
)

// Good is a new copy of the corpus of valid records that are easy to get
// wrong. Each has an event id of its own, unless the case is about ids.
func Good() [][]byte {
	cancellation := func() event { return order().with("event_type", `"order_cancelled"`) }
	name := func(s string) event { return order().with("product_name", s) }
	price := func(s string) event { return order().with("unit_price", s) }
	at := func(s string) event { return view().with("event_time", s) }

	events := []fmt.Stringer{
		order(), cancellation(), view(), view().with("event_type", `"add_to_cart"`),

		// Ids.
		order().with("event_id", `"3F1C9A52-0B7E-4D7A-9C1E-5A2B8F6D4E11"`),
		order().with("event_id", `"00000000-0000-0000-0000-000000000000"`),
		order().with("event_id", `"ffffffff-ffff-ffff-ffff-ffffffffffff"`),
		order().with("event_id", `"\u0030f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10"`),

		// Strings.
		name(`"Teelicht „Blüte“ – 6 Stück"`), name(`"花火 🎆"`), name(`"עט ✒️ قلم"`),
		name(`"\ud83c\udf86 \u82b1\u706b"`), name(`"\uD83C\uDF86"`),
		name(`"\"quoted\" \\ \/ \b\f\n\r\t"`), name(`"\u0000"`), name("\"\u007f\""), name(`"\u2028\u2029"`), name("\"\u2028\uFEFF\uFFFD\uFFFF\""), name(`"\uffff"`),
		name(`"e\u0301 is not é"`), name(`"` + strings.Repeat("é", shop.MaxText/2) + `"`), name(`"` + strings.Repeat(`\u00e9`, shop.MaxText/2) + `"`),
		name(`"null"`), name(`"// {\"a\":1}"`), name(`"' OR 1=1 --"`), name(`"=1+1"`), name(`"a,b;c\td"`),
		order().with("category", `"home & garden/=%41?#:"`), order().with("category", `".."`), order().with("category", `"."`), order().with("category", `" "`),
		order().with("category", `"`+strings.Repeat("é", shop.MaxCategory/2)+`"`), order().with("category", `"uncategorized"`), order().with("category", `"Toys"`),
		order().with("user_id", `"../../etc/passwd"`), order().with("product_id", `"0"`), order().with("order_id", `" o-1 "`),

		// Fields that may be left out.
		order().without("user_id").without("category").without("line"),
		order().with("user_id", `null`).with("session_id", `null`).with("category", `null`).with("product_name", `null`).with("country", `null`).with("line", `null`),
		order().with("user_id", `""`).with("session_id", `""`).with("category", `""`).with("product_name", `""`).with("country", `""`),
		view().with("session_id", `"s-1"`).with("country", `"GB"`),
		view().with("order_id", `7`).with("quantity", `-1`).with("unit_price", `"free"`).with("currency", `null`).with("line", `"x"`),

		// Amounts.
		price(`12.95`), price(`1`), price(`"1"`), price(`0.000001`), price(`"0.000001"`), price(`1e-6`), price(`1E0`), price(`1.5e+1`), price(`"2.5e1"`),
		price(`100e-2`), price(`0.0000010`), price(`1.10000000000000000000000000`), price(`10.` + strings.Repeat("0", 400)), price(`1` + strings.Repeat("0", 400) + `e-400`),
		price(`0.` + strings.Repeat("0", 400) + `1e401`), price(`"1\u0032.95"`), price(`123456789012.345678`).with("quantity", `1`),
		price(`999999999999.999999`).with("quantity", `1`), price(`0.000999`).with("quantity", `1000000000`), price(`0.1`), price(`9007199254740993e-6`),
		order().with("line", `1000000000`), order().with("quantity", `1000000000`).with("unit_price", `999.999999`),
		order().with("currency", `"XOF"`), order().with("currency", `"\u0045UR"`),

		// Times.
		at(`"2026-03-01T10:15:00Z"`), at(`"2026-03-01T10:15:00.1Z"`), at(`"2026-03-01T10:15:00.12Z"`), at(`"2026-03-01T10:15:00.123456789Z"`), at(`"2026-03-01T10:15:00.9999Z"`),
		at(`"2026-03-01T15:45:00.123+05:30"`), at(`"2026-02-28T22:15:00.000-12:00"`), at(`"2026-03-02T00:15:00+14:00"`), at(`"2026-03-01T10:15:00-00:00"`), at(`"2026-03-02T09:14:59+23:59"`),
		at(`"2024-02-29T23:59:59Z"`), at(`"2000-02-29T00:00:00Z"`), at(`"2000-01-01T00:00:00Z"`), at(`"1999-12-31T23:00:00-01:00"`), at(`"2026-03-01T12:05:00Z"`),
		order().last("note", `"event_time"`), order().last("meta", `{"event_time":"1999-01-01T00:00:00Z"}`), order().last("note", `"\"event_time\":\"2026"`),
		order().first("note", `"event_times"`), order().first("note", `"\"event_time\":"`), order().first("event_time_zone", `"Europe/Berlin"`),

		// Members that the contract does not know.
		order().last("extra", `{"a":[1,2.5e-3,{"b":null}],"c":{"a":{"a":[]}},"":""}`), order().last("", `{}`), order().last("Quantity", `"4"`), order().last("quantity ", `"4"`),
		order().first("deep", strings.Repeat("[", shop.MaxDepth-1)+strings.Repeat("]", shop.MaxDepth-1)), order().first("deep", strings.Repeat(`{"a":`, shop.MaxDepth-1)+`1`+strings.Repeat("}", shop.MaxDepth-1)), order().last("huge", `[1e400,-0,-0.0E-0,`+strings.Repeat("9", 1000)+`]`),
		order().last("a", `[{"x":1},{"x":1}]`).last("b", `{"x":1}`), order().last(`\ud83d\ude00`, `true`).last("😁", `false`), order().last("__proto__", `{"quantity":1}`),
		order().last("raw", `"data:;base64,`+strings.Repeat("QUJD", 5000)+`"`),

		// Layout.
		text("\r\n\t {\r\n\t" + strings.NewReplacer(`,"`, " ,\r\n\t\"", `":`, "\" \t:\n ").Replace(order().String()[1:]) + " \n"),
		text(order().String() + strings.Repeat(" ", 1<<20-len(order().String()))),
		reversed(order()), reversed(cancellation()), reversed(view()),
		order().with("event_type", `"order\u005fcreated"`), text(strings.Replace(order().String(), `"quantity"`, `"\u0071uantity"`, 1)),
		text(strings.ReplaceAll(order().String(), `_id"`, `\u005fid"`)),
	}

	records := make([][]byte, len(events))
	for i, e := range events {
		own := fmt.Sprintf("3f1c9a52-0b7e-4d7a-9c1e-%012x", i)
		records[i] = []byte(strings.Replace(e.String(), "3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10", own, 1))
	}
	return records
}

func reversed(e event) event {
	r := make(event, 0, len(e))
	for i := len(e) - 1; i >= 0; i-- {
		r = append(r, e[i])
	}
	return r
}
