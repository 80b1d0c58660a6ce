package demand

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
	"example.com/shopstream/ml/report"
	"example.com/shopstream/ml/score"
)

// ModelName is the name in the registry of the model that predicts products.
const ModelName = "demand"

// Promotion says when a new version becomes the champion.
type Promotion string

// The ways to promote.
const (
	IfBetter Promotion = "auto" // see decide
	Always   Promotion = "always"
	Never    Promotion = "never"
)

// TrainOptions say how to train.
type TrainOptions struct {
	Store  lake.Store // the lake whose gold is learnt from, and whose registry is written
	Source Source     // its Store and URI are not used
	Name   string     // of the model; ModelName if empty
	Recipe forecast.Trees
	// External, if not nil, is put in place of a model that is fitted here.
	External *External
	Count    int // origins of the backtest
	Refit    bool
	Promote  Promotion
	Keep     int // versions to keep; 0 keeps all
	Now      time.Time
	// Progress is told what is about to be done; it may be nil.
	Progress func(done, total int, next string)
}

// External is a model in XGBoost's JSON format that was trained elsewhere. It is
// promoted only if that is asked for: a backtest cannot fit it again, and may hold
// days that it has learnt.
type External struct {
	Model    []byte
	Features forecast.Spec
	Last     forecast.Day // the last day that it was trained on
}

// Trained is what Train did.
type Trained struct {
	Manifest registry.Manifest
	Report   report.Report
	Promoted bool
	Reason   string // why it was promoted, or not
}

const reportFile, reportDataFile = "report.html", "report.json"

// Train backtests the recipe beside baselines and the champion, fits it on all
// complete days, and puts it into the registry as a new version.
func Train(ctx context.Context, o TrainOptions) (*Trained, error) {
	began := time.Now()
	name := o.Name
	if name == "" {
		name = ModelName
	}
	if o.Count < 1 || o.Recipe.TrainSeries < 0 || o.Recipe.TrainDays < 0 || o.Keep < 0 {
		return nil, NewUsage(fmt.Errorf("there are %d origins, %d series, %d days and %d versions: expected at least 1 origin, and no negative number", o.Count, o.Recipe.TrainSeries, o.Recipe.TrainDays, o.Keep))
	}
	o.Source.Store = o.Store
	d, err := o.Source.read(ctx)
	if err != nil {
		return nil, err
	}
	panel, err := d.sales.Panel(forecast.Product, forecast.Units, d.calendar)
	if err != nil {
		return nil, err
	}
	reg := registry.Open(lake.Root(o.Store))
	pointer, err := reg.Newest(ctx, name)
	if err != nil {
		return nil, err
	}
	candidate, err := o.candidate()
	if err != nil {
		return nil, err
	}
	rival, err := champion(ctx, reg, name, pointer)
	if err != nil {
		return nil, err
	}
	models, err := forecast.Choose(forecast.Models(forecast.Product, o.Recipe.Horizon, o.Recipe.Seed), []string{"seasonal_naive", "weekday_mean", "moving_average", "tsb", "ets", "ridge"})
	if err != nil {
		return nil, err
	}
	models = append(models, candidate)
	if rival != nil && !rival.same(o) {
		models = append(models, rival)
	}
	origins := forecast.LastOrigins(panel, o.Count, o.Recipe.Horizon)
	b, err := run(ctx, panel, forecast.Backtest{Origins: origins, Horizon: o.Recipe.Horizon, Models: models, Refit: o.Refit, Report: func(done, total int, model string, origin forecast.Day) {
		o.progress(done, total+1, fmt.Sprintf("%s from %v", model, origin))
	}}, o.Recipe.Seed, o.Now)
	if err != nil {
		return nil, err
	}
	if o.External != nil && o.External.Last >= origins[0] {
		b.Report.Notes = append(b.Report.Notes, fmt.Sprintf("The model xgboost was trained elsewhere, on days to %v: it knows what happened after the first origin, and its errors here are smaller than they will be.", o.External.Last))
	}
	if rival != nil && rival.manifest.Kind != (forecast.Trees{}).Name() && rival.manifest.DataTo >= origins[0].String() {
		b.Report.Notes = append(b.Report.Notes, fmt.Sprintf("The champion was trained elsewhere, on days to %s: it knows what happened after the first origin, which makes it hard to beat.", rival.manifest.DataTo))
	}
	o.progress(len(origins)*len(models), len(origins)*len(models)+1, "fit on all days")
	fitted, err := candidate.Fit(ctx, panel)
	if err != nil {
		return nil, err
	}
	if err := forecast.CrossCheck(ctx, fitted, panel); err != nil {
		return nil, err
	}
	files, err := forecast.Save(fitted)
	if err != nil {
		return nil, err
	}
	if err := addReport(files, b.Report); err != nil {
		return nil, err
	}
	m, err := o.manifest(name, candidate, panel, b)
	if err != nil {
		return nil, err
	}
	m.Seconds = time.Since(began).Seconds()
	version, err := reg.Put(ctx, m, files)
	if err != nil {
		return nil, err
	}
	if m, err = reg.Get(ctx, name, version); err != nil {
		return nil, err
	}
	out := &Trained{Manifest: m, Report: b.Report}
	if out.Promoted, out.Reason, err = o.decide(b, candidate, rival); err != nil {
		return nil, err
	}
	if out.Promoted {
		// The decision was made over this pointer: it does not hold over another.
		if _, err := reg.PromoteIf(ctx, name, pointer.Number, version, out.Reason); err != nil {
			return nil, fmt.Errorf("version %s is trained, but not promoted: %w", version, err)
		}
	}
	if o.Keep > 0 {
		if _, err := reg.Prune(ctx, name, o.Keep); err != nil {
			return nil, fmt.Errorf("version %s is trained, but old ones could not be removed: %w", version, err)
		}
	}
	return out, nil
}

