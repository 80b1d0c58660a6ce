package sales

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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
	if err := p.header.check(); err != nil {
		return out, err
	}
	d, err := fn.build(day, planned, p)
	if err != nil {
		return out, err
	}
	out.Counts = p.header.GoldCounts
	before, _, err := lake.ReadPublication(ctx, st, out.Date)
	if err != nil {
		return out, err
	}

	out.Results = fn.builtIn(day, planned, &p.header)
	checked, err := fn.check(ctx, st, d, day, planned, p, &out)
	if err != nil {
		return out, err
	}
	results, err := encodeTable("quality_results", out.Date, out.Results)
	if err != nil {
		return out, err
	}
	if err := results.put(ctx, st); err != nil {
		return out, err
	}
	if len(out.Failed) > 0 {
		before.Date = out.Date
		before.Attempt = &lake.Attempt{Inputs: planned.Inputs, Failed: out.Failed}
		return out, lake.PutPublication(ctx, st, before)
	}

	next := lake.Publication{
		Date: out.Date, Number: before.Number, Inputs: planned.Inputs, Complete: planned.Complete, Source: sourceEvents,
		Tables: map[string]lake.PublishedFile{}, Counts: out.Counts, Measures: p.header.measures(),
	}
	if planned.History {
		next.Source = sourceHistory
	}
	if err := putDropped(ctx, st, out.Date, p.conflicts, before); err != nil {
		return out, err
	}
	for _, f := range append(checked, results) {
		next.Tables[f.table] = f.PublishedFile
		out.Rows[f.table] = f.Rows
		if before.Tables[f.table] == f.PublishedFile {
			continue
		}
		out.Published = true
		if f.table == results.table {
			continue // it stands already
		}
		if err := f.put(ctx, st); err != nil {
			return out, err
		}
	}
	if out.Published {
		next.Number++
	}
	return out, lake.PutPublication(ctx, st, next)
}

func (fn *publishFn) build(day int32, planned PlannedDay, p *partial) (*Day, error) {
	if !planned.History {
		return p.build(day, planned.Complete, fn.calendar, fn.catalogue)
	}
	daily, err := lake.DecodeRows[lake.DailySalesRow](p.history)
	if err != nil {
		return nil, err
	}
	return buildHistory(daily), nil
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
	f.Rows, f.Bytes, f.Hash = int64(len(rows)), int64(len(data)), Hash(data)
	return f, err
}

// Hash is the hash of a file's content: SHA-256, hexadecimal.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (f *tableFile) put(ctx context.Context, st lake.Store) error { return st.Put(ctx, f.File, f.data) }

// putDropped lists the events that are not in the tables.
func putDropped(ctx context.Context, st lake.Store, date civil.Date, packed []byte, before lake.Publication) error {
	lines, err := droppedLines(packed)
	if err != nil {
		return err
	}
	slices.Sort(lines)
	switch {
	case len(lines) > 0:
		return st.Put(ctx, lake.ConflictsName(date), []byte(strings.Join(lines, "\n")+"\n"))
	case before.Counts.Conflicts+before.Counts.Overflow > 0:
		return st.Delete(ctx, lake.ConflictsName(date))
	}
	return nil
}
