package bigquery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// Publisher keeps a warehouse's tables equal to what a lake has: it loads the
// dates that changed since it last did. One at a time may work on a lake and a
// warehouse.
type Publisher struct {
	Warehouse *Warehouse
	Store     lake.Store
	From, To  civil.Date // the first and the last date that are looked at; zero: no bound
	DryRun    bool       // says what would be done
	// Tell is told of each date that is published, or would be; from several
	// goroutines, but never at the same time.
	Tell func(Published)
}

// Published is one date of one table.
type Published struct {
	Table string
	Date  civil.Date
	Rows  int64
	Bytes int64 // of the files
	Files int
	Loaded
}

// Report sums a run up.
type Report struct {
	Published, Unchanged int
	Rows                 int64
	Gone                 []string // table date: published once, no longer in the lake, and still in the warehouse
}

// atOnce is how many tables are loaded at the same time; the dates of one come
// one after another, since BigQuery limits the changes of a table a second.
const atOnce = 4

// Publish loads what changed of these tables. A table that fails does not stop
// the others.
func (p Publisher) Publish(ctx context.Context, tables []warehouse.Table, c Content) (Report, error) {
	if !p.DryRun {
		if err := p.Warehouse.EnsureDataset(ctx); err != nil {
			return Report{}, err
		}
	}
	var (
		mu     sync.Mutex
		report Report
		errs   = make([]error, len(tables))
	)
	tell := func(d Published) {
		mu.Lock()
		defer mu.Unlock()
		report.Published++
		report.Rows += d.Rows
		if p.Tell != nil {
			p.Tell(d)
		}
	}
	err := lake.Parallel(len(tables), atOnce, func(i int) error {
		unchanged, gone, err := p.table(ctx, tables[i], c[tables[i].Name], tell)
		mu.Lock()
		defer mu.Unlock()
		report.Unchanged += unchanged
		report.Gone = append(report.Gone, gone...)
		errs[i] = err
		return nil
	})
	slices.Sort(report.Gone)
	return report, errors.Join(append(errs, err)...)
}

func (p Publisher) table(ctx context.Context, t warehouse.Table, dates map[civil.Date][]warehouse.File, tell func(Published)) (unchanged int, gone []string, err error) {
	j, err := p.journal(ctx, t)
	if err != nil {
		return 0, nil, err
	}
	for date := range j.Dates {
		if _, ok := dates[date]; !ok && p.within(date) {
			gone = append(gone, t.Name+" "+date.String())
		}
	}
	unchanged, err = p.dates(ctx, t, dates, j, tell)
	if !p.DryRun {
		// Also after an error, or when interrupted: what was done stays done.
		err = errors.Join(err, j.put(context.WithoutCancel(ctx), p.Store))
	}
	return unchanged, gone, err
}

func (p Publisher) dates(ctx context.Context, t warehouse.Table, dates map[civil.Date][]warehouse.File, j *journal, tell func(Published)) (unchanged int, err error) {
	for _, date := range slices.SortedFunc(maps.Keys(dates), civil.Date.Compare) {
		files := dates[date]
		hash := contentHash(files)
		switch {
		case !p.within(date):
			continue
		case !j.changed(date, hash):
			unchanged++
			continue
		}
		done := Published{Table: t.Name, Date: date, Files: len(files)}
		for _, f := range files {
			done.Rows += f.Rows
			done.Bytes += f.Bytes
		}
		if !p.DryRun {
			publication := j.begin(date, hash, done.Rows)
			if err := j.put(ctx, p.Store); err != nil {
				return unchanged, err
			}
			done.Loaded, err = p.Warehouse.Load(ctx, Load{Table: t, Date: date, Files: files, Publication: publication})
			if err != nil {
				return unchanged, err
			}
			j.end(date, done.Job, time.Now())
		}
		tell(done)
	}
	return unchanged, nil
}

// journal makes or upgrades the table and returns what was published to it.
func (p Publisher) journal(ctx context.Context, t warehouse.Table) (*journal, error) {
	if p.DryRun {
		m, err := p.Warehouse.tableMetadata(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		if m == nil {
			return newJournal(p.Warehouse.URI(), t.Name, ""), nil
		}
		return readJournal(ctx, p.Store, p.Warehouse.URI(), t.Name, tableID(m))
	}
	_, m, err := p.Warehouse.ensureTable(ctx, t)
	if err != nil {
		return nil, err
	}
	return readJournal(ctx, p.Store, p.Warehouse.URI(), t.Name, tableID(m))
}

func (p Publisher) within(date civil.Date) bool {
	return (p.From.IsZero() || !date.Before(p.From)) && (p.To.IsZero() || !date.After(p.To))
}

// String is the date's line in a report of progress.
func (d Published) String() string {
	s := fmt.Sprintf("%s %s: %d rows", d.Table, d.Date, d.Rows)
	if d.Files > 1 {
		s += fmt.Sprintf(" from %d files", d.Files)
	}
	if d.Attempts > 1 {
		s += fmt.Sprintf(", %d attempts", d.Attempts)
	}
	if d.Found {
		s += ", started by an earlier run"
	}
	return s
}
