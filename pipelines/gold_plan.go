package pipelines

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/uuid"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/sales"
)

// GoldOptions say which business days of a lake gold makes, and how.
type GoldOptions struct {
	Lake        string                            // URI
	TimeZone    string                            // IANA name, by which business days are cut
	From, To    civil.Date                        // both included; zero: all days that are complete, and dirty or new
	IncludeOpen bool                              // days too of which events may still come
	Rebuild     bool                              // every day again, and by another time zone if it has changed
	Quarantine  bool                              // set files aside that cannot be read
	Compact     bool                              // afterwards, rewrite the silver of finished days into few files
	History     []lake.DailySalesRow              // past daily sales, which the lake keeps; nil: those it has
	Catalogue   map[string]sales.CatalogueProduct // likewise
	// DropHistory and DropCatalogue let go of what the lake keeps, before what is
	// given.
	DropHistory, DropCatalogue bool

	only    map[civil.Date]bool // no other days; nil: all
	Quality map[string]string   // text of quality.yaml by table, in place of the built-in rules
}

// GoldJob is one run of the graph: some business days and the files they need.
type GoldJob struct {
	Files []lake.File
	Plan  sales.Plan
	Rules sales.Rules
	Read  lake.ReadOptions

	numbers map[int32]int64 // of the publications that stood before it, by day
}

// GoldPlan is what a run of gold has to do.
type GoldPlan struct {
	Jobs      []GoldJob    // one after another: each takes a bounded amount of input
	Days      int          // that are made
	Dirty     int          // of them, days that stood and have changed
	Fresh     int          // days that stand as they should
	Open      int          // days that were left since events may still come
	Overlap   int          // days of the history that the lake has events of: they are merged
	Gone      []civil.Date // days that stand and should not: their time zone was another, or their history was dropped
	Unkept    []civil.Date // days that stand of a history which the lake does not keep: they stay
	Notes     []string     // what becomes of the history and the catalogue
	settings  lake.GoldSettings
	catalogue string
	history   string
	rules     string                      // hash of the quality rules
	twins     map[civil.Date][]sales.Twin // order lines that count on another day
	damaged   []civil.Date                // days that are made again since their file of ids is damaged
}

const (
	// jobBytes is how much a job reads at most: what it sums up is held in memory.
	jobBytes = 1 << 30
	// longestGap is between how many days without an event all are published, empty.
	longestGap = 31

	inputsVersion = "gold 2" // raised where the same events make other rows
)

// dayInputs is what a business day is made of.
type dayInputs struct {
	day      int32
	inputs   bytes.Buffer // what its rows follow from
	silver   int64        // rows, or −1 where windows stick out of the day
	late     int64        // rows, or −1 where the ledger counts other days with them
	rows     []int        // of the ledger: its silver
	lateRows []int        // of the ledger: its late files
	history  bool         // of it alone
	imported bool         // the history has rows of it
	read     int64        // records that arrived on the day, of all lanes
	dead     int64        // those of them that are dead letters
	planned  sales.PlannedDay
}

// asked reports whether days were asked for by name.
func (o GoldOptions) asked() bool { return o.From.IsValid() || o.To.IsValid() }

// span says which days were asked for.
func (o GoldOptions) span() string {
	switch {
	case !o.From.IsValid():
		return "to " + o.To.String()
	case !o.To.IsValid():
		return "from " + o.From.String()
	}
	return "from " + o.From.String() + " to " + o.To.String()
}

// suspectsPrefix begins the names of objects that a run of gold needs while it
// runs. Each has its own: a job on a cluster may outlive the program that
// started it.
const suspectsPrefix = "inputs/suspects-"

// lastComplete is the last day whose end the ledger's seal has passed.
func lastComplete(ledger *lake.Ledger, calendar *sales.Calendar) int32 {
	row, ok := ledger.Sealed()
	if !ok {
		return -1 << 31
	}
	return calendar.Day(row.End*1000) - 1
}

// publishedFiles are the files of gold that this process has held to their
// publications.
var publishedFiles lake.GoldFiles

// damagedInputs are those of a day whose files are not what was published: it is
// made again.
const damagedInputs = "damaged"

