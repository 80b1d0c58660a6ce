package pipelines

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/sql"
	"example.com/shopstream/transforms/sales"
)

// smallLake is a lake that a test writes window by window, with base windows of
// an hour, as a streaming job would have.
type smallLake struct {
	t   testing.TB
	uri string
	st  lake.Store
	rnd *rand.Rand
	n   int

	unsealed bool // rows that are written get no seal
}

var firstDay = time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC)

func newSmallLake(t testing.TB, dir string) *smallLake {
	t.Helper()
	l := &smallLake{t: t, uri: dir, st: mustStore(t, dir), rnd: rand.New(rand.NewPCG(6, 6))}
	l.must(lake.Init(t.Context(), l.st, lake.Settings{Topic: topic, BaseWindowMs: 3_600_000, Shards: 1}))
	return l
}

func (l *smallLake) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// order is a random order line at a time.
func (l *smallLake) order(at time.Time) lake.SilverRow {
	l.n++
	return lake.SilverRow{
		EventID: fmt.Sprintf("00000000-0000-4000-8000-%012d", l.n), EventType: "order_created", EventTime: at.UnixMicro(),
		ProductID: fmt.Sprint("p", l.rnd.IntN(20)), UserID: fmt.Sprint("u", l.rnd.IntN(9)), OrderID: fmt.Sprint("o", l.n/3), Line: 1,
		Quantity: 1 + l.rnd.Int64N(5), UnitPrice: shop.Money(10_000 * (1 + l.rnd.Int64N(5000))), Currency: "GBP", SchemaVersion: 1, KafkaOffset: int64(l.n), Category: "toys",
	}
}

// hour writes the row of one hour: its orders, and late ones of any time that
// arrived in it.
func (l *smallLake) hour(start time.Time, silver []lake.SilverRow, late []lake.SilverRow) {
	l.t.Helper()
	ctx, window := l.t.Context(), start.UnixMilli()
	r := lake.Row{Window: window, End: window + 3_600_000, Silver: int64(len(silver)), Late: int64(len(late)), LateDates: map[string]int64{}}
	r.Read = r.Silver + r.Late
	r.Mark = &kafkaio.Mark{Watermark: r.End}
	r.Files = []lake.File{{Lane: lake.Bronze, Name: lake.LaneName(lake.Bronze, window, 0), Rows: r.Read}} // gold reads none
	put := func(lane lake.Lane, name string, n int, data []byte, err error) {
		l.must(err)
		l.must(l.st.Put(ctx, name, data))
		r.Files = append(r.Files, lake.File{Lane: lane, Name: name, Rows: int64(n), Bytes: int64(len(data)), CRC: lake.CRC(data)})
	}
	if len(silver) > 0 {
		data, err := lake.EncodeSilver(nil, silver)
		put(lake.Silver, lake.SilverName(window, "toys", 0), len(silver), data, err)
	}
	if len(late) > 0 {
		var rows []lake.LateRow
		for _, e := range late {
			rows = append(rows, lake.LateRow{SilverRow: e, HighTime: start.UnixMicro()})
			r.LateDates[time.UnixMicro(e.EventTime).UTC().Format(time.DateOnly)]++
		}
		data, err := lake.EncodeLate(nil, rows)
		put(lake.Late, lake.LaneName(lake.Late, window, 0), len(rows), data, err)
	}
	l.must(lake.PutRow(ctx, l.st, r))
	if !l.unsealed {
		l.must(lake.PutSeal(ctx, l.st, window))
	}
}

// day writes a day of orders.
func (l *smallLake) day(date civil.Date) {
	l.t.Helper()
	for h := range 24 {
		start := date.In(time.UTC).Add(time.Duration(h) * time.Hour)
		var orders []lake.SilverRow
		for range l.rnd.IntN(6) {
			orders = append(orders, l.order(start.Add(time.Duration(l.rnd.IntN(3600))*time.Second)))
		}
		l.hour(start, orders, nil)
	}
}

// gold makes gold of the lake and returns the report.
func (l *smallLake) gold(o GoldOptions) GoldReport {
	l.t.Helper()
	report, err := l.tryGold(o)
	l.must(err)
	return report
}

func (l *smallLake) tryGold(o GoldOptions) (GoldReport, error) {
	o.Lake = l.uri
	if o.TimeZone == "" {
		o.TimeZone = "UTC"
	}
	view := NewGoldView(io.Discard, false)
	defer view.Stop()
	return o.RunGold(l.t.Context(), Direct, view)
}

