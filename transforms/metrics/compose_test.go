package metrics

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// baseWindows are ones of each sort: within 5 minutes, 5 minutes, longer.
var baseWindows = []int64{10_000, 60_000, 300_000, 600_000, 2_400_000, hour, 24 * hour}

// emitted are increments as Emit gives them.
func emitted(events []shop.Event, baseMs int64) [][]byte {
	var out [][]byte
	for _, in := range incrementsOf(events, baseMs) {
		for bucket, packed := range in {
			out = append(out, append(binary.AppendVarint(nil, bucket), packed...))
		}
	}
	return out
}

// TestCompose compares every window of every kind with sums of big numbers.
func TestCompose(t *testing.T) {
	t.Parallel()
	events := randomEvents(1, 2000, 9*hour)
	for _, base := range baseWindows {
		tables, err := bucketTables(emitted(events, base))
		if err != nil {
			t.Fatal(err)
		}
		c := newComposer(tables)
		for _, k := range kinds {
			var rows []lake.MetricRow
			first := start - mod(start, k.every) + k.every
			for end := first; end < start+11*hour; end += k.every {
				rows = c.window(rows, end-k.length, end)
			}
			if !slices.IsSortedFunc(rows, compareRows) {
				t.Errorf("base %d, %s: rows are not in order", base, k.name)
			}
			want := expected(naiveRows(events, k.length, k.every), k.length)
			if diff := gocmp.Diff(want, byKey(t, rows)); diff != "" {
				t.Fatalf("base %d, %s (-want +got):\n%s", base, k.name, diff)
			}
			nulls, conversions := 0, 0
			for _, r := range rows {
				if r.Revenue == nil || r.CancelledRevenue == nil {
					nulls++
				}
				if r.Conversion != nil {
					conversions++
				}
			}
			if nulls == 0 && k.length == hour || conversions == 0 {
				t.Errorf("%s: %d sums that do not fit, %d conversions: the events are too plain", k.name, nulls, conversions)
			}
		}
	}
}

var levels = []string{lake.LevelProduct, lake.LevelCategory, lake.LevelShop}

func compareRows(a, b lake.MetricRow) int {
	return cmp.Or(
		cmp.Compare(a.WindowEnd, b.WindowEnd), cmp.Compare(slices.Index(levels, a.Level), slices.Index(levels, b.Level)),
		cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency),
	)
}

// TestSameSums: the 5-minute, the hourly and every twelfth sliding window have
// the same sums, at every level.
func TestSameSums(t *testing.T) {
	t.Parallel()
	events := randomEvents(2, 2000, 5*hour)
	events = slices.DeleteFunc(events, func(e shop.Event) bool { return e.UnitPrice > 1<<40 }) // sums that do not fit add up to nothing
	for _, base := range baseWindows {
		tables, err := bucketTables(emitted(events, base))
		if err != nil {
			t.Fatal(err)
		}
		c := newComposer(tables)
		var got []string
		for _, k := range kinds {
			every := max(k.every, k.length) // of sliding windows the ones of whole hours
			var sum [3]Sums
			for end := start - mod(start, hour) + every; end <= start+7*hour; end += every {
				for _, r := range c.window(nil, end-k.length, end) {
					s := &sum[slices.Index(levels, r.Level)]
					s.add(&Sums{r.OrderLines, r.Units, *r.Revenue, r.CancelledLines, r.CancelledUnits, *r.CancelledRevenue, r.Views, r.Carts})
				}
			}
			if sum[0] != sum[1] || sum[1] != sum[2] {
				t.Errorf("base %d, %s: levels differ: %+v", base, k.name, sum)
			}
			if n := sum[0].Lines + sum[0].CancelledLines + sum[0].Views + sum[0].Carts; n != int64(len(events)) {
				t.Errorf("base %d, %s: %d of %d events", base, k.name, n, len(events))
			}
			got = append(got, fmt.Sprintf("%+v", sum))
		}
		if got[0] != got[1] || got[1] != got[2] {
			t.Errorf("base %d: kinds differ: %v", base, got)
		}
	}
}

// TestComposeBeforeTheEpoch: windows of times below zero begin where they
// should.
func TestComposeBeforeTheEpoch(t *testing.T) {
	t.Parallel()
	table := Table{{"P1", "toys", ""}: {Views: 1}}
	tables, err := bucketTables([][]byte{table.Append(binary.AppendVarint(nil, -10_000))})
	if err != nil {
		t.Fatal(err)
	}
	c := newComposer(tables)
	if rows := c.window(nil, -fiveMinutes, 0); len(rows) != 3 || rows[0].Views != 1 {
		t.Errorf("the window before the epoch: %+v", rows)
	}
	if rows := c.window(nil, 0, fiveMinutes); len(rows) != 0 {
		t.Errorf("the window behind the epoch: %+v", rows)
	}
	for _, c := range []struct{ a, b, want int64 }{{7, 5, 2}, {-7, 5, 3}, {-5, 5, 0}, {0, 5, 0}, {math.MinInt64, 2, 0}} {
		if got := mod(c.a, c.b); got != c.want {
			t.Errorf("mod(%d, %d) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
