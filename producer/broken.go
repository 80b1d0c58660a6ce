package producer

import (
	"bytes"

	"example.com/shopstream/internal/shop"
)

// broken are the ways in which a record is no event, with the reason that a
// right pipeline gives. Each makes one from an order line's JSON; what it does
// not break stays right.
var broken = []struct {
	reason shop.Reason
	make   func(json []byte) []byte
}{
	{shop.NullValue, func([]byte) []byte { return nil }},
	{shop.MalformedJSON, func(j []byte) []byte { return j[:len(j)*2/3] }},
	{shop.MalformedJSON, func(j []byte) []byte { return append(j, '}') }},
	{shop.MalformedJSON, set("quantity", `NaN`)},
	{shop.BadUTF8, set("product_name", "\"Caf\xe9\"")},
	{shop.DuplicateKey, func(j []byte) []byte { return append(j[:len(j)-1], `,"quantity":1}`...) }},
	{shop.MissingField("event_id"), set("event_id", `null`)},
	{shop.MissingField("product_id"), set("product_id", `""`)},
	{shop.MissingField("order_id"), set("order_id", `null`)},
	{shop.MissingField("event_time"), set("event_time", `null`)},
	{shop.BadType("product_id"), set("product_id", `42`)},
	{shop.BadType("quantity"), set("quantity", `"2"`)},
	{shop.BadValue("event_id"), set("event_id", `"42"`)},
	{shop.UnknownEventType, set("event_type", `"order_paid"`)},
	{shop.BadPrice, set("unit_price", `"0"`)},
	{shop.BadPrice, set("unit_price", `-4.99`)},
	{shop.BadQuantity, set("quantity", `0`)},
	{shop.BadQuantity, set("quantity", `1.5`)},
	{shop.BadCurrency, set("currency", `"euro"`)},
	{shop.BadEventTime, set("event_time", `"yesterday"`)},
	{shop.EventTimeOutOfRange, set("event_time", `"1970-01-01T00:00:00.000Z"`)},
	// So far ahead that it is the future whenever it is sent: no clock is read.
	{shop.EventTimeInFuture, set("event_time", `"2099-12-31T23:59:59.000Z"`)},
	{shop.NewerSchemaVersion, set("schema_version", `99`)},
}

// set replaces the value of a top-level field that AppendJSON wrote.
func set(field, value string) func([]byte) []byte {
	name := []byte(`"` + field + `":`)
	return func(json []byte) []byte {
		from := bytes.Index(json, name) + len(name)
		end := from
		if json[from] == '"' {
			end += 2 + bytes.IndexByte(json[from+1:], '"')
		} else {
			end += bytes.IndexAny(json[from:], ",}")
		}
		return append(append(append([]byte(nil), json[:from]...), value...), json[end:]...)
	}
}

// invalid gives a record that is no event. The kinds take turns.
func (s *Simulator) invalid() Record {
	kind := broken[s.kinds%len(broken)]
	s.kinds++
	visit := s.shop.session()
	a := s.shop.orderLine(visit, "X"+visit.id, 1, s.cat.popular.draw(s.rnd))
	key := s.bytes.keep([]byte(keyOf(&a.event)))
	p := PartitionOf(key, s.opts.Partitions)
	a.event.ID = s.id()
	a.event.Time = s.nowMs() - s.skew(p)
	s.json = shop.AppendJSON(s.json[:0], &a.event)
	rec := Record{Partition: p, Key: key}
	if value := kind.make(s.json); value != nil {
		rec.Value = s.bytes.keep(value)
	}
	// The pipeline counts every time that it can read, also of a record that it
	// then rejects.
	if at, ok := shop.EventTime(rec.Value, a.event.Time, shop.DefaultLimits); ok {
		rec.EventTime = at
		s.high[p] = max(s.high[p], at)
	}
	s.truth.dead[kind.reason]++
	return rec
}
