//go:build unix

package cmdtest

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
)

// midday is a time zone in which no day is about to end or has just begun, so that
// a run of some minutes does not reach another day: UTC, if it will do, in which
// late events reach back the furthest.
func midday() string {
	hour := time.Now().UTC().Hour()
	if 3 <= hour && hour < 21 {
		return "UTC"
	}
	return "Asia/Tokyo"
}

// TestLocalForecasts: a new simulated shop gets a past that ends where its events
// begin, and the run ends with next week's forecast; another run leaves both as
// they are.
func TestLocalForecasts(t *testing.T) {
	data, zone := t.TempDir(), midday()
	const days = 63
	local := func() string {
		t.Helper()
		r := run(t, programWithin(t, 3*time.Minute, "local", "--data="+data, fmt.Sprintf("--history-days=%d", days), "--rate=300", "--duration=4s", "--late=0.1", "--time-zone="+zone))
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("exit code %d: %s\n%s", r.code, r.stderr, r.stdout)
		}
		return r.stdout
	}
	first := local()
	wantMatches(t, first,
		`\nmaking 63 days of simulated history, \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d: \d+,\d{3} rows\n`,
		`\nBacktest: 4 forecasts of 7 days, up to \d{4}-\d\d-\d\d, as if those were not known\.\n`,
		`\n  recipe +0\.\d{3} +[+-]\d+\.\d%\n`,
		`\n  seasonal_naive +0\.\d{3} +[+-]\d+\.\d%\n`,
		`\nDifference [+-]0\.\d{3} \(90 % interval [+-]0\.\d{3} to [+-]0\.\d{3}\): `,
		`\nForecast of the shop from \d{4}-\d\d-\d\d, by version \S+ of demand\n`,
		`\nPlots: file://`+regexp.QuoteMeta(data)+`/forecast\.html\n`,
		`\n\(nothing was forecast yet of a day that is over\)\n`,
	)
	html, err := os.ReadFile(filepath.Join(data, "forecast.html"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(html), "The shop") {
		t.Error("the page has no plot of the shop's next week")
	}

	uri := filepath.Join(data, "lake")
	origin := wantJoined(t, uri, days)
	wantForecast(t, uri, origin)
	before := predictions(t, uri, origin)

	models := len(fileNames(t, filepath.Join(uri, "models")))
	second := local()
	wantMatches(t, second, `\ngold: 1 business day to make, 1 of them changed, 63 stand as they should\n`, `\nForecast of the shop from `+origin.String()+`, by version `)
	if strings.Contains(second, "simulated history") {
		t.Errorf("the past is made again:\n%s", second)
	}
	if again := wantJoined(t, uri, days); again != origin {
		t.Errorf("the first day was %s and is %s", origin, again)
	}
	// Products that were seen since are there, too, and were never sold on a complete day.
	after := predictions(t, uri, origin)
	for key, row := range before {
		if diff := cmp.Diff(row, after[key]); diff != "" {
			t.Fatalf("the same complete days, another prediction (-first +second):\n%s", diff)
		}
	}
	for key, row := range after {
		if _, ok := before[key]; !ok && (row.Fallback != "no_history" || row.Mean != 0) {
			t.Errorf("a new prediction of a product without history: %+v", row)
		}
	}
	if versions := fileNames(t, filepath.Join(uri, "models")); len(versions) != models {
		t.Errorf("the model's files were %d and are %d: nothing new was to be learnt", models, len(versions))
	}
}

func wantMatches(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("expected %s in\n%s", p, text)
		}
	}
}

