package lake

import (
	"context"
	"log/slog"

	"example.com/shopstream/internal/kafkaio"
)

// Start is how a run goes on with a lake.
type Start struct {
	Source *kafkaio.ResumePoint // nil: nothing is final yet, from the configured start
	// Done is the end of the newest final base window, ms, or NoTime: on-time
	// events of windows up to it are in finished files.
	Done int64
	// MetricsDone is the end of the newest final metrics row, ms, or NoTime.
	MetricsDone int64
	// Increments are the files of the base windows whose sums the metrics
	// windows that are still open need.
	Increments []IncrementsFile
}

// IncrementsFile is the file with the sums of the base window that ends at End,
// ms.
type IncrementsFile struct {
	Name string
	End  int64
}

// longestMetricsWindow is the length of the longest metrics window, ms.
const longestMetricsWindow = 3_600_000

// Resume finds from the ledger alone where a run goes on.
func (l *Ledger) Resume() Start {
	s := Start{Done: kafkaio.NoTime, MetricsDone: kafkaio.NoTime}
	w, ok := l.Sealed()
	if !ok {
		return s
	}
	s.Done, s.MetricsDone = w.End, l.metricsDone()
	var final []Row
	for _, r := range l.Rows {
		if r.Window > w.Window {
			break
		}
		final = append(final, r)
		if r.Increments != "" && (s.MetricsDone == kafkaio.NoTime || r.End > s.MetricsDone-longestMetricsWindow) {
			s.Increments = append(s.Increments, IncrementsFile{r.Increments, r.End})
		}
	}
	next := nextOffsets(final)
	s.Source = &kafkaio.ResumePoint{Watermark: w.Mark.Watermark, TopicID: w.Mark.TopicID}
	for _, p := range w.Mark.Partitions {
		from, read := next[p.Partition]
		if !read {
			from = p.Start
		}
		s.Source.Partitions = append(s.Source.Partitions, kafkaio.ResumePosition{
			Partition: p.Partition, Start: p.Start, Next: from, Read: p.Next, Raises: p.Raises,
		})
	}
	return s
}

// Continue prepares a lake for a run that goes on from start. What an earlier
// run wrote beyond it is provisional and will be made again: it is removed,
// ledger rows first, and a declared end is withdrawn. It returns the number of
// removed objects.
func Continue(ctx context.Context, st Store, start Start) (removed int, err error) {
	if err := st.Delete(ctx, closedName); err != nil {
		return 0, err
	}
	// The ledger first: no row may name a file that is gone.
	for _, part := range []struct {
		prefix string
		done   int64
	}{
		{sealsDir + "/", start.Done},
		{rowsDir + "/", start.Done},
		{incrementsDir + "/", start.Done},
		{metricsSealDir + "/", start.MetricsDone},
		{metricsRowsDir + "/", start.MetricsDone},
		{string(Bronze) + "/", start.Done},
		{string(Silver) + "/", start.Done},
		{string(Late) + "/", start.Done},
		{string(Dead) + "/", start.Done},
		{metricsDir + "/", start.MetricsDone},
	} {
		for info, err := range st.List(ctx, part.prefix) {
			if err != nil {
				return removed, err
			}
			window, err := windowOf(info.Name)
			if err != nil {
				slog.Warn("not a file of the lake, left alone", "name", info.Name)
				continue
			}
			if part.done != kafkaio.NoTime && window < part.done {
				continue
			}
			if err := st.Delete(ctx, info.Name); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
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
			rows, err := ReadAll[BronzeRow](ctx, st, f.Name)
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
