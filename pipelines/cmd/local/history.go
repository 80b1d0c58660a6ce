package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/producer"
)

// past is what a lake has from before the simulated shop's first event.
type past struct {
	first  civil.Date // the business day of the first event
	stands bool       // the days before it are in gold
}

// readPast finds the first business day of the simulated shop, and whether as
// many days before it as are asked for stand in gold. begin is the event time at
// which this run begins: in a new lake, the day of that is the first one.
func readPast(ctx context.Context, uri string, zone *time.Location, begin time.Time, days int) (past, error) {
	st, err := lake.Shared(ctx, uri)
	if err != nil {
		return past{}, err
	}
	standing, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return past{}, err
	}
	p := past{first: civil.DateOf(begin.In(zone))}
	for date, publication := range standing {
		if publication.Counts.Events > 0 && date.Before(p.first) {
			p.first = date
		}
	}
	// Gold may not know yet what a run that was killed has read.
	ledger, err := lake.ReadLedger(ctx, st)
	switch {
	case errors.Is(err, lake.ErrNoLake):
	case err != nil:
		return past{}, err
	default:
		for _, row := range ledger.Rows {
			if row.Silver == 0 {
				continue
			}
			if date := civil.DateOf(time.UnixMilli(row.Window).In(zone)); date.Before(p.first) {
				p.first = date
			}
		}
	}
	// The very first days may be such on which the shop is closed: no rows.
	const closed = 2
	p.stands = true
	for back := 1; back <= days-closed; back++ {
		if standing[p.first.AddDays(-back)].Number == 0 {
			p.stands = false
		}
	}
	return p, nil
}

// lateFrom is the time from which late events touch no business day before the
// first one: the first midnight of UTC in it. The ledger counts late events by
// UTC's days, and gold makes every business day anew that such a day reaches into.
func lateFrom(first civil.Date, zone *time.Location) time.Time {
	const day = 24 * time.Hour
	begin := first.In(zone).UTC()
	if midnight := begin.Truncate(day); midnight.Before(begin) {
		return midnight.Add(day)
	}
	return begin
}

// history is the past to make for a simulated shop; nil where it stands, where
// the user gives an own one, or none is wanted.
func (p past) history(cfg config.Config, days int) (*producer.History, error) {
	if days == 0 || p.stands || cfg.Gold.History != "" {
		return nil, nil
	}
	return producer.NewHistory(producer.HistoryOptions{
		Seed: uint64(cfg.Simulate.Seed), Until: p.first, Days: days, Density: cfg.Simulate.Rate / cfg.Simulate.Speedup,
	})
}

// addHistory gives gold the simulated past, if there is one to make.
func (e *events) addHistory(w io.Writer, o *pipelines.GoldOptions) (err error) {
	if e.history == nil {
		return nil
	}
	end := working(w, "making the simulated history")
	o.History, err = e.history.Rows()
	end()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nmaking %d days of simulated history, %s to %s: %s rows\n",
		e.history.Options().Days, e.history.First(), e.history.Last(), number(int64(len(o.History))))
	return nil
}