func (o TrainOptions) progress(done, total int, next string) {
	if o.Progress != nil {
		o.Progress(done, total, next)
	}
}

// candidate is the model to train.
func (o TrainOptions) candidate() (forecast.Model, error) {
	if o.External == nil {
		return o.Recipe, nil
	}
	f, err := forecast.Imported(o.External.Model, o.External.Features)
	if err != nil {
		return nil, NewUsage(err)
	}
	return fixed{"xgboost", f}, nil
}

// fixed is a model that is fitted already.
type fixed struct {
	name string
	forecast.Forecaster
}

func (f fixed) Name() string { return f.name }

func (f fixed) Fit(context.Context, *forecast.Panel) (forecast.Forecaster, error) {
	return f.Forecaster, nil
}

// rival is the champion in a backtest: its method, fitted again at each origin;
// or, where it was trained elsewhere, the model as it is.
type rival struct {
	forecast.Model
	manifest registry.Manifest
}

const rivalName = "champion"

func (rival) Name() string { return rivalName }

// champion returns the champion to compare with; nil if there is none.
func champion(ctx context.Context, reg *registry.Registry, name string, p registry.Pointer) (*rival, error) {
	if p.Champion == "" {
		return nil, nil
	}
	m, err := reg.Get(ctx, name, p.Champion)
	if err != nil {
		return nil, err
	}
	var recipe forecast.Trees
	if m.Kind == recipe.Name() {
		if err := json.Unmarshal(m.Parameters, &recipe); err != nil {
			return nil, fmt.Errorf("the parameters of the champion %s: %w", p.Champion, err)
		}
		return &rival{recipe, m}, nil
	}
	f, err := Load(ctx, reg, m)
	if err != nil {
		return nil, err
	}
	return &rival{fixed{rivalName, f}, m}, nil
}

// same reports whether the champion is what would be trained now, on other data.
func (r *rival) same(o TrainOptions) bool {
	recipe, ok := r.Model.(forecast.Trees)
	if !ok || o.External != nil {
		return false
	}
	a, errA := json.Marshal(recipe)
	b, errB := json.Marshal(o.Recipe)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// decide says whether the new version becomes the champion. Without being told,
// it does so if its errors at equal bias are smaller than those of seasonal naive
// beyond noise, and, where the champion is another method, than the champion's on
// the same origins. The same method on newer data replaces itself.
func (o TrainOptions) decide(b *Backtested, candidate forecast.Model, champion *rival) (promote bool, reason string, err error) {
	switch o.Promote {
	case Always:
		return true, "as was asked for", nil
	case Never:
		return false, "as was asked for", nil
	}
	if o.External != nil {
		return false, "it was trained elsewhere, so that a backtest can tell little: promote it if you know that it is better", nil
	}
	against := func(other string) (score.Interval, error) {
		return score.Difference(of(b.Cells, candidate.Name()), of(b.Cells, other), score.EqualBiasWAPE, score.BootstrapOptions{Seed: o.Recipe.Seed})
	}
	say := func(d score.Interval, other string) string {
		return fmt.Sprintf("WAPE at equal bias %.3f, %s %.3f, difference %+.3f (90 %% interval %+.3f to %+.3f)", d.A, other, d.B, d.Difference, d.Lower, d.Upper)
	}
	naive, err := against("seasonal_naive")
	if err != nil {
		return false, "", err
	}
	if !naive.Better() {
		return false, "not better than seasonal naive beyond noise: " + say(naive, "seasonal naive"), nil
	}
	switch {
	case champion == nil:
		return true, "the first one that is better than seasonal naive: " + say(naive, "seasonal naive"), nil
	case champion.same(o):
		return true, "the champion's method on newer data, still better than seasonal naive: " + say(naive, "seasonal naive"), nil
	}
	d, err := against(rivalName)
	if err != nil {
		return false, "", err
	}
	if !d.Better() {
		return false, "not better than the champion beyond noise: " + say(d, rivalName), nil
	}
	return true, "better than the champion: " + say(d, rivalName), nil
}

func of(cells []score.Cell, model string) []score.Cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c score.Cell) bool { return c.Model != model })
}

