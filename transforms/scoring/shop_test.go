package scoring

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/direct"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/prism"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))) // runners tell every graph
	var err error
	if folder, err = os.MkdirTemp("", "scoring"); err != nil {
		slog.Error("no folder for the lake", "error", err)
		os.Exit(1)
	}
	code := prism.Tests(m)
	os.RemoveAll(folder) //nolint:errcheck,gosec // a temporary folder
	os.Exit(code)
}

// folder is for the lake that tests share.
var folder string

// randomShop is a shop of n products over days, closed on Sundays, with products
// of very different size, equal ones, and ones that are hardly known.
func randomShop(seed uint64, n, days int) (*forecast.Panel, error) {
	random := rand.New(rand.NewPCG(seed, 1))
	start := forecast.Day(18262) // 2020-01-01
	var sales []forecast.Sale
	for i := range n {
		first := 0
		switch i % 10 {
		case 3, 5:
			first = random.IntN(days)
		case 7:
			first = days - 1 - random.IntN(12)
		}
		share, size, price := 0.4+0.6*random.Float64(), math.Exp(3*random.Float64()), 1+random.Float64()*10
		for d := first; d < days; d++ {
			day := start + forecast.Day(d)
			if day.Weekday() == 0 || random.Float64() > share && d > first {
				continue
			}
			units := 1.0
			if i%10 != 9 { // those are of equal sums, often
				units = math.Ceil(random.ExpFloat64() * size * (1 + 0.3*float64(day.Weekday())))
			} else if d%20 != 0 {
				continue
			}
			sales = append(sales, forecast.Sale{
				Day: day, Product: fmt.Sprintf("p%04d", (i*7919)%n), Category: fmt.Sprint("c", i%3), Units: units, Paid: units,
				Revenue: units * price * (1 - 0.2*float64(random.IntN(2))), Orders: math.Ceil(units / 5),
			})
		}
	}
	calendar, err := forecast.NewCalendar("GB", []forecast.Day{start + forecast.Day(days) + 2})
	if err != nil {
		return nil, err
	}
	return forecast.NewPanel(sales, forecast.PanelOptions{Level: forecast.Product, Target: forecast.Units, Calendar: calendar, End: start + forecast.Day(days)})
}

// quick is the recipe with fewer and smaller trees.
func quick() forecast.Trees {
	m := forecast.Recipe()
	m.TrainSeries, m.TrainDays = 0, 30
	m.Small.Trees, m.Small.Rate = 20, 0.2
	m.Big.Trees, m.Big.Leaves, m.Big.Rate = 10, 15, 0.3
	if testing.Short() {
		m.Small.Trees, m.Big.Trees = 10, 4
	}
	return m
}

const modelName = "demand"

// fixture is a shop, a model of it in a lake, and its forecast in one process.
type fixture struct {
	panel   *forecast.Panel
	options Options
	fit     forecast.Forecaster
	want    *forecast.Forecast
}

const (
	shopSeries = 1500
	shopDays   = 200
)

var theShop = sync.OnceValues(func() (*fixture, error) {
	p, err := randomShop(1, shopSeries, shopDays)
	if err != nil {
		return nil, err
	}
	return newFixture(context.Background(), folder, p, quick())
})

func testShop(t testing.TB) *fixture {
	t.Helper()
	f, err := theShop()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newFixture(ctx context.Context, dir string, p *forecast.Panel, m forecast.Trees) (*fixture, error) {
	f := &fixture{panel: p, options: Options{Lake: dir, Model: modelName, Horizon: 7, Axis: AxisOf(p), Shards: 8}}
	st, err := lake.OpenStore(ctx, dir)
	if err != nil {
		return nil, err
	}
	if f.fit, err = m.Fit(ctx, p.Before(p.End-20)); err != nil {
		return nil, err
	}
	files, err := forecast.Save(f.fit)
	if err != nil {
		return nil, err
	}
	if f.options.Version, err = registry.Open(st).Put(ctx, registry.Manifest{Name: modelName, Kind: "recipe"}, files); err != nil {
		return nil, err
	}
	if err := st.Close(); err != nil {
		return nil, err
	}
	f.want, err = f.fit.Forecast(ctx, p, f.options.Horizon)
	return f, err
}
