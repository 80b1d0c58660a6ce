package sales

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cloud.google.com/go/civil"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/telemetry"
	"example.com/shopstream/transforms/quality"
)

func init() { beam.RegisterDoFn(&publishFn{}) }

// Outcome is how the publication of a day ended.
type Outcome struct {
	Date      civil.Date
	Published bool // false: a quality rule stopped it, or what stands is the same
	Counts    lake.GoldCounts
	Rows      map[string]int64 // published, by table
	Results   []lake.QualityRow
	Failed    []string // rules of severity fail that do not hold, as table.rule
}

// publishFn makes a day's tables, checks them, and puts them into the lake: the
// files, each of which replaces the one that stands, and after them the
// publication that names them. A rule of severity fail stops it before.
type publishFn struct {
	Rules Rules
	Plan  Plan

	calendar  *Calendar
	catalogue *Catalogue
	rules     map[string]quality.Rules // by table
}

func (fn *publishFn) Setup(ctx context.Context) (err error) {
	if fn.calendar, err = NewCalendar(fn.Rules.TimeZone); err != nil {
		return err
	}
	if fn.rules, err = fn.Rules.quality(); err != nil {
		return err
	}
	fn.catalogue, err = fn.Rules.catalogue(ctx)
	return err
}

func (fn *publishFn) ProcessElement(ctx context.Context, day int64, packed func(*[]byte) bool, emit func(string)) error {
	planned, ok := fn.Plan.Days[int32(day)]
	if !ok {
		return nil // a day between the planned ones, which stands as it is
	}
	out, err := fn.publish(ctx, int32(day), planned, packed)
	if err != nil {
		return fmt.Errorf("business day %s: %w", DateOf(int32(day)), err)
	}
	telemetry.ObserveGoldDay()
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	emit(string(text))
	return nil
}

func (fn *publishFn) publish(ctx context.Context, day int32, planned PlannedDay, packed func(*[]byte) bool) (Outcome, error) {
	out := Outcome{Date: DateOf(day), Rows: map[string]int64{}}
	st, err := lake.Shared(ctx, fn.Rules.Lake)
	if err != nil {
		return out, err
	}
	p := newPartial()
	for b := []byte(nil); packed(&b); {
		if err := p.merge(b); err != nil {
			return out, err
		}
	}
	history, err := fn.history(&planned, p)
	if err != nil {
		return out, err
	}
	ids, err := p.lineIDs()
	if err == nil {
		err = p.dropTwins(planned.Twins)
	}
	if err != nil {
		return out, err
	}
	out.Counts = p.header.GoldCounts
	before, _, err := lake.ReadPublication(ctx, st, out.Date)
	if errors.Is(err, lake.ErrDamaged) { // of which the plan has warned
		before, err = lake.Publication{}, nil
	}
	if err != nil {
		return out, err
	}
	before.Date = out.Date

	out.Results = fn.builtIn(day, planned, &p.header)
	var checked []tableFile
	source := sourceEvents
	if planned.History {
		source = SourceHistory
	}
	measures := p.header.measures() // of all lines, as days of the same run know them
	d, both, results, err := fn.tables(day, planned, p, history)
	out.Results = append(out.Results, results...)
	if both != nil {
		source = SourceMerged
		out.Results = append(out.Results, both.result)
	}
	var sums *sumsError
	switch {
	case errors.As(err, &sums):
		out.Failed = []string{"order_lines.sums_fit"}
		out.Results = append(out.Results, lake.QualityRow{
			Date: day, TableName: "order_lines", Rule: "sums_fit", Severity: string(quality.Fail), Threshold: "DECIMAL(18,6)", RowsFailed: 1, Detail: err.Error(),
		})
	case err != nil:
		return out, err
	default:
		if checked, err = fn.check(ctx, st, d, both, day, planned, p, &out); err != nil {
			return out, err
		}
	}
	if len(out.Failed) > 0 {
		return out, stop(ctx, st, before, planned.Inputs, &out)
	}
	measured, attempted, err := resultFiles(out.Date, out.Results, nil)
	if err != nil {
		return out, err
	}
	files := append(checked, measured, attempted)
	// Until the new one is written, each file is one of the old or the new.
	begun := before
	begun.Inputs = unfinished
	next := map[string]lake.PublishedFile{}
	for _, f := range files {
		next[f.table] = f.PublishedFile
	}
	begun.Begin(next)
	if err := lake.PutPublication(ctx, st, begun); err != nil {
		return out, err
	}

	done := lake.Publication{
		Date: out.Date, Number: before.Number, Inputs: planned.Inputs, TimeZone: fn.Rules.TimeZone, Complete: planned.Complete, Source: source,
		Tables: next, Counts: out.Counts,
	}
	if planned.measured() {
		done.Measures = measures
	}
	if err := putDropped(ctx, st, out.Date, p.conflicts, before); err != nil {
		return out, err
	}
	for _, f := range files {
		out.Rows[f.table] = f.Rows
		out.Published = out.Published || before.Tables[f.table] != f.PublishedFile
		// Also what is the same: what stands may be of a run that was killed.
		if err := f.put(ctx, st); err != nil {
			return out, err
		}
	}
	if done.IDs, err = putIDs(ctx, st, out.Date, ids, before); err != nil {
		return out, err
	}
	if out.Published {
		done.Number++
	}
	if incomplete(planned, &p.header) {
		done.Inputs = Incomplete(done.Inputs)
	}
	return out, lake.PutPublication(ctx, st, done)
}

