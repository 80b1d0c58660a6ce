package pipelines

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/transforms/sales"
)

// firstInLog are the order lines that should count, of all days: of each id the
// first in the log among what each day has of it first.
func firstInLog(rows []lake.SilverRow) map[string]lake.SilverRow {
	before := func(a, b lake.SilverRow) bool {
		return a.KafkaPartition < b.KafkaPartition || a.KafkaPartition == b.KafkaPartition && a.KafkaOffset < b.KafkaOffset
	}
	first := map[string]lake.SilverRow{}
	for _, r := range rows {
		if f, ok := first[r.EventID]; !ok || before(r, f) {
			first[r.EventID] = r
		}
	}
	return first
}

// lines are the published order lines by id, with their dates.
func (l *smallLake) lines(from civil.Date, days int) map[string][]lake.OrderLineRow {
	l.t.Helper()
	out := map[string][]lake.OrderLineRow{}
	for i := range days {
		rows, err := lake.ReadAll[lake.OrderLineRow](l.t.Context(), l.st, lake.GoldName("order_lines", from.AddDays(i)))
		l.must(err)
		for _, r := range rows {
			out[r.EventID] = append(out[r.EventID], r)
		}
	}
	return out
}

// Of random order lines, many of an id that others have with another price or on
// another day, each id counts once, as the first in the log says, whether the days
// are made one after another or at once; and what was left out is listed.
func TestAnIDCountsOnce(t *testing.T) {
	const days = 4
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 18))
			l := newSmallLake(t, t.TempDir())
			day := civil.DateOf(firstDay)
			offsets := [3]int64{}
			var all []lake.SilverRow
			for d := range days + 1 {
				var silver, late []lake.SilverRow
				for i := range 12 {
					at := day.AddDays(d).In(time.UTC).Add(time.Duration(r.IntN(3600)) * time.Second)
					isLate := d == days || i%3 == 0 && d > 0
					if isLate {
						at = day.AddDays(r.IntN(d)).In(time.UTC).Add(time.Duration(r.IntN(86400)) * time.Second)
					}
					e := l.order(at)
					e.EventID = fmt.Sprintf("00000000-0000-4000-8000-%012d", r.IntN(20))
					e.KafkaPartition = int32(r.IntN(3))
					e.KafkaOffset, offsets[e.KafkaPartition] = offsets[e.KafkaPartition], offsets[e.KafkaPartition]+1
					if isLate {
						late = append(late, e)
					} else {
						silver = append(silver, e)
					}
					all = append(all, e)
				}
				l.hour(day.AddDays(d).In(time.UTC), silver, late)
				l.gold(GoldOptions{}) // what is complete by now
			}
			_, err := lake.Close(t.Context(), l.st)
			l.must(err)
			r1 := l.gold(GoldOptions{})
			if len(r1.Failed) > 0 {
				t.Fatal(r1.brief())
			}

			want, revenue := firstInLog(all), shop.Money(0)
			got := l.lines(day, days)
			if len(got) != len(want) {
				t.Errorf("%d ids, expected %d", len(got), len(want))
			}
			for id, first := range want {
				have := got[id]
				if len(have) != 1 || have[0].EventTime != first.EventTime || have[0].UnitPrice != first.UnitPrice || have[0].Quantity != first.Quantity {
					t.Errorf("%s: %+v, expected once %+v", id, have, first)
				}
				revenue += first.UnitPrice * shop.Money(first.Quantity)
			}
			sum, counts, listed := shop.Money(0), lake.GoldCounts{}, int64(0)
			for d := range days {
				for _, row := range l.daily(day.AddDays(d)) {
					sum += row.Revenue
				}
				p, ok, err := lake.ReadPublication(t.Context(), l.st, day.AddDays(d))
				if err != nil || !ok {
					t.Fatal(ok, err)
				}
				counts.Add(p.Counts)
				listed += l.listedConflicts(day.AddDays(d))
			}
			if sum != revenue || counts.Events != int64(len(want)) || counts.Silver+counts.Late != int64(len(all)) ||
				counts.Silver+counts.Late != counts.Events+counts.Duplicates+counts.Conflicts || counts.Conflicts != listed {
				t.Errorf("revenue %s, expected %s; %+v of %d, %d listed", sum, revenue, counts, len(all), listed)
			}
			l.checksHold()

			before := goldFiles(t, l.uri)
			if r := l.gold(GoldOptions{}); r.Days != 0 {
				t.Errorf("nothing is left to do: %s", r.brief())
			}
			// Once more from nothing, all days at once.
			for name := range snapshot(t, l.uri) {
				if strings.HasPrefix(name, "gold/") || strings.HasPrefix(name, "ledger/gold") || strings.HasPrefix(name, "quality/") {
					l.must(l.st.Delete(t.Context(), name))
				}
			}
			l.gold(GoldOptions{})
			for name, content := range goldFiles(t, l.uri) {
				// Results say whether the ledger was closed when the day was made.
				if before[name] != content && !strings.HasPrefix(name, "gold/quality_results/") {
					t.Errorf("%s is another when all days are made at once", name)
				}
				delete(before, name)
			}
			if len(before) > 0 {
				t.Errorf("missing when all days are made at once: %v", slices.Sorted(maps.Keys(before)))
			}
		})
	}
}

