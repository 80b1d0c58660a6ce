package kafkaio

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
)

// errSplit means that the runner has taken the rest away: what is claimed and
// emitted is ours, the rest belongs to another call.
var errSplit = errors.New("the runner has taken the rest away")

// slice reads until the bundle is full or its time is over. It returns the
// state reached, or nil when the runner has taken the rest away. idle says that
// nothing came and nothing is there.
func (fn *reading) slice(ctx context.Context, rt *sdf.LockRTracker, emit func(beam.EventTime, RecordBatch)) (st *restriction, idle bool, err error) {
	claimed := rt.GetRestriction().(restriction)
	reached := claimed.clone()
	st = &reached
	if st.Finished {
		return st, false, nil
	}
	src := sourceOf(fn.Options.ID)
	r, err := src.reader(&fn.Options, fn.eventTime, st)
	if err != nil {
		return nil, false, err
	}
	switch err := fn.read(ctx, src, r, st, rt, emit); {
	case errors.Is(err, errSplit):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	status := r.status(st)
	r.reached.Store(&status)
	r.warnOpen(&status, time.Now())
	src.publish(status, st.Group)
	if st.Finished {
		if err := r.commitOffsets(status); err != nil {
			slog.Warn("cannot report offsets to the consumer group; lag tools show old ones", "group", r.opts.Group, "error", err)
		}
		return st, false, src.release(st.Group)
	}
	return st, !moved(&claimed, st) && r.drained(st), nil
}

// read is slice with the reader at hand.
func (fn *reading) read(ctx context.Context, src *source, r *reader, st *restriction, rt *sdf.LockRTracker, emit func(beam.EventTime, RecordBatch)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &fn.Options
	changed, err := r.adapt(st, src.finish.Load())
	if err != nil {
		return err
	}
	if changed && !rt.TryClaim(st.clone()) {
		return errSplit
	}
	deadline := time.Now().Add(o.Bundle)
	quiet := time.Now() // since when there was no data
	for n := 0; n < o.BundleRecords && !st.allDone(); {
		if r.ctx.Err() != nil {
			return errClosed
		}
		var t turn
		if !src.flow.full(o.Budget, st.Watermark) {
			if t, err = r.turn(st); err != nil {
				return err
			}
		}
		if t.part == nil {
			if ctx.Err() != nil || time.Until(deadline) <= 0 || (o.IdleSlice > 0 && time.Since(quiet) >= o.IdleSlice && r.upToDate(st)) {
				break
			}
			sleep(ctx, pollWait)
			continue
		}
		if r.replay != nil {
			r.replay.raise(t.part, t.next)
		}
		batches := st.take(o.Windowing(), o.Topic, t.part, t.records, t.next)
		if !rt.TryClaim(st.clone()) {
			return errSplit
		}
		for _, b := range batches {
			src.flow.read.Add(b.bytes())
			emit(mtime.FromMilliseconds(b.Arrival), b)
		}
		n += len(t.records)
		quiet = time.Now()
		if time.Until(deadline) <= 0 {
			break
		}
	}
	return fn.report(r, st, rt, emit)
}

// moved reports whether a slice read anything.
func moved(before, after *restriction) bool {
	if before.Watermark != after.Watermark || len(before.Parts) != len(after.Parts) {
		return true
	}
	for i := range after.Parts {
		if before.Parts[i].Next != after.Parts[i].Next {
			return true
		}
	}
	return false
}

// report emits a mark if the watermark has moved, and closes a read that is
// at its end. The jump of the watermark at the end of a bounded read makes no
// mark: windows closed by it may still get more data from a later run. A read
// of a Log ends with the mark that the earlier read had ended with.
func (fn *reading) report(r *reader, st *restriction, rt *sdf.LockRTracker, emit func(beam.EventTime, RecordBatch)) error {
	w := fn.Options.Windowing()
	var mark *Mark
	if st.allDone() {
		st.Finished = true
		if r.replay != nil {
			mark = r.replay.mark(w, st)
		}
	} else {
		wm := r.watermark(st)
		if wm <= st.Watermark || r.replay != nil && r.replay.holds(wm) {
			return nil
		}
		mark = st.mark(w, wm)
	}
	if mark != nil {
		st.Watermark = mark.Watermark
	}
	if !rt.TryClaim(st.clone()) {
		return errSplit
	}
	if mark != nil {
		in := mark.Watermark - w.Base
		emit(mtime.FromMilliseconds(in), RecordBatch{Topic: fn.Options.Topic, Partition: -1, Arrival: in, Mark: mark})
	}
	return nil
}

// take moves the state of p over the records and packs them by arrival window.
func (r *restriction) take(w Windowing, topic string, p *partState, records []Record, next int64) []RecordBatch {
	var out []RecordBatch
	from, arrival := 0, int64(0)
	w.Clock = w.Clock.orDefault()
	p.Clock = p.Clock.clone(w.Clock.Last) // the one it has belongs to a claimed state
	for i := range records {
		rec := &records[i]
		rec.High, rec.Late = r.observe(&w, p, rec)
		if a := w.Arrival(rec.High); i == 0 || a != arrival {
			if i > from {
				out = append(out, RecordBatch{Topic: topic, Partition: p.ID, Arrival: arrival, Records: records[from:i:i]})
			}
			from, arrival = i, a
		}
	}
	if len(records) > from {
		out = append(out, RecordBatch{Topic: topic, Partition: p.ID, Arrival: arrival, Records: records[from:]})
	}
	p.Next = next
	return out
}