// brief is what a failed test needs of a report.
func (r GoldReport) brief() string {
	return fmt.Sprintf("%d days, %d dirty, %d fresh, %d open, %d overlap, gone %v, %d published, %d unchanged, failed %v, broken %v, %+v",
		r.Days, r.Dirty, r.Fresh, r.Open, r.Overlap, r.Gone, r.Published, r.Unchanged, r.Failed, r.Broken, r.Counts)
}

// goldFiles are the files of gold by name, with their content.
func goldFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, content := range snapshot(t, dir) {
		if strings.HasPrefix(name, "gold/") {
			out[name] = content
		}
	}
	return out
}

func published(t testing.TB, st lake.Store) map[civil.Date]int64 {
	t.Helper()
	all, err := lake.ReadPublications(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	out := map[civil.Date]int64{}
	for date, p := range all {
		out[date] = p.Number
	}
	return out
}

func TestLateRowMakesItsDayDirty(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	for i := range 4 {
		l.day(day.AddDays(i))
	}
	// The last day's last window is sealed, so it is complete.
	if r := l.gold(GoldOptions{}); r.Days != 4 || r.Published != 4 || r.Open != 0 {
		t.Fatalf("first run: %s", r.brief())
	}
	before := goldFiles(t, l.uri)
	if r := l.gold(GoldOptions{}); r.Days != 0 || r.Fresh != 4 {
		t.Fatalf("nothing has changed, yet: %s", r.brief())
	}

	// An hour of the next day, in which an event of the second day comes late.
	late := l.order(day.AddDays(1).In(time.UTC).Add(5 * time.Hour))
	l.hour(day.AddDays(4).In(time.UTC), []lake.SilverRow{l.order(day.AddDays(4).In(time.UTC))}, []lake.SilverRow{late})
	r := l.gold(GoldOptions{})
	if r.Days != 1 || r.Dirty != 1 || r.Published != 1 || r.Fresh != 3 || r.Open != 1 || r.Counts.Late != 1 {
		t.Errorf("only the day of the late event is to be made: %s", r.brief())
	}
	if diff := cmp.Diff(map[civil.Date]int64{day: 1, day.AddDays(1): 2, day.AddDays(2): 1, day.AddDays(3): 1}, published(t, l.st)); diff != "" {
		t.Error(diff)
	}
	for name, content := range goldFiles(t, l.uri) {
		of := strings.Contains(name, day.AddDays(1).String())
		if changed := content != before[name]; changed && !of || !changed && strings.Contains(name, "order_lines") && of {
			t.Errorf("%s: changed is %v, expected %v", name, changed, of)
		}
	}
	lines, err := lake.ReadAll[lake.OrderLineRow](t.Context(), l.st, lake.GoldName("order_lines", day.AddDays(1)))
	if err != nil || !slices.ContainsFunc(lines, func(r lake.OrderLineRow) bool { return r.EventID == late.EventID }) {
		t.Errorf("the late event is not among the day's lines: %v", err)
	}

	// The open day, when it is asked for, and then when it is over.
	if _, err := l.tryGold(GoldOptions{From: day.AddDays(4), To: day.AddDays(4)}); err == nil || !strings.Contains(err.Error(), "open") {
		t.Errorf("an open day: %v", err)
	}
	if r := l.gold(GoldOptions{IncludeOpen: true}); r.Published != 1 {
		t.Errorf("with open days: %s", r.brief())
	}
	open, err := lake.ReadAll[lake.DailySalesRow](t.Context(), l.st, lake.GoldName("daily_sales", day.AddDays(4)))
	if err != nil || len(open) != 1 || open[0].Complete {
		t.Errorf("the open day: %+v, %v", open, err)
	}
	l.hour(day.AddDays(4).In(time.UTC).Add(23*time.Hour), nil, nil)
	if r := l.gold(GoldOptions{}); r.Published != 1 || r.Dirty != 1 {
		t.Errorf("the day that was open is over: %s", r.brief())
	}
	if _, err := l.tryGold(GoldOptions{From: day.AddDays(40), To: day.AddDays(41)}); err == nil || !strings.Contains(err.Error(), "no final events") {
		t.Errorf("days that are not there: %v", err)
	}
}

func TestChangedTimeZoneIsRefused(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	for i := range 3 {
		l.day(day.AddDays(i))
	}
	l.gold(GoldOptions{})
	before := goldFiles(t, l.uri)
	for _, o := range []GoldOptions{{TimeZone: "Asia/Tokyo"}, {TimeZone: "Asia/Tokyo", From: day, To: day}, {TimeZone: "Asia/Tokyo", From: day, To: day, Rebuild: true}} {
		if _, err := l.tryGold(o); err == nil || !strings.Contains(err.Error(), "--rebuild") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if diff := cmp.Diff(before, goldFiles(t, l.uri)); diff != "" {
		t.Error("a refused run has changed gold")
	}
	l.must(func() error { _, err := lake.Close(t.Context(), l.st); return err }())
	r := l.gold(GoldOptions{TimeZone: "Asia/Tokyo", Rebuild: true})
	if r.Days != 4 || r.Published != 4 {
		t.Errorf("72 hours that begin at 9 o'clock in Tokyo are of 4 days: %s", r.brief())
	}
	fresh := newSmallLake(t, t.TempDir())
	for i := range 3 {
		fresh.day(day.AddDays(i))
	}
	fresh.must(func() error { _, err := lake.Close(t.Context(), fresh.st); return err }())
	fresh.gold(GoldOptions{TimeZone: "Asia/Tokyo"})
	if diff := cmp.Diff(goldFiles(t, fresh.uri), goldFiles(t, l.uri)); diff != "" {
		t.Error("gold that was made again is another one than gold that was made at first")
	}
	// And back: the day that there is no more is removed.
	if r := l.gold(GoldOptions{Rebuild: true}); len(r.Gone) != 1 || r.Published != 3 {
		t.Errorf("back to UTC: %s", r.brief())
	}
	if _, err := os.Stat(filepath.Join(l.uri, lake.GoldName("daily_sales", day.AddDays(3)))); err == nil {
		t.Error("the day that there is no more has a file")
	}
}

func TestSecondGoldIsRefused(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	l.day(civil.DateOf(firstDay))
	lock, err := lake.LockGold(t.Context(), l.st)
	l.must(err)
	if _, err := l.tryGold(GoldOptions{}); err == nil || !strings.Contains(err.Error(), "wait until that one has ended") {
		t.Errorf("gold beside gold: %v", err)
	}
	l.must(lock.Release())
	l.gold(GoldOptions{})
}

// Gold of a lake in a bucket is gold of the same lake in a folder.
func TestGoldInBucket(t *testing.T) {
	local, bucket := newSmallLake(t, t.TempDir()), newSmallLake(t, startBucket(t)+"/gold")
	day := civil.DateOf(firstDay)
	for _, l := range []*smallLake{local, bucket} {
		l.day(day)
		l.day(day.AddDays(1))
		if r := l.gold(GoldOptions{}); r.Published != 2 {
			t.Fatalf("%s", r.brief())
		}
	}
	for name, want := range goldFiles(t, local.uri) {
		got, err := bucket.st.Get(t.Context(), name)
		if err != nil || string(got) != want {
			t.Errorf("%s is another file in the bucket: %v", name, err)
		}
	}
	lock, err := lake.LockGold(t.Context(), bucket.st)
	bucket.must(err)
	if _, err := bucket.tryGold(GoldOptions{}); err == nil || !strings.Contains(err.Error(), "wait until that one has ended") {
		t.Errorf("gold beside gold: %v", err)
	}
	bucket.must(lock.Release())
}

// The job for Dataflow is built, and nothing is changed.
func TestGoldForDataflow(t *testing.T) {
	l := newSmallLake(t, startBucket(t)+"/dataflow")
	l.day(civil.DateOf(firstDay))
	for name, value := range map[string]string{
		"environment_type": "", "environment_config": "", // Prism has set them for the jobs of other tests
		"dry_run": "true", "project": "shop", "region": "europe-west1", "staging_location": "gs://bucket/staging",
	} {
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := flag.Set(name, before); err != nil {
				t.Error(err)
			}
		})
	}
	view := NewGoldView(io.Discard, false)
	defer view.Stop()
	r, err := GoldOptions{Lake: l.uri, TimeZone: "UTC"}.RunGold(t.Context(), dataflow, view)
	if err != nil || r.Days != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, ok, err := lake.ReadGoldSettings(t.Context(), l.st); ok || err != nil {
		t.Errorf("the lake was changed: %v", err)
	}
}

