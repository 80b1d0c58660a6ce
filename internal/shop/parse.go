package shop

import (
	"bytes"
	"cmp"
	"fmt"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/uuid"
)

// Bounds of the contract's values.
const (
	// MaxText is the largest text field, in bytes of UTF-8.
	MaxText = 512
	// MaxCategory, in bytes too, is lower because a category is the name of a
	// folder in the lake (category-…). Most of its bytes may have to be escaped,
	// three for one, and file systems stop at 255.
	MaxCategory = 80
	// MaxCount is the largest quantity and line.
	MaxCount = 1_000_000_000
)

// Parser reads events. It is reusable, and not for concurrent use.
type Parser struct {
	limits Limits
	s      scanner
	inv    *Invalid // the first fault of the record at hand
}

// NewParser returns a Parser that holds records to the limits.
func NewParser(l Limits) *Parser {
	l.MaxAmount = cmp.Or(l.MaxAmount, MaxMoney)
	return &Parser{limits: l}
}

// Parse reads the Kafka value raw of a record with the timestamp recordTime
// (ms): a valid event, or else the reason why it is none. It is a function of
// its arguments and the limits alone. The event's strings are views: see Event.
//
// Of several faults the first in this order is the reason:
//
//  1. null_value, too_large, bad_utf8, malformed_json, duplicate_key, each of
//     the value as a whole;
//  2. schema_version, because a newer version may have other rules;
//  3. event_id, event_type, product_id, user_id, session_id, category,
//     product_name, country;
//  4. of orders and cancellations: order_id, line, unit_price, quantity, both
//     multiplied (amount_too_large), currency. Of other events these fields are
//     ignored, whatever they hold;
//  5. event_time: bad_event_time, ambiguous_event_time,
//     event_time_out_of_range, event_time_in_future, bad_record_time.
//
// Of one field: missing_field, then bad_type, then the value. A null is as good
// as no member, and so is an empty string in place of a string. Members that
// the contract does not know are ignored.
func (p *Parser) Parse(raw []byte, recordTime int64) (Event, *Invalid) {
	p.inv = nil
	if inv := p.checkWhole(raw); inv != nil {
		return Event{}, inv
	}

	var e Event
	e.Version = p.version()
	e.ID = p.id()
	e.Type = p.eventType()
	e.ProductID = p.text(fProductID, MaxText, true)
	e.UserID = p.text(fUserID, MaxText, false)
	e.SessionID = p.text(fSessionID, MaxText, false)
	e.Category = p.text(fCategory, MaxCategory, false)
	if e.Category == "" {
		e.Category = Uncategorized
	}
	e.ProductName = p.text(fProductName, MaxText, false)
	e.Country = p.text(fCountry, MaxText, false)
	if e.IsOrder() {
		e.OrderID = p.text(fOrderID, MaxText, true)
		e.Line = p.line()
		e.UnitPrice = p.price()
		e.Quantity = p.quantity(e.Type, e.UnitPrice)
		e.Currency = p.currency()
	}
	e.Time = p.time(raw, recordTime)
	if p.inv != nil {
		return Event{}, p.inv
	}
	return e, nil
}

