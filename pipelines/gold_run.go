package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/sql/tables"
	"example.com/shopstream/transforms/sales"
)

// GoldReport is what a run of gold has done.
type GoldReport struct {
	GoldPlan
	Published int // days whose tables were replaced
	Unchanged int // days that were made again and are as they stood
	// Failed are the days that a rule of severity fail stopped, with the rules.
	Failed map[civil.Date][]string
	Checks map[civil.Date][]lake.QualityRow // of the days on which some rule does not hold
	Broken []string                         // files that were set aside
	Counts lake.GoldCounts                  // over the days that were published
	// Strangers says, where products of days were looked at and the catalogue has
	// none of them, what both sides are like; "": it has some, or there is none.
	Strangers string
	// Compacted says how many silver files were replaced by how many, and how
	// many that were replaced before are gone.
	Compacted struct{ Replaced, Files, Removed int }
}

// RunGold makes the days of gold that are to be made, on a runner, and waits.
// Nobody else can write the lake's gold meanwhile.
//
// The error says what went wrong; days that a quality rule has stopped are no
// error but in the report.
func (o GoldOptions) RunGold(ctx context.Context, runner string, view *GoldView) (report GoldReport, err error) {
	st, err := lake.SharedNow(ctx, o.Lake)
	if err != nil {
		return report, err
	}
	lock, err := lake.LockGold(ctx, st)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	ctx, unbind := lock.Bind(ctx)
	defer unbind()

	view.Doing("reading what the lake has")
	plan, err := o.plan(ctx, st)
	if err != nil {
		return report, err
	}
	if runner == dataflow && dryRun() { // it builds the jobs and says what they are
		for i := range plan.Jobs {
			if err := plan.Jobs[i].run(ctx, st, runner); err != nil {
				return report, err
			}
		}
		return GoldReport{GoldPlan: *plan}, nil
	}
	if err := o.checkSettings(ctx, st, plan.settings); err != nil {
		return report, err
	}
	report = GoldReport{GoldPlan: *plan, Failed: map[civil.Date][]string{}, Checks: map[civil.Date][]lake.QualityRow{}}
	view.Planned(plan)
	if err := o.tidy(ctx, st, plan); err != nil {
		return report, err
	}
	for _, date := range plan.Gone {
		if err := removeDate(ctx, st, date); err != nil {
			return report, err
		}
	}
	for i := range plan.Jobs {
		job := &plan.Jobs[i]
		if err := job.run(ctx, st, runner); err != nil {
			return report, err
		}
	}
	if len(plan.Jobs) > 0 {
		view.Doing("looking for order lines whose ids are on other days")
		second, err := o.settleTwins(ctx, st, plan)
		if err != nil {
			return report, err
		}
		if second != nil && second.Days > 0 {
			view.Again(second.Days)
			for i := range second.Jobs {
				if err := second.Jobs[i].run(ctx, st, runner); err != nil {
					return report, err
				}
			}
			plan.join(second)
			report.Days = plan.Days
		}
	}
	if len(plan.Jobs) > 0 {
		if _, err := lake.RenameGold(ctx, st); err != nil { // of days that could not be renamed before
			return report, err
		}
	}
	view.Doing("reading what was made")
	for i := range plan.Jobs {
		if err := report.add(ctx, st, &plan.Jobs[i]); err != nil {
			return report, err
		}
	}
	if report.Strangers, err = plan.strangers(ctx, st); err != nil {
		return report, err
	}
	if o.Compact {
		view.Doing("compacting")
		if err := o.compact(ctx, st, &report); err != nil {
			return report, err
		}
	}
	now, err := lake.SharedNow(ctx, o.Lake)
	if err == nil && lake.Generation(now) != lake.Generation(st) {
		err = fmt.Errorf("the lake %s was rebuilt meanwhile, and what was made belongs to the lake before: run gold again", o.Lake)
	}
	return report, err
}

