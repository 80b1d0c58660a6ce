package demand

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
	"example.com/shopstream/ml/score"
)

const firstDay = forecast.Day(20000)

// fill writes complete days of gold: products that sell more at weekends, and
// one that is only in the catalogue.
func fill(t *testing.T, st lake.Store, from, to int) {
	t.Helper()
	if err := lake.PutGoldSettings(t.Context(), st, lake.GoldSettings{TimeZone: "UTC"}); err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		day := firstDay + forecast.Day(i)             //nolint:gosec // few days
		random := rand.New(rand.NewPCG(7, uint64(i))) //nolint:gosec // a test
		var rows []lake.DailySalesRow
		for p := range 15 {
			weekend := 1.0
			if day.Weekday() == 0 || day.Weekday() == 6 {
				weekend = 3
			}
			units := int64(random.ExpFloat64() * 3 * float64(p+1) * weekend)
			if units == 0 {
				continue
			}
			orders := units/2 + 1
			revenue := shop.Money(units) * shop.Money(p+1) * 1_000_000
			rows = append(rows, lake.DailySalesRow{
				Date: int32(day), ProductID: fmt.Sprintf("p%02d", p), Category: fmt.Sprintf("c%d", p%3), Currency: "EUR",
				OrderLines: orders, Orders: &orders, Units: units, Revenue: revenue, NetRevenue: revenue, Complete: true, Source: "events",
			})
		}
		p := lake.Publication{Date: day.Date(), Complete: true, TimeZone: "UTC", Source: "events", Tables: map[string]lake.PublishedFile{}}
		put(t, st, p, dailySales, rows)
		put(t, st, p, "product_catalogue", []lake.CatalogueRow{{Date: int32(day), ProductID: "never", Category: "c1", Source: "events"}})
		if err := lake.PutPublication(t.Context(), st, p); err != nil {
			t.Fatal(err)
		}
	}
}

const dailySales = "daily_sales"

func put[T lake.GoldRow](t *testing.T, st lake.Store, p lake.Publication, table string, rows []T) {
	t.Helper()
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	name := lake.GoldName(table, p.Date)
	if err := st.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
	p.Tables[table] = lake.PublishedFile{File: name, Rows: int64(len(rows)), Bytes: int64(len(data)), Hash: lake.Hash(data)}
}