// plan finds the days to make. It reads the ledger and what stands in gold.
func (o GoldOptions) plan(ctx context.Context, st lake.Store) (*GoldPlan, error) {
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return nil, err
	}
	standing, err := lake.StandingGold(ctx, st)
	if err != nil {
		return nil, err
	}
	damaged, err := publishedFiles.Damaged(ctx, st, standing)
	if err != nil {
		return nil, err
	}
	for date, err := range damaged {
		slog.Warn("a day of gold is damaged and is made again if the lake has what it is made of", "date", date.String(), "error", err)
		s := standing[date]
		s.Inputs = damagedInputs
		standing[date] = s
	}
	calendar, err := sales.NewCalendar(o.TimeZone)
	if err != nil {
		return nil, err
	}
	p := &GoldPlan{}
	if p.settings, p.Notes, err = o.goldSettings(ctx, st); err != nil {
		return nil, err
	}
	if c := p.settings.Catalogue; c != nil {
		p.catalogue = c.File
	}
	if h := p.settings.History; h != nil {
		p.history = h.File
	}
	if p.rules, err = (sales.Rules{Quality: o.Quality}).QualityHash(); err != nil {
		return nil, err
	}
	if p.twins, p.damaged, err = sales.FindTwins(ctx, st, standing); err != nil {
		return nil, err
	}
	days := o.inputs(ledger, calendar)
	p.Overlap = addHistory(days, p.settings.History)
	fillGaps(days, lastComplete(ledger, calendar))
	if p.Unkept, err = o.keepUnkept(days, standing, p.settings.History); err != nil {
		return nil, err
	}
	for date, s := range standing {
		switch otherZone := s.Number > 0 && s.TimeZone != o.TimeZone; {
		case otherZone && o.asked():
			return nil, fmt.Errorf("%w: %s stands with business days of %s: make all days again with --rebuild and without dates", errTimeZone, date, s.TimeZone)
		case days[sales.DayOf(date)] == nil && (otherZone || o.DropHistory && s.Source == sales.SourceHistory):
			p.Gone = append(p.Gone, date)
		}
	}
	slices.SortFunc(p.Gone, civil.Date.Compare)
	if err := o.choose(p, days, standing, ledger, calendar); err != nil {
		return nil, err
	}
	p.cut(o, days, ledger)
	return p, nil
}

// inputs finds the business days that the ledger's visible rows have events of.
func (o GoldOptions) inputs(ledger *lake.Ledger, calendar *sales.Calendar) map[int32]*dayInputs {
	days := map[int32]*dayInputs{}
	at := func(day int32) *dayInputs {
		d := days[day]
		if d == nil {
			d = &dayInputs{day: day}
			days[day] = d
		}
		return d
	}
	for i, r := range ledger.Visible() {
		if r.Silver > 0 {
			first, last := calendar.Day(r.Window*1000), calendar.Day(r.End*1000-1)
			for day := first; day <= last; day++ {
				d := at(day)
				fmt.Fprintln(&d.inputs, "silver", r.Window, r.Silver)
				d.rows = append(d.rows, i)
				if d.silver >= 0 {
					d.silver += r.Silver
				}
				if first != last {
					d.silver = -1
				}
			}
		}
		for _, utc := range slices.Sorted(maps.Keys(r.LateDates)) {
			date, err := civil.ParseDate(utc)
			if err != nil {
				continue // no event has such a date
			}
			from := date.In(time.UTC).UnixMicro()
			first, last := calendar.Day(from), calendar.Day(from+24*time.Hour.Microseconds()-1)
			for day := first; day <= last; day++ {
				d := at(day)
				fmt.Fprintln(&d.inputs, "late", r.Window, utc, r.LateDates[utc])
				d.lateRows = append(d.lateRows, i)
				if d.late >= 0 {
					d.late += r.LateDates[utc]
				}
				if first != last {
					d.late = -1
				}
			}
		}
	}
	for _, r := range ledger.Visible() {
		letters := lake.Total([]lake.Row{r}).DeadCount()
		for day := calendar.Day(r.Window * 1000); day <= calendar.Day(r.End*1000-1); day++ {
			if d := days[day]; d != nil { // else it has no event
				d.read += r.Read
				d.dead += letters
			}
		}
	}
	return days
}

// addHistory adds the days of the history, and returns how many of them the lake
// has events of.
func addHistory(days map[int32]*dayInputs, history *lake.GoldInput) (overlap int) {
	for _, date := range sales.Dates(history) {
		day := sales.DayOf(date)
		d := days[day]
		if d == nil {
			d = &dayInputs{day: day, history: true}
			days[day] = d
		} else {
			overlap++ // unless it turns out to have none
		}
		d.imported = true
		fmt.Fprintln(&d.inputs, "history", history.Days[date])
	}
	return overlap
}

// fillGaps adds days without events between days that have some: that nothing
// was sold is a fact, and something that rules can find.
func fillGaps(days map[int32]*dayInputs, last int32) {
	known := slices.Sorted(maps.Keys(days))
	if n := len(known); n > 0 && last > known[n-1] {
		known = append(known, last+1)
	}
	for i := 1; i < len(known); i++ {
		if gap := known[i] - known[i-1]; gap > longestGap {
			continue
		}
		for day := known[i-1] + 1; day < known[i]; day++ {
			days[day] = &dayInputs{day: day}
		}
	}
}

