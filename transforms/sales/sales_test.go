package sales

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/direct"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// Of random events the job makes what the reference makes, whatever the files,
// the lanes, the partitions and the runner.
func TestTablesEqualReference(t *testing.T) {
	for seed := range uint64(24) {
		on := "direct"
		if seed%4 == 0 {
			on = "prism"
		}
		t.Run(fmt.Sprintf("%d on %s", seed, on), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 6))
			zone := zones[r.IntN(len(zones)-1)] // not Apia, which jumps a day
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			rows := randomRows(r, 400)
			var catalogue map[string]CatalogueProduct
			if r.IntN(2) == 0 {
				catalogue = map[string]CatalogueProduct{"p1": {Name: "One", Category: "toys"}, "p2": {Name: "Two"}, "p3": {Category: "books"}, "never seen": {Name: "x"}}
			}
			first := DayOf(civil.DateOf(time.UnixMicro(slices.MinFunc(rows, byTime).EventTime).In(loc)))
			last := DayOf(civil.DateOf(time.UnixMicro(slices.MaxFunc(rows, byTime).EventTime).In(loc)))
			var before map[int32]*Day
			for layout := range 3 {
				if layout == 2 { // and some of them again, late: that changes no table
					for _, i := range r.Perm(len(rows))[:20] {
						again := rows[i]
						again.late, again.KafkaOffset = true, again.KafkaOffset+1
						rows = append(rows, again)
					}
				}
				got, counts := runOnce(t, r, rows, zone, first, last, catalogue, on)
				for day := first; day <= last; day++ {
					want, wantCounts := reference(rows, DateOf(day), loc, day%2 == 0, catalogue)
					if diff := gocmp.Diff(want, got[day], cmpopts.EquateEmpty()); diff != "" {
						t.Fatalf("%s in %s, layout %d (-reference +job):\n%s", DateOf(day), zone, layout, diff)
					}
					if counts[day] != wantCounts {
						t.Errorf("%s: counts %+v, expected %+v", DateOf(day), counts[day], wantCounts)
					}
				}
				if before != nil && gocmp.Diff(before, got) != "" {
					t.Error("another layout gives other rows")
				}
				before = got
			}
		})
	}
}

func byTime(a, b row) int { return cmp.Compare(a.EventTime, b.EventTime) }

// randomRows are events around a change of clocks, some of them again: the same
// or another under the same id, at the same time or another.
func randomRows(r *rand.Rand, n int) []row {
	start := time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC).UnixMicro()
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	one := func() row {
		e := row{
			SilverRow: lake.SilverRow{
				EventID:   fmt.Sprintf("00000000-0000-4000-8000-%012d", r.IntN(n*100)),
				EventType: pick(viewed, viewed, carted, ordered, ordered, cancelled), EventTime: start + r.Int64N(30*3600)*1_000_000 + r.Int64N(1000)*1000,
				ProductID: pick("p1", "p2", "p3", "p4", "p5"), ProductName: pick("", "A name", "Another"), UserID: pick("", "u1", "u2", "u3"),
				SessionID: pick("", "s1", "s2"), Country: pick("", "GB", "FR"), SchemaVersion: 1,
				KafkaPartition: int32(r.IntN(4)), KafkaOffset: r.Int64N(1 << 40),
			},
			category: pick("toys", "books", uncategorized),
		}
		if e.EventType == ordered || e.EventType == cancelled {
			e.OrderID, e.Currency = pick("o1", "o2", "o3", "o4"), pick("GBP", "GBP", "EUR")
			e.Line, e.Quantity, e.UnitPrice = r.Int64N(5), 1+r.Int64N(9), shop.Money(1+r.Int64N(30_000_000))
			if r.IntN(60) == 0 {
				e.Quantity, e.UnitPrice = 3, shop.MaxMoney // an amount that does not fit
			}
		}
		return e
	}
	var rows []row
	for range n {
		rows = append(rows, one())
		if r.IntN(8) == 0 { // again
			e := rows[r.IntN(len(rows))]
			switch r.IntN(4) {
			case 0: // later
				e.EventTime += r.Int64N(3*3600) * 1_000_000
			case 1: // with other content
				e.ProductID = pick("p1", "p2", "p3")
			case 2: // another event altogether
				id := e.EventID
				e = one()
				e.EventID = id
			}
			e.KafkaPartition, e.KafkaOffset = int32(r.IntN(4)), r.Int64N(1<<40)
			rows = append(rows, e)
		}
	}
	for i := range rows {
		rows[i].late = r.IntN(5) == 0
	}
	return rows
}

