package shop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/shop/shoptest"
)

func parser() *shop.Parser { return shop.NewParser(shop.DefaultLimits) }

func TestParseBroken(t *testing.T) {
	p := parser()
	names := map[string]bool{}
	for _, c := range shoptest.Broken() {
		t.Run(c.Name, func(t *testing.T) {
			if names[c.Name] {
				t.Error("two cases of this name")
			}
			names[c.Name] = true
			before := slices.Clone(c.Value)
			e, inv := p.Parse(c.Value, c.RecordTime)
			if inv == nil {
				t.Fatalf("Parse = %+v; want %s", e, c.Want)
			}
			if inv.Reason != c.Want {
				t.Errorf("reason %s (%s); want %s", inv.Reason, inv.Detail, c.Want)
			}
			if inv.Detail == "" || len(inv.Detail) > 200 || !utf8.ValidString(inv.Detail) {
				t.Errorf("detail %q: want 1 to 200 bytes of UTF-8", inv.Detail)
			}
			if e != (shop.Event{}) {
				t.Errorf("event %+v; want none", e)
			}
			if !slices.Equal(before, c.Value) {
				t.Error("Parse changed its input")
			}
		})
	}
}

// The corpus has every reason, and no other.
func TestBrokenCoversReasons(t *testing.T) {
	got := map[shop.Reason]bool{}
	for _, c := range shoptest.Broken() {
		got[c.Want] = true
	}
	want := map[shop.Reason]bool{}
	for _, r := range shop.Reasons() {
		if want[r] {
			t.Errorf("%s is twice in Reasons", r)
		}
		want[r] = true
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("reasons (-Reasons +Broken):\n%s", d)
	}
	if n := len(shoptest.Broken()); n < 70 {
		t.Errorf("%d broken records; want at least 70", n)
	}
}

func TestParseGood(t *testing.T) {
	p := parser()
	for _, raw := range shoptest.Good() {
		e, inv := p.Parse(raw, shoptest.RecordTime)
		if inv != nil {
			t.Errorf("Parse(%.300s): %s (%s)", raw, inv.Reason, inv.Detail)
			continue
		}
		if ms, ok := shop.EventTime(raw, shoptest.RecordTime, shop.DefaultLimits); !ok || ms != e.Time {
			t.Errorf("EventTime(%.300s) = %d, %t; Parse says %d", raw, ms, ok, e.Time)
		}
		e = e.Clone()
		out := shop.AppendJSON(nil, &e)
		back, inv := p.Parse(out, shoptest.RecordTime)
		if inv != nil {
			t.Errorf("Parse(AppendJSON) of %.300s: %s (%s)", raw, inv.Reason, inv.Detail)
		} else if d := cmp.Diff(e, back); d != "" {
			t.Errorf("AppendJSON of %.300s (-want +got):\n%s", raw, d)
		}
	}
}

