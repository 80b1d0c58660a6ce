package lake

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
)

// Start is how a run goes on with a lake.
type Start struct {
	Source *kafkaio.ResumePoint // nil: nothing is final yet, from the configured start
	// Done is the end of the newest final base window, ms, or NoTime: on-time
	// events of windows up to it are in finished files.
	Done int64
	// MetricsDone is the end of the newest final metrics row, ms, or NoTime.
	MetricsDone int64
	// MetricsWindow is that row's start, ms, if there is one.
	MetricsWindow int64
	// Ahead are the files of bronze with events whose own base windows are not
	// final yet, though those they arrived in are: events that were ahead of their
	// partition's clock. The source does not read them again.
	Ahead []File
	// Increments are the files of the base windows whose sums the metrics
	// windows that are still open need.
	Increments []IncrementsFile

	Kept Kept
}

// Kept is what stays of the ledger.
type Kept struct {
	Settings Settings
	Sealed   int64  // the sealed window, or NoTime
	Rows     *Chain // of the rows up to it; nil: there are none
	Metrics  *Chain // of the final metrics rows; nil: there are none
}

// IncrementsFile is the file with the sums of the base window that ends at End,
// ms.
type IncrementsFile struct {
	Name string
	End  int64
	CRC  uint32 // 0: not known
}

// longestMetricsWindow is the length of the longest metrics window, ms.
const longestMetricsWindow = 3_600_000

// Resume finds from the ledger alone where a run goes on.
func (l *Ledger) Resume() Start {
	s := Start{Done: kafkaio.NoTime, MetricsDone: kafkaio.NoTime, Kept: Kept{Settings: l.Settings, Sealed: kafkaio.NoTime}}
	w, ok := l.Sealed()
	if !ok {
		return s
	}
	s.Done, s.Kept.Sealed = w.End, w.Window
	rows := chainOf(l.Rows, l.sums, Row.window, w.Window)
	s.Kept.Rows = &rows
	if r, ok := l.metricsFinal(); ok {
		s.MetricsDone, s.MetricsWindow = r.End, r.Window
		metrics := chainOf(l.Metrics, l.metricsSums, MetricsRow.window, r.Window)
		s.Kept.Metrics = &metrics
	}
	var final []Row
	for _, r := range l.Rows {
		if r.Window > w.Window {
			break
		}
		final = append(final, r)
		for _, f := range r.Files {
			if k, err := ParseName(f.Name); err == nil && f.Lane == Bronze && r.Ahead[k.Partition] > w.End {
				s.Ahead = append(s.Ahead, f)
			}
		}
		if r.Increments != "" && (s.MetricsDone == kafkaio.NoTime || r.End > s.MetricsDone-longestMetricsWindow) {
			s.Increments = append(s.Increments, IncrementsFile{r.Increments, r.End, r.IncrCRC})
		}
	}
	next := nextOffsets(final)
	s.Source = w.Mark.Resume()
	for i := range s.Source.Partitions {
		p := &s.Source.Partitions[i]
		if from, read := next[p.Partition]; read {
			p.Next = from
		}
	}
	return s
}

// Recall gives the source of s what its partitions' clocks remember: the clock
// values of the last records before those that it reads, which bronze has.
func (l *Ledger) Recall(ctx context.Context, st Store, s *Start) error {
	if s.Source == nil {
		return nil
	}
	files := map[int32][]File{} // by partition, the newest first
	for _, r := range slices.Backward(l.Rows) {
		for _, f := range r.Files {
			if f.Lane != Bronze || r.Window >= s.Done {
				continue
			}
			k, err := ParseName(f.Name)
			if err != nil {
				return err
			}
			files[k.Partition] = append(files[k.Partition], f)
		}
	}
	limits := shop.Limits{MaxBytes: l.Settings.MaxEventBytes, Skew: time.Duration(l.Settings.SkewMs) * time.Millisecond}
	const readers = 4 // each holds a file
	return Parallel(len(s.Source.Partitions), readers, func(i int) error {
		p := &s.Source.Partitions[i]
		for _, f := range files[p.Partition] {
			rows, err := ReadFile[BronzeRow](ctx, st, f)
			if err != nil {
				return err
			}
			for _, r := range slices.Backward(rows) {
				ts := r.KafkaTimestamp / 1000
				if t, ok := shop.EventTime(r.Value, ts, limits); ok && t >= 0 {
					p.Recent = append(p.Recent, kafkaio.ClockValue(t, ts))
				}
				if len(p.Recent) == kafkaio.ClockMemory {
					break
				}
			}
			if len(p.Recent) == kafkaio.ClockMemory {
				break
			}
		}
		slices.Reverse(p.Recent)
		return nil
	})
}

// Reopen withdraws a declared end: more is going to be written.
func Reopen(ctx context.Context, st Store) error { return deleteWitnessed(ctx, st, closedName) }