func open(t *testing.T) lake.Store {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// small is a recipe that fits quickly.
func small() forecast.Trees {
	r := forecast.Recipe()
	r.Small, r.Big = forecast.TreeSize{Leaves: 4, Trees: 20, Rate: 0.2, ColumnShare: 0.5}, forecast.TreeSize{Leaves: 8, Trees: 10, Rate: 0.2, ColumnShare: 0.5}
	return r
}

func options(st lake.Store) TrainOptions {
	return TrainOptions{Store: st, Recipe: small(), Count: 3, Promote: IfBetter, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// TestTrainAndPredict goes through a registry's life: a first champion, the same
// method on newer data, another one that is no better, and predictions by each.
func TestTrainAndPredict(t *testing.T) {
	st := open(t)
	fill(t, st, 0, 150)
	predict := func() *Predicted {
		t.Helper()
		p, err := Predict(t.Context(), PredictOptions{Store: st, Horizon: 7, MaxAge: 30})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := predict()
	if before.Versions[0] != NoVersion || before.Fallbacks[forecast.NoModel] != 15*7*2 || before.Fallbacks[forecast.NoHistory] != 7*2 {
		t.Errorf("without a model: %+v", before)
	}

	first, err := Train(t.Context(), options(st))
	if err != nil {
		t.Fatal(err)
	}
	if !first.Promoted || first.Manifest.DataTo != (firstDay+149).String() || first.Manifest.Metrics["wape"] <= 0 || len(first.Manifest.Baselines) < 4 || len(first.Manifest.Origins) != 3 {
		t.Errorf("the first version: %+v", first)
	}
	reg := registry.Open(st)
	if _, err := reg.Verify(t.Context(), ModelName, first.Manifest.Version); err != nil {
		t.Error(err)
	}
	page, err := reg.File(t.Context(), first.Manifest, reportFile)
	if err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Errorf("the report: %v", err)
	}

	predicted := predict()
	if predicted.Versions[0] != first.Manifest.Version || predicted.Fallbacks[forecast.NoModel] != 0 || predicted.Rows != (15+1+3+1)*2*7 {
		t.Errorf("with a champion: %+v", predicted)
	}
	rows := predictions(t, st, predicted.Origin)
	files := bytesOf(t, st)
	predict()
	if diff := cmp.Diff(files, bytesOf(t, st)); diff != "" {
		t.Errorf("predicted again, files differ: %s", diff)
	}
	versions := map[string]int{}
	for _, r := range rows {
		versions[r.ModelVersion]++
	}
	if versions[NoVersion] != 40 || versions[first.Manifest.Version] != 40 {
		t.Errorf("rows of the origin by version: %v", versions)
	}

	fill(t, st, 150, 160)
	o := options(st)
	o.Now = o.Now.Add(time.Hour)
	second, err := Train(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Promoted || !strings.Contains(second.Reason, "newer data") || second.Manifest.DataFingerprint == first.Manifest.DataFingerprint {
		t.Errorf("the same method on newer data: %v, %s", second.Promoted, second.Reason)
	}
	o.Now = o.Now.Add(time.Hour)
	o.Recipe.Seed = 99
	third, err := Train(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if third.Promoted || !strings.Contains(third.Reason, "beyond noise") {
		t.Errorf("another seed is no better: %v, %s", third.Promoted, third.Reason)
	}
	if third.Manifest.Baselines[rivalName]["wape"] <= 0 {
		t.Errorf("the champion is not in the backtest: %v", third.Manifest.Baselines)
	}
	if _, err := reg.SetChallenger(t.Context(), ModelName, third.Manifest.Version, 0.3, "a test"); err != nil {
		t.Fatal(err)
	}
	if both := predict(); len(both.Versions) != 2 || both.Versions[0] != second.Manifest.Version || both.Versions[1] != third.Manifest.Version {
		t.Errorf("with a challenger: %v", both.Versions)
	}
	if p := predictions(t, st, predicted.Origin); len(p) != len(rows) {
		t.Errorf("a later origin changed the rows of the first: %d of %d", len(p), len(rows))
	}
}

// TestSameModelAgain: equal data, options and time are an equal version.
func TestSameModelAgain(t *testing.T) {
	var manifests []registry.Manifest
	for range 2 {
		st := open(t)
		fill(t, st, 0, 120)
		trained, err := Train(t.Context(), options(st))
		if err != nil {
			t.Fatal(err)
		}
		trained.Manifest.Seconds, trained.Manifest.Version = 0, ""
		manifests = append(manifests, trained.Manifest)
	}
	if diff := cmp.Diff(manifests[0], manifests[1]); diff != "" {
		t.Error(diff)
	}
}

// TestImport takes a model that was trained elsewhere, serves it, and refuses one
// that does not fit its features.
func TestImport(t *testing.T) {
	st := open(t)
	fill(t, st, 0, 120)
	first, err := Train(t.Context(), options(st))
	if err != nil {
		t.Fatal(err)
	}
	model, err := registry.Open(st).File(t.Context(), first.Manifest, "quantile-0.6-small.json")
	if err != nil {
		t.Fatal(err)
	}
	o := options(st)
	o.Now, o.Promote = o.Now.Add(time.Hour), Always
	o.External = &External{Model: model, Features: o.Recipe.Features, Last: firstDay + 119}
	imported, err := Train(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if imported.Manifest.Kind != "xgboost" || !imported.Promoted {
		t.Errorf("imported: %+v", imported.Manifest)
	}
	p, err := Predict(t.Context(), PredictOptions{Store: st, Horizon: 7})
	if err != nil || p.Versions[0] != imported.Manifest.Version {
		t.Errorf("predicted by %v: %v", p, err)
	}
	o.Now, o.External = o.Now.Add(time.Hour), nil // against a champion that cannot be fitted again
	o.Promote = IfBetter
	if _, err := Train(t.Context(), o); err != nil {
		t.Error(err)
	}
	o.External = &External{Model: model, Features: o.Recipe.Features[:5], Last: firstDay + 119}
	if _, err := Train(t.Context(), o); err == nil || !strings.Contains(err.Error(), "features") {
		t.Errorf("a model of %d features is taken for one of 5: %v", len(o.Recipe.Features), err)
	}
	o.External = &External{Model: []byte("{}"), Features: o.Recipe.Features}
	if _, err := Train(t.Context(), o); err == nil {
		t.Error("an empty model is taken")
	}
}

// TestDamagedModel: predict names the version and the file.
func TestDamagedModel(t *testing.T) {
	st := open(t)
	fill(t, st, 0, 120)
	trained, err := Train(t.Context(), options(st))
	if err != nil {
		t.Fatal(err)
	}
	name := "models/" + ModelName + "/" + trained.Manifest.Version + "/quantile-0.1-small.json"
	if err := st.Put(t.Context(), name, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := Predict(t.Context(), PredictOptions{Store: st, Horizon: 7}); err == nil || !strings.Contains(err.Error(), "quantile-0.1-small.json") {
		t.Errorf("the error is %v", err)
	}
}

func TestNothingToLearnFrom(t *testing.T) {
	st := open(t)
	if _, err := Train(t.Context(), options(st)); err == nil || !strings.Contains(err.Error(), "gold") {
		t.Errorf("an empty lake: %v", err)
	}
	fill(t, st, 0, 30)
	if _, err := Train(t.Context(), options(st)); err == nil || !strings.Contains(err.Error(), "days") {
		t.Errorf("30 days: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fill(t, st, 30, 120)
	if _, err := Train(ctx, options(st)); err == nil {
		t.Error("a cancelled context trains")
	}
}

// TestExport holds the exported forecasts to the metrics beside them.
func TestExport(t *testing.T) {
	st := open(t)
	fill(t, st, 0, 100)
	b, err := Backtest(t.Context(), BacktestOptions{Source: Source{Store: st}, Level: forecast.Product, Target: forecast.Units, Horizon: 7, Count: 2, Models: []string{"tsb", "seasonal_naive"}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := b.Export(dir); err != nil {
		t.Fatal(err)
	}
	series := table(t, filepath.Join(dir, "series.csv"))
	actual := map[string]float64{}
	for _, r := range series[1:] {
		actual[r[0]+r[1]] = parse(t, r[2])
	}
	var wrong, total float64
	for _, r := range table(t, filepath.Join(dir, "forecasts.csv"))[1:] {
		if r[0] == "tsb" {
			wrong += math.Abs(actual[r[2]+r[3]] - parse(t, r[4]))
			total += actual[r[2]+r[3]]
		}
	}
	about, err := os.ReadFile(filepath.Join(dir, "origins.json"))
	if err != nil || bytes.Contains(about, []byte("null")) {
		t.Errorf("a list without a member is not []: %s, %v", about, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "metrics.json"))
	if err != nil {
		t.Fatal(err)
	}
	var metrics map[string]score.Metrics
	if err := json.Unmarshal(text, &metrics); err != nil {
		t.Fatal(err)
	}
	if got := metrics["tsb"].WAPE; math.Abs(got-wrong/total) > 1e-12 {
		t.Errorf("the WAPE is %v, from the files %v", got, wrong/total)
	}
}

func table(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func parse(t *testing.T, text string) float64 {
	t.Helper()
	var v float64
	if _, err := fmt.Sscan(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func predictions(t *testing.T, st lake.Store, day forecast.Day) []lake.DemandPredictionRow {
	t.Helper()
	rows, err := lake.ReadAll[lake.DemandPredictionRow](t.Context(), st, lake.GoldName(predictionsTable, day.Date()))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// bytesOf returns all predictions' files.
func bytesOf(t *testing.T, st lake.Store) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for info, err := range st.List(t.Context(), "gold/"+predictionsTable+"/") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := st.Get(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		files[info.Name] = data
	}
	return files
}

func TestWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report")
	for _, text := range []string{"one", "two"} {
		if err := WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("it holds %q: %v", got, err)
		}
	}
	if err := WriteFile(os.DevNull, []byte("one")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s was replaced: %v", os.DevNull, info.Mode())
	}
	if err := WriteFile(filepath.Join(t.TempDir(), "no", "folder"), nil); err == nil {
		t.Error("there is no such folder, and no error")
	}
}

func TestParseOrigins(t *testing.T) {
	for text, want := range map[string]string{"4": "4 []", "2026-03-01": "0 [2026-03-01]", "2026-03-01, 2026-03-08": "0 [2026-03-01 2026-03-08]"} {
		n, days, err := ParseOrigins(text)
		if got := fmt.Sprint(n, " ", days); err != nil || got != want {
			t.Errorf("%q is read as %s: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "1001", "x", "2026-03-01,", "2026-02-30"} {
		if n, days, err := ParseOrigins(text); err == nil {
			t.Errorf("%q is read as %d %v", text, n, days)
		}
	}
}
