package lake

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"

	"cloud.google.com/go/civil"
)

// CompactStats is what a compaction did. Before and After are the date's silver
// files that readers take; equal numbers mean that nothing was done.
type CompactStats struct {
	Date          civil.Date
	Before, After int
	Rows          int64
	Bytes         int64 // of the files written
}

const (
	// A compacted file has one row group, and is ended before the base window
	// with which it would get more rows or, by the old files, bytes.
	maxCompactedRows  = maxRowsPerRowGroup
	maxCompactedBytes = 128 << 20
)

// Compact rewrites the silver of a UTC date into few files: one a category, or
// one a million rows of it. Rows are the same, in the order of event time, then
// Kafka partition and offset; the same rows make the same bytes. Readers that
// follow the ledger (Ledger.Files, RowFiles) find the old files or the new ones,
// never both; the old ones stay until RemoveReplaced.
//
// The date must be complete: sealed past its end, or the lake closed. Of a
// closed lake only windows up to the sealed one are compacted, since a run that
// goes on writes the others again; when the date has more, it can be compacted
// again. Otherwise a second call does nothing. A call that fails or is killed
// changes nothing for readers, and the next one starts again.
//
// l must have been read by this process; nobody else may compact or remove at
// the same time. A writer may run. Memory: the rows of one base window and the
// file that is being written, for each processor.
func Compact(ctx context.Context, st Store, l *Ledger, date civil.Date) (CompactStats, error) {
	stats := CompactStats{Date: date}
	rows, complete := l.compactable(date)
	if !complete {
		return stats, fmt.Errorf("compact %s: expected a date that is complete, found one that %s may still get events: compact it when the ledger's seal is past its end", date, st.URI())
	}
	if len(rows) == 0 {
		return stats, nil
	}
	last := l.compactions[date]
	parts := planParts(rows, last)
	before := map[string]bool{}
	for _, p := range parts {
		for _, s := range p.sources {
			for _, f := range s.files {
				before[f.Name] = true
			}
			stats.Rows += s.rows()
		}
	}
	stats.Before, stats.After = len(before), len(parts)
	if stats.After == stats.Before {
		return stats, nil // as few as can be
	}
	next := compaction{Date: date, Through: rows[len(rows)-1].Window, Files: make([]compactedFile, len(parts))}
	if last != nil {
		next.Generation = last.Generation + 1
		next.Older = slices.Clone(last.Older)
		for _, f := range last.Files {
			next.Older = append(next.Older, f.Name)
		}
	}
	err := Parallel(len(parts), runtime.GOMAXPROCS(0), func(i int) (err error) {
		next.Files[i], err = parts[i].write(ctx, st, compactedName(date.String(), parts[i].category, next.Generation, parts[i].number))
		return err
	})
	if err != nil {
		return stats, fmt.Errorf("compact %s: %w", date, err)
	}
	for _, f := range next.Files {
		stats.Bytes += f.Bytes
	}
	if err := putDurably(ctx, st, compactionName(date), next); err != nil {
		return stats, err
	}
	if l.compactions == nil {
		l.compactions = map[civil.Date]*compaction{}
	}
	next.index()
	l.compactions[date] = &next
	return stats, nil
}

// part is a compacted file that is to be written.
type part struct {
	category string
	number   int // of the category's files
	sources  []source
}

// source is files whose rows go into a compacted file: the shards of one base
// window, or a compacted file of an older generation, which is in order.
type source struct {
	files    []File
	from, to int64 // windows
	sorted   bool
}

func (s *source) rows() (n int64) {
	for _, f := range s.files {
		n += f.Rows
	}
	return n
}

func (s *source) bytes() (n int64) {
	for _, f := range s.files {
		n += f.Bytes
	}
	return n
}

