package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// Source says where forecasts come from.
type Source struct {
	Lake     string            // URI
	Model    string            // name in the registry
	Currency string            // of revenue; "" is the one with the largest revenue
	Calendar forecast.Calendar // the shop's holidays
	Horizon  int               // days, from 1 to MaxHorizon
	MaxAge   int               // days after which a model is stale, and a simpler forecast stands in; 0 is never
}

// MaxHorizon is the longest forecast that is served, in days.
const MaxHorizon = 28

func (o Source) validate() error {
	switch {
	case o.Horizon < 1 || o.Horizon > MaxHorizon:
		return fmt.Errorf("the horizon is %d days: expected 1 to %d", o.Horizon, MaxHorizon)
	case o.MaxAge < 0:
		return fmt.Errorf("the highest age of a model is %d days: expected 0 (no limit) or more", o.MaxAge)
	}
	return nil
}

// watched are the prefixes in a lake of all that a snapshot is made of:
// publications of gold, the model, and stored forecasts, which results are of.
func (o Source) watched() []string {
	return []string{"ledger/gold", "models/" + o.Model + "/", predictionsPrefix}
}

const predictionsPrefix = "gold/demand_predictions/"

// key stands for what a snapshot would be made of now. It costs listings, and
// one read.
func (o Source) key(ctx context.Context, st lake.Store) (string, error) {
	if _, err := registry.Open(lake.Root(st)).Champion(ctx, o.Model); err != nil { // also for a name that cannot be one
		return "", err
	}
	h := xxhash.New()
	for _, prefix := range o.watched() {
		for info, err := range st.List(ctx, prefix) {
			if err != nil {
				return "", err
			}
			if _, err := fmt.Fprintf(h, "%s\x00%d\x00%d\n", info.Name, info.Size, info.Modified.UnixNano()); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("%s %016x", st.URI(), h.Sum64()), nil
}

// load makes a snapshot, without results, and returns the sales that it was made
// of. It takes seconds, and memory for the sales.
func (o Source) load(ctx context.Context, st lake.Store) (*snapshot, *forecast.Sales, error) {
	models := registry.Open(lake.Root(st))
	pointer, err := models.Champion(ctx, o.Model)
	if err != nil {
		return nil, nil, err
	}
	versions, err := models.List(ctx, o.Model)
	damaged := ""
	if errors.Is(err, registry.ErrCorrupt) { // it may be a version that nobody asks
		damaged, err = err.Error(), nil
	}
	if err != nil {
		return nil, nil, err
	}
	sales, err := forecast.ReadLakeSales(ctx, st, o.Currency)
	if err != nil {
		return nil, nil, err
	}
	catalogue, err := readCatalogue(ctx, st, sales.End-1)
	if err != nil {
		return nil, nil, err
	}
	panel, err := sales.Panel(forecast.Product, forecast.Units, o.Calendar)
	if err != nil {
		return nil, nil, err
	}
	s := &snapshot{
		model: o.Model, pointer: pointer, horizon: o.Horizon, origin: panel.End, currency: sales.Currency, timeZone: sales.TimeZone,
		split: split{pointer.Challenger, pointer.Share}, loaded: time.Now().UTC(), damaged: damaged,
	}
	for a, version := range []string{pointer.Champion, pointer.Challenger} {
		if version == "" {
			break
		}
		side, err := o.loadSide(ctx, models, version)
		if err != nil {
			return nil, nil, err
		}
		out, err := forecast.NewOutlook(ctx, sales, forecast.OutlookOptions{
			Calendar: o.Calendar, Horizon: o.Horizon, Model: side.model, Trained: side.trained, MaxAge: o.MaxAge, Catalogue: catalogue,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("forecast with version %s of model %q: %w", version, o.Model, err)
		}
		side.scale = out.UnitScale
		if pricer, ok := side.model.(forecast.Pricer); ok {
			if side.prices, err = pricer.Prices(ctx, panel, o.Horizon); err != nil {
				return nil, nil, fmt.Errorf("prepare prices with version %s of model %q: %w", version, o.Model, err)
			}
		}
		if err := s.add(arm(a), side, out); err != nil {
			return nil, nil, err
		}
	}
	return s, sales, s.finish(versions)
}

// loadSide reads a version of the model.
func (o Source) loadSide(ctx context.Context, models *registry.Registry, version string) (*side, error) {
	m, err := models.Get(ctx, o.Model, version)
	if err != nil {
		return nil, err
	}
	for _, check := range []struct{ what, found, expected string }{
		{"level", m.Level, string(forecast.Product)},
		{"target", m.Target, string(forecast.Units)},
	} {
		if check.found != "" && check.found != check.expected {
			return nil, fmt.Errorf("version %s of model %q has the %s %q: expected %s, from which the forecasts of categories, the shop and revenue are made: promote another version, or name another model",
				version, o.Model, check.what, check.found, check.expected)
		}
	}
	f, err := forecast.Load(func(name string) ([]byte, error) { return models.File(ctx, m, name) })
	if err != nil {
		return nil, fmt.Errorf("version %s of model %q: %w", version, o.Model, err)
	}
	s := &side{manifest: m, model: f}
	if m.DataTo != "" {
		last, err := forecast.ParseDay(m.DataTo)
		if err != nil {
			return nil, fmt.Errorf("version %s of model %q: data_to: %w", version, o.Model, err)
		}
		s.trained = last + 1
	} else {
		s.trained = forecast.Day(m.Created.Unix() / 86400) //nolint:gosec // until the year 5 million
	}
	return s, nil
}

// readCatalogue returns the categories of the products in the catalogue of a
// day, also of those that were never sold; nil without one.
func readCatalogue(ctx context.Context, st lake.Store, day forecast.Day) (map[string]string, error) {
	rows, err := lake.ReadGold[lake.CatalogueRow](ctx, st, "product_catalogue", day.Date())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(rows))
	for i := range rows {
		out[rows[i].ProductID] = rows[i].Category
	}
	return out, nil
}

// newestFirst orders versions, which begin with the time of their creation.
func newestFirst(versions []registry.Manifest) []registry.Manifest {
	out := slices.Clone(versions)
	slices.Reverse(out)
	return out
}
