package shop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/shopstream/internal/shop"
)

// oracle is the contract once more, slowly, over encoding/json, time.Parse and
// math/big: an event, or an error for a record that is none. It shares no code
// with Parse but the list of currencies.
func oracle(raw []byte, recordTime int64, l shop.Limits) (shop.Event, error) {
	var none shop.Event
	if len(raw) > l.MaxBytes || !utf8.Valid(raw) || !json.Valid(raw) || loneSurrogate(raw) {
		return none, errors.New("no JSON of ours")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	w := walker{dec: dec, raw: raw, timeKeyAt: -1}
	if err := w.value(0); err != nil {
		return none, err
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil || m == nil {
		return none, fmt.Errorf("no object: %w", err)
	}

	var e shop.Event
	var err error
	fail := func(name string) {
		if err == nil {
			err = fmt.Errorf("%s: %v", name, m[name])
		}
	}
	str := func(name string, most int, required bool) string {
		if m[name] == nil && !required {
			return ""
		}
		s, ok := m[name].(string)
		if !ok || len(s) > most || (s == "" && required) {
			fail(name)
		}
		return s
	}
	integer := func(name string, most int64, required bool) int64 {
		if m[name] == nil && !required {
			return 0
		}
		n, ok := m[name].(json.Number)
		v, convErr := strconv.ParseInt(n.String(), 10, 64)
		if !ok || convErr != nil || v < 1 || v > most {
			fail(name)
		}
		return v
	}

	e.Version = integer("schema_version", shop.SchemaVersion, true)
	id := str("event_id", 36, true)
	var idErr error
	if e.ID, idErr = uuid.Parse(id); idErr != nil || len(id) != 36 {
		fail("event_id")
	}
	e.Type = map[string]shop.EventType{
		"product_viewed": shop.ProductViewed, "add_to_cart": shop.AddToCart,
		"order_created": shop.OrderCreated, "order_cancelled": shop.OrderCancelled,
	}[str("event_type", 99, true)]
	if e.Type == 0 {
		fail("event_type")
	}
	e.ProductID = str("product_id", shop.MaxText, true)
	e.UserID = str("user_id", shop.MaxText, false)
	e.SessionID = str("session_id", shop.MaxText, false)
	if e.Category = str("category", shop.MaxCategory, false); e.Category == "" {
		e.Category = shop.Uncategorized
	}
	e.ProductName = str("product_name", shop.MaxText, false)
	e.Country = str("country", shop.MaxText, false)
	if e.Type == shop.OrderCreated || e.Type == shop.OrderCancelled {
		e.OrderID = str("order_id", shop.MaxText, true)
		e.Line = integer("line", shop.MaxCount, false)
		e.Quantity = integer("quantity", shop.MaxCount, true)
		price, _ := m["unit_price"].(string)
		if n, isNumber := m["unit_price"].(json.Number); isNumber {
			price = n.String()
		}
		var ok bool
		if e.UnitPrice, ok = oracleMoney(price); !ok || e.UnitPrice <= 0 {
			fail("unit_price")
		}
		total := new(big.Int).Mul(big.NewInt(int64(e.UnitPrice)), big.NewInt(e.Quantity))
		if total.Cmp(big.NewInt(1e18)) >= 0 {
			fail("unit_price")
		}
		if e.Currency = str("currency", 3, true); !strings.Contains(shop.Schema(), strconv.Quote(e.Currency)) {
			fail("currency")
		}
	}
	when := str("event_time", 35, true)
	ms, ok := oracleTime(when)
	if !ok || ms > recordTime+l.Skew.Milliseconds() {
		fail("event_time")
	}
	e.Time = ms
	if err != nil {
		return none, err
	}
	// A record whose first quoted "event_time" is not the event's may be
	// accepted only if the same text stands behind it.
	if first := bytes.Index(raw, []byte(`"event_time"`)); first != w.timeKeyAt {
		behind := regexp.MustCompile(`^"event_time"[ \t\r\n]*:[ \t\r\n]*"([^"]*)"`).FindSubmatch(raw[max(first, 0):])
		if behind == nil || string(behind[1]) != when {
			return none, errors.New("ambiguous event_time")
		}
	} else if !regexp.MustCompile(`^[ \t\r\n]*:[ \t\r\n]*"` + regexp.QuoteMeta(when) + `"`).Match(raw[first+len(`"event_time"`):]) {
		return none, errors.New("escaped event_time")
	}
	return e, nil
}

// rfc3339 bounds the offset because Go lets +24:60 pass.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func oracleTime(s string) (int64, bool) {
	if !rfc3339.MatchString(s) {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, false
	}
	t = t.UTC()
	return t.Truncate(time.Millisecond).UnixMilli(), t.Year() >= 2000 && t.Year() <= 2100
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// oracleMoney is false for exponents of more than four digits, which would
// cost it gigabytes; it is only right for amounts of fewer than a thousand.
func oracleMoney(s string) (shop.Money, bool) {
	if !jsonNumber.MatchString(s) {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(1e6, 1))
	if !r.IsInt() || r.Num().CmpAbs(big.NewInt(1e18)) >= 0 {
		return 0, false
	}
	return shop.Money(r.Num().Int64()), true
}

// hugeExponent tells texts that oracleMoney cannot take.
var hugeExponent = regexp.MustCompile(`[eE][+-]?0*[0-9]{5}`)

// walker reads tokens for what decoding into a map does not show.
type walker struct {
	dec       *json.Decoder
	raw       []byte
	timeKeyAt int // offset of the event's own "event_time" if it has no escapes, else -1
}

func (w *walker) value(depth int) error {
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	d, ok := tok.(json.Delim)
	if depth == 0 && d != '{' {
		return errors.New("no object")
	}
	if !ok {
		return nil
	}
	if depth++; depth > shop.MaxDepth {
		return errors.New("too deep")
	}
	seen := map[string]bool{}
	for w.dec.More() {
		if d == '{' {
			tok, err := w.dec.Token()
			if err != nil {
				return err
			}
			key := tok.(string)
			if seen[key] {
				return fmt.Errorf("key %q twice", key)
			}
			seen[key] = true
			quoted := []byte(`"event_time"`)
			if end := int(w.dec.InputOffset()); depth == 1 && key == "event_time" && bytes.HasSuffix(w.raw[:end], quoted) {
				w.timeKeyAt = end - len(quoted)
			}
		}
		if err := w.value(depth); err != nil {
			return err
		}
	}
	_, err = w.dec.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var (
	escape    = regexp.MustCompile(`\\(u[0-9A-Fa-f]{4}|.)`)
	surrogate = regexp.MustCompile(`^\\u[dD][89a-fA-F]`)
)

// loneSurrogate finds half of a pair of escapes in valid JSON.
func loneSurrogate(raw []byte) bool {
	pairEnd := -1
	all := escape.FindAllIndex(raw, -1)
	for i, at := range all {
		esc := raw[at[0]:at[1]]
		if !surrogate.Match(esc) || at[0] == pairEnd {
			continue
		}
		high := strings.ContainsRune("89abAB", rune(esc[3]))
		if !high || i+1 == len(all) || all[i+1][0] != at[1] {
			return true
		}
		next := raw[all[i+1][0]:all[i+1][1]]
		if !surrogate.Match(next) || strings.ContainsRune("89abAB", rune(next[3])) {
			return true
		}
		pairEnd = at[1]
	}
	return false
}
