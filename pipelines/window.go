package pipelines

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/telemetry"
)

// baseWindows are the base windows that BaseWindowFor chooses from.
var baseWindows = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

const (
	// fewWindows cost nothing worth mentioning, however few events they have.
	fewWindows = 100
	// windowRecords is how many records a window should have in the mean: below, the
	// files of a window cost more than its events.
	windowRecords = 1000
)

// BaseWindowFor is the base window for so many records over a time: the shortest
// one of a minute or more whose windows have enough records to be worth their
// files, else a day.
func BaseWindowFor(records int64, span time.Duration) time.Duration {
	for _, w := range baseWindows {
		if int64(span/w) <= fewWindows+records/windowRecords {
			return w
		}
	}
	return baseWindows[len(baseWindows)-1]
}

// Sparse says that the lake's base window is far too short for its records, and
// which one would do; "" if it is not. A job in this process whose windows had
// enough needs no look at the ledger.
func (o StreamingOptions) Sparse(ctx context.Context) (string, error) {
	if p := telemetry.Snapshot(); p.Windows > 0 && enough(p.Silver, p.Windows) {
		return "", nil
	}
	st, err := lake.SharedNow(ctx, o.Lake)
	if err != nil {
		return "", err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return "", err
	}
	return sparse(ledger.Rows, o.Source.BaseWindow), nil
}

// enough reports whether windows have more than a tenth of the records that they
// should have.
func enough(records, windows int64) bool { return records > windows*windowRecords/10 }

// sparse is Sparse of these rows.
func sparse(rows []lake.Row, base time.Duration) string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r lake.Row) bool { return r.Silver == 0 }) // the others do not say when
	if len(rows) <= fewWindows {
		return ""
	}
	records, files := lake.Total(rows).Silver, 0
	for _, r := range rows {
		files += len(r.Files)
	}
	if enough(records, int64(len(rows))) {
		return ""
	}
	byTime := func(a, b lake.Row) int { return cmp.Compare(a.Window, b.Window) }
	first, last := slices.MinFunc(rows, byTime), slices.MaxFunc(rows, byTime)
	fits := BaseWindowFor(records, time.Duration(last.End-first.Window)*time.Millisecond)
	if fits <= base {
		return ""
	}
	return fmt.Sprintf("%d events are in %d windows of %s, and %d files: reading and writing them costs more than the events do. A base window of %s suits so few: a lake keeps its own, so read the topic into a new one with --base-window=%s",
		records, len(rows), base, files, fits, fits)
}