// manifest describes the version.
func (o TrainOptions) manifest(name string, candidate forecast.Model, p *forecast.Panel, b *Backtested) (registry.Manifest, error) {
	spec := o.Recipe.Features
	m := registry.Manifest{
		Name: name, Created: o.Now.UTC().Truncate(time.Second), Kind: candidate.Name(), Target: string(p.Target), Level: string(p.Level),
		DataFrom: p.Start.String(), DataTo: (p.End - 1).String(), DataFingerprint: p.Fingerprint(), Seed: o.Recipe.Seed,
		Baselines: map[string]map[string]float64{},
	}
	var err error
	if o.External != nil {
		spec, m.DataTo = o.External.Features, o.External.Last.String()
		m.DataFrom = min(m.DataFrom, m.DataTo)
	} else if m.Parameters, err = json.Marshal(o.Recipe); err != nil {
		return m, err
	}
	m.Features = spec.Strings()
	if m.FeatureSpec, err = json.Marshal(spec); err != nil {
		return m, err
	}
	for _, origin := range b.Report.Origins {
		m.Origins = append(m.Origins, origin.String())
	}
	for _, r := range b.Report.Models {
		values := map[string]float64{}
		for _, metric := range []score.Metric{score.WAPE, score.EqualBiasWAPE, score.MASE, score.RMSSE, score.MAE, score.RMSE, score.IntervalScore80, score.IntervalScore95} {
			if v, ok := r.Metrics.Value(metric); ok && v == v {
				values[string(metric)] = v
			}
		}
		for key, v := range map[string]float64{"bias": r.Metrics.Bias, "coverage_80": r.Metrics.Coverage80, "coverage_95": r.Metrics.Coverage95} {
			if v == v {
				values[key] = v
			}
		}
		if r.Model == candidate.Name() {
			m.Metrics = values
		} else {
			m.Baselines[r.Model] = values
		}
	}
	return m, nil
}

func addReport(files map[string][]byte, r report.Report) error {
	var page, data bytes.Buffer
	if err := errors.Join(report.HTML(&page, r), report.JSON(&data, r)); err != nil {
		return err
	}
	files[reportFile], files[reportDataFile] = page.Bytes(), data.Bytes()
	return nil
}

// Load returns the model of a version.
func Load(ctx context.Context, reg *registry.Registry, m registry.Manifest) (forecast.Forecaster, error) {
	f, err := forecast.Load(func(file string) ([]byte, error) { return reg.File(ctx, m, file) })
	if err != nil {
		return nil, fmt.Errorf("the model %s, version %s: %w", m.Name, m.Version, err)
	}
	return f, nil
}

// Resolve returns the manifest of a version, or of the champion if it is "".
func Resolve(ctx context.Context, reg *registry.Registry, name, version string) (registry.Manifest, error) {
	if version == "" {
		p, err := reg.Champion(ctx, name)
		if err != nil {
			return registry.Manifest{}, err
		}
		version = p.Champion
	}
	m, err := reg.Get(ctx, name, version)
	if errors.Is(err, fs.ErrNotExist) {
		if names, listErr := reg.Names(ctx); listErr == nil && !slices.Contains(names, name) {
			return m, fmt.Errorf("there is no model %q: expected one of %s", name, strings.Join(names, ", "))
		}
	}
	return m, err
}
