package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"
)

// compactionsDir has one object a UTC date whose silver was compacted:
//
//	ledger/compactions/date=2026-03-01.json
const compactionsDir = "ledger/compactions"

func compactionName(date civil.Date) string {
	return compactionsDir + "/date=" + date.String() + ".json"
}

// compaction says that readers take Files in place of the silver files of a
// date's base windows up to Through. Rows of the ledger keep the names of what
// was written.
type compaction struct {
	Date       civil.Date      `json:"date"`
	Generation int             `json:"generation"` // how often the date was compacted before
	Through    int64           `json:"through"`    // ms since the epoch: the start of the last window
	Files      []compactedFile `json:"files"`      // by category, then window
	Older      []string        `json:"older,omitempty"`
	// Removed: the files that were replaced, also those of older generations, are gone.
	Removed bool `json:"removed,omitempty"`

	byCategory map[string][]compactedFile // of Files
}

// compactedFile has the rows of a category in the base windows that start in
// [From, To], ms.
type compactedFile struct {
	File
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

func (c *compaction) rows() (n int64) {
	for _, f := range c.Files {
		n += f.Rows
	}
	return n
}

func (c *compaction) index() {
	c.byCategory = map[string][]compactedFile{}
	for _, f := range c.Files {
		category, _ := silverCategory(f.Name)
		c.byCategory[category] = append(c.byCategory[category], f)
	}
}

// inPlaceOf returns the file that has the rows of a silver file of a window.
func (c *compaction) inPlaceOf(name string, window int64) (File, bool) {
	category, ok := silverCategory(name)
	if !ok {
		return File{}, false
	}
	for _, f := range c.byCategory[category] {
		if f.From <= window && window <= f.To {
			return f.File, true
		}
	}
	return File{}, false
}

// dateOf is the UTC date of a window's start.
func dateOf(window int64) civil.Date { return civil.DateOf(time.UnixMilli(window).UTC()) }

// compactionOf returns the compaction that covers a window, or nil.
func (l *Ledger) compactionOf(window int64) *compaction {
	if len(l.compactions) == 0 {
		return nil
	}
	if c := l.compactions[dateOf(window)]; c != nil && window <= c.Through {
		return c
	}
	return nil
}

// RowFiles returns the files that have a row's events and records now: after a
// compaction not those that the row names, but the compacted ones, which have
// rows of other base windows, too.
func (l *Ledger) RowFiles(r Row) []File {
	c := l.compactionOf(r.Window)
	if c == nil {
		return r.Files
	}
	files := make([]File, 0, len(r.Files))
	for _, f := range r.Files {
		if f.Lane == Silver {
			f, _ = c.inPlaceOf(f.Name, r.Window) // checkCompactions has found all
		}
		if !slices.Contains(files, f) { // of several shards
			files = append(files, f)
		}
	}
	return files
}

// Files returns the files of some lanes that readers take (Visible), each once.
func (l *Ledger) Files(lanes ...Lane) []File {
	var files []File
	compacted := map[string]bool{}
	for _, r := range l.Visible() {
		isCompacted := l.compactionOf(r.Window) != nil
		for _, f := range l.RowFiles(r) {
			if !slices.Contains(lanes, f.Lane) || compacted[f.Name] {
				continue
			}
			if isCompacted && f.Lane == Silver {
				compacted[f.Name] = true
			}
			files = append(files, f)
		}
	}
	return files
}

// readCompactions reads all compactions. Like a seal, one that is seen has all
// its rows on disk: it is read before them.
func readCompactions(ctx context.Context, st Store, tell faults) (map[civil.Date]*compaction, error) {
	var names []string
	for info, err := range st.List(ctx, compactionsDir+"/") {
		if err != nil {
			return nil, err
		}
		if date, ok := dateFiled(compactionsDir, info.Name); !ok || compactionName(date) != info.Name {
			warnForeign(st, info.Name)
			continue
		}
		names = append(names, info.Name)
	}
	read := make([]compaction, len(names))
	err := Parallel(len(names), readers, func(i int) error {
		err := getJSON(ctx, st, names[i], &read[i])
		if name := compactionName(read[i].Date); err == nil && name != names[i] {
			err = damaged(st, names[i], fmt.Errorf("expected the compaction of its date, found that of %s", name))
		}
		if err != nil {
			read[i].Date = civil.Date{}
		}
		return tell.take(err)
	})
	compactions := map[civil.Date]*compaction{}
	for i := range read {
		if read[i].Date == (civil.Date{}) {
			continue
		}
		read[i].index()
		compactions[read[i].Date] = &read[i]
	}
	return compactions, err
}

// checkCompactions wants a compacted file for each silver file that one
// replaces, and as many rows.
func (l *Ledger) checkCompactions(st Store, tell faults) error {
	if len(l.compactions) == 0 {
		return nil
	}
	rows := map[civil.Date]int64{}
	for _, r := range l.Rows {
		c := l.compactionOf(r.Window)
		if c == nil {
			continue
		}
		for _, f := range r.Files {
			if f.Lane != Silver {
				continue
			}
			rows[c.Date] += f.Rows
			if _, ok := c.inPlaceOf(f.Name, r.Window); !ok {
				if err := tell.take(damaged(st, compactionName(c.Date), fmt.Errorf("expected a file in place of %s, found none", f.Name))); err != nil {
					return err
				}
			}
		}
	}
	if len(l.unread) > 0 {
		return nil // rows are missing that may be of these dates
	}
	for date, c := range l.compactions {
		if rows[date] == c.rows() {
			continue
		}
		err := damaged(st, compactionName(date), fmt.Errorf("expected files of %d rows, as in the date's ledger rows, found %d", rows[date], c.rows()))
		if err := tell.take(err); err != nil {
			return err
		}
	}
	return nil
}

// compactable returns the rows of a date that are final for good: up to the
// sealed one. What a bounded run closed beyond it a later run may write again.
// complete says that nothing of the date is missing.
func (l *Ledger) compactable(date civil.Date) (rows []Row, complete bool) {
	sealed, ok := l.Sealed()
	if !ok {
		return nil, l.Closed != nil
	}
	from, _ := slices.BinarySearchFunc(l.Rows, date, func(r Row, d civil.Date) int { return compareDates(dateOf(r.Window), d) })
	for _, r := range l.Rows[from:] {
		if dateOf(r.Window) != date || r.Window > sealed.Window {
			break
		}
		rows = append(rows, r)
	}
	return rows, l.Closed != nil || compareDates(dateOf(sealed.End), date) > 0
}

func compareDates(a, b civil.Date) int {
	return cmp.Or(cmp.Compare(a.Year, b.Year), cmp.Compare(int(a.Month), int(b.Month)), cmp.Compare(a.Day, b.Day))
}

// isCompacted reports whether a name is that of a compacted file.
func isCompacted(name string) bool {
	return strings.HasPrefix(name[strings.LastIndexByte(name, '/')+1:], compactedPrefix)
}