func (j *GoldJob) run(ctx context.Context, st lake.Store, runner string) error {
	standing, err := lake.StandingGold(ctx, st) // those of the jobs before, too
	if err != nil {
		return err
	}
	j.Plan.Before = map[int32]map[string]float64{}
	j.numbers = map[int32]int64{}
	for date, p := range standing {
		if p.Number > 0 {
			j.Plan.Before[sales.DayOf(date)] = p.Measures
		}
		j.numbers[sales.DayOf(date)] = p.Number
	}
	p, s := beam.NewPipelineWithRoot()
	j.Read.OneByOne = runner == Prism
	Gold(s, *j)
	return errors.Join(Run(ctx, runner, p), st.Delete(context.WithoutCancel(ctx), j.Rules.Suspects))
}

// add reads from the lake how a job's days ended: its workers may have been
// elsewhere.
func (r *GoldReport) add(ctx context.Context, st lake.Store, job *GoldJob) error {
	for day, planned := range job.Plan.Days {
		date := sales.DateOf(day)
		p, ok, err := lake.ReadPublication(ctx, st, date)
		if err != nil {
			return err
		}
		stopped := ok && p.Attempt != nil && p.Attempt.Inputs == planned.Inputs
		if !stopped && (!ok || p.Inputs != planned.Inputs && p.Inputs != sales.Incomplete(planned.Inputs)) {
			return fmt.Errorf("business day %s: the job has ended without an error, but has not published it: run gold again", date)
		}
		table := "quality_results"
		if stopped {
			table = lake.AttemptsTable
		}
		results, err := lake.ReadGold[lake.QualityRow](ctx, st, table, date)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(results, func(q lake.QualityRow) bool { return !q.Passed }) {
			r.Checks[date] = results
		}
		switch {
		case stopped:
			r.Failed[date] = p.Attempt.Failed
			continue
		case p.Number > job.numbers[day]:
			r.Published++
		default:
			r.Unchanged++
		}
		r.Counts.Add(p.Counts)
	}
	if !job.Read.Quarantine {
		return nil
	}
	r.Broken = nil
	for info, err := range st.List(ctx, sales.BrokenDir) {
		if err != nil {
			return err
		}
		data, err := st.Get(ctx, info.Name)
		if err != nil {
			return err
		}
		var b struct{ Name, Error string }
		if err := json.Unmarshal(data, &b); err != nil {
			return fmt.Errorf("%s: %w", info.Name, err)
		}
		r.Broken = append(r.Broken, b.Name+": "+b.Error)
	}
	if len(r.Broken) == 0 {
		return nil
	}
	// Where the ledger cannot say how many rows a day should have, it may lack some.
	for day, planned := range job.Plan.Days {
		p, ok, err := lake.ReadPublication(ctx, st, sales.DateOf(day))
		if err != nil {
			return err
		}
		if ok && p.Inputs == planned.Inputs && (planned.Silver < 0 || planned.Late < 0) {
			p.Inputs = sales.Incomplete(p.Inputs)
			if err := lake.PutPublication(ctx, st, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// tidy renames what older programs wrote, removes the list of broken files, if this
// run makes a new one, and what killed runs have left and inputs that others took
// the place of, by the age that no run reaches.
func (o GoldOptions) tidy(ctx context.Context, st lake.Store, plan *GoldPlan) error {
	if _, err := lake.RenameGold(ctx, st); err != nil {
		return err
	}
	prefixes := []string{sales.InputsDir}
	if o.Quarantine {
		prefixes = append(prefixes, sales.BrokenDir)
	}
	for _, prefix := range prefixes {
		for info, err := range st.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if prefix == sales.InputsDir && (time.Since(info.Modified) < 7*24*time.Hour || info.Name == plan.history || info.Name == plan.catalogue || info.Name == sales.TwinsName) {
				continue
			}
			if err := st.Delete(ctx, info.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

const dataflow = "dataflow"

// dryRun reports whether Beam's switch of that name is on.
func dryRun() bool {
	f := flag.Lookup("dry_run")
	return f != nil && f.Value.String() == "true"
}

// removeDate removes what stands of a date: first what names it.
func removeDate(ctx context.Context, st lake.Store, date civil.Date) error {
	slog.Info("removing a date that does not exist any more", "date", date.String())
	if err := lake.DeletePublication(ctx, st, date); err != nil {
		return err
	}
	if err := st.Delete(ctx, lake.IDsName(date)); err != nil {
		return err
	}
	for _, t := range tables.All() {
		if err := lake.DeleteGold(ctx, st, t.Name, date); err != nil {
			return err
		}
	}
	return nil
}

// GoldFrom turns a configuration into the options of a run of gold. It reads
// the files of the history and the catalogue that it names.
func GoldFrom(cfg config.Config) (o GoldOptions, err error) {
	o = GoldOptions{Lake: cfg.Lake.URI, TimeZone: cfg.Gold.TimeZone}
	if name := cfg.Gold.History; name != "" {
		zone, err := time.LoadLocation(cfg.Gold.TimeZone)
		if err != nil {
			return o, fmt.Errorf("gold.time_zone: %w", err)
		}
		today := sales.DayOf(civil.DateOf(time.Now().In(zone)))
		if o.History, err = parse(name, sales.ParseHistoryUntil(today)); err != nil {
			return o, fmt.Errorf("gold.history: %w", err)
		}
	}
	if name := cfg.Gold.Catalogue; name != "" {
		if o.Catalogue, err = parse(name, sales.ParseCatalogue); err != nil {
			return o, fmt.Errorf("gold.catalogue: %w", err)
		}
	}
	if cfg.Gold.Quality != "" {
		if o.Quality, err = readRules(cfg.Gold.Quality); err != nil {
			return o, fmt.Errorf("gold.quality: %w", err)
		}
	}
	return o, nil
}

// readRules reads the folder of a shop's own quality rules.
func readRules(dir string) (map[string]string, error) {
	texts := map[string]string{}
	for _, t := range tables.All() {
		text, err := os.ReadFile(filepath.Join(dir, t.Name, "quality.yaml"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		texts[t.Name] = string(text)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("expected files such as %s, found none", filepath.Join(dir, "daily_sales", "quality.yaml"))
	}
	return texts, sales.Rules{Quality: texts}.CheckQuality()
}

func parse[T any](name string, parse func([]byte) (T, error)) (T, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		var none T
		return none, err
	}
	v, err := parse(data)
	if err != nil {
		return v, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

// replacedGrace is how long the files are kept that compaction has replaced:
// longer than any reading takes that has begun before.
const replacedGrace = time.Hour

// compact rewrites the silver of finished UTC dates into few files, and removes
// the files that an earlier run has replaced.
func (o GoldOptions) compact(ctx context.Context, st lake.Store, r *GoldReport) error {
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	dates := map[civil.Date]bool{}
	for _, row := range ledger.Visible() {
		dates[civil.DateOf(time.UnixMilli(row.Window).UTC())] = true
	}
	sealed, _ := ledger.Sealed()
	for _, date := range slices.SortedFunc(maps.Keys(dates), civil.Date.Compare) {
		if ledger.Closed == nil && date.AddDays(1).In(time.UTC).UnixMilli() > sealed.End {
			continue // it may still get events
		}
		stats, err := lake.Compact(ctx, st, ledger, date)
		if err != nil {
			return err
		}
		if stats.Before != stats.After {
			r.Compacted.Replaced += stats.Before
			r.Compacted.Files += stats.After
		}
	}
	if ledger, err = lake.ReadLedger(ctx, st); err != nil {
		return err
	}
	r.Compacted.Removed, err = lake.RemoveReplaced(ctx, st, ledger, replacedGrace)
	return err
}

// For fits the options to a runner.
func (o *GoldOptions) For(runner string) error {
	switch {
	case !slices.Contains(runnerNames, runner) || runner == Flink:
		return fmt.Errorf("--runner=%s: expected prism, direct, universal or dataflow", runner)
	case runner == dataflow && !strings.HasPrefix(o.Lake, "gs://"):
		return fmt.Errorf("lake %q: Dataflow's workers are on other machines and need a bucket: --lake=gs://bucket/prefix", o.Lake)
	}
	return nil
}
