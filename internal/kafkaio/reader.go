package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// pollWait is how long a read without data sleeps before it looks again.
const pollWait = 4 * time.Millisecond

// turnRecords is how many records are taken from one partition before the
// partitions are looked at again: small enough that they stay aligned.
const turnRecords = 2048

// readers are the live connections of this process, by source. A bundle finds
// its source's connections here; where there are none (a new worker, a failed
// bundle), they are opened again from the restriction alone.
var readers = struct {
	sync.Mutex
	byID map[string]*reader
}{byID: map[string]*reader{}}

// reader holds the connections and buffers of one group of partitions.
type reader struct {
	opts      *Options
	eventTime EventTimeFunc
	client    sarama.Client
	fetchers  map[int32]*fetcher
	lastData  map[int32]time.Time // when a partition last brought records
	idleSince time.Time           // since when all partitions are idle; zero: they are not
	idleFrom  int64               // the watermark then
	refreshed time.Time           // when partitions were last looked for
}

func readerFor(o *Options, eventTime EventTimeFunc, group int) (*reader, error) {
	readers.Lock()
	defer readers.Unlock()
	id := fmt.Sprintf("%s/%d", o.ID, group)
	if r := readers.byID[id]; r != nil {
		return r, nil
	}
	client, err := o.Cluster.NewClient()
	if err != nil {
		return nil, err
	}
	r := &reader{
		opts: o, eventTime: eventTime, client: client,
		fetchers: map[int32]*fetcher{}, lastData: map[int32]time.Time{}, refreshed: time.Now(),
	}
	readers.byID[id] = r
	return r, nil
}

