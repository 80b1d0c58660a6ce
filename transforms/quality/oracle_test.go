package quality

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

// naive is a rule and what it says of a row, or of all rows, written down for
// things alone.
type naive struct {
	kind   string
	breaks func(rows []thing, i int) bool
}

var smallMoney = rapid.SampledFrom([]shop.Money{-1, 0, 1, 2, 3, 5, 1_000_000, math.MaxInt64, math.MinInt64})

var smallCount = rapid.SampledFrom([]int64{-1, 0, 1, 2, 3, math.MaxInt64, math.MinInt64})

func drawThing(t *rapid.T) thing {
	return thing{
		ID: rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "id"), Currency: rapid.SampledFrom([]string{"", "GBP", "EUR", "gbp", "GBPX"}).Draw(t, "currency"),
		Count: smallCount.Draw(t, "count"), Line: smallCount.Draw(t, "line"), Price: smallMoney.Draw(t, "price"),
		Least: rapid.Ptr(smallMoney, true).Draw(t, "least"), Amount: smallMoney.Draw(t, "amount"),
		Score: rapid.Ptr(rapid.SampledFrom([]float64{-1, 0, 0.5, math.NaN(), math.Inf(1)}), true).Draw(t, "score"), Open: rapid.Bool().Draw(t, "open"),
	}
}

func exact(v int64) *big.Int { return big.NewInt(v) }

// drawRule draws a rule about rows. others are the ids of the other table.
func drawRule(t *rapid.T, others []string) naive {
	return rapid.OneOf(
		rapid.Just(naive{"not_null: {columns: [id]}", func(r []thing, i int) bool { return r[i].ID == "" }}),
		rapid.Just(naive{"not_null: {columns: [line]}", func(r []thing, i int) bool { return r[i].Line == 0 }}),
		rapid.Just(naive{"not_null: {columns: [score]}", func(r []thing, i int) bool { return r[i].Score == nil }}),
		rapid.Just(naive{"unique: {columns: [id, currency, least]}", func(r []thing, i int) bool {
			return slices.ContainsFunc(r[:i], func(o thing) bool {
				sameLeast := (o.Least == nil) == (r[i].Least == nil) && (o.Least == nil || *o.Least == *r[i].Least)
				return o.ID == r[i].ID && o.Currency == r[i].Currency && sameLeast
			})
		}}),
		rapid.Just(naive{"unique: {columns: [open, count]}", func(r []thing, i int) bool {
			return slices.ContainsFunc(r[:i], func(o thing) bool { return o.Open == r[i].Open && o.Count == r[i].Count })
		}}),
		rapid.Custom(func(t *rapid.T) naive {
			low := rapid.SampledFrom([]int64{-1, 0, 1, 2}).Draw(t, "min")
			high := low + rapid.Int64Range(0, 2).Draw(t, "width")
			return naive{fmt.Sprintf("range: {columns: [count], min: %d, max: %d}", low, high), func(r []thing, i int) bool { return r[i].Count < low || r[i].Count > high }}
		}),
		rapid.Custom(func(t *rapid.T) naive {
			low := rapid.SampledFrom([]shop.Money{-1, 0, 1, 2, 1_000_000}).Draw(t, "min")
			return naive{fmt.Sprintf("range: {columns: [least], min: %s}", low), func(r []thing, i int) bool { return r[i].Least != nil && *r[i].Least < low }}
		}),
		rapid.Just(naive{"range: {columns: [score], min: 0, max: 1}", func(r []thing, i int) bool {
			s := r[i].Score
			return s != nil && (math.IsNaN(*s) || *s < 0 || *s > 1)
		}}),
		rapid.Just(naive{"accepted_values: {columns: [currency], values: [GBP, gbp]}", func(r []thing, i int) bool {
			return r[i].Currency != "" && strings.ToUpper(r[i].Currency) != "GBP"
		}}),
		rapid.Just(naive{`pattern: {columns: [currency], match: "[A-Z]{3}"}`, func(r []thing, i int) bool {
			return r[i].Currency != "" && !regexp.MustCompile("^[A-Z][A-Z][A-Z]$").MatchString(r[i].Currency)
		}}),
		rapid.Just(naive{"referential: {columns: [id], in: {table: others, column: id}}", func(r []thing, i int) bool {
			return !slices.Contains(others, r[i].ID) // a required text is never NULL
		}}),
		rapid.Just(naive{"zero: {columns: [least]}", func(r []thing, i int) bool { return r[i].Least != nil && *r[i].Least != 0 }}),
		rapid.Just(naive{"equals: {left: amount, sum: [price, -least]}", func(r []thing, i int) bool {
			if r[i].Least == nil {
				return false
			}
			want := new(big.Int).Sub(exact(int64(r[i].Price)), exact(int64(*r[i].Least)))
			return want.Cmp(exact(int64(r[i].Amount))) != 0
		}}),
		rapid.Just(naive{"equals: {left: count, sum: [line]}", func(r []thing, i int) bool { return r[i].Line != 0 && r[i].Line != r[i].Count }}),
		rapid.Just(naive{"equals: {left: amount, product: [count, price]}", func(r []thing, i int) bool {
			want := new(big.Int).Mul(exact(r[i].Count), exact(int64(r[i].Price)))
			return want.Cmp(exact(int64(r[i].Amount))) != 0
		}}),
		rapid.Just(naive{"ordered: {columns: [price, least, amount]}", func(r []thing, i int) bool {
			list := []shop.Money{r[i].Price, r[i].Amount}
			if r[i].Least != nil {
				list = []shop.Money{r[i].Price, *r[i].Least, r[i].Amount}
			}
			return !slices.IsSorted(list)
		}}),
	).Draw(t, "rule")
}