// Files that cannot be read end the run, or are set aside and counted.
func TestBrokenFileInGold(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	l.day(day)
	l.day(day.AddDays(1))
	l.gold(GoldOptions{From: day.AddDays(1), To: day.AddDays(1)})
	before := goldFiles(t, l.uri)
	relative := firstFile(t, l.uri, filepath.Join("silver", "date="+day.String()))
	name := filepath.Join(l.uri, relative)
	data, err := os.ReadFile(name)
	l.must(err)
	l.must(os.WriteFile(name, data[:len(data)/2], 0o600)) // half of it was copied
	if _, err := l.tryGold(GoldOptions{}); err == nil || !strings.Contains(err.Error(), filepath.ToSlash(relative)) {
		t.Errorf("expected an error that names %s, found %v", relative, err)
	}
	if diff := cmp.Diff(before, goldFiles(t, l.uri)); diff != "" {
		t.Error("something was published after an error")
	}
	r := l.gold(GoldOptions{Quarantine: true})
	if len(r.Broken) != 1 || !strings.Contains(r.Broken[0], filepath.ToSlash(relative)) || r.Published != 1 {
		t.Errorf("with quarantine: %s", r.brief())
	}
	checks := r.Checks[day]
	i := slices.IndexFunc(checks, func(q lake.QualityRow) bool { return q.Rule == "silver_rows_read" })
	if i < 0 || checks[i].Passed || checks[i].RowsFailed == 0 {
		t.Errorf("the missing rows are not in the results: %+v", checks)
	}
	if r := l.gold(GoldOptions{Quarantine: true}); r.Days != 1 || len(r.Broken) != 1 {
		t.Errorf("a day that lacks rows stays dirty: %s", r.brief())
	}
	l.must(os.WriteFile(name, data, 0o600))
	if r := l.gold(GoldOptions{}); r.Published != 1 || len(r.Broken) != 0 {
		t.Errorf("the file is back: %s", r.brief())
	}
	if r := l.gold(GoldOptions{}); r.Days != 0 {
		t.Errorf("nothing is left to do: %s", r.brief())
	}
}

