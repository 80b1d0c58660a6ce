package metrics

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

var (
	anyKey = rapid.Custom(func(t *rapid.T) Key {
		text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "b"}), rapid.String())
		return Key{text.Draw(t, "product"), text.Draw(t, "category"), text.Draw(t, "currency")}
	})
	anyTable = rapid.Custom(func(t *rapid.T) Table {
		table := Table{}
		for _, k := range rapid.SliceOfN(anyKey, 0, 6).Draw(t, "keys") {
			s := &Sums{}
			for _, v := range s.fields() {
				*v = rapid.Int64Range(0, 1<<40).Draw(t, "sum")
			}
			s.Revenue = rapid.OneOf(rapid.Just(Overflow), rapid.Just(shop.MaxMoney), rapid.Just(s.Revenue)).Draw(t, "revenue")
			table[k] = s
		}
		return table
	})
)

func unpack(t testing.TB, packed ...[]byte) Table {
	t.Helper()
	table := Table{}
	for _, p := range packed {
		if err := table.Unpack(p); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

func TestTables(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := anyTable.Draw(rt, "a"), anyTable.Draw(rt, "b"), anyTable.Draw(rt, "c")
		packed := a.Append([]byte("before"))
		if !strings.HasPrefix(string(packed), "before") {
			rt.Fatal("Append does not append")
		}
		packed = packed[len("before"):]
		if diff := cmp.Diff(a, unpack(t, packed)); diff != "" {
			rt.Fatalf("unpacked (-want +got):\n%s", diff)
		}
		if string(packed) != string(maps.Clone(a).Append(nil)) {
			rt.Fatal("equal tables make other bytes")
		}
		// Merging in any order, and joined end to end, is the same.
		abc := unpack(t, packed, b.Append(nil), c.Append(nil))
		joined := c.Append(b.Append(slices.Clone(packed)))
		for name, other := range map[string]Table{
			"c b a":  unpack(t, c.Append(nil), b.Append(nil), packed),
			"b a c":  unpack(t, b.Append(nil), packed, c.Append(nil)),
			"joined": unpack(t, joined),
			"(b c)":  unpack(t, packed, unpack(t, b.Append(nil), c.Append(nil)).Append(nil)),
		} {
			if diff := cmp.Diff(abc, other); diff != "" {
				rt.Fatalf("merged as %s (-a b c +other):\n%s", name, diff)
			}
		}
		if len(packed) > 0 {
			cut := packed[:rapid.IntRange(0, len(packed)-1).Draw(rt, "cut")]
			if got := (Table{}); got.Unpack(cut) == nil && len(got) == len(a) {
				rt.Fatal("a table that is cut short is read whole")
			}
		}
	})
}

// TestUnpackKeepsNoViews: what is unpacked may be changed afterwards.
func TestUnpackKeepsNoViews(t *testing.T) {
	t.Parallel()
	want := Table{{"P1", "toys", "GBP"}: {Lines: 1}}
	packed := want.Append(nil)
	got := unpack(t, packed)
	clear(packed)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	e := func(kind shop.EventType, quantity int64, price shop.Money, currency string) *shop.Event {
		return &shop.Event{Type: kind, ProductID: "P1", Category: "toys", Quantity: quantity, UnitPrice: price, Currency: currency}
	}
	table := Table{}
	for _, e := range []*shop.Event{
		e(shop.ProductViewed, 0, 0, ""), e(shop.ProductViewed, 0, 0, ""), e(shop.AddToCart, 0, 0, ""),
		e(shop.OrderCreated, 2, 1_500_000, "GBP"), e(shop.OrderCreated, 1, 1, "GBP"), e(shop.OrderCancelled, 2, 1_500_000, "GBP"),
		e(shop.OrderCreated, 3, 2, "EUR"),
		// Two amounts that fit, and their sum does not.
		e(shop.OrderCreated, 1, shop.MaxMoney, "JPY"), e(shop.OrderCreated, 1, 1, "JPY"), e(shop.OrderCreated, 1, 1, "JPY"),
		e(shop.OrderCancelled, 1, shop.MaxMoney, "USD"),
	} {
		table.Observe(e)
	}
	want := Table{
		{"P1", "toys", ""}:    {Views: 2, Carts: 1},
		{"P1", "toys", "GBP"}: {Lines: 2, Units: 3, Revenue: 3_000_001, CancelledLines: 1, CancelledUnits: 2, CancelledRevenue: 3_000_000},
		{"P1", "toys", "EUR"}: {Lines: 1, Units: 3, Revenue: 6},
		{"P1", "toys", "JPY"}: {Lines: 3, Units: 3, Revenue: Overflow},
		{"P1", "toys", "USD"}: {CancelledLines: 1, CancelledUnits: 1, CancelledRevenue: shop.MaxMoney},
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIncrements(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := Increments(rapid.MapOf(rapid.Int64(), rapid.SliceOf(rapid.Byte())).Draw(t, "increments"))
		data := in.Encode()
		got, err := DecodeIncrements(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("decoded (-want +got):\n%s", diff)
		}
		if string(got.Encode()) != string(data) {
			t.Fatal("equal increments make other bytes")
		}
		at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		damaged := slices.Clone(data)
		damaged[at] ^= byte(1 << rapid.IntRange(0, 7).Draw(t, "bit"))
		for name, bad := range map[string][]byte{"a bit": damaged, "the end": data[:at], "more": append(slices.Clone(data), 0)} {
			if _, err := DecodeIncrements(bad); !errors.Is(err, errPacked) {
				t.Fatalf("damage (%s) is not seen: %v", name, err)
			}
		}
	})
}

func FuzzDecodeIncrements(f *testing.F) {
	f.Add(Increments{}.Encode())
	f.Add(Increments{-300_000: []byte("a"), math.MaxInt64: nil}.Encode())
	f.Add([]byte("SSI1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// With the right checksum the rest is looked at, too.
		sealed := []byte(magic)
		if body, ok := strings.CutPrefix(string(data), magic); ok {
			sealed = append(sealed, body...)
		} else {
			sealed = append(sealed, data...)
		}
		for n := range 8 {
			sealed = append(sealed, byte(checksum(sealed[:len(sealed)-n])>>(8*n)))
		}
		for _, in := range [][]byte{data, sealed} {
			got, err := DecodeIncrements(in)
			if err != nil {
				continue
			}
			again, err := DecodeIncrements(got.Encode())
			if diff := cmp.Diff(got, again, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Fatalf("decoded, encoded and decoded again: %v (-once +twice):\n%s", err, diff)
			}
		}
		table := Table{}
		if err := table.Unpack(data); err == nil {
			if diff := cmp.Diff(table, unpack(t, table.Append(nil))); diff != "" {
				t.Fatalf("unpacked twice (-once +twice):\n%s", diff)
			}
		}
		if tables, err := bucketTables([][]byte{data}); err == nil {
			newComposer(tables).window(nil, 0, hour)
		}
	})
}