// Continue prepares a lake for a run that goes on from start. What an earlier
// run wrote beyond it is provisional and will be made again: it is removed,
// ledger rows first, and a declared end is withdrawn. So are, in a folder whose
// Lease this process has, the hidden files of puts that were killed. It returns
// the number of removed objects and files.
//
// It looks only where something beyond start can be, whatever the age of the
// lake.
func Continue(ctx context.Context, st Store, start Start) (removed int, err error) {
	c := continuing{ctx: ctx, st: st}
	if err := Reopen(ctx, st); err != nil {
		return 0, err
	}
	// The seal first: it promises rows. Then rows: none may name a file that is gone.
	metricsSeal := start.MetricsWindow
	if start.MetricsDone == kafkaio.NoTime {
		metricsSeal = kafkaio.NoTime
	}
	if err := lowerMetricsSeal(ctx, st, metricsSeal, start.Kept.Metrics); err != nil {
		return 0, err
	}
	if err := upgrade(ctx, st, start); err != nil {
		return 0, err
	}
	defer track(st, start.Kept.Sealed, metricsSeal) // nothing is written before
	for _, part := range []struct {
		dir  string
		done int64
	}{
		{rowsDir, start.Done},
		{incrementsDir, start.Done},
		{metricsRowsDir, start.MetricsDone},
		{string(Bronze), start.Done},
		{string(Silver), start.Done},
		{string(Late), start.Done},
		{string(Dead), start.Done},
	} {
		if err := c.remove(part.dir, part.done); err != nil {
			return c.removed, err
		}
	}
	kinds, err := metricsKinds(ctx, st)
	for _, kind := range kinds {
		if err == nil {
			err = c.remove(kind, start.MetricsDone)
		}
	}
	if err == nil {
		err = c.sweep("", "", false) // of what has no window
	}
	if err == nil {
		err = c.sweep("ledger", "", false)
	}
	return c.removed, err
}

// upgrade raises a lake of an older format. That of format 2 gets for its rows the
// chains that hold them from now on; what it has of other objects stays without a
// checksum. What it has of silver stays as it is.
func upgrade(ctx context.Context, st Store, start Start) error {
	s := start.Kept.Settings
	if s.Format == formatVersion || s.Format == 0 {
		return nil
	}
	if s.Format == formatUnsummed {
		if start.Kept.Sealed != kafkaio.NoTime {
			if err := putSeal(ctx, st, sealName, seal{&start.Kept.Sealed, start.Kept.Rows}); err != nil {
				return err
			}
		}
		s.Upgraded = true
	}
	slog.Info("the lake's format is raised: older programs refuse it from now on", "lake", st.URI(), "from", s.Format, "to", formatVersion)
	s.Format = formatVersion
	return putWitnessed(ctx, st, settingsName, s)
}

type continuing struct {
	ctx     context.Context
	st      Store
	removed int
}

// remove deletes the files in dir of windows that start at done or later.
func (c *continuing) remove(dir string, done int64) error {
	from := ""
	if done != kafkaio.NoTime {
		from = dir + "/date=" + time.UnixMilli(done).UTC().Format(dateFormat)
	}
	for info, err := range c.st.ListFrom(c.ctx, dir+"/", from) {
		if err != nil {
			return err
		}
		if isCompacted(info.Name) {
			continue // of windows before done: what is compacted is final
		}
		window, ok := windowFiled(info.Name)
		if !ok {
			warnForeign(c.st, info.Name)
			continue
		}
		if done != kafkaio.NoTime && window < done {
			continue
		}
		if err := c.st.Delete(c.ctx, info.Name); err != nil {
			return err
		}
		c.removed++
	}
	return c.sweep(dir, from, true)
}

func (c *continuing) sweep(dir, from string, deep bool) error {
	local, ok := c.st.(*localStore)
	if !ok {
		return nil // a put to a bucket leaves nothing
	}
	n, err := local.sweep(c.ctx, dir, from, deep)
	c.removed += n
	return err
}

// metricsKinds returns the folders of the kinds of metrics that the lake has.
func metricsKinds(ctx context.Context, st Store) (dirs []string, err error) {
	from := ""
	for {
		next := ""
		for info, err := range st.ListFrom(ctx, metricsDir+"/", from) {
			if err != nil {
				return nil, err
			}
			next = info.Name
			break
		}
		if next == "" {
			return dirs, nil
		}
		kind, _, deeper := strings.Cut(strings.TrimPrefix(next, metricsDir+"/"), "/")
		if deeper {
			dirs = append(dirs, metricsDir+"/"+kind)
			from = metricsDir + "/" + kind + "0" // '0' comes after '/': behind all of the kind
		} else {
			from = next + "\x20" // a file that somebody put there
		}
	}
}

// Offsets are the offsets that rows hold of each partition: the first record,
// and the one after the last.
func (l *Ledger) Offsets(ctx context.Context, st Store) (first, next map[int32]int64, err error) {
	first = map[int32]int64{}
	for _, r := range l.Rows {
		for _, f := range r.Files {
			if f.Lane != Bronze {
				continue
			}
			k, err := ParseName(f.Name)
			if err != nil {
				return nil, nil, err
			}
			// Rows are in the order of arrival windows, so the first file of a partition has its first record.
			if _, seen := first[k.Partition]; seen {
				continue
			}
			rows, err := ReadFile[BronzeRow](ctx, st, f)
			if err != nil {
				return nil, nil, err
			}
			if len(rows) > 0 {
				first[k.Partition] = rows[0].KafkaOffset
			}
		}
	}
	return first, nextOffsets(l.Rows), nil
}