var conditions = map[string]func(r thing) bool{
	"":                                  func(thing) bool { return true },
	"open":                              func(r thing) bool { return r.Open },
	"not open and count = 1":            func(r thing) bool { return !r.Open && r.Count == 1 },
	"line = 0":                          func(thing) bool { return false }, // 0 is NULL there
	"line is null":                      func(r thing) bool { return r.Line == 0 },
	"least = 0.000001":                  func(r thing) bool { return r.Least != nil && *r.Least == 1 },
	"currency is not null and id = ab":  func(r thing) bool { return r.Currency != "" && r.ID == "ab" },
	"currency = GBP and least is null":  func(r thing) bool { return r.Currency == "GBP" && r.Least == nil },
	"least is not null and price = 1e0": func(r thing) bool { return r.Least != nil && r.Price == 1_000_000 },
}

// TestOracle compares rules about rows with the naive ones, on random rows, under
// each condition and severity.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(drawThing), 0, 40).Draw(t, "rows")
		otherRows := rapid.SliceOf(rapid.Custom(func(t *rapid.T) other { return other{ID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "other")} })).Draw(t, "others")
		var ids []string
		for _, o := range otherRows {
			ids = append(ids, o.ID)
		}
		n := drawRule(t, ids)
		where := rapid.SampledFrom(sortedKeys(conditions)).Draw(t, "where")
		severity := rapid.SampledFrom([]Severity{Warn, Quarantine, Fail}).Draw(t, "severity")
		looksAt := conditions[where]
		var seen []thing // rows that the condition leaves
		var index, want []int
		for i, r := range rows {
			if looksAt(r) {
				seen, index = append(seen, r), append(index, i)
			}
		}
		for i := range seen {
			if n.breaks(seen, i) {
				want = append(want, index[i])
			}
		}
		text := fmt.Sprintf("rules:\n  - name: r\n    severity: %s\n    where: %q\n    %s\n", severity, where, n.kind)
		r, err := Load(files(text), thingsTable)
		if err != nil {
			t.Fatal(err)
		}
		c := Context{Date: day, Tables: map[string]Rows{"others": RowsOf(otherRows)}}
		got := r.Evaluate(RowsOf(rows), c)
		if len(got.Results) != 1 || got.Results[0].RowsFailed != int64(len(want)) || got.Results[0].Passed != (len(want) == 0) {
			t.Fatalf("%s: expected %v, found %+v", text, want, got.Results)
		}
		if got.Failed != (severity == Fail && len(want) > 0) {
			t.Fatalf("failed: %v", got.Failed)
		}
		if severity != Quarantine {
			want = nil
		}
		if diff := cmp.Diff(want, got.Quarantined); diff != "" {
			t.Fatalf("%s(-want +got)\n%s", text, diff)
		}
		if diff := cmp.Diff(got, r.Evaluate(RowsOf(rows), c)); diff != "" {
			t.Fatalf("once more (-first +second)\n%s", diff)
		}
	})
}

// TestTotalsOracle compares sums by currency with big integers, and both kinds of
// totals with each other.
func TestTotalsOracle(t *testing.T) {
	totals, err := Load(files(`
rules:
  - {name: control, severity: fail, control_total: {columns: [price], by: [currency]}}
  - {name: other, severity: fail, same_total: {table: others, columns: [price], by: [currency], column: total}}
`), thingsTable)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(drawThing), 0, 30).Draw(t, "rows")
		want := map[string]*big.Int{}
		var others []other
		for _, r := range rows {
			if want[r.Currency] == nil {
				want[r.Currency] = new(big.Int)
			}
			want[r.Currency].Add(want[r.Currency], exact(int64(r.Price)))
			others = append(others, other{Currency: r.Currency, Total: r.Price})
		}
		control, fits := map[string]int64{}, true
		for currency, v := range want {
			control["price/"+currency] = v.Int64()
			fits = fits && v.IsInt64()
		}
		others = rapid.Permutation(others).Draw(t, "others")
		got := totals.Evaluate(RowsOf(rows), Context{Control: control, Tables: map[string]Rows{"others": RowsOf(others)}})
		if got.Results[0].Passed != fits || !got.Results[1].Passed || got.Failed == fits {
			t.Fatalf("%+v", got)
		}
		if len(rows) == 0 {
			return
		}
		i := rapid.IntRange(0, len(rows)-1).Draw(t, "changed")
		others[i].Total ^= 1
		if got := totals.Evaluate(RowsOf(rows), Context{Control: control, Tables: map[string]Rows{"others": RowsOf(others)}}); got.Results[1].Passed {
			t.Fatalf("a millionth was not noticed: %+v", got)
		}
	})
}
