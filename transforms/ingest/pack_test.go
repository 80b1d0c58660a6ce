package ingest

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

var (
	anyEvent = rapid.Custom(func(t *rapid.T) shop.Event {
		var e shop.Event
		copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		e.Type = shop.EventType(rapid.IntRange(1, 4).Draw(t, "type"))
		e.Time = rapid.Int64().Draw(t, "time")
		e.Version = rapid.Int64Range(0, math.MaxInt64).Draw(t, "version")
		texts := []*string{&e.ProductID, &e.ProductName, &e.Category, &e.UserID, &e.SessionID, &e.Country}
		if e.IsOrder() {
			texts = append(texts, &e.OrderID, &e.Currency)
			e.Line = rapid.Int64Range(0, math.MaxInt64).Draw(t, "line")
			e.Quantity = rapid.Int64Range(0, math.MaxInt64).Draw(t, "quantity")
			e.UnitPrice = shop.Money(rapid.Int64Range(0, int64(shop.MaxMoney)).Draw(t, "price"))
		}
		for _, s := range texts {
			*s = rapid.String().Draw(t, "text")
		}
		return e
	})
	anyLocated = rapid.Custom(func(t *rapid.T) located {
		return located{rapid.Int32Range(0, math.MaxInt32).Draw(t, "partition"), rapid.Int64Range(0, math.MaxInt64).Draw(t, "offset")}
	})
	anyBytes  = rapid.OneOf(rapid.Just([]byte(nil)), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()))
	anyRecord = rapid.Custom(func(t *rapid.T) kafkaio.Record {
		return kafkaio.Record{
			Offset: rapid.Int64Range(0, math.MaxInt64).Draw(t, "offset"), Timestamp: rapid.Int64().Draw(t, "timestamp"),
			Key: anyBytes.Draw(t, "key"), Value: anyBytes.Draw(t, "value"), CreateTime: rapid.Bool().Draw(t, "create time"),
			Headers: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) kafkaio.Header {
				return kafkaio.Header{Key: string(rapid.SliceOf(rapid.Byte()).Draw(t, "header")), Value: anyBytes.Draw(t, "value")}
			}), 0, 3).Draw(t, "headers"),
		}
	})
)

func TestEventsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type placed struct {
			E  shop.Event
			At located
		}
		var want, got []placed
		var packed []byte
		for range rapid.IntRange(0, 5).Draw(t, "events") {
			e := placed{anyEvent.Draw(t, "event"), anyLocated.Draw(t, "at")}
			want = append(want, e)
			packed = appendEvent(packed, &e.E, e.At)
		}
		for u := (unpacker{in: packed}); u.more(); {
			var e placed
			e.At = u.event(&e.E)
			got = append(got, e)
			if u.err != nil {
				t.Fatal(u.err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("unpacked (-want +got):\n%s", diff)
		}
		if len(packed) > 0 {
			u := unpacker{in: packed[:rapid.IntRange(0, len(packed)-1).Draw(t, "cut")]}
			n := 0
			for ; u.more(); n++ {
				u.event(&shop.Event{})
			}
			if u.err == nil && n == len(want) {
				t.Fatal("a batch that is cut short is read whole")
			}
		}
	})
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want, got []lake.BronzeRow
		var packed []byte
		var aheads []int64
		for range rapid.IntRange(0, 5).Draw(t, "records") {
			r := anyRecord.Draw(t, "record")
			ahead := rapid.Int64Range(0, 1<<40).Draw(t, "ahead")
			packed, aheads = appendRecord(packed, &r, ahead), append(aheads, ahead)
			row := lake.BronzeRow{
				Topic: topic, KafkaPartition: 3, KafkaOffset: r.Offset,
				KafkaTimestamp: min(max(r.Timestamp, firstTimestamp), lastTimestamp) * 1000, CreateTime: r.CreateTime, Key: r.Key, Value: r.Value,
			}
			for _, h := range r.Headers {
				row.Headers = append(row.Headers, lake.Header{Key: strings.ToValidUTF8(h.Key, "\uFFFD"), Value: h.Value})
			}
			want = append(want, row)
		}
		for u := (unpacker{in: packed}); u.more(); {
			row, ahead := u.record(topic, 3)
			if ahead != aheads[len(got)] {
				t.Fatalf("%d windows ahead, want %d", ahead, aheads[len(got)])
			}
			got = append(got, row)
			if u.err != nil {
				t.Fatal(u.err)
			}
		}
		// Null and empty are two things.
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("unpacked (-want +got):\n%s", diff)
		}
	})
}

