package shop

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reason says in one word why a record is no event. The set is closed: those
// below, and missing_field, bad_type and bad_value with the name of a field.
type Reason string

// The reasons that name no field.
const (
	NullValue          Reason = "null_value"     // the Kafka value is null or empty
	TooLarge           Reason = "too_large"      // more than Limits.MaxBytes
	BadUTF8            Reason = "bad_utf8"       // anywhere in the value
	MalformedJSON      Reason = "malformed_json" // not one JSON object (RFC 8259), or nested deeper than MaxDepth
	DuplicateKey       Reason = "duplicate_key"  // twice in one object, at any depth
	NewerSchemaVersion Reason = "newer_schema_version"
	UnknownEventType   Reason = "unknown_event_type"
	BadPrice           Reason = "bad_price"
	BadQuantity        Reason = "bad_quantity"
	AmountTooLarge     Reason = "amount_too_large" // unit_price × quantity is more than Limits.MaxAmount
	// NegativeCancellation is an order_cancelled of a quantity below 0, which
	// would be a sale: a C invoice of Online Retail with a positive quantity.
	NegativeCancellation Reason = "negative_cancellation"
	BadCurrency          Reason = "bad_currency"
	BadEventTime         Reason = "bad_event_time"          // not RFC 3339
	AmbiguousEventTime   Reason = "ambiguous_event_time"    // EventTime reads something else
	EventTimeOutOfRange  Reason = "event_time_out_of_range" // not in the years 2000 to 2100, UTC
	EventTimeInFuture    Reason = "event_time_in_future"    // later than the record's timestamp + Limits.Skew
	BadRecordTime        Reason = "bad_record_time"         // likewise, and the record has no timestamp, or one before the year 2000
)

// The reasons of a record batch that cannot be read, which Parse never sees: one
// dead letter stands for it, which has no value.
const (
	BatchTooLarge Reason = "batch_too_large" // it decompresses to more than kafka.max_batch_bytes
	BatchDamaged  Reason = "batch_damaged"   // its checksum is wrong, or its records cannot be decoded
)

// MissingField is the reason for a required field that is not there, null, or
// an empty string in place of a string.
func MissingField(name string) Reason { return Reason("missing_field:" + name) }

// BadType is the reason for a field of another JSON type than the contract's.
func BadType(name string) Reason { return Reason("bad_type:" + name) }

// BadValue is the reason for a field of the right JSON type, but not a value
// that the contract allows.
func BadValue(name string) Reason { return Reason("bad_value:" + name) }

// Reasons lists what Parse may say, each once.
func Reasons() []Reason {
	rs := []Reason{
		NullValue, TooLarge, BadUTF8, MalformedJSON, DuplicateKey, NewerSchemaVersion, UnknownEventType,
		BadPrice, BadQuantity, AmountTooLarge, NegativeCancellation, BadCurrency,
		BadEventTime, AmbiguousEventTime, EventTimeOutOfRange, EventTimeInFuture, BadRecordTime,
	}
	for _, f := range []field{fSchemaVersion, fEventID, fEventType, fEventTime, fProductID, fOrderID, fUnitPrice, fQuantity, fCurrency} {
		rs = append(rs, MissingField(fieldNames[f]))
	}
	for _, name := range fieldNames {
		rs = append(rs, BadType(name))
	}
	for _, f := range []field{fSchemaVersion, fEventID, fProductID, fUserID, fSessionID, fCategory, fProductName, fCountry, fOrderID, fLine} {
		rs = append(rs, BadValue(fieldNames[f]))
	}
	return rs
}

// Invalid is the rejection of a record.
type Invalid struct {
	Reason Reason
	// Detail is for a person: what was expected, what was found. Valid UTF-8,
	// at most 200 bytes.
	Detail string
}

const maxDetail = 200

func invalid(r Reason, format string, args ...any) *Invalid {
	return &Invalid{Reason: r, Detail: clip(fmt.Sprintf(format, args...), maxDetail)}
}

// Rejected is the rejection of what Parse was not asked about.
func Rejected(r Reason, detail string) *Invalid {
	return &Invalid{Reason: r, Detail: clip(detail, maxDetail)}
}

// quote is the start of b in quotes, printable.
func quote(b []byte) string { return strconv.Quote(clip(b, 40)) }

// clip is at most n bytes of s as valid UTF-8, with "…" where something is cut.
func clip[S ~string | ~[]byte](s S, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(string(s), "\uFFFD")
	}
	const more = "…"
	cut := n - len(more)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.ToValidUTF8(string(s[:cut]), "?") + more
}

// Excerpt is the start of a value for a line of text: quoted, at most n bytes of
// it, with all that a terminal would act on escaped.
func Excerpt(value []byte, n int) string {
	s := clip(value, n)
	if strings.ContainsFunc(s, func(r rune) bool { return r == '`' || !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return "`" + s + "`" // JSON has many quotes
}