// Close drops the connections of the source with this ID, after its job has
// ended.
func Close(id string) error {
	readers.Lock()
	var mine []*reader
	for key, r := range readers.byID {
		if r.opts.ID == id {
			mine = append(mine, r)
			delete(readers.byID, key)
		}
	}
	readers.Unlock()
	var errs []error
	for _, r := range mine {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

func (r *reader) close() error {
	for _, f := range r.fetchers {
		f.stop()
	}
	if err := r.client.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		return fmt.Errorf("close kafka client: %w", err)
	}
	return nil
}

// turn takes records of the partition that is furthest behind in event time
// and has some. It returns a nil partition when nobody has.
func (r *reader) turn(st *restriction) (p *partState, records []Record, next int64, err error) {
	align := r.opts.Align.Milliseconds()
	low := NoTime
	var lagging bool // some partition has unread records
	for i := range st.Parts {
		q := &st.Parts[i]
		if q.done() {
			continue
		}
		f := r.fetcher(q)
		if err := f.err(); err != nil {
			return nil, nil, 0, err
		}
		ready := f.ready()
		if ready && (p == nil || q.High < p.High) {
			p = q
		}
		if ready || q.Next < f.high.Load() || (q.End != noEnd && f.high.Load() < 0) {
			if !lagging || q.High < low {
				low, lagging = q.High, true
			}
		}
	}
	// Hold back the partitions that are far ahead of the slowest one that has more.
	if p == nil || (lagging && align > 0 && p.High != NoTime && (low == NoTime || p.High > low+align)) {
		return nil, nil, 0, nil
	}
	records, next = r.fetcher(p).next(turnRecords)
	if p.End != noEnd && next >= p.End {
		for len(records) > 0 && records[len(records)-1].Offset >= p.End {
			records = records[:len(records)-1]
		}
		next = p.End
	}
	r.lastData[p.ID] = time.Now()
	return p, records, next, nil
}

// fetcher returns the partition's fetcher, at its next offset. A fetcher that
// is elsewhere (a claim was refused, or the state came from another process)
// is replaced.
func (r *reader) fetcher(p *partState) *fetcher {
	f := r.fetchers[p.ID]
	if f != nil && f.pos == p.Next {
		return f
	}
	if f != nil {
		f.stop()
	}
	f = startFetcher(r.client, r.opts, r.eventTime, p.ID, p.Next)
	r.fetchers[p.ID] = f
	r.lastData[p.ID] = time.Now()
	return f
}

// idle reports whether the partition was read up to its high watermark and
// brought nothing for IdleAfter, during which its leader answered: a broker
// that is away does not make a partition idle.
func (r *reader) idle(p *partState) bool {
	if r.opts.IdleAfter <= 0 || p.End != noEnd {
		return false
	}
	f := r.fetchers[p.ID]
	if f == nil || f.high.Load() < 0 || p.Next < f.high.Load() {
		return false
	}
	alive := f.alive.Load()
	return alive > 0 && time.Since(time.UnixMilli(alive)) >= r.opts.IdleAfter && time.Since(r.lastData[p.ID]) >= r.opts.IdleAfter
}

// watermark is restriction.watermark, and where every partition is idle the
// last one plus the time that has passed since: the last windows of a shop
// that sleeps are closed too, and its clock is never jumped to "now".
func (r *reader) watermark(st *restriction) int64 {
	w := r.opts.Windowing()
	wm := st.watermark(w, r.idle)
	for i := range st.Parts {
		if !r.idle(&st.Parts[i]) {
			r.idleSince = time.Time{}
			return wm
		}
	}
	if wm == NoTime || len(st.Parts) == 0 {
		return wm
	}
	if r.idleSince.IsZero() {
		r.idleSince = time.Now()
		r.idleFrom = wm
		for i := range st.Parts {
			r.idleFrom = max(r.idleFrom, st.Parts[i].High-w.Bound)
		}
	}
	return max(wm, w.Start(r.idleFrom+time.Since(r.idleSince).Milliseconds()))
}

// grow adds partitions that were created while the read ran; they are read
// from their beginning.
func (r *reader) grow(st *restriction) {
	if r.opts.Refresh <= 0 || time.Since(r.refreshed) < r.opts.Refresh {
		return
	}
	r.refreshed = time.Now()
	if err := r.client.RefreshMetadata(r.opts.Topic); err != nil {
		slog.Warn("cannot look for new partitions", "topic", r.opts.Topic, "error", err)
		return
	}
	ids, err := r.client.Partitions(r.opts.Topic)
	if err != nil {
		slog.Warn("cannot look for new partitions", "topic", r.opts.Topic, "error", err)
		return
	}
	for _, id := range ids {
		if int(id)%st.Groups == st.Group && st.part(id) == nil {
			slog.Info("new partition", "topic", r.opts.Topic, "partition", id)
			st.Parts = append(st.Parts, partState{ID: id, End: noEnd, High: NoTime})
		}
	}
}

// finishing are the sources of this process that were asked to end.
var finishing sync.Map // Options.ID → *atomic.Bool

func finishFlag(id string) *atomic.Bool {
	flag, _ := finishing.LoadOrStore(id, new(atomic.Bool))
	return flag.(*atomic.Bool)
}

// Finish makes an unbounded read of this process bounded: it reads to the
// offsets that the partitions have now and ends, and every window closes.
func Finish(id string) { finishFlag(id).Store(true) }

// end gives every partition its end: what is in the log now.
func (r *reader) end(st *restriction) error {
	for i := range st.Parts {
		p := &st.Parts[i]
		if p.End != noEnd {
			continue
		}
		end, err := r.client.GetOffset(r.opts.Topic, p.ID, sarama.OffsetNewest)
		if err != nil {
			return fmt.Errorf("topic %s, partition %d: cannot find its end: %w", r.opts.Topic, p.ID, err)
		}
		p.End = end
	}
	return nil
}

// Status is what a source of this process has reached, for displays.
type Status struct {
	Watermark  int64 // ms, or NoTime
	Partitions []PartitionStatus
}

// PartitionStatus is what a source has reached in one partition.
type PartitionStatus struct {
	Partition int32
	Next      int64 // the next offset to read
	Lag       int64 // records in the log that were not read
	High      int64 // highest event time, ms, or NoTime
}

var statuses sync.Map // "ID/group" → Status

// StatusOf returns what the source with this ID has reached in this process.
func StatusOf(id string) Status {
	out := Status{Watermark: NoTime}
	first := true
	statuses.Range(func(key, value any) bool {
		st := value.(Status)
		if k := key.(string); len(k) > len(id) && k[:len(id)] == id && k[len(id)] == '/' {
			out.Partitions = append(out.Partitions, st.Partitions...)
			if first || st.Watermark < out.Watermark {
				out.Watermark, first = st.Watermark, false
			}
		}
		return true
	})
	return out
}

func (r *reader) publish(st *restriction) {
	s := Status{Watermark: st.Watermark}
	for i := range st.Parts {
		p := &st.Parts[i]
		ps := PartitionStatus{Partition: p.ID, Next: p.Next, High: p.High}
		if f := r.fetchers[p.ID]; f != nil {
			ps.Lag = max(0, f.high.Load()-p.Next)
		}
		s.Partitions = append(s.Partitions, ps)
	}
	statuses.Store(fmt.Sprintf("%s/%d", r.opts.ID, st.Group), s)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
