package sql_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/sql"
	"example.com/shopstream/sql/sqltest"
)

// round is ROUND of a NUMERIC quotient in BigQuery: half away from zero at the
// ninth decimal, then at the last that is kept.
func round(a, b *big.Rat, decimals int) string {
	q := new(big.Rat).Quo(a, b)
	for _, n := range []int{9, decimals} {
		q, _ = new(big.Rat).SetString(q.FloatString(n)) // FloatString rounds half away from zero
	}
	return sql.Text(q)
}

// TestSharesAreRoundedOnce holds abc_products to exact quotients, many of them at a
// half of the last decimal or so near to it that a rounding before shows.
func TestSharesAreRoundedOnce(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	var b strings.Builder
	b.WriteString("date, product_id, currency, revenue\n")
	var want []string
	for _, currency := range []string{"EUR", "GBP", "USD"} {
		// A shop of 10^9: of what is sold, 1000 is a millionth and 500 a half of it.
		rest, amounts := int64(1_000_000_000_000_000), []int64{}
		for range 300 {
			n := 1_000_000*1000*r.Int64N(500) + []int64{0, 500_000_000, 499_999_700, 500_000_300, r.Int64N(1_000_000_000)}[r.IntN(5)]
			if n > 0 && rest-n > 0 && !slices.Contains(amounts, n) {
				amounts = append(amounts, n)
				rest -= n
			}
		}
		amounts = append(amounts, rest)
		slices.Sort(amounts)
		slices.Reverse(amounts)
		const total = 1_000_000_000_000_000
		running := int64(0)
		for i, n := range amounts {
			running += n
			once := func(n int64) string {
				q, _ := new(big.Rat).SetString(big.NewRat(n, total).FloatString(6)) // half away from zero
				return sql.Text(q)
			}
			fmt.Fprintf(&b, "2026-03-01, %s%03d, %s, %s\n", currency, i, currency, sql.Text(big.NewRat(n, 1_000_000)))
			want = append(want, fmt.Sprintf("%s%03d %s %s", currency, i, once(n), once(running)))
		}
	}
	rows, err := sql.Run(t.Context(), openLake(t, map[string]string{"daily_sales": b.String()}), "abc_products", nil)
	if err != nil {
		t.Fatal(err)
	}
	header, texts := sqltest.Texts(rows)
	at := func(name string) int { return slices.Index(header, name) }
	var got []string
	for _, row := range texts {
		got = append(got, strings.Join([]string{row[at("product_id")], row[at("share")], row[at("running_share")]}, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seed %d (-exact +query):\n%s", seed, diff)
	}
}

// TestDailyRevenueReference holds random days to a plain program with exact
// numbers: gaps, small and large amounts, many of them on half a cent.
func TestDailyRevenueReference(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	type key struct {
		day      int
		currency string
	}
	start := civil.Date{Year: 2024, Month: 1, Day: 1}
	net := map[key]*big.Rat{}
	var b strings.Builder
	b.WriteString("date, product_id, currency, revenue, net_revenue\n")
	b.WriteString("2024-01-01, seen, NULL, 0, 0\n")
	const days = 250
	for day := range days {
		for _, currency := range []string{"EUR", "GBP", "USD"} {
			if r.IntN(4) == 0 {
				continue
			}
			k := key{day, currency}
			net[k] = new(big.Rat)
			for product := range 1 + r.IntN(3) {
				unit := []int64{1, 5, 1000, 5000, 1_000_000}[r.IntN(5)] // millionths
				amount := big.NewRat(unit*(r.Int64N(100_000)-10_000), 1_000_000)
				net[k].Add(net[k], amount)
				fmt.Fprintf(&b, "%s, %d, %s, %s, %s\n", start.AddDays(day), product, currency, sql.Text(amount), sql.Text(amount))
			}
		}
	}
	var want []string
	for day := range days {
		for _, currency := range []string{"EUR", "GBP", "USD"} {
			here, ok := net[key{day, currency}]
			if !ok {
				continue
			}
			week := new(big.Rat)
			for back := range 7 {
				if v, ok := net[key{day - back, currency}]; ok {
					week.Add(week, v)
				}
			}
			mean, before, growths := "NULL", "NULL", [2]string{"NULL", "NULL"}
			if day >= 6 {
				mean = round(week, big.NewRat(7, 1), 2)
			}
			for i, back := range []int{1, 7} {
				v, ok := net[key{day - back, currency}]
				if !ok {
					continue
				}
				if back == 7 {
					before = sql.Text(v)
				}
				if v.Sign() > 0 {
					growths[i] = round(new(big.Rat).Sub(here, v), v, 4)
				}
			}
			want = append(want, strings.Join([]string{start.AddDays(day).String(), currency, sql.Text(here), growths[0], mean, before, growths[1]}, ", "))
		}
	}
	rows, err := sql.Run(t.Context(), openLake(t, map[string]string{"daily_sales": b.String()}), "daily_revenue", map[string]string{"from": start.String()})
	if err != nil {
		t.Fatal(err)
	}
	header, texts := sqltest.Texts(rows)
	var got []string
	for _, row := range texts {
		var kept []string
		for i, name := range header {
			if slices.Contains([]string{"date", "currency", "net_revenue", "growth", "mean_7_days", "same_weekday_last_week", "growth_week"}, name) {
				kept = append(kept, row[i])
			}
		}
		got = append(got, strings.Join(kept, ", "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seed %d (-want +got):\n%s", seed, diff)
	}
}
