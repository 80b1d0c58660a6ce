package shoptest

import (
	"strings"

	"example.com/shopstream/internal/shop"
)

// brokenFields are wrong in a field that every event may have.
func brokenFields() []Case {
	var cases []Case
	for _, f := range []string{"event_id", "event_type", "event_time", "product_id", "schema_version"} {
		cases = append(cases, missing(view, f)...)
	}
	for _, f := range []string{"event_id", "event_type", "event_time", "product_id", "user_id", "session_id", "category", "product_name", "country"} {
		cases = append(cases, wrongTypes(view, f, `7`, `true`, `["a"]`, `{"a":1}`)...)
	}
	for _, f := range []string{"product_id", "user_id", "session_id", "product_name", "country"} {
		cases = append(cases, tooLong(view, f, shop.MaxText))
	}
	cases = append(cases, tooLong(view, "category", shop.MaxCategory))
	cases = append(cases, wrongTypes(view, "schema_version", `"1"`, `""`, `false`, `[1]`, `{}`)...)

	id := func(name, value string) Case {
		return broken("event_id: "+name, view().with("event_id", value), shop.BadValue("event_id"))
	}
	kind := func(name, value string) Case {
		return broken("event_type: "+name, view().with("event_type", value), shop.UnknownEventType)
	}
	version := func(name, value string, want shop.Reason) Case {
		return broken("schema_version: "+name, view().with("schema_version", value), want)
	}
	return append(cases,
		id("no UUID", `"evt-1"`),
		id("without hyphens", `"3f1c9a520b7e4d7a9c1e5a2b8f6d4e10"`),
		id("in braces", `"{3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10}"`),
		id("urn", `"urn:uuid:3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10"`),
		id("not hexadecimal", `"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e1g"`),
		id("hyphens elsewhere", `"3f1c9a5-20b7e-4d7a-9c1e-5a2b8f6d4e10"`),
		id("one digit short", `"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e1"`),
		kind("unknown", `"order_shipped"`),
		kind("upper case", `"ORDER_CREATED"`),
		kind("space", `" order_created"`),
		version("newer", `2`, shop.NewerSchemaVersion),
		version("much newer", `1000000000000000000000000000000`, shop.NewerSchemaVersion),
		version("zero", `0`, shop.BadValue("schema_version")),
		version("negative", `-1`, shop.BadValue("schema_version")),
		version("fraction", `1.5`, shop.BadValue("schema_version")),
		version("point zero", `1.0`, shop.BadValue("schema_version")),
		version("exponent", `1e0`, shop.BadValue("schema_version")),
		broken("schema_version: newer, with other faults", order().with("schema_version", `3`).without("product_id").with("unit_price", `0`), shop.NewerSchemaVersion),
	)
}