func TestParse(t *testing.T) {
	raw := []byte(` {"event_id":"3F1C9A52-0b7e-4d7a-9c1e-5a2b8f6d4e10","event_type":"order_cancelled","event_time":"2026-03-01T15:45:00.1239+05:30",
		"product_id":"P-1","user_id":"u-1","session_id":"s-1","category":"toys","product_name":"Caf\u00e9 \ud83c\udf86","country":"FR","note":{"a":[1]},
		"order_id":"o-1","line":7,"quantity":3,"unit_price":1.295e1,"currency":"EUR","schema_version":1}`)
	got, inv := parser().Parse(raw, shoptest.RecordTime)
	if inv != nil {
		t.Fatalf("%+v", inv)
	}
	want := shop.Event{
		ID:   uuid.MustParse("3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10"),
		Type: shop.OrderCancelled, Time: time.Date(2026, 3, 1, 10, 15, 0, 123e6, time.UTC).UnixMilli(),
		ProductID: "P-1", UserID: "u-1", SessionID: "s-1", Category: "toys", ProductName: "Café 🎆", Country: "FR",
		OrderID: "o-1", Line: 7, Quantity: 3, UnitPrice: 12_950_000, Currency: "EUR", Version: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	const canonical = `{"event_id":"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10","event_type":"order_cancelled","event_time":"2026-03-01T10:15:00.123Z",` +
		`"product_id":"P-1","user_id":"u-1","session_id":"s-1","category":"toys","product_name":"Café 🎆","country":"FR",` +
		`"order_id":"o-1","line":7,"quantity":3,"unit_price":"12.95","currency":"EUR","schema_version":1}`
	if d := cmp.Diff(canonical, string(shop.AppendJSON([]byte{}, &got))); d != "" {
		t.Errorf("AppendJSON (-want +got):\n%s", d)
	}
}

// Order fields of a view are not looked at, and not in the event.
func TestParseViewIgnoresOrderFields(t *testing.T) {
	raw := []byte(`{"event_id":"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10","event_type":"product_viewed","event_time":"2026-03-01T10:15:00Z","product_id":"P-1",
		"order_id":"o-1","line":1,"quantity":3,"unit_price":-1,"currency":"eur","schema_version":1}`)
	got, inv := parser().Parse(raw, shoptest.RecordTime)
	if inv != nil {
		t.Fatalf("%+v", inv)
	}
	want := shop.Event{
		ID:   uuid.MustParse("3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10"),
		Type: shop.ProductViewed, Time: time.Date(2026, 3, 1, 10, 15, 0, 0, time.UTC).UnixMilli(),
		ProductID: "P-1", Category: shop.Uncategorized, Version: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseLimits(t *testing.T) {
	raw := shoptest.Good()[0]
	at, ok := shop.EventTime(raw, shoptest.RecordTime, shop.DefaultLimits)
	if !ok {
		t.Fatal("no event time")
	}
	for _, c := range []struct {
		limits     shop.Limits
		recordTime int64
		want       shop.Reason
	}{
		{shop.Limits{MaxBytes: len(raw)}, at, ""},
		{shop.Limits{MaxBytes: len(raw) - 1}, at, shop.TooLarge},
		{shop.Limits{MaxBytes: len(raw)}, at - 1, shop.EventTimeInFuture},
		{shop.Limits{MaxBytes: len(raw), Skew: time.Hour}, at - 3_600_000, ""},
		{shop.Limits{MaxBytes: len(raw), Skew: time.Hour}, at - 3_600_001, shop.EventTimeInFuture},
	} {
		var got shop.Reason
		if _, inv := shop.NewParser(c.limits).Parse(raw, c.recordTime); inv != nil {
			got = inv.Reason
		}
		if got != c.want {
			t.Errorf("%+v at %d: %q; want %q", c.limits, c.recordTime, got, c.want)
		}
	}
}

// An order line of more than the limit is a dead letter that says so, and one of
// just as much an event; what is no order has no amount.
func TestMaxAmount(t *testing.T) {
	value := func(kind, price string, quantity int64) []byte {
		return fmt.Appendf(nil, `{"event_id":"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10","event_type":%q,"event_time":"2026-03-01T10:15:00Z","product_id":"P-1",`+
			`"order_id":"o-1","line":1,"quantity":%d,"unit_price":%q,"currency":"EUR","schema_version":1}`, kind, quantity, price)
	}
	rapid.Check(t, func(t *rapid.T) {
		limit := shop.Money(rapid.Int64Range(0, int64(shop.MaxMoney)).Draw(t, "limit"))
		price := shop.Money(rapid.Int64Range(1, int64(shop.MaxMoney)).Draw(t, "price"))
		quantity := rapid.Int64Range(1, shop.MaxCount).Draw(t, "quantity")
		if rapid.Bool().Draw(t, "at the limit") && limit > 0 {
			price, quantity = limit+shop.Money(rapid.Int64Range(0, 1).Draw(t, "above")), 1
		}
		kind := rapid.SampledFrom([]string{"order_created", "order_cancelled", "add_to_cart"}).Draw(t, "kind")
		most := limit
		if most == 0 {
			most = shop.MaxMoney
		}
		amount := new(big.Int).Mul(big.NewInt(int64(price)), big.NewInt(quantity))
		var want shop.Reason
		switch {
		case kind == "add_to_cart":
		case price > shop.MaxMoney: // one above the largest limit
			want = shop.BadPrice
		case amount.Cmp(big.NewInt(int64(most))) > 0:
			want = shop.AmountTooLarge
		}
		p := shop.NewParser(shop.Limits{MaxBytes: 1 << 20, Skew: time.Hour, MaxAmount: limit})
		_, inv := p.Parse(value(kind, price.String(), quantity), shoptest.RecordTime)
		switch {
		case want == "" && inv != nil:
			t.Fatalf("%v × %d, limit %v: %+v; want an event", price, quantity, limit, inv)
		case want == "":
		case inv == nil || inv.Reason != want:
			t.Fatalf("%v × %d, limit %v: %+v; want %s", price, quantity, limit, inv, want)
		case want == shop.AmountTooLarge && !strings.Contains(inv.Detail, "at most "+most.String()+" "):
			t.Fatalf("%q does not say the limit %v", inv.Detail, most)
		}
	})
	for units, want := range map[int64]shop.Money{0: 0, 1: 1e6, 999_999_999_999: 999_999_999_999e6, 1e12: shop.MaxMoney, math.MaxInt64: shop.MaxMoney} {
		if got := shop.Units(units); got != want {
			t.Errorf("Units(%d) = %v; want %v", units, got, want)
		}
	}
}

// A record time from before any event is called by its name.
func TestRecordTimeBeforeAnyEvent(t *testing.T) {
	raw := shoptest.Good()[0]
	for ms, says := range map[int64]string{
		-1:              "found none",
		1_772_366_400:   "the record's timestamp is 1970-01-21T12:19:26Z: the producer writes seconds (1772366400) where Kafka expects milliseconds",
		0:               "the record's timestamp is 1970-01-01T00:00:00Z, before any event",
		946_684_799_999: "the record's timestamp is 1999-12-31T23:59:59Z, before any event",
	} {
		_, inv := parser().Parse(raw, ms)
		if inv == nil || inv.Reason != shop.BadRecordTime || !strings.Contains(inv.Detail, says) || !strings.HasSuffix(inv.Detail, "LogAppendTime") {
			t.Errorf("%d: %+v, want %q", ms, inv, says)
		}
		if _, ok := shop.EventTime(raw, ms, shop.DefaultLimits); ok {
			t.Errorf("%d: EventTime takes it", ms)
		}
	}
}

// A detail is cut between characters, whatever is quoted in it.
func TestDetailIsText(t *testing.T) {
	for _, s := range []string{"é", "€", "😀", `\u0001`, `\"`, "\u202e"} {
		for n := range 8 {
			raw := bytes.Replace(shoptest.Good()[0], []byte("order_created"), []byte(strings.Repeat("x", n)+strings.Repeat(s, 200)), 1)
			_, inv := parser().Parse(raw, shoptest.RecordTime)
			if inv == nil || inv.Reason != shop.UnknownEventType {
				t.Fatalf("%.80s: %+v", raw, inv)
			}
			if len(inv.Detail) > 200 || !utf8.ValidString(inv.Detail) || strings.ContainsRune(inv.Detail, utf8.RuneError) || !strings.Contains(inv.Detail, "…") {
				t.Errorf("detail %q: want at most 200 bytes of text with an ellipsis", inv.Detail)
			}
		}
	}
}

// Clone survives what its original does not.
func TestClone(t *testing.T) {
	p := parser()
	for _, raw := range shoptest.Good()[:30] {
		e, inv := p.Parse(raw, shoptest.RecordTime)
		if inv != nil {
			t.Fatal(inv)
		}
		kept, want := e.Clone(), string(shop.AppendJSON(nil, &e))
		for i := range raw {
			raw[i] = '#'
		}
		if _, inv := p.Parse([]byte(`{"a":"`+strings.Repeat(`\u0023`, 2000)+`"}`), 0); inv == nil {
			t.Fatal("no reason")
		}
		if got := string(shop.AppendJSON(nil, &kept)); got != want {
			t.Errorf("clone is now %s; was %s", got, want)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	p := parser()
	for _, raw := range shoptest.Good() {
		if n := testing.AllocsPerRun(10, func() { p.Parse(raw, shoptest.RecordTime) }); n != 0 {
			t.Errorf("%v allocations for %.300s", n, raw)
		}
		if n := testing.AllocsPerRun(10, func() { shop.EventTime(raw, shoptest.RecordTime, shop.DefaultLimits) }); n != 0 {
			t.Errorf("%v allocations for the time of %.300s", n, raw)
		}
	}
}

// Any valid event survives AppendJSON and Parse, wherever its members stand.
func TestAppendJSONRoundTrip(t *testing.T) {
	p := parser()
	str := func(t *rapid.T, name string, least, most int) string {
		return rapid.StringN(least, -1, most).Draw(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		e := shop.Event{
			Type:        rapid.SampledFrom([]shop.EventType{shop.ProductViewed, shop.AddToCart, shop.OrderCreated, shop.OrderCancelled}).Draw(t, "type"),
			Time:        rapid.Int64Range(946_684_800_000, 4_133_980_799_999).Draw(t, "time"),
			ProductID:   str(t, "product", 1, shop.MaxText),
			ProductName: str(t, "name", 0, shop.MaxText),
			Category:    str(t, "category", 1, shop.MaxCategory),
			UserID:      str(t, "user", 0, shop.MaxText),
			SessionID:   str(t, "session", 0, shop.MaxText),
			Country:     str(t, "country", 0, shop.MaxText),
			Version:     1,
		}
		copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if e.IsOrder() {
			e.OrderID = str(t, "order", 1, shop.MaxText)
			e.Line = rapid.Int64Range(0, shop.MaxCount).Draw(t, "line")
			e.Quantity = rapid.Int64Range(1, shop.MaxCount).Draw(t, "quantity")
			e.UnitPrice = shop.Money(rapid.Int64Range(1, int64(shop.MaxMoney)/e.Quantity).Draw(t, "price"))
			e.Currency = rapid.SampledFrom([]string{"EUR", "GBP", "USD", "JPY"}).Draw(t, "currency")
		}
		raw := shop.AppendJSON(nil, &e)
		if !json.Valid(raw) {
			t.Fatalf("no JSON: %s", raw)
		}
		got, inv := p.Parse(raw, e.Time)
		if inv != nil {
			t.Fatalf("Parse(%s): %+v", raw, inv)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	})
}

func TestEventTypeNames(t *testing.T) {
	for typ, name := range map[shop.EventType]string{
		shop.ProductViewed: "product_viewed", shop.AddToCart: "add_to_cart", shop.OrderCreated: "order_created", shop.OrderCancelled: "order_cancelled",
	} {
		if got := typ.String(); got != name {
			t.Errorf("%d.String() = %q; want %q", typ, got, name)
		}
		if got, ok := shop.ParseEventType(name); !ok || got != typ {
			t.Errorf("ParseEventType(%q) = %d, %t; want %d", name, got, ok, typ)
		}
	}
	if got := shop.EventType(0).String(); got != "EventType(0)" {
		t.Errorf("no type is %q", got)
	}
	for _, name := range []string{"", "EventType(0)", "Order_Created", "order_shipped"} {
		if got, ok := shop.ParseEventType(name); ok {
			t.Errorf("ParseEventType(%q) = %v; want none", name, got)
		}
	}
}