// wantJoined checks that so many days of history stand, without a gap up to the
// first day with events, which is open; it returns that day.
func wantJoined(t *testing.T, uri string, days int) (first civil.Date) {
	t.Helper()
	st, _ := ledgerOf(t, uri)
	standing, err := lake.ReadPublications(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	for date, p := range standing {
		if p.Counts.Events > 0 && (first == civil.Date{} || date.Before(first)) {
			first = date
		}
	}
	if standing[first].Complete {
		t.Errorf("%s, which the shop goes on with, is complete", first)
	}
	for back := 1; back <= days; back++ {
		date := first.AddDays(-back)
		p := standing[date]
		// On a closed day nothing is sold.
		if closed := p.Source == "events" && p.Tables["daily_sales"].Rows == 0; !p.Complete || (p.Source != "history" && !closed) {
			t.Errorf("%s: expected a complete day of the history, found %+v", date, p)
		}
	}
	if len(standing) != days+1 {
		t.Errorf("%d days stand, want %d", len(standing), days+1)
	}
	return first
}

// wantForecast checks a week's predictions: all products that were ever sold,
// whose means add up to the shop's.
func wantForecast(t *testing.T, uri string, origin civil.Date) {
	t.Helper()
	st, _ := ledgerOf(t, uri)
	sold := map[string]bool{}
	standing, err := lake.ReadPublications(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	for date := range standing {
		rows, err := lake.ReadAll[lake.DailySalesRow](t.Context(), st, lake.GoldName("daily_sales", date))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, r := range rows {
			sold[r.ProductID] = true
		}
	}
	if len(sold) < 100 {
		t.Fatalf("only %d products were sold", len(sold))
	}
	for ahead := range 7 {
		date := origin.AddDays(ahead)
		rows, err := lake.ReadAll[lake.DemandPredictionRow](t.Context(), st, lake.GoldName("demand_predictions", date))
		if err != nil {
			t.Fatal(err)
		}
		products, shop, predicted := map[string]float64{}, map[string]float64{}, map[string]bool{}
		for _, r := range rows {
			if r.Horizon != int64(ahead+1) {
				t.Errorf("%s: horizon %d", date, r.Horizon)
			}
			switch r.Level {
			case "product":
				products[r.Target] += r.Mean
				predicted[r.Series] = true
			case "shop":
				shop[r.Target] += r.Mean
			}
		}
		for _, target := range []string{"units", "revenue"} {
			if a, b := products[target], shop[target]; !(b > 0) || math.Abs(a-b) > 1e-6*b {
				t.Errorf("%s: the products' %s are %g, the shop's %g", date, target, a, b)
			}
		}
		for id := range sold {
			if !predicted[id] {
				t.Errorf("%s: %s is not predicted", date, id)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(uri, lake.GoldName("demand_predictions", origin.AddDays(7)))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is an eighth day: %v", err)
	}
}

// predictions are a week's rows of demand_predictions, by what they predict.
func predictions(t *testing.T, uri string, origin civil.Date) map[string]lake.DemandPredictionRow {
	t.Helper()
	st, _ := ledgerOf(t, uri)
	out := map[string]lake.DemandPredictionRow{}
	for ahead := range 7 {
		rows, err := lake.ReadAll[lake.DemandPredictionRow](t.Context(), st, lake.GoldName("demand_predictions", origin.AddDays(ahead)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			out[fmt.Sprint(r.Date, r.Level, r.Series, r.Target)] = r
		}
	}
	return out
}

func fileNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestNoForecastYet: a shop without complete days says so, and what to do.
func TestNoForecastYet(t *testing.T) {
	data := t.TempDir()
	r := must(t, "local", "--data="+data, "--history-days=0", "--rate=300", "--duration=3s", "--time-zone="+midday())
	wantMatches(t, r.stdout, `\nNo forecast yet: it takes 35 complete days, and there are [01]\. Let the shop go on, or give it a past with --history-days\.\n`)
	if strings.Contains(r.stdout, "simulated history") || r.stderr != "" {
		t.Errorf("expected no history:\n%s%s", r.stdout, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(data, "forecast.html")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a page without a forecast: %v", err)
	}
	r = must(t, "local", "--data="+data, "--history-days=0", "--forecast=false", "--rate=300", "--duration=3s", "--time-zone="+midday())
	if strings.Contains(r.stdout, "No forecast yet") {
		t.Errorf("it was told not to forecast:\n%s", r.stdout)
	}
}

// TestTooLittleToForecast: files of one event, of clicks alone and of sales that
// are too few end well, and say why there is no forecast.
func TestTooLittleToForecast(t *testing.T) {
	file := func(days, every int, kind string) string {
		var lines strings.Builder
		for i := 0; i < days; i += every {
			at := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, i).Format(time.RFC3339)
			fmt.Fprintf(&lines, `{"event_id":"00000000-0000-4000-8000-%012d","event_type":%q,"event_time":%q,"product_id":"P-1","session_id":"s-1","schema_version":1`, i, kind, at)
			if kind == "order_created" {
				fmt.Fprintf(&lines, `,"user_id":"u-1","order_id":"o-%d","line":1,"quantity":1,"unit_price":"5.00","currency":"EUR","category":"c"`, i)
			}
			lines.WriteString("}\n")
		}
		return writeFile(t, "events.jsonl", []byte(lines.String()))
	}
	for name, tc := range map[string]struct{ file, want string }{
		"one event":            {file(1, 1, "order_created"), `it takes 35 complete days, and there are 1\.`},
		"clicks of a few days": {file(4, 1, "product_viewed"), `it takes 35 complete days, and there are 4\.`},
		"clicks of many days":  {file(50, 1, "product_viewed"), `there are no sales before 2026-02-20: nothing can be forecast from them\.`},
		"few sales":            {file(181, 20, "order_created"), `no series has been sold for the 12 open days that ridge needs\.`},
	} {
		t.Run(name, func(t *testing.T) {
			r := must(t, "local", "--source="+tc.file, "--data="+t.TempDir())
			wantMatches(t, r.stdout, `\nNo forecast yet: `+tc.want+` Replay more files into the same folder, or import past daily sales with --history\.\n`, `\nRevenue: `)
		})
	}
}

// TestRetailForecast replays a real shop and wants the model to be better than
// seasonal naive on it. The file's last three months are left out: they are kept
// for the one test of the model of choice.
func TestRetailForecast(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	file, data := retailBefore(t, "2011-09-09"), t.TempDir()
	r := run(t, programWithin(t, 5*time.Minute, "local", "--source="+file, "--data="+data, "--country=GB"))
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit code %d: %s\n%s", r.code, r.stderr, r.stdout)
	}
	wantMatches(t, r.stdout, `\nBacktest: 4 forecasts of 7 days, up to 2011-09-08, `, `\nDifference -0\.\d{3} .*: better\.\n`,
		`\nForecast of the shop from 2011-09-09, by version \d{8}T\d{6}Z-[0-9a-f]{8} of demand\n`)
	m := regexp.MustCompile(`(?s)\n  recipe +(\d\.\d+).*\n  seasonal_naive +(\d\.\d+)`).FindStringSubmatch(r.stdout)
	if m == nil {
		t.Fatalf("no scores:\n%s", r.stdout)
	}
	recipe, errA := strconv.ParseFloat(m[1], 64)
	naive, errB := strconv.ParseFloat(m[2], 64)
	if errors.Join(errA, errB) != nil || !(recipe < naive-0.1) {
		t.Errorf("WAPE of the recipe is %s, of seasonal naive %s: expected it at least 0.1 below", m[1], m[2])
	}
	wantRetailWeek(t, filepath.Join(data, "lake"), civil.Date{Year: 2011, Month: 9, Day: 9})
}

// wantRetailWeek: six days on which the shop sells, and a closed Saturday.
func wantRetailWeek(t *testing.T, uri string, origin civil.Date) {
	t.Helper()
	st, _ := ledgerOf(t, uri)
	for ahead := range 7 {
		date := origin.AddDays(ahead)
		rows, err := lake.ReadAll[lake.DemandPredictionRow](t.Context(), st, lake.GoldName("demand_predictions", date))
		if err != nil {
			t.Fatal(err)
		}
		products, shop := 0.0, 0.0
		for _, r := range rows {
			switch {
			case r.Target != "units":
			case r.Level == "product":
				products += r.Mean
			case r.Level == "shop":
				shop += r.Mean
			}
		}
		if closed := date.Weekday() == time.Saturday; closed != (shop == 0) || math.Abs(products-shop) > 1e-6*shop {
			t.Errorf("%s, a %s: %g units of the products, %g of the shop", date, date.Weekday(), products, shop)
		}
	}
}

// retailBefore is a file of the lines of Online Retail before a day.
func retailBefore(t *testing.T, day string) string {
	t.Helper()
	dir := os.Getenv("SHOPSTREAM_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, "online_retail.csv.gz"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the data set is missing: %v", err)
		}
		t.Skipf("the data set is missing (set SHOPSTREAM_DATA): %v", err)
	}
	defer f.Close()
	in, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "retail.csv")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	const date = 4 // InvoiceDate
	lines, left := csv.NewReader(in), csv.NewWriter(out)
	for n := 0; ; n++ {
		line, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 || line[date] < day {
			if err := left.Write(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	left.Flush()
	if err := errors.Join(left.Error(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}