// brokenOrders are wrong in a field of orders.
func brokenOrders() []Case {
	cancellation := func() event { return order().with("event_type", `"order_cancelled"`) }
	var cases []Case
	for _, f := range []string{"order_id", "quantity", "unit_price", "currency"} {
		cases = append(cases, missing(order, f)...)
		cases = append(cases, broken("missing: "+f+" of a cancellation", cancellation().without(f), shop.MissingField(f)))
	}
	cases = append(cases, wrongTypes(order, "order_id", `536365`, `false`, `[]`, `{}`)...)
	cases = append(cases, wrongTypes(order, "currency", `978`, `true`, `["EUR"]`, `{}`)...)
	cases = append(cases, wrongTypes(order, "quantity", `"3"`, `""`, `true`, `[3]`, `{}`)...)
	cases = append(cases, wrongTypes(order, "line", `"1"`, `""`, `true`, `[1]`, `{}`)...)
	cases = append(cases, wrongTypes(order, "unit_price", `true`, `[1]`, `{"amount":1,"currency":"EUR"}`)...)
	cases = append(cases, tooLong(order, "order_id", shop.MaxText))

	price := func(name, value string) Case {
		return broken("price: "+name, order().with("unit_price", value), shop.BadPrice)
	}
	quantity := func(name, value string) Case {
		return broken("quantity: "+name, order().with("quantity", value), shop.BadQuantity)
	}
	line := func(name, value string) Case {
		return broken("line: "+name, order().with("line", value), shop.BadValue("line"))
	}
	currency := func(name, value string) Case {
		return broken("currency: "+name, order().with("currency", value), shop.BadCurrency)
	}
	return append(cases,
		price("zero", `0`),
		price("zero string", `"0.00"`),
		price("minus zero", `-0`),
		price("negative", `-12.95`),
		price("negative string", `"-11062.06"`),
		price("seven decimals", `0.0000001`),
		price("seven decimals string", `"1.0000001"`),
		price("1e400", `1e400`),
		price("1e-400", `1e-400`),
		price("exponent beyond any integer", `1e99999999999999999999`),
		price("absurd", `1000000000000`),
		price("absurd string", `"999999999999999999999999999999"`),
		price("5,000 digits", `1`+strings.Repeat("0", 5000)),
		price("text", `"free"`),
		price("NaN string", `"NaN"`),
		price("comma", `"12,95"`),
		price("currency sign", `"€12.95"`),
		price("space", `" 12.95"`),
		price("plus", `"+12.95"`),
		price("leading zero", `"012.95"`),
		price("point first", `".95"`),
		price("point last", `"12."`),
		price("hexadecimal", `"0x10"`),
		broken("price: times quantity overflows", order().with("unit_price", `999999999999.999999`), shop.AmountTooLarge),
		broken("price: times the largest quantity overflows", order().with("unit_price", `1000`).with("quantity", `1000000000`), shop.AmountTooLarge),
		quantity("zero", `0`),
		quantity("minus zero", `-0`),
		quantity("negative", `-1`),
		quantity("fraction", `1.5`),
		quantity("point zero", `3.0`),
		quantity("exponent", `1e3`),
		quantity("one above the largest", `1000000001`),
		quantity("2^63", `9223372036854775808`),
		quantity("2^64 + 1", `18446744073709551617`),
		quantity("10^30", `1000000000000000000000000000000`),
		quantity("1e400", `1e400`),
		line("zero", `0`),
		line("negative", `-1`),
		line("fraction", `1.5`),
		line("too large", `1000000001`),
		currency("lower case", `"eur"`),
		currency("two letters", `"EU"`),
		currency("four letters", `"EURO"`),
		currency("no such code", `"ABC"`),
		currency("sign", `"€"`),
		currency("withdrawn", `"DEM"`),
		currency("gold", `"XAU"`),
		broken("quantity: negative in a cancellation", cancellation().with("quantity", `-3`), shop.NegativeCancellation),
		broken("quantity: minus zero in a cancellation", cancellation().with("quantity", `-0`), shop.BadQuantity),
		broken("quantity: negative fraction in a cancellation", cancellation().with("quantity", `-1.5`), shop.BadQuantity),
		broken("price before quantity", order().with("unit_price", `0`).with("quantity", `-1`), shop.BadPrice),
		broken("price before currency", order().with("unit_price", `0`).with("currency", `""`), shop.BadPrice),
		broken("missing price before bad quantity", order().without("unit_price").with("quantity", `0`), shop.MissingField("unit_price")),
		broken("quantity before currency", order().with("quantity", `0`).with("currency", `"x"`), shop.BadQuantity),
		broken("fields before time", order().with("quantity", `0`).with("event_time", `"soon"`), shop.BadQuantity),
	)
}

// missing are the ways in which a required field may not be there.
func missing(of func() event, name string) []Case {
	want := shop.MissingField(name)
	cases := []Case{
		broken("missing: "+name, of().without(name), want),
		broken("null: "+name, of().with(name, `null`), want),
	}
	if name != "quantity" && name != "schema_version" { // not strings
		cases = append(cases, broken("empty: "+name, of().with(name, `""`), want))
	}
	return cases
}

// wrongTypes has a field with values of other types than its own.
func wrongTypes(of func() event, name string, values ...string) []Case {
	var cases []Case
	for _, v := range values {
		cases = append(cases, broken("type: "+name+" is "+v, of().with(name, v), shop.BadType(name)))
	}
	return cases
}

// tooLong has a text field with one byte too many.
func tooLong(of func() event, name string, most int) Case {
	return broken("too long: "+name, of().with(name, `"`+strings.Repeat("é", most/2)+`x"`), shop.BadValue(name))
}