// checkWhole is everything that can be said without the fields' meaning.
func (p *Parser) checkWhole(raw []byte) *Invalid {
	switch {
	case len(raw) == 0:
		return invalid(NullValue, "expected a JSON object, found no value")
	case len(raw) > p.limits.MaxBytes:
		return invalid(TooLarge, "expected at most %d bytes, found %d", p.limits.MaxBytes, len(raw))
	case !utf8.Valid(raw):
		at := invalidUTF8(raw)
		return invalid(BadUTF8, "expected UTF-8, found byte 0x%02x at offset %d", raw[at], at)
	case !p.s.scan(raw):
		return invalid(MalformedJSON, "%s, found %s at offset %d", p.s.problem, snippet(raw[p.s.pos:]), p.s.pos)
	case p.s.twice != nil:
		return invalid(DuplicateKey, "expected a key once in an object, found %q twice", clip(p.s.twice, 60))
	}
	return nil
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// snippet is the start of b for a person.
func snippet(b []byte) string {
	if len(b) == 0 {
		return "the end"
	}
	return quote(b)
}

// reject notes the first fault of a record; later ones don't matter.
func (p *Parser) reject(r Reason, format string, args ...any) {
	if p.inv == nil {
		p.inv = invalid(r, format, args...)
	}
}

// get is the value of a field if it is there and of the kind; expected says so
// in words.
func (p *Parser) get(f field, k kind, expected string, required bool) ([]byte, bool) {
	t := p.s.fields[f]
	if !p.present(f, k, required) {
		return nil, false
	}
	if t.kind != k {
		p.reject(BadType(fieldNames[f]), "expected %s, found %s", expected, kindNames[t.kind])
		return nil, false
	}
	return t.text, true
}

// present reports whether a field of the kind holds something: null is nothing,
// and so is an empty string where a string is expected.
func (p *Parser) present(f field, k kind, required bool) bool {
	t := p.s.fields[f]
	empty := k == text && t.kind == text && len(t.text) == 0
	if t.kind > null && !empty {
		return true
	}
	if required {
		found := kindNames[t.kind]
		if empty {
			found = "an empty string"
		}
		p.reject(MissingField(fieldNames[f]), "expected a value, found %s", found)
	}
	return false
}

func (p *Parser) text(f field, most int, required bool) string {
	b, ok := p.get(f, text, "a string", required)
	if ok && len(b) > most {
		p.reject(BadValue(fieldNames[f]), "expected at most %d bytes, found %d", most, len(b))
	}
	return view(b)
}

// view is b as a string without a copy: nobody writes to b while the event is
// valid.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (p *Parser) version() int64 {
	b, ok := p.get(fSchemaVersion, number, "an integer", true)
	if !ok {
		return 0
	}
	v, ok := integer(b, SchemaVersion)
	switch {
	case !ok || v < 1:
		p.reject(BadValue(fieldNames[fSchemaVersion]), "expected an integer of 1 to %d, found %s", SchemaVersion, clip(b, 40))
	case v > SchemaVersion:
		p.reject(NewerSchemaVersion, "expected at most version %d, found %s: replay this record after an upgrade", SchemaVersion, clip(b, 40))
	}
	return v
}

func (p *Parser) id() uuid.UUID {
	b, ok := p.get(fEventID, text, "a UUID string", true)
	if !ok {
		return uuid.UUID{}
	}
	const textLen = 36 // uuid also reads forms with braces, a prefix, or without hyphens
	if len(b) == textLen {
		if id, err := uuid.ParseBytes(b); err == nil {
			return id
		}
	}
	p.reject(BadValue(fieldNames[fEventID]), "expected a UUID such as 01234567-89ab-7def-8123-456789abcdef, found %s", quote(b))
	return uuid.UUID{}
}

func (p *Parser) eventType() EventType {
	b, ok := p.get(fEventType, text, "a string", true)
	if !ok {
		return 0
	}
	t, ok := ParseEventType(view(b))
	if !ok {
		p.reject(UnknownEventType, "expected product_viewed, add_to_cart, order_created or order_cancelled, found %s", quote(b))
	}
	return t
}

func (p *Parser) line() int64 {
	b, ok := p.get(fLine, number, "an integer", false)
	if !ok {
		return 0
	}
	v, ok := integer(b, MaxCount)
	if !ok || v < 1 || v > MaxCount {
		p.reject(BadValue(fieldNames[fLine]), "expected an integer of 1 to %d, found %s", MaxCount, clip(b, 40))
	}
	return v
}