// listedConflicts counts the lines of a day's list, each of which has both amounts.
func (l *smallLake) listedConflicts(date civil.Date) (n int64) {
	l.t.Helper()
	data, err := os.ReadFile(l.uri + "/" + lake.ConflictsName(date)) //nolint:gosec // a test's folder
	if os.IsNotExist(err) {
		return 0
	}
	l.must(err)
	for line := range strings.Lines(string(data)) {
		var d sales.Dropped
		l.must(json.Unmarshal([]byte(line), &d))
		if d.Why != "conflict" || d.Amount == "" || d.Kept == nil || d.Kept.Amount == "" || d.Kept.Currency != "GBP" {
			l.t.Errorf("expected a conflict with both amounts, found %s", line)
		}
		n++
	}
	return n
}

// A file of ids that is damaged or missing is made again with its day.
func TestDamagedIDs(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"gone":    nil,
		"cut":     func(data []byte) []byte { return data[:len(data)/2] },
		"one bit": func(data []byte) []byte { data[9] ^= 1; return data },
		"empty":   func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := newSmallLake(t, t.TempDir())
			day := civil.DateOf(firstDay)
			for d := range 2 {
				e := l.order(day.AddDays(d).In(time.UTC))
				e.EventID = "00000000-0000-4000-8000-000000000001"
				l.hour(day.AddDays(d).In(time.UTC), []lake.SilverRow{e, l.order(day.AddDays(d).In(time.UTC))}, nil)
			}
			_, err := lake.Close(t.Context(), l.st)
			l.must(err)
			l.gold(GoldOptions{})
			before := goldFiles(t, l.uri)
			file := lake.IDsName(day)
			if damage == nil {
				l.must(l.st.Delete(t.Context(), file))
			} else {
				data, err := l.st.Get(t.Context(), file)
				l.must(err)
				l.must(l.st.Put(t.Context(), file, damage(data)))
			}
			l.must(l.st.Delete(t.Context(), sales.TwinsName))
			if r := l.gold(GoldOptions{}); r.Days == 0 || len(r.Failed) > 0 {
				t.Errorf("%s", r.brief())
			}
			after := goldFiles(t, l.uri)
			for name, content := range before {
				if after[name] != content {
					t.Errorf("%s is another after the repair", name)
				}
			}
			if lines := l.lines(day, 2); len(lines["00000000-0000-4000-8000-000000000001"]) != 1 {
				t.Errorf("an id of two days: %+v", lines)
			}
		})
	}
}
