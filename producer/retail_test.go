package producer

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/shop"
)

// wire is an event as a reader without our code sees it.
type wire struct {
	ID        string      `json:"event_id"`
	Type      string      `json:"event_type"`
	Time      time.Time   `json:"event_time"`
	Product   string      `json:"product_id"`
	Name      string      `json:"product_name"`
	Category  string      `json:"category"`
	User      string      `json:"user_id"`
	Session   string      `json:"session_id"`
	Country   string      `json:"country"`
	Order     string      `json:"order_id"`
	Line      int64       `json:"line"`
	Quantity  int64       `json:"quantity"`
	UnitPrice json.Number `json:"unit_price"`
	Currency  string      `json:"currency"`
	Version   int64       `json:"schema_version"`
}

func decode(t testing.TB, b []byte) wire {
	t.Helper()
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return w
}

func amount(t testing.TB, w wire) shop.Money {
	t.Helper()
	price, err := shop.ParseMoney(string(w.UnitPrice))
	if err != nil {
		t.Fatal(err)
	}
	m, ok := price.Mul(w.Quantity)
	if !ok {
		t.Fatalf("%s × %d does not fit", price, w.Quantity)
	}
	return m
}

func TestOnlineRetailIsExact(t *testing.T) {
	src := open(t, dataFile(t, "online_retail.csv.gz"), ReplayOptions{Partitions: 4})
	if src.Total() != 541_909 {
		t.Errorf("total is %d, want 541909", src.Total())
	}
	type sums struct {
		Lines, Sales, Cancelled, BadPrice, Guests int
		Revenue, Refunds, First, Last             string
		Orders                                    int
	}
	var got sums
	var revenue, refunds, first, last shop.Money
	orders, ids, categories := map[string]bool{}, map[string]bool{}, map[string]string{}
	perCategory := map[string]int{}
	parser := shop.NewParser(shop.DefaultLimits)
	add := func(sum *shop.Money, m shop.Money) {
		var ok bool
		if *sum, ok = sum.Add(m); !ok {
			t.Fatal("overflow")
		}
	}
	var before int64
	for _, r := range all(t, src) {
		got.Lines++
		if r.At < before {
			t.Fatalf("line %d goes back in time", got.Lines)
		}
		before = r.At
		w := decode(t, r.Value)
		if ids[w.ID] {
			t.Fatalf("event_id %s twice", w.ID)
		}
		ids[w.ID] = true
		if want := PartitionOf(r.Key, 4); r.Partition != want {
			t.Fatalf("line %d: partition %d, want %d", got.Lines, r.Partition, want)
		}
		key := w.User
		if key == "" {
			key = w.Order
		}
		if string(r.Key) != key {
			t.Fatalf("line %d: key %q, want %q", got.Lines, r.Key, key)
		}
		_, invalid := parser.Parse(r.Value, time.Now().UnixMilli())
		price, err := shop.ParseMoney(string(w.UnitPrice))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case price <= 0:
			got.BadPrice++
			if invalid == nil || invalid.Reason != shop.BadPrice {
				t.Fatalf("line %d: got %v, want %s", got.Lines, invalid, shop.BadPrice)
			}
			continue // with the category of its own words, before any with a price
		case invalid != nil:
			t.Fatalf("line %d: %+v", got.Lines, invalid)
		}
		if c, ok := categories[w.Product]; ok && c != w.Category {
			t.Fatalf("stock code %s has categories %s and %s", w.Product, c, w.Category)
		}
		categories[w.Product] = w.Category
		if w.Type == "order_cancelled" {
			got.Cancelled++
			add(&refunds, amount(t, w))
			continue
		}
		got.Sales++
		perCategory[w.Category]++
		if w.User == "" {
			got.Guests++
		}
		orders[w.Order] = true
		add(&revenue, amount(t, w))
		switch w.Time.Format(time.DateOnly) {
		case "2010-12-01":
			add(&first, amount(t, w))
		case "2011-12-09":
			add(&last, amount(t, w))
		}
	}
	got.Orders, got.Revenue, got.Refunds, got.First, got.Last = len(orders), revenue.String(), refunds.String(), first.String(), last.String()
	want := sums{
		Lines: 541_909, Sales: 530_104, Cancelled: 9_288, BadPrice: 2_517, Guests: 132_220,
		Revenue: "10666684.544", Refunds: "896812.49", First: "58960.79", Last: "200920.6", Orders: 19_960,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	names := slices.SortedFunc(maps.Keys(perCategory), func(a, b string) int { return perCategory[b] - perCategory[a] })
	for _, c := range names {
		t.Logf("%-16s %6d lines", c, perCategory[c])
	}
	if other := perCategory[retailOther]; other > got.Sales/10 {
		t.Errorf("%d of %d sales have no category rule", other, got.Sales)
	}
}

const retailHead = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