// planParts lays out a date's compacted files, by category, then window.
func planParts(rows []Row, last *compaction) []part {
	sources := map[string][]source{} // by category, in the order of windows
	if last != nil {
		for _, f := range last.Files {
			category, _ := silverCategory(f.Name)
			sources[category] = append(sources[category], source{[]File{f.File}, f.From, f.To, true})
		}
	}
	for _, r := range rows {
		if last != nil && r.Window <= last.Through {
			continue
		}
		for _, f := range r.Files {
			if f.Lane != Silver {
				continue
			}
			category, _ := silverCategory(f.Name)
			s := sources[category]
			if n := len(s); n > 0 && s[n-1].from == r.Window && !s[n-1].sorted {
				s[n-1].files = append(s[n-1].files, f) // another shard
			} else {
				sources[category] = append(s, source{[]File{f}, r.Window, r.Window, false})
			}
		}
	}
	var parts []part
	for category, list := range sources {
		p := part{category: category}
		var rows, bytes int64
		for _, s := range list {
			if len(p.sources) > 0 && (rows+s.rows() > maxCompactedRows || bytes+s.bytes() > maxCompactedBytes) {
				parts = append(parts, p)
				p = part{category: category, number: p.number + 1}
				rows, bytes = 0, 0
			}
			p.sources = append(p.sources, s)
			rows += s.rows()
			bytes += s.bytes()
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.category, b.category), cmp.Compare(a.number, b.number))
	})
	return parts
}

// write merges the sources into one file. Windows follow each other and do not
// overlap in event time, so that only the rows of one are sorted at a time.
func (p *part) write(ctx context.Context, st Store, name string) (compactedFile, error) {
	var out bytes.Buffer
	w := silverEncoder.open(&out)
	group, total := 0, int64(0)
	add := func(rows []SilverRow) error {
		total += int64(len(rows))
		for len(rows) > 0 {
			n := min(len(rows), maxRowsPerRowGroup-group)
			if err := silverEncoder.write(w, rows[:n]); err != nil {
				return err
			}
			rows = rows[n:]
			if group += n; group == maxRowsPerRowGroup {
				group = 0
				if err := w.Flush(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var files []File
	for _, s := range p.sources {
		files = append(files, s.files...)
	}
	from := ahead(ctx, st, files)
	var window []SilverRow
	for _, s := range p.sources {
		window = window[:0]
		for e, err := range ScanEvents(ctx, from, s.files, ReadOptions{Columns: AllColumns}) {
			if err != nil {
				return compactedFile{}, err
			}
			window = appendSilver(window, &e)
			if s.sorted {
				if err := add(window); err != nil {
					return compactedFile{}, err
				}
				window = window[:0]
			}
		}
		slices.SortFunc(window, inTime)
		if err := add(window); err != nil {
			return compactedFile{}, err
		}
		clear(window)
	}
	if group > 0 {
		if err := w.Flush(); err != nil {
			return compactedFile{}, err
		}
	}
	if err := w.Close(); err != nil {
		return compactedFile{}, err
	}
	silverEncoder.writers.Put(w)
	f := File{Lane: Silver, Name: name, Rows: total, Bytes: int64(out.Len()), CRC: CRC(out.Bytes())}
	if err := st.Put(ctx, name, out.Bytes()); err != nil {
		return compactedFile{}, err
	}
	return compactedFile{f, p.sources[0].from, p.sources[len(p.sources)-1].to}, nil
}

func inTime(a, b SilverRow) int {
	return cmp.Or(cmp.Compare(a.EventTime, b.EventTime), cmp.Compare(a.KafkaPartition, b.KafkaPartition), cmp.Compare(a.KafkaOffset, b.KafkaOffset))
}

func appendSilver(rows []SilverRow, e *Events) []SilverRow {
	rows = slices.Grow(rows, e.N)
	for i := range e.N {
		rows = append(rows, SilverRow{
			EventID: e.EventID[i], EventType: e.EventType[i], EventTime: e.EventTime[i],
			ProductID: e.ProductID[i], ProductName: e.ProductName[i], UserID: e.UserID[i], SessionID: e.SessionID[i],
			Country: e.Country[i], OrderID: e.OrderID[i], Line: e.Line[i], Quantity: e.Quantity[i], UnitPrice: e.UnitPrice[i],
			Currency: e.Currency[i], SchemaVersion: e.SchemaVersion[i], KafkaPartition: e.KafkaPartition[i], KafkaOffset: e.KafkaOffset[i], Category: e.Category[i],
		})
	}
	return rows
}