// TestReadableRecords has what no reader of the lake would take as it stands.
func TestReadableRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		timestamp int64
		header    string
		wantTime  int64 // µs
		wantKey   string
	}{
		{"as is", 1_700_000_000_123, "trace", 1_700_000_000_123_000, "trace"},
		{"no timestamp", -1, "", -1000, ""},
		{"far future", math.MaxInt64, "a", 253_402_300_799_999_000, "a"},
		{"far past", math.MinInt64, "a", -62_135_596_800_000_000, "a"},
		{"no UTF-8", 0, "a\xff\xfeb\xc3", 0, "a\uFFFDb\uFFFD"},
		{"NUL is UTF-8", 0, "a\x00b", 0, "a\x00b"},
	} {
		r := kafkaio.Record{Timestamp: c.timestamp, Headers: []kafkaio.Header{{Key: c.header}}}
		u := unpacker{in: appendRecord(nil, &r, 0)}
		got, _ := u.record(topic, 0)
		if u.err != nil || u.more() || got.KafkaTimestamp != c.wantTime || got.Headers[0].Key != c.wantKey || !utf8.ValidString(got.Headers[0].Key) {
			t.Errorf("%s: %+v, %v", c.name, got, u.err)
		}
	}
}

// FuzzUnpack wants no panic, no endless loop and no lost error, whatever the
// bytes are.
func FuzzUnpack(f *testing.F) {
	e := shop.Event{ID: uuid.UUID{1}, Type: shop.OrderCreated, ProductID: "P1", Quantity: 2}
	r := kafkaio.Record{Offset: 7, Value: []byte("{}"), Headers: []kafkaio.Header{{Key: "k"}}}
	f.Add(appendEvent(nil, &e, located{3, 4}))
	f.Add(appendRecord(nil, &r, 0))
	f.Add([]byte{0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, read := range map[string]func(u *unpacker){
			"event":  func(u *unpacker) { u.event(&shop.Event{}) },
			"record": func(u *unpacker) { u.record(topic, 0) },
		} {
			u := unpacker{in: data}
			for u.more() {
				before := len(u.in)
				read(&u)
				if u.err == nil && len(u.in) >= before {
					t.Fatalf("%s: nothing is read and there is no error", name)
				}
			}
		}
		fn := &writeFn{Topic: topic, Rules: testRules}
		for _, key := range []string{"b0", "d1", "l2", "e0/toys", "m", string(data)} {
			for _, packed := range [][]byte{data, s2.Encode(nil, data)} {
				a, _, err := fn.group(logStart, key, [][]byte{packed})
				if err == nil && a.File == nil && a.Mark == nil {
					t.Fatalf("group %q: neither a file, nor a mark, nor an error", key)
				}
			}
		}
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for want, k := range map[string]batchKey{
		"b0":              {lane: laneBronze},
		"d300":            {lane: laneDead, partition: 300},
		"l2147483647":     {lane: laneLate, partition: math.MaxInt32},
		"e0/toys":         {lane: laneEvents, category: "toys"},
		"e200/a/b \x00 ü": {lane: laneEvents, shard: 200, category: "a/b \x00 ü"},
		"m":               {lane: laneMark},
	} {
		if got := k.encode(); got != want || !utf8.ValidString(got) {
			t.Errorf("%+v.encode() = %q, want %q", k, got, want)
		}
		got, err := decodeKey(want)
		if diff := cmp.Diff(k, got, cmp.AllowUnexported(batchKey{}), cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("decodeKey(%q): %v (-want +got):\n%s", want, err, diff)
		}
	}
	for _, key := range []string{"", "b", "bx", "b1/x", "e", "e1", "ex/toys", "m1", "b99999999999"} {
		if k, err := decodeKey(key); err == nil {
			t.Errorf("decodeKey(%q) = %+v, want an error", key, k)
		}
	}
}