func TestOnlineRetailLines(t *testing.T) {
	text := retailHead +
		"1,A,\"RED MUG, LARGE \",2,2010-12-01 08:26:00,2.555,17850.0,United Kingdom\n" +
		"1,A,\"RED MUG, LARGE \",2,2010-12-01 08:26:00,2.555,17850.0,United Kingdom\n" +
		"C2,POST,POSTAGE,-3,2010-12-01 09:00:00,1.5,,EIRE\n" +
		"C3,A,,-1,2010-12-01 09:00:00,0,,EIRE\n" +
		"1,\xa3B,\xa3 voucher,1,2010-12-01 10:00:00,1,17850.0,EIRE\n"
	recs := all(t, open(t, writeFile(t, "r.csv.gz", text), ReplayOptions{Partitions: 3}))
	var got []wire
	ids := map[string]bool{}
	for _, r := range recs {
		w := decode(t, r.Value)
		ids[w.ID] = true
		w.ID = ""
		got = append(got, w)
	}
	if len(ids) != len(recs) {
		t.Errorf("%d ids for %d lines: repeats must stay events of their own", len(ids), len(recs))
	}
	at := func(h, m int) time.Time { return time.Date(2010, 12, 1, h, m, 0, 0, time.UTC) }
	mug := wire{
		Type: "order_created", Time: at(8, 26), Product: "A", Name: "RED MUG, LARGE", Category: "tea_and_coffee", User: "17850",
		Country: "United Kingdom", Order: "1", Line: 1, Quantity: 2, UnitPrice: "2.555", Currency: "GBP", Version: 1,
	}
	again := mug
	again.Line = 2
	want := []wire{
		mug, again,
		{
			Type: "order_cancelled", Time: at(9, 0), Product: "POST", Name: "POSTAGE", Category: "services",
			Country: "EIRE", Order: "C2", Line: 1, Quantity: 3, UnitPrice: "1.5", Currency: "GBP", Version: 1,
		},
		{ // price 0: the category is the stock code's
			Type: "order_cancelled", Time: at(9, 0), Product: "A", Category: "tea_and_coffee",
			Country: "EIRE", Order: "C3", Line: 1, Quantity: 1, UnitPrice: "0", Currency: "GBP", Version: 1,
		},
		{
			Type: "order_created", Time: at(10, 0), Product: "£B", Name: "£ voucher", Category: "other", User: "17850",
			Country: "EIRE", Order: "1", Line: 3, Quantity: 1, UnitPrice: "1", Currency: "GBP", Version: 1,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if string(recs[2].Key) != "C2" || string(recs[0].Key) != "17850" {
		t.Errorf("keys %q and %q, want the invoice for a guest and the customer", recs[2].Key, recs[0].Key)
	}
}

// Whatever its quantity and price, a line of a C invoice is a cancellation or a
// dead letter of its own reason, and any other line is none.
func TestCancelledInvoicesAreNoSales(t *testing.T) {
	parser := shop.NewParser(shop.DefaultLimits)
	for _, invoice := range []string{"C1", "c1", "536365", "A563185"} {
		for _, quantity := range []int{-80_995, -1, 0, 1, 7} {
			for _, price := range []string{"-11062.06", "0", "2.55"} {
				line := fmt.Sprintf("%s,B,Adjust,%d,2010-12-01 08:26:00,%s,,UK\n", invoice, quantity, price)
				recs := all(t, open(t, writeFile(t, "r.csv", retailHead+line), ReplayOptions{Partitions: 1}))
				e, invalid := parser.Parse(recs[0].Value, time.Now().UnixMilli())
				cancelled := invoice[0] == 'C' || invoice[0] == 'c'
				var want shop.Reason
				switch {
				case price != "2.55":
					want = shop.BadPrice
				case cancelled && quantity > 0:
					want = shop.NegativeCancellation
				case cancelled == (quantity > 0) || quantity == 0:
					want = shop.BadQuantity
				}
				switch {
				case want != "":
					if invalid == nil || invalid.Reason != want {
						t.Errorf("%s: got %+v and %+v, want %s", line, e, invalid, want)
					}
				case invalid != nil || (e.Type == shop.OrderCancelled) != cancelled || e.Quantity != int64(max(quantity, -quantity)):
					t.Errorf("%s: got %+v, %+v", line, e, invalid)
				}
			}
		}
	}
}

// A file that has grown gives the lines that it had before as they were, whatever
// the new ones say of the same products.
func TestGrownFileGivesTheSameRecords(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 5))
		texts := []string{"RED MUG", "CHRISTMAS STAR", "damaged", "", "CAKE TIN", "?"}
		text, cut := retailHead, 0
		at := 1 + r.IntN(39)
		for i := range 40 {
			if i == at {
				cut = len(text)
			}
			text += fmt.Sprintf("%d,%c,%s,%d,2010-12-01 08:%02d:00,%d,,UK\n", 1+r.IntN(9), 'A'+r.IntN(4), texts[r.IntN(len(texts))], 1+r.IntN(3), i, r.IntN(3))
		}
		whole := all(t, open(t, writeFile(t, "whole.csv", text), ReplayOptions{Partitions: 2}))
		part := all(t, open(t, writeFile(t, "part.csv", text[:cut]), ReplayOptions{Partitions: 2}))
		if diff := cmp.Diff(whole[:at], part); diff != "" {
			t.Fatalf("seed %d, %d lines (-of the grown file +before):\n%s", seed, at, diff)
		}
	}
}

func TestOnlineRetailMistakes(t *testing.T) {
	good := "1,A,x,2,2010-12-01 08:26:00,2.5,1.0,UK\n"
	for _, tc := range []struct{ name, line, want string }{
		{"quantity", "1,A,x,two,2010-12-01 08:26:00,2.5,1.0,UK\n", `line 3: Quantity is "two": expected a whole number`},
		{"price", "1,A,x,2,2010-12-01 08:26:00,2.5555555,1.0,UK\n", `line 3: UnitPrice is "2.5555555": expected a decimal`},
		{"date", "1,A,x,2,12/1/2010 8:26,2.5,1.0,UK\n", `line 3: InvoiceDate is "12/1/2010 8:26": expected a time`},
		{"invoice", ",A,x,2,2010-12-01 08:26:00,2.5,1.0,UK\n", `line 3: InvoiceNo is "": expected an invoice number`},
		{"columns", "1,A,x,2\n", "line 3"},
		{"quotes", "1,\"A,x,2,2010-12-01 08:26:00,2.5,1.0,UK\n", "line 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Open(writeFile(t, "r.csv", retailHead+good+tc.line), ReplayOptions{Partitions: 1})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}
