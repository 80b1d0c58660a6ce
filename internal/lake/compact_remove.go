package lake

import (
	"context"
	"fmt"
	"time"
)

// RemoveReplaced deletes the silver files that compactions replaced at least
// grace ago, by the clock of the store, and what killed compactions of those dates left. Readers that
// took their list of files before may still read the old ones, so grace must be
// longer than any reading; an hour is plenty. Before, the compacted files are
// read whole once: if one is not in order, nothing of its date is deleted and
// the error names it.
//
// It returns how many files it deleted. It may be killed and called again. The
// rules of Compact for l and for who else may run hold.
func RemoveReplaced(ctx context.Context, st Store, l *Ledger, grace time.Duration) (removed int, err error) {
	for info, err := range st.List(ctx, compactionsDir+"/") {
		if err != nil {
			return removed, err
		}
		if date, ok := dateFiled(compactionsDir, info.Name); !ok || compactionName(date) != info.Name {
			continue // readCompactions has warned of it
		}
		if time.Since(info.Modified) < grace {
			continue
		}
		var c compaction
		if err := getJSON(ctx, st, info.Name, &c); err != nil {
			return removed, err
		}
		if c.Removed {
			continue
		}
		n, err := l.removeReplaced(ctx, st, c)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("remove what the compaction of %s replaced: %w", c.Date, err)
		}
	}
	return removed, nil
}

func (l *Ledger) removeReplaced(ctx context.Context, st Store, c compaction) (removed int, err error) {
	var files []File
	keep := map[string]bool{}
	for _, f := range c.Files {
		files = append(files, f.File)
		keep[f.Name] = true
	}
	for _, err := range ScanEvents(ctx, st, files, ReadOptions{Columns: AllColumns}) {
		if err != nil {
			return 0, err
		}
	}
	replaced := map[string]bool{}
	for _, r := range l.Rows {
		if dateOf(r.Window) != c.Date || r.Window > c.Through {
			continue
		}
		for _, f := range r.Files {
			replaced[f.Name] = f.Lane == Silver
		}
	}
	if err := st.Sync(ctx); err != nil { // the new files and their record
		return 0, err
	}
	var names []string
	for info, err := range st.List(ctx, string(Silver)+"/date="+c.Date.String()+"/") {
		if err != nil {
			return 0, err
		}
		if replaced[info.Name] || isCompacted(info.Name) && !keep[info.Name] {
			names = append(names, info.Name)
		}
	}
	if err := Parallel(len(names), readers, func(i int) error { return st.Delete(ctx, names[i]) }); err != nil {
		return 0, err
	}
	c.Removed, c.Older = true, nil
	return len(names), putDurably(ctx, st, compactionName(c.Date), c)
}