// What stands on disk is made what the publication says, whatever became of it.
func TestGoldRepairsItsFiles(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	l.day(day)
	l.gold(GoldOptions{})
	before := goldFiles(t, l.uri)
	l.must(l.st.Delete(t.Context(), lake.GoldName("daily_sales", day)))
	l.must(l.st.Put(t.Context(), lake.GoldName("order_lines", day), []byte("something else")))
	if r := l.gold(GoldOptions{From: day, To: day}); r.Unchanged != 1 {
		t.Errorf("the same rows: %s", r.brief())
	}
	if !maps.Equal(before, goldFiles(t, l.uri)) {
		t.Error("a day that is made again has other files than before")
	}
}

// A source that stops in the middle of a day and goes on another time leaves that
// day open, whoever makes gold; one that has declared its end does not.
func TestPausedLakeHasAnOpenDay(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	l.day(day)
	l.unsealed = true
	l.day(day.AddDays(1))
	wantComplete := func(complete bool) {
		t.Helper()
		p, ok, err := lake.ReadPublication(t.Context(), l.st, day.AddDays(1))
		l.must(err)
		if !ok || p.Complete != complete {
			t.Errorf("the last day stands: %v, complete: %v, want %v", ok, p.Complete, complete)
		}
	}
	_, err := lake.Pause(t.Context(), l.st)
	l.must(err)
	if r := l.gold(GoldOptions{}); r.Published != 1 || r.Open != 1 {
		t.Errorf("without open days: %s", r.brief())
	}
	if r := l.gold(GoldOptions{IncludeOpen: true}); r.Published != 1 {
		t.Errorf("with open days: %s", r.brief())
	}
	wantComplete(false)
	if r := l.gold(GoldOptions{}); r.Days != 0 || r.Open != 1 {
		t.Errorf("a later run: %s", r.brief())
	}
	wantComplete(false)
	_, err = lake.Close(t.Context(), l.st)
	l.must(err)
	if r := l.gold(GoldOptions{}); r.Published != 1 {
		t.Errorf("after the end: %s", r.brief())
	}
	wantComplete(true)
}

// While a closed lake is continued, its last days are not to be seen: they stand
// as they are.
func TestContinuedLakeKeepsItsDays(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	l.day(day)
	l.unsealed = true
	l.day(day.AddDays(1))
	_, err := lake.Close(t.Context(), l.st)
	l.must(err)
	history, err := sales.ParseHistory(fmt.Appendf(nil, "date,product_id,currency,units,revenue\n%s,p1,GBP,3,10.50\n", day.AddDays(-1)))
	l.must(err)
	if r := l.gold(GoldOptions{History: history}); r.Published != 3 {
		t.Fatalf("%s", r.brief())
	}
	before := goldFiles(t, l.uri)
	l.must(lake.Reopen(t.Context(), l.st))
	if r := l.gold(GoldOptions{}); r.Days != 0 || len(r.Gone) != 0 { // and without the history, too
		t.Errorf("%s", r.brief())
	}
	if !maps.Equal(before, goldFiles(t, l.uri)) {
		t.Error("a lake that is continued has lost days of gold")
	}
}

