package pipelines

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse/bigquery"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
	"example.com/shopstream/ml/serve"
	"example.com/shopstream/sql/tables"
)

// campaignReaders are the programs, by what they call.
func campaignReaders(cluster kafkaio.Cluster) []reads {
	one := func(ask func(t testing.TB, dir string) (string, error)) func(testing.TB, string) map[string]said {
		return func(t testing.TB, dir string) map[string]said {
			answer, err := ask(t, dir)
			return map[string]said{"": {answer, err}}
		}
	}
	return []reads{
		{name: "sql", ask: askTables},
		{name: "predict", ask: one(askPredict)},
		{name: "serve", ask: one(askServe)},
		{name: "warehouse", ask: one(askWarehouse)},
		{name: "train", ask: one(askTrain), writes: true, long: true},
		{name: "gold", ask: afterGold(func(*GoldOptions) {}), writes: true, long: true},
		{name: "gold --rebuild", ask: afterGold(func(o *GoldOptions) { o.Rebuild = true }), writes: true, long: true},
		{name: "streaming", ask: one(askContinue(cluster)), writes: true, long: true},
		{name: "rebuild", ask: one(askRebuild(cluster)), writes: true, long: true},
	}
}

// askTables asks DuckDB for every table.
func askTables(t testing.TB, dir string) map[string]said {
	out := map[string]said{}
	d, err := duck.Open(t.Context(), dir, duck.Options{Threads: 1})
	if err != nil {
		return map[string]said{"open": {err: err}}
	}
	defer d.Close()
	for _, table := range tables.All() {
		rows, err := d.Query(t.Context(), "SELECT * FROM "+table.Name, nil)
		if err != nil {
			out[table.Name] = said{err: err}
			continue
		}
		var lines []string
		for _, r := range rows.Rows {
			lines = append(lines, fmt.Sprint(r...))
		}
		slices.Sort(lines)
		out[table.Name] = said{answer: strings.Join(lines, "\n")}
	}
	return out
}

func askPredict(t testing.TB, dir string) (string, error) {
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		return "", err
	}
	made, err := demand.Predict(t.Context(), demand.PredictOptions{Store: st, Horizon: 7, DryRun: true})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintln(&b, made.Origin, made.Versions, made.Currency)
	for _, v := range made.Versions {
		for _, l := range made.Outlooks[v].Lines {
			fmt.Fprintln(&b, l)
		}
	}
	return b.String(), nil
}

func askServe(t testing.TB, dir string) (string, error) {
	o := serve.DefaultOptions()
	o.Source = serve.Source{Lake: dir, Model: demand.ModelName, Horizon: 7, Calendar: mustCalendar(t)}
	o.Log, o.AccessLog = slog.New(slog.NewTextHandler(io.Discard, nil)), false
	s, err := serve.New(t.Context(), o)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, at := range []string{"/v1/predictions?level=shop", "/v1/predictions/product/p1", "/v1/models/champion"} {
		w := httptest.NewRecorder()
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		q.Host = "localhost"
		s.Handler().ServeHTTP(w, q)
		if w.Code >= 500 {
			return "", fmt.Errorf("%s: %d %s", at, w.Code, w.Body)
		}
		fmt.Fprintln(&b, at, w.Code, w.Body)
	}
	return b.String(), nil
}

func mustCalendar(t testing.TB) forecast.Calendar {
	c, err := forecast.NewCalendar("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// askWarehouse says what would be loaded into BigQuery, with the content of the files.
func askWarehouse(t testing.TB, dir string) (string, error) {
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		return "", err
	}
	gold, err := bigquery.GoldContent(t.Context(), st, "demand_predictions")
	if err != nil {
		return "", err
	}
	metrics, err := bigquery.MetricsContent(t.Context(), st, "metrics_5m")
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(fmt.Sprint(gold, metrics), dir, "LAKE"), nil
}

func askTrain(t testing.TB, dir string) (string, error) {
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		return "", err
	}
	if err := campaignTrain(t.Context(), st, 3, demand.Always); err != nil {
		return "", err
	}
	reg := registry.Open(st)
	p, err := reg.Champion(t.Context(), demand.ModelName)
	if err != nil {
		return "", err
	}
	m, err := reg.Get(t.Context(), demand.ModelName, p.Champion)
	return fmt.Sprint(p.Number, len(p.Earlier), m.DataFingerprint, m.DataFrom, m.DataTo), err
}

// afterGold asks for gold's tables after a run of gold.
func afterGold(change func(*GoldOptions)) func(testing.TB, string) map[string]said {
	return func(t testing.TB, dir string) map[string]said {
		o := campaignGold(dir)
		change(&o)
		view := NewGoldView(io.Discard, false)
		report, err := o.RunGold(t.Context(), Direct, view)
		view.Stop()
		if err == nil && len(report.Failed) > 0 {
			err = fmt.Errorf("a rule stopped %v: %v", report.Failed, report.Checks)
		}
		if err != nil {
			return map[string]said{"gold": {err: err}}
		}
		return askTables(t, dir)
	}
}

// askContinue goes on with the lake, whose topic has no more, and says what its ledger
// has then.
func askContinue(cluster kafkaio.Cluster) func(testing.TB, string) (string, error) {
	return func(t testing.TB, dir string) (string, error) {
		o := campaignOptions(cluster, dir)
		if err := o.For(Prism); err != nil {
			return "", err
		}
		if err := o.Resume(t.Context()); err != nil {
			return "", err
		}
		if _, _, err := o.Run(t.Context(), Prism); err != nil {
			return "", err
		}
		return filesOfLedger(t, dir)
	}
}

// askRebuild makes the lake again from bronze.
func askRebuild(cluster kafkaio.Cluster) func(testing.TB, string) (string, error) {
	return func(t testing.TB, dir string) (string, error) {
		if _, err := (RebuildOptions{Lake: dir, Cluster: cluster}).RunRebuild(t.Context(), Direct, nil); err != nil {
			return "", err
		}
		found, err := verified(t.Context(), dir)
		if err != nil {
			return "", err
		}
		for _, f := range faults(found) {
			if !strings.HasPrefix(f.Object, "models/") { // which a rebuild does not touch
				return "", fmt.Errorf("the lake that was made is %v", f)
			}
		}
		return filesOfLedger(t, dir)
	}
}

// filesOfLedger is what readers see of a lake: its totals and the files that were written.
func filesOfLedger(t testing.TB, dir string) (string, error) {
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		return "", err
	}
	l, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintln(&b, l.Closed != nil, lake.Total(l.Visible()))
	for _, r := range l.Visible() {
		fmt.Fprintln(&b, r.Window, r.Files) // the same rows, compacted or not
	}
	for _, r := range l.VisibleMetrics() {
		fmt.Fprintln(&b, r)
	}
	return b.String(), nil
}
