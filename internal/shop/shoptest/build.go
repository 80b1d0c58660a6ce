// Package shoptest is a corpus of records for tests: broken ones, each with the
// reason that shop.Parse has to give, and valid ones that are easy to get
// wrong. Tests of the parser and of the pipelines share it.
package shoptest

import (
	"strings"

	"example.com/shopstream/internal/shop"
)

// RecordTime is the timestamp of the corpus's Kafka records: 2026-03-01T12:00:00Z.
// Their events are of the two hours before, unless their case is about time.
const RecordTime int64 = 1_772_366_400_000

// Case is a record that is no event.
type Case struct {
	Name       string // unique, for t.Run
	Value      []byte // the Kafka value; nil is null
	RecordTime int64  // the Kafka record's timestamp, ms
	Want       shop.Reason
}

// member is a member of a JSON object, its value as JSON.
type member struct{ name, value string }

// event is a JSON object in the making.
type event []member

// order is a valid order line, view a valid view.
func order() event {
	return event{
		{"event_id", `"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10"`},
		{"event_type", `"order_created"`},
		{"event_time", `"2026-03-01T10:15:00.123Z"`},
		{"product_id", `"P-1"`},
		{"user_id", `"u-1"`},
		{"category", `"toys"`},
		{"order_id", `"o-1"`},
		{"line", `1`},
		{"quantity", `3`},
		{"unit_price", `"12.95"`},
		{"currency", `"EUR"`},
		{"schema_version", `1`},
	}
}

func view() event {
	return order().with("event_type", `"product_viewed"`).
		without("order_id").without("line").without("quantity").without("unit_price").without("currency")
}

// with is e with another value of a member, or one more member.
func (e event) with(name, value string) event {
	for i := range e {
		if e[i].name == name {
			e[i].value = value
			return e
		}
	}
	return append(e, member{name, value})
}

// first is e with one more member in front.
func (e event) first(name, value string) event {
	return append(event{{name, value}}, e...)
}

// last is e with one more member at the end, also if there is one of the name.
func (e event) last(name, value string) event {
	return append(e, member{name, value})
}

func (e event) without(name string) event {
	for i := range e {
		if e[i].name == name {
			return append(e[:i:i], e[i+1:]...)
		}
	}
	return e
}

func (e event) String() string {
	members := make([]string, len(e))
	for i, m := range e {
		members[i] = `"` + m.name + `":` + m.value
	}
	return "{" + strings.Join(members, ",") + "}"
}