// choose marks the days that are to be made.
func (o GoldOptions) choose(p *GoldPlan, days map[int32]*dayInputs, standing map[civil.Date]lake.Publication, ledger *lake.Ledger, calendar *sales.Calendar) error {
	finalTo := int64(-1 << 62)
	if row, ok := ledger.Sealed(); ok {
		finalTo = row.End * 1000
	}
	for day, d := range days {
		date := sales.DateOf(day)
		if (o.From.IsValid() && date.Before(o.From)) || (o.To.IsValid() && date.After(o.To)) {
			delete(days, day)
			continue
		}
		_, to := calendar.Bounds(day)
		complete := d.history || ledger.Complete() || to <= finalTo
		if !complete && !o.IncludeOpen {
			p.Open++
			delete(days, day)
			continue
		}
		if o.only != nil && !o.only[date] {
			delete(days, day)
			continue
		}
		if err := d.addTwins(p.twins[date]); err != nil {
			return err
		}
		fmt.Fprintln(&d.inputs, inputsVersion, o.TimeZone, p.catalogue, complete, p.rules)
		d.planned = sales.PlannedDay{
			Read: d.read, Dead: d.dead,
			Inputs: lake.Hash(d.inputs.Bytes()), Complete: complete, History: d.history, Imported: d.imported, Twins: p.twins[date], Silver: d.silver, Late: d.late,
		}
		stands, ok := standing[date]
		ok = ok && stands.Number > 0 && stands.Attempt == nil && !slices.Contains(p.damaged, date)
		switch {
		case ok && stands.Inputs == d.planned.Inputs && !o.Rebuild && !o.asked():
			p.Fresh++
			delete(days, day)
			continue
		case ok && stands.Inputs != d.planned.Inputs:
			p.Dirty++
		}
		p.Days++
	}
	if o.asked() && p.Days == 0 {
		if p.Open > 0 {
			return fmt.Errorf("the days %s are open: events of them may still come. Wait until the job has passed their end, or use --include-open", o.span())
		}
		if len(p.Unkept) > 0 {
			return fmt.Errorf("the lake %s has no final events %s, and days of a history that it does not keep: give the history once more with --history=FILE", o.Lake, o.span())
		}
		return fmt.Errorf("the lake %s has no final events %s", o.Lake, o.span())
	}
	return nil
}

// cut deals the days into jobs of bounded input.
func (p *GoldPlan) cut(o GoldOptions, days map[int32]*dayInputs, ledger *lake.Ledger) {
	sorted := slices.Sorted(maps.Keys(days))
	visible := ledger.Visible()
	for len(sorted) > 0 {
		job := GoldJob{
			Plan: sales.Plan{
				Days: map[int32]sales.PlannedDay{}, Ledger: lake.Total(visible), Closed: ledger.Closed != nil,
			},
			Rules: sales.Rules{Lake: o.Lake, TimeZone: o.TimeZone, From: sorted[0], Catalogue: p.catalogue, Quality: o.Quality, Suspects: suspectsPrefix + uuid.NewString() + ".bin"},
			Read:  lake.ReadOptions{Quarantine: o.Quarantine, BaseWindow: ledger.Settings.BaseWindowMs},
		}
		rows, lateRows := map[int]bool{}, map[int]bool{}
		size, n := int64(0), 0
		for ; n < len(sorted); n++ {
			d := days[sorted[n]]
			more := int64(0)
			for _, i := range d.rows {
				if !rows[i] {
					more += laneBytes(&visible[i], lake.Silver)
				}
			}
			for _, i := range d.lateRows {
				if !lateRows[i] {
					more += laneBytes(&visible[i], lake.Late)
				}
			}
			if n > 0 && size+more > jobBytes {
				break
			}
			size += more
			for _, i := range d.rows {
				rows[i] = true
			}
			for _, i := range d.lateRows {
				lateRows[i] = true
			}
			job.Plan.Days[d.day] = d.planned
			if d.imported {
				job.Rules.History = p.history
			}
			job.Rules.To = d.day
		}
		job.Files = jobFiles(ledger, visible, rows, lateRows)
		p.Jobs = append(p.Jobs, job)
		sorted = sorted[n:]
	}
}

func laneBytes(r *lake.Row, lane lake.Lane) (n int64) {
	for _, f := range r.Files {
		if f.Lane == lane {
			n += f.Bytes
		}
	}
	return n
}

// jobFiles are the silver files of some rows and the late files of others, as
// readers see them.
func jobFiles(ledger *lake.Ledger, visible []lake.Row, rows, lateRows map[int]bool) []lake.File {
	var files []lake.File
	seen := map[string]bool{}
	add := func(of map[int]bool, lane lake.Lane) {
		for _, i := range slices.Sorted(maps.Keys(of)) {
			for _, f := range ledger.RowFiles(visible[i]) {
				if f.Lane == lane && !seen[f.Name] { // a compacted file is that of many rows
					seen[f.Name] = true
					files = append(files, f)
				}
			}
		}
	}
	add(rows, lake.Silver)
	add(lateRows, lake.Late)
	slices.SortFunc(files, func(a, b lake.File) int { return cmp.Compare(a.Name, b.Name) })
	return files
}