// runOnce writes the rows into a lake in a random layout, runs the job, and
// reads what it has published.
func runOnce(t *testing.T, r *rand.Rand, rows []row, zone string, first, last int32, catalogue map[string]CatalogueProduct, runner string) (map[int32]*Day, map[int32]lake.GoldCounts) {
	t.Helper()
	ctx := t.Context()
	rules := Rules{Lake: t.TempDir(), TimeZone: zone, From: first, To: last, Suspects: "inputs/suspects.bin"}
	st, err := lake.Shared(ctx, rules.Lake)
	if err != nil {
		t.Fatal(err)
	}
	if catalogue != nil {
		kept, err := KeepCatalogue(ctx, st, catalogue)
		if err != nil {
			t.Fatal(err)
		}
		rules.Catalogue = kept.File
	}
	files := writeRows(t, r, st, rows)
	plan := Plan{Days: map[int32]PlannedDay{}}
	for day := first; day <= last; day++ {
		plan.Days[day] = PlannedDay{Inputs: "x", Complete: day%2 == 0, Silver: -1, Late: -1}
	}
	p, s := beam.NewPipelineWithRoot()
	beam.ParDo0(s, &nowhereFn{}, Publish(s, files, plan, rules, lake.ReadOptions{OneByOne: runner == "prism"}))
	if _, err := beam.Run(ctx, runner, p); err != nil {
		t.Fatal(err)
	}
	days, counts := map[int32]*Day{}, map[int32]lake.GoldCounts{}
	for day := first; day <= last; day++ {
		d := &Day{}
		d.Daily = readTable[lake.DailySalesRow](t, st, "daily_sales", day)
		d.Category = readTable[lake.CategoryRevenueRow](t, st, "category_revenue", day)
		d.Hourly = readTable[lake.HourlySalesRow](t, st, "hourly_sales", day)
		d.Funnel = readTable[lake.FunnelRow](t, st, "funnel_daily", day)
		d.Lines = readTable[lake.OrderLineRow](t, st, "order_lines", day)
		d.Catalogue = readTable[lake.CatalogueRow](t, st, "product_catalogue", day)
		days[day] = d
		pub, ok, err := lake.ReadPublication(ctx, st, DateOf(day))
		if err != nil || !ok || pub.Attempt != nil {
			t.Fatalf("publication of %s: %v, %v, %+v", DateOf(day), ok, err, pub.Attempt)
		}
		counts[day] = pub.Counts
	}
	return days, counts
}

func readTable[T any](t *testing.T, st lake.Store, table string, day int32) []T {
	t.Helper()
	rows, err := lake.ReadAll[T](t.Context(), st, lake.GoldName(table, DateOf(day)))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// writeRows deals rows into files: silver by base window, category and shard,
// late by partition and arrival window, each in random order.
func writeRows(t *testing.T, r *rand.Rand, st lake.Store, rows []row) (files []lake.File) {
	t.Helper()
	base := []int64{600_000, 3_600_000, 86_400_000}[r.IntN(3)]
	shards := 1 + r.IntN(3)
	byName := map[string][]row{}
	for _, i := range r.Perm(len(rows)) {
		e := rows[i]
		name := lake.SilverName(e.EventTime/1000/base*base, e.category, r.IntN(shards))
		if e.late {
			name = lake.LaneName(lake.Late, (e.EventTime/1000/base+r.Int64N(3))*base, int32(r.IntN(3)))
		}
		byName[name] = append(byName[name], e)
	}
	for name, rows := range byName {
		f := lake.File{Lane: lake.Silver, Name: name, Rows: int64(len(rows))}
		var data []byte
		var err error
		if rows[0].late {
			f.Lane = lake.Late
			var late []lake.LateRow
			for _, e := range rows {
				e.Category = e.category
				late = append(late, lake.LateRow{SilverRow: e.SilverRow})
			}
			data, err = lake.EncodeLate(nil, late)
		} else {
			var silver []lake.SilverRow
			for _, e := range rows {
				silver = append(silver, e.SilverRow)
			}
			data, err = lake.EncodeSilver(nil, silver)
		}
		if err == nil {
			err = st.Put(t.Context(), name, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Bytes = int64(len(data))
		files = append(files, f)
	}
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	return files
}

type nowhereFn struct{}

func (nowhereFn) ProcessElement(string) {}

func init() { beam.RegisterDoFn(&nowhereFn{}) }