// stop notes a day that a rule has stopped: what was measured of the attempt, and
// that nothing else has changed.
func stop(ctx context.Context, st lake.Store, before lake.Publication, inputs string, out *Outcome) error {
	measured, attempted, err := resultFiles(out.Date, nil, out.Results)
	if err != nil {
		return err
	}
	files := []tableFile{attempted}
	if _, apart := before.Tables[attempted.table]; before.Attempt != nil && !apart {
		// An older program has put its attempt in the place of what was measured of the
		// tables that stand: of those nothing is known.
		files = append(files, measured)
	}
	begun, tables := before, maps.Clone(before.Tables) // what stands, and why nothing else does
	if tables == nil {
		tables = map[string]lake.PublishedFile{}
	}
	next := map[string]lake.PublishedFile{}
	for _, f := range files {
		next[f.table], tables[f.table] = f.PublishedFile, f.PublishedFile
	}
	begun.Begin(next)
	if err := lake.PutPublication(ctx, st, begun); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.put(ctx, st); err != nil {
			return err
		}
	}
	before.Next, before.Tables = nil, tables
	before.Attempt = &lake.Attempt{Inputs: inputs, Failed: out.Failed}
	return lake.PutPublication(ctx, st, before)
}

// resultFiles are the two tables of results: of what stands, and of an attempt that
// was stopped.
func resultFiles(date civil.Date, standing, attempt []lake.QualityRow) (measured, attempted tableFile, err error) {
	if measured, err = encodeTable("quality_results", date, standing); err != nil {
		return measured, attempted, err
	}
	attempted, err = encodeTable(lake.AttemptsTable, date, attempt)
	return measured, attempted, err
}

// unfinished are the inputs of a publication whose replacement has begun.
const unfinished = "unfinished"

// Incomplete is the inputs of a day that was published though rows of it could
// not be read: it stays dirty.
func Incomplete(inputs string) string { return inputs + "-incomplete" }

// tables makes the day's rows of its history, its events or both, and returns the
// results of the rules that have set order lines aside.
func (fn *publishFn) tables(day int32, planned PlannedDay, p *partial, history []lake.DailySalesRow) (d *Day, both *merged, results []lake.QualityRow, err error) {
	if planned.History {
		return buildHistory(history), nil, nil, p.header.check()
	}
	if d, err = p.build(day, planned.Complete, fn.calendar, fn.catalogue); err != nil {
		return nil, nil, nil, err
	}
	d, results = fn.setAside(d, day, planned, p)
	if len(history) == 0 {
		return d, nil, results, nil
	}
	both = merge(day, planned.Complete, history, d)
	return d, both, results, both.header.check()
}

// history returns the imported rows of a day. They make the day if it has no
// events.
func (fn *publishFn) history(planned *PlannedDay, p *partial) ([]lake.DailySalesRow, error) {
	if len(p.history) == 0 {
		return nil, nil
	}
	daily, err := lake.DecodeRows[lake.DailySalesRow](p.history)
	if err != nil {
		return nil, err
	}
	daily = fn.catalogue.file(daily)
	if !planned.History && p.header.Silver+p.header.Late == 0 {
		planned.History, p.header = true, historyHeader(daily)
	}
	return daily, nil
}

// tableFile is a table's file of a day.
type tableFile struct {
	table string
	lake.PublishedFile
	data []byte
}

func encodeTable[T lake.GoldRow](table string, date civil.Date, rows []T) (tableFile, error) {
	data, err := lake.EncodeGold(nil, rows)
	f := tableFile{table: table, data: data}
	f.File = lake.GoldName(table, date)
	f.Rows, f.Bytes, f.Hash = int64(len(rows)), int64(len(data)), lake.Hash(data)
	return f, err
}

func (f *tableFile) put(ctx context.Context, st lake.Store) error { return st.Put(ctx, f.File, f.data) }

// putIDs writes the file of the day's ids.
func putIDs(ctx context.Context, st lake.Store, date civil.Date, ids []lineID, before lake.Publication) (*lake.PublishedFile, error) {
	name := lake.IDsName(date)
	if len(ids) == 0 {
		if before.IDs == nil {
			return nil, nil
		}
		return nil, st.Delete(ctx, name)
	}
	data := encodeIDs(ids)
	return &lake.PublishedFile{File: name, Rows: int64(len(ids)), Bytes: int64(len(data)), Hash: lake.Hash(data)}, st.Put(ctx, name, data)
}

// putDropped lists the events that are not in the tables.
func putDropped(ctx context.Context, st lake.Store, date civil.Date, list []byte, before lake.Publication) error {
	lines := slices.Sorted(strings.Lines(string(list)))
	switch {
	case len(lines) > 0:
		return st.Put(ctx, lake.ConflictsName(date), []byte(strings.Join(lines, "")))
	case before.Counts.Conflicts+before.Counts.Overflow > 0:
		return st.Delete(ctx, lake.ConflictsName(date))
	}
	return nil
}
