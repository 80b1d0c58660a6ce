package demand

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// PredictOptions say what to predict.
type PredictOptions struct {
	Store   lake.Store // the lake
	Source  Source     // its Store and URI are not used
	Name    string     // of the model; ModelName if empty
	Version string     // "" is the champion, and, if there is one, the challenger
	Horizon int        // days
	MaxAge  int        // days from the model's last day to the origin after which it is stale; 0 is never
	DryRun  bool       // write nothing
}

// Predicted is what Predict did.
type Predicted struct {
	Origin    forecast.Day                 `json:"origin"`
	Horizon   int                          `json:"horizon"`
	Currency  string                       `json:"currency,omitempty"` // of revenue
	Model     string                       `json:"model"`
	Versions  []string                     `json:"versions"` // the champion's first
	Rows      int                          `json:"rows"`     // written, of all versions
	Fallbacks map[forecast.Fallback]int    `json:"fallbacks"`
	Outlooks  map[string]*forecast.Outlook `json:"-"` // by version
}

// NoVersion is the model_version of predictions that were made without a model.
const NoVersion = "none"

const predictionsTable = "demand_predictions"

// MaxHorizon is the longest horizon that can be predicted, in days.
const MaxHorizon = 28

// Predict forecasts the days after the last complete one for every product that
// was ordered or is in the catalogue, every category and the shop, and writes them
// to demand_predictions. The rows of the same origin, model and version are
// replaced; those of others stay. Equal data and versions make equal files.
// With an error beside a result, the champion's rows are written.
func Predict(ctx context.Context, o PredictOptions) (*Predicted, error) {
	name := cmp.Or(o.Name, ModelName)
	if o.Horizon < 1 || o.Horizon > MaxHorizon {
		return nil, NewUsage(fmt.Errorf("the horizon is %d days: expected 1 to %d", o.Horizon, MaxHorizon))
	}
	o.Source.Store = o.Store
	d, err := o.Source.read(ctx)
	if err != nil {
		return nil, err
	}
	catalogue, err := readCatalogue(ctx, o.Store)
	if err != nil {
		return nil, err
	}
	versions, unusable, err := o.versions(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &Predicted{Horizon: o.Horizon, Currency: d.sales.Currency, Model: name, Fallbacks: map[forecast.Fallback]int{}, Outlooks: map[string]*forecast.Outlook{}}
	var rows []lake.DemandPredictionRow
	for _, v := range versions {
		outlook, err := forecast.NewOutlook(ctx, d.sales, forecast.OutlookOptions{
			Calendar: d.calendar, Horizon: o.Horizon, Model: v.model, Trained: v.trained, MaxAge: o.MaxAge, Catalogue: catalogue,
		})
		if err != nil {
			return nil, err
		}
		out.Origin, out.Versions, out.Outlooks[v.version] = outlook.Origin, append(out.Versions, v.version), outlook
		for _, l := range outlook.Lines {
			if l.Fallback != "" {
				out.Fallbacks[l.Fallback]++
			}
			rows = append(rows, row(outlook, l, name, v.version))
		}
	}
	out.Rows = len(rows)
	if o.DryRun {
		return out, unusable
	}
	return out, errors.Join(write(ctx, o.Store, rows), unusable)
}

// version is a model that predicts.
type version struct {
	version string
	model   forecast.Forecaster
	trained forecast.Day
}

// versions are the one that was asked for, or champion and challenger; without
// a champion the fallback stands in. A challenger that cannot be read does not
// stop the champion: unusable says why.
func (o PredictOptions) versions(ctx context.Context, name string) (out []version, unusable, err error) {
	reg := registry.Open(lake.Root(o.Store))
	wanted := []string{o.Version}
	if o.Version == "" {
		p, err := reg.Champion(ctx, name)
		switch {
		case errors.Is(err, registry.ErrNoChampion):
			return []version{{version: NoVersion}}, nil, nil
		case err != nil:
			return nil, nil, err
		}
		wanted = []string{p.Champion}
		if p.Challenger != "" {
			wanted = append(wanted, p.Challenger)
		}
	}
	for i, w := range wanted {
		v, err := load(ctx, reg, name, w)
		switch {
		case err == nil:
			out = append(out, v)
		case i == 0 || ctx.Err() != nil:
			return nil, nil, err
		default:
			unusable = fmt.Errorf("the challenger predicts nothing: %w", err)
		}
	}
	return out, unusable, nil
}

func load(ctx context.Context, reg *registry.Registry, name, wanted string) (version, error) {
	m, err := Resolve(ctx, reg, name, wanted)
	if err != nil {
		return version{}, err
	}
	v := version{version: m.Version}
	if v.model, err = Load(ctx, reg, m); err != nil {
		return v, err
	}
	last, err := forecast.ParseDay(m.DataTo)
	if err != nil {
		return v, fmt.Errorf("the manifest of version %s: data_to: %w", m.Version, err)
	}
	v.trained = last + 1
	return v, nil
}

// readCatalogue returns the category of each product in gold's newest catalogue.
func readCatalogue(ctx context.Context, st lake.Store) (map[string]string, error) {
	const table = "product_catalogue"
	publications, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return nil, err
	}
	var newest civil.Date
	for date, p := range publications {
		if _, ok := p.Tables[table]; ok && date.After(newest) {
			newest = date
		}
	}
	if newest == (civil.Date{}) {
		return nil, nil
	}
	rows, err := lake.ReadGold[lake.CatalogueRow](ctx, st, table, newest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	catalogue := map[string]string{}
	for _, r := range rows {
		catalogue[r.ProductID] = r.Category
	}
	return catalogue, err
}

// row is a line in the table's form.
func row(o *forecast.Outlook, l forecast.Line, model, version string) lake.DemandPredictionRow {
	r := lake.DemandPredictionRow{
		Date: int32(l.Day), Origin: int32(o.Origin), Horizon: int64(l.Horizon), Level: string(l.Level), Series: l.Series, Category: l.Category,
		Target: string(l.Target), Model: model, ModelVersion: version, Point: l.Point, Mean: l.Mean,
		Lower80: known(l.Lower80), Upper80: known(l.Upper80), Lower95: known(l.Lower95), Upper95: known(l.Upper95), Fallback: string(l.Fallback),
	}
	if l.Target == forecast.Revenue {
		r.Currency = o.Currency
	}
	if l.Level == forecast.Shop {
		r.Category = ""
	}
	return r
}

// known is nil for NaN.
func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

// write replaces the rows in the partitions of their dates.
func write(ctx context.Context, st lake.Store, rows []lake.DemandPredictionRow) (err error) {
	lease, err := lake.LockGold(ctx, st)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	ctx, cancel := lease.Bind(ctx)
	defer cancel()
	type made struct {
		origin         int32
		model, version string
	}
	byDate, fresh := map[int32][]lake.DemandPredictionRow{}, map[made]bool{}
	for _, r := range rows {
		byDate[r.Date] = append(byDate[r.Date], r)
		fresh[made{r.Origin, r.Model, r.ModelVersion}] = true
	}
	if _, err := lake.RenameGold(ctx, st); err != nil {
		return err
	}
	// An earlier run may have predicted more days.
	for date := rows[0].Origin; date < rows[0].Origin+MaxHorizon; date++ {
		next := byDate[date]
		day := forecast.Day(date).Date()
		standing, err := lake.ReadGold[lake.DemandPredictionRow](ctx, st, predictionsTable, day)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		replaced := len(next) > 0
		for _, r := range standing {
			if fresh[made{r.Origin, r.Model, r.ModelVersion}] {
				replaced = true
			} else {
				next = append(next, r)
			}
		}
		switch {
		case !replaced:
			continue
		case len(next) == 0:
			err = lake.PublishTable(ctx, st, predictionsTable, day, nil, 0)
		default:
			var data []byte
			if data, err = lake.EncodeGold(nil, next); err == nil {
				err = lake.PublishTable(ctx, st, predictionsTable, day, data, int64(len(next)))
			}
		}
		if err != nil {
			return err
		}
	}
	return st.Sync(ctx)
}

// SortedFallbacks returns the reasons in order.
func (p *Predicted) SortedFallbacks() []forecast.Fallback {
	var out []forecast.Fallback
	for f := range p.Fallbacks {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}