func (p *Parser) price() Money {
	t := p.s.fields[fUnitPrice]
	if !p.present(fUnitPrice, text, true) {
		return 0
	}
	if t.kind != text && t.kind != number {
		p.reject(BadType(fieldNames[fUnitPrice]), "expected a decimal as a string or a number, found %s", kindNames[t.kind])
		return 0
	}
	m, problem := parseMoney(t.text)
	if problem == "" && m <= 0 {
		problem = "not above zero"
	}
	if problem != "" {
		p.reject(BadPrice, "expected a decimal above zero with at most 6 decimals, found %s: %s", quote(t.text), problem)
	}
	return m
}

func (p *Parser) quantity(of EventType, price Money) int64 {
	b, ok := p.get(fQuantity, number, "an integer", true)
	if !ok {
		return 0
	}
	q, ok := integer(b, MaxCount)
	if ok && q < 0 && of == OrderCancelled {
		p.reject(NegativeCancellation, "expected the pieces that were cancelled, 1 to %d, found %s", MaxCount, clip(b, 40))
		return 0
	}
	if !ok || q < 1 || q > MaxCount {
		p.reject(BadQuantity, "expected an integer of 1 to %d, found %s", MaxCount, clip(b, 40))
		return 0
	}
	if amount, ok := price.Mul(q); !ok || amount > p.limits.MaxAmount {
		whose := "stream.max_amount"
		if p.limits.MaxAmount == MaxMoney {
			whose = "DECIMAL(18,6)"
		}
		p.reject(AmountTooLarge, "expected unit_price × quantity of at most %v (%s), found %v × %d", p.limits.MaxAmount, whose, price, q)
	}
	return q
}

func (p *Parser) currency() string {
	b, ok := p.get(fCurrency, text, "a string", true)
	if ok && !isCurrency(b) {
		p.reject(BadCurrency, "expected an active code of ISO 4217 such as EUR, found %s", quote(b))
	}
	return view(b)
}

func (p *Parser) time(raw []byte, recordTime int64) int64 {
	b, ok := p.get(fEventTime, text, "a string", true)
	if !ok || p.inv != nil {
		return 0
	}
	ms, ok := parseTime(b)
	if !ok {
		p.reject(BadEventTime, "expected RFC 3339 such as 2026-03-01T10:15:00.000Z, found %s", quote(b))
		return 0
	}
	// Equal text means an equal result, and one without a second parse.
	if fast, ok := findTime(raw); !ok || !bytes.Equal(fast, b) {
		p.reject(AmbiguousEventTime, `expected the first "event_time" of the value to be the event's, written without escapes; found %s there, and %s`,
			quote(fast), quote(b))
		return 0
	}
	switch r := timeReason(ms, recordTime, p.limits); r {
	case "":
	case BadRecordTime:
		p.reject(r, "%s", badRecordTime(recordTime))
	case EventTimeInFuture:
		p.reject(r, "expected at most %v after the record's timestamp, found %v", p.limits.Skew, utc(ms).Sub(utc(recordTime)))
	default:
		p.reject(r, "expected a time in the years 2000 to 2100, found %s", quote(b))
	}
	return ms
}

// badRecordTime says what is wrong with a record's timestamp that is before the
// year 2000, and so before any event.
func badRecordTime(ms int64) string {
	switch {
	case ms < 0:
		return "expected a record with a timestamp, which the event's time is compared with, found none: set it in the producer, or the topic's message.timestamp.type to LogAppendTime"
	case ms*1000 >= minTime && ms*1000 < maxTime:
		return fmt.Sprintf("the record's timestamp is %s: the producer writes seconds (%d) where Kafka expects milliseconds. Mend it, or set the topic's message.timestamp.type to LogAppendTime", utc(ms).Format(time.RFC3339), ms)
	}
	return fmt.Sprintf("the record's timestamp is %s, before any event: set the producer's clock, or the topic's message.timestamp.type to LogAppendTime", utc(ms).Format(time.RFC3339))
}

// integer reads a JSON number that is an integer, without point and exponent.
// One above limit, whatever its size, is limit + 1.
func integer(b []byte, limit int64) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	var n int64
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = min(n*10+int64(c-'0'), limit+1)
	}
	if neg {
		n = -n
	}
	return n, true
}
