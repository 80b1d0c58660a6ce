package serve

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// The lake of the tests: 20 products in 3 categories over 110 days, closed on
// Saturdays; models are trained on the first 80.
const (
	products = 20
	days     = 110
	trained  = 80
)

var firstSale = civil.Date{Year: 2026, Month: 1, Day: 1}

// shopLake is a lake, and what is in it.
type shopLake struct {
	uri      string
	st       lake.Store
	models   *registry.Registry
	champion string // promoted
	other    string // a second version
	tweedie  string // a third one, which cannot price
}

// rowsOf are the sales of a day.
func rowsOf(day int) []lake.DailySalesRow {
	date := firstSale.AddDays(day)
	if date.Weekday() == time.Saturday {
		return nil
	}
	random := rand.New(rand.NewPCG(7, uint64(day))) //nolint:gosec // a test
	var rows []lake.DailySalesRow
	for i := range products {
		if random.IntN(4) == 0 {
			continue
		}
		units := 1 + random.Int64N(int64(5+i))
		price := shop.Money((2 + i%5) * 1e6)
		if random.IntN(5) == 0 {
			price, units = price*8/10, 2*units
		}
		revenue := price * shop.Money(units)
		rows = append(rows, lake.DailySalesRow{
			Date: int32(forecast.DayOf(date)), ProductID: fmt.Sprintf("p%d", i), Category: fmt.Sprintf("c%d", i%3), Currency: "GBP",
			OrderLines: 1, Units: units, Revenue: revenue, NetRevenue: revenue, Complete: true, Source: "events",
		})
	}
	return rows
}

// addDay publishes a day of sales.
func addDay(ctx context.Context, st lake.Store, day int) error {
	date := firstSale.AddDays(day)
	data, err := lake.EncodeGold(nil, rowsOf(day))
	if err != nil {
		return err
	}
	name := lake.GoldName("daily_sales", date)
	if err := st.Put(ctx, name, data); err != nil {
		return err
	}
	return lake.PutPublication(ctx, st, lake.Publication{
		Date: date, Number: 1, TimeZone: "UTC", Complete: true, Source: "events", Tables: map[string]lake.PublishedFile{"daily_sales": {File: name, Rows: int64(len(rowsOf(day))), Bytes: int64(len(data)), Hash: lake.Hash(data)}},
	})
}

// quick does without waiting for the disk.
type quick struct{ lake.Store }

func (quick) Sync(context.Context) error { return nil }

// pristine is the lake that those of the tests are copies of.
var pristine = sync.OnceValues(func() (*shopLake, error) {
	folder, err := os.MkdirTemp("", "serve-test")
	if err != nil {
		return nil, err
	}
	pristineFolder = folder
	ctx := context.Background()
	opened, err := lake.OpenStore(ctx, folder)
	if err != nil {
		return nil, err
	}
	st := quick{opened}
	if err := lake.PutGoldSettings(ctx, st, lake.GoldSettings{TimeZone: "UTC"}); err != nil {
		return nil, err
	}
	for day := range days {
		if err := addDay(ctx, st, day); err != nil {
			return nil, err
		}
	}
	catalogue, err := lake.EncodeGold(nil, []lake.CatalogueRow{{ProductID: "p0", Category: "c0"}, {ProductID: "unsold/new", Category: "c1"}})
	if err != nil {
		return nil, err
	}
	if err := lake.PublishTable(ctx, st, "product_catalogue", firstSale.AddDays(days-1), catalogue, 2); err != nil {
		return nil, err
	}
	l := &shopLake{uri: folder, st: st, models: registry.Open(st)}
	if err := l.train(ctx); err != nil {
		return nil, err
	}
	return l, nil
})

var pristineFolder string