// retailGold makes gold of a real shop's year.
func retailGold(t *testing.T, o StreamingOptions) {
	st := mustStore(t, o.Lake)
	gold := func(g GoldOptions, runner string) GoldReport {
		t.Helper()
		g.Lake, g.TimeZone = o.Lake, "UTC"
		view := NewGoldView(io.Discard, false)
		defer view.Stop()
		r, err := g.RunGold(context.Background(), runner, view)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := gold(GoldOptions{}, Prism)
	if want := (lake.GoldCounts{Silver: retailOrders + retailCancelled, Events: retailOrders + retailCancelled}); r.Counts != want || r.Published != 374 || len(r.Failed) > 0 {
		t.Errorf("counts %+v, %d days, failed %v", r.Counts, r.Published, r.Failed)
	}
	var revenue, cancelled, net shop.Money
	days, orders, products := 0, map[string]bool{}, map[string]bool{}
	byDate := map[civil.Date]shop.Money{}
	for date := range published(t, st) {
		rows, err := lake.ReadAll[lake.DailySalesRow](t.Context(), st, lake.GoldName("daily_sales", date))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := lake.ReadAll[lake.OrderLineRow](t.Context(), st, lake.GoldName("order_lines", date))
		if err != nil {
			t.Fatal(err)
		}
		sold := false
		for _, r := range rows {
			revenue += r.Revenue
			cancelled += r.CancelledRevenue
			net += r.NetRevenue
			byDate[date] += r.Revenue
			sold = sold || r.OrderLines > 0
		}
		if sold {
			days++
		}
		for _, l := range lines {
			if !l.Cancelled {
				orders[l.OrderID], products[l.ProductID] = true, true
			}
		}
	}
	got := fmt.Sprintln(revenue, cancelled, net, days, len(orders), len(products),
		byDate[civil.Date{Year: 2010, Month: 12, Day: 1}], byDate[civil.Date{Year: 2011, Month: 12, Day: 9}])
	if want := fmt.Sprintln("10666684.544", "896812.49", "9769872.054", 305, 19960, 3922, "58960.79", "200920.6"); got != want {
		t.Errorf("revenue, cancelled, net, days, orders, products, first and last day: %s, expected %s", got, want)
	}
	askRetail(t, o.Lake)
	before := goldFiles(t, o.Lake)
	if r := gold(GoldOptions{Rebuild: true}, Direct); r.Unchanged != 374 {
		t.Errorf("again on the direct runner: %d days are the same", r.Unchanged)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(goldFiles(t, o.Lake)))); diff != "" || !maps.Equal(before, goldFiles(t, o.Lake)) {
		t.Error("made again, gold has other bytes")
	}
}

// askRetail asks the same of SQL.
func askRetail(t *testing.T, lakeURI string) {
	t.Helper()
	db, err := duck.Open(t.Context(), lakeURI, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		name   string
		params map[string]string
		want   []string // column=value of each row
	}{
		{"daily_revenue", map[string]string{"from": "2010-12-01", "to": "2010-12-01"}, []string{"revenue=58960.79 complete=true"}},
		{"daily_revenue", map[string]string{"from": "2011-12-09", "to": "2011-12-09"}, []string{"revenue=200920.6 complete=true"}},
		{"top_selling_products", map[string]string{"limit": "3"}, []string{"product_id=DOT revenue=206248.77", "product_id=22423 revenue=174484.74", "product_id=23843 revenue=168469.6"}},
	} {
		rows, err := sql.Run(t.Context(), db, c.name, c.params)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, row := range rows.Rows {
			var cells []string
			for i, column := range rows.Columns {
				if strings.Contains(" "+c.want[0], " "+column.Name+"=") {
					cells = append(cells, column.Name+"="+sql.Text(row[i]))
				}
			}
			got = append(got, strings.Join(cells, " "))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.name, c.params, diff)
		}
	}
	rows, err := db.Query(t.Context(), "SELECT SUM(net_revenue), SUM(revenue), SUM(cancelled_revenue), COUNT(DISTINCT date) FROM daily_sales", nil)
	if err != nil {
		t.Fatal(err)
	}
	var totals []string
	for _, v := range rows.Rows[0] {
		totals = append(totals, sql.Text(v))
	}
	if got, want := strings.Join(totals, " "), "9769872.054 10666684.544 896812.49 305"; got != want {
		t.Errorf("net revenue, revenue, cancelled, days: %s, expected %s", got, want)
	}
	for _, c := range sql.Checks() {
		if r, err := c.Run(t.Context(), db, nil); err != nil || len(r.Rows) > 0 {
			t.Errorf("check %s.%s: %v rows break it, %v", c.Table, c.Name, r, err)
		}
	}
}