func TestMain(m *testing.M) {
	code := m.Run()
	if pristineFolder != "" {
		if err := os.RemoveAll(pristineFolder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// train puts three versions, and promotes the first.
func (l *shopLake) train(ctx context.Context) error {
	sales, err := forecast.ReadLakeSales(ctx, l.st, "")
	if err != nil {
		return err
	}
	panel, err := sales.Panel(forecast.Product, forecast.Units, forecast.Calendar{})
	if err != nil {
		return err
	}
	panel = panel.Before(forecast.DayOf(firstSale) + trained)
	spec, err := forecast.ParseSpec([]string{"lag(y,1)", "mean(y,12)", "weekday", "horizon", "price_change"})
	if err != nil {
		return err
	}
	small := forecast.TreeSize{Leaves: 5, Trees: 8, Rate: 0.3, ColumnShare: 1}
	tree := forecast.Trees{Features: spec, Horizon: 7, Small: small, Big: small, LevelShare: 0.95, Seed: 1}
	second := tree
	second.Seed, second.Small.Trees = 2, 3
	for i, v := range []struct {
		model   forecast.Model
		version *string
	}{{tree, &l.champion}, {second, &l.other}, {forecast.Tweedie{Features: spec, Horizon: 7, Seed: 1}, &l.tweedie}} {
		fit, err := v.model.Fit(ctx, panel)
		if err != nil {
			return err
		}
		files, err := forecast.Save(fit)
		if err != nil {
			return err
		}
		if *v.version, err = l.models.Put(ctx, registry.Manifest{
			Name: "demand", Kind: v.model.Name(), Level: "product", Target: "units", Features: spec.Strings(), Seed: uint64(i),
			DataFrom: firstSale.String(), DataTo: firstSale.AddDays(trained - 1).String(), Metrics: map[string]float64{"wape": 0.8},
			Created: time.Date(2026, 4, 1, i, 0, 0, 0, time.UTC),
		}, files); err != nil {
			return err
		}
	}
	_, err = l.models.Promote(ctx, "demand", l.champion, "the first")
	return err
}

// commonLake returns the lake of all tests that change nothing in it.
func commonLake(t testing.TB) *shopLake {
	t.Helper()
	l, err := pristine()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newLake returns a lake of the test's own.
func newLake(t testing.TB) *shopLake {
	t.Helper()
	from := commonLake(t)
	l := *from
	l.uri = filepath.Join(t.TempDir(), "lake")
	if err := os.CopyFS(l.uri, os.DirFS(from.uri)); err != nil {
		t.Fatal(err)
	}
	st, err := lake.OpenStore(t.Context(), l.uri)
	if err != nil {
		t.Fatal(err)
	}
	l.st = quick{st}
	l.models = registry.Open(l.st)
	return &l
}

// challenge lets a version answer a share.
func (l *shopLake) challenge(t testing.TB, version string, share float64) {
	t.Helper()
	if _, err := l.models.SetChallenger(t.Context(), "demand", version, share, "test"); err != nil {
		t.Fatal(err)
	}
}

// began moves all changes of the champion to a day of the sales.
func (l *shopLake) began(t testing.TB, day int) {
	t.Helper()
	p, err := l.models.Champion(t.Context(), "demand")
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("models/demand/pointer/%06d.json", p.Number)
	text, err := l.st.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	// A pointer of an older program, which has no checksum.
	text = regexp.MustCompile(`"format": 2,\s*"sum": "[^"]*"`).ReplaceAll(text, []byte(`"format": 1`))
	text = regexp.MustCompile(`"changed": "[^"]*"`).ReplaceAll(text, []byte(`"changed": "`+firstSale.AddDays(day).String()+`T09:00:00Z"`))
	if err := l.st.Put(t.Context(), name, text); err != nil {
		t.Fatal(err)
	}
}

// options are those of a server of the lake.
func (l *shopLake) options(t testing.TB) Options {
	o := DefaultOptions()
	o.Source = Source{Lake: l.uri, Model: "demand", Horizon: 7}
	o.Log = slog.New(slog.NewTextHandler(&lines{}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.AccessLog = false
	return o
}

// server is a server of the lake.
func (l *shopLake) server(t testing.TB, change ...func(*Options)) *Server {
	t.Helper()
	o := l.options(t)
	for _, c := range change {
		c(&o)
	}
	s, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if w := get(t, s.Handler(), "/v1/experiment/results", "Authorization", "Bearer "+secret); w.Code == http.StatusOK || w.Header().Get("Retry-After") == "" {
		t.Errorf("results before they are made: status %d", w.Code)
	}
	if changed, err := s.Reload(t.Context()); changed || err != nil {
		t.Fatal(changed, err)
	}
	return s
}

// lines gathers what is logged.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(p))
	return len(p), nil
}

// has reports whether a line holds all of the texts.
func (l *lines) has(texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.text, func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
}
