package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const (
	// pollWait is how long a read without data sleeps before it looks again.
	pollWait = 4 * time.Millisecond

	// turnRecords is how many records are taken from one partition before the
	// partitions are looked at again: small enough that they stay aligned.
	turnRecords = 2048

	// stopWait bounds how long closing waits for connections that hang.
	stopWait = 3 * time.Second

	// aheadBytes is how much all partitions together may fetch ahead of what
	// is read: two chunks that wait and one that arrives for each.
	aheadBytes = 64 << 20
	leastFetch = 32 << 10
)

// reader holds the connections and buffers of one group of partitions.
type reader struct {
	opts      *Options
	eventTime EventTimeFunc
	topicID   string
	stamped   bool
	client    sarama.Client   // nil: all is in the log
	replay    *replay         // nil: all is in Kafka
	ctx       context.Context // of its fetchers; ended by close
	cancel    context.CancelFunc
	reached   atomic.Pointer[Status] // for reportOffsets
	share     atomic.Int32           // bytes that each fetcher asks for at once

	mu        sync.Mutex // held by the call that reads; guards what follows
	fetchers  map[int32]*fetcher
	lastData  map[int32]time.Time // when a partition last brought records
	idleSince time.Time           // since when all partitions are idle; zero: they are not
	idleFrom  int64               // the watermark then
	refreshed time.Time           // when partitions were last looked for

	warned time.Time // when an open transaction was last warned of; of the call that reads
}

func newReader(client sarama.Client, o *Options, eventTime EventTimeFunc, topicID string) *reader {
	r := &reader{
		opts: o, eventTime: eventTime, topicID: topicID, client: client,
		fetchers: map[int32]*fetcher{}, lastData: map[int32]time.Time{}, refreshed: time.Now(),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if o.Group != "" {
		go r.reportOffsets()
	}
	return r
}

// close ends a call that still reads, and the fetchers.
func (r *reader) close() error {
	r.cancel()
	var err error
	if r.client != nil {
		err = r.client.Close() // ends what waits for metadata
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := time.NewTimer(stopWait)
	defer limit.Stop()
	for id, f := range r.fetchers {
		select {
		case <-f.done:
		case <-limit.C: // it is cancelled, and ends when its connection does
			slog.Debug("a kafka connection hangs and is left to time out", "topic", r.opts.Topic, "partition", id)
			limit.Reset(0)
		}
	}
	if err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		return fmt.Errorf("close kafka client: %w", err)
	}
	return nil
}

// turn is what one look at the partitions brings: records of one of them and
// the offset after them. part is nil when nobody has anything.
type turn struct {
	part    *partState
	records []Record
	next    int64
}

// turn takes records of the partition that is furthest behind in event time
// and has some.
func (r *reader) turn(st *restriction) (turn, error) {
	align := r.opts.Align.Milliseconds()
	var p *partState
	low := NoTime
	waiting := false // some partition has unread records, or may have
	r.share.Store(fetchShare(r.opts.FetchBytes, len(st.Parts)))
	for i := range st.Parts {
		q := &st.Parts[i]
		if q.done() {
			continue
		}
		f := r.fetcher(q)
		if err := f.err(); err != nil {
			return turn{}, err
		}
		ready := f.ready()
		if ready && (p == nil || q.High < p.High) {
			p = q
		}
		// A partition whose leader does not answer, or whose next records wait for a transaction to end, holds the
		// watermark: reading far ahead of it would only fill memory.
		if (ready || q.Next < f.told.high.Load() || !f.told.answers()) && (!waiting || q.High < low) {
			low, waiting = q.High, true
		}
	}
	// Hold back the partitions that are far ahead of the slowest one that has more.
	if p == nil || (align > 0 && p.High != NoTime && (low == NoTime || p.High > low+align)) {
		return turn{}, nil
	}
	t := turn{part: p}
	t.records, t.next = r.fetcher(p).next(turnRecords)
	if p.End != noEnd && t.next >= p.End {
		for len(t.records) > 0 && t.records[len(t.records)-1].Offset >= p.End {
			t.records = t.records[:len(t.records)-1]
		}
		t.next = p.End
	}
	// Records without a valid time move no clock: a partition that brings nothing else is as good as idle.
	if slices.ContainsFunc(t.records, func(rec Record) bool { return rec.Time != NoTime }) {
		r.lastData[p.ID] = time.Now()
	}
	return t, nil
}

// fetchShare is how many bytes each of n partitions asks for at once: most,
// or less where there are many. A broker sends a whole record batch, however
// large, so the share bounds what is fetched ahead only down to that.
func fetchShare(most, n int) int32 {
	return int32(min(most, max(leastFetch, aheadBytes/(3*max(n, 1)))))
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
	f = startFetcher(r, p.ID, p.Next)
	r.fetchers[p.ID] = f
	r.lastData[p.ID] = time.Now()
	return f
}

// idle reports whether the partition was read up to its high watermark and
// brought nothing for IdleAfter, during which its leader answered: a broker
// that is away or hangs does not make a partition idle, nor does a transaction
// that is open, whose records are in the log.
func (r *reader) idle(p *partState) bool {
	if r.opts.IdleAfter <= 0 || p.End != noEnd {
		return false
	}
	f := r.fetchers[p.ID]
	if f == nil || !f.told.answers() || p.Next < f.told.high.Load() {
		return false
	}
	return uptime()-time.Duration(f.told.since.Load()) >= r.opts.IdleAfter && time.Since(r.lastData[p.ID]) >= r.opts.IdleAfter
}

// drained is upToDate for a caller that is not reading.
func (r *reader) drained(st *restriction) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.upToDate(st)
}

// upToDate reports whether every partition was read to where its leader, which
// answers, last said that its committed records end.
func (r *reader) upToDate(st *restriction) bool {
	for i := range st.Parts {
		p := &st.Parts[i]
		if f := r.fetchers[p.ID]; !p.done() && (f == nil || !f.told.answers() || p.Next < f.told.stable.Load()) {
			return false
		}
	}
	return true
}

// watermark is restriction.watermark, and where every partition is idle the
// last one plus the time that has passed since: the last windows of a shop
// that sleeps are closed too, and its clock is never jumped to "now".
func (r *reader) watermark(st *restriction) int64 {
	w := r.opts.Windowing()
	wm := st.watermark(w, r.idle)
	from := wm
	for i := range st.Parts {
		p := &st.Parts[i]
		if !r.idle(p) {
			r.idleSince = time.Time{}
			return wm
		}
		if p.High != NoTime {
			from = max(from, p.High-w.Bound)
		}
	}
	if from == NoTime {
		return wm // no partition has a time yet
	}
	if r.idleSince.IsZero() {
		r.idleSince, r.idleFrom = time.Now(), from
	}
	return max(wm, w.Start(r.idleFrom+time.Since(r.idleSince).Milliseconds()))
}

// adapt gives an unbounded read the partitions that were created while it ran,
// or, when it has to end, ends at what is in the log now. It reports whether
// st has changed.
func (r *reader) adapt(st *restriction, finish bool) (bool, error) {
	if r.opts.Bounded {
		return false, nil
	}
	if finish {
		return r.end(st)
	}
	return r.grow(st), nil
}

// grow adds new partitions; they are read from their beginning.
func (r *reader) grow(st *restriction) bool {
	if r.opts.Refresh <= 0 || time.Since(r.refreshed) < r.opts.Refresh {
		return false
	}
	r.refreshed = time.Now()
	err := r.client.RefreshMetadata(r.opts.Topic)
	var ids []int32
	if err == nil {
		ids, err = r.client.Partitions(r.opts.Topic)
	}
	n := len(st.Parts)
	for _, id := range ids {
		if int(id)%st.Groups != st.Group || st.part(id) != nil {
			continue
		}
		var oldest int64
		if oldest, err = offsetAt(r.client, r.opts.Topic, id, sarama.OffsetOldest); err != nil {
			break
		}
		slog.Info("new partition", "topic", r.opts.Topic, "partition", id)
		st.Parts = append(st.Parts, partState{ID: id, Start: oldest, Next: oldest, Read: oldest, End: noEnd, High: NoTime})
	}
	if err != nil {
		slog.Warn("cannot look for new partitions, will try again", "topic", r.opts.Topic, "error", err)
	}
	return len(st.Parts) > n
}

// end gives every partition its end: what is in the log now.
func (r *reader) end(st *restriction) (changed bool, err error) {
	for i := range st.Parts {
		p := &st.Parts[i]
		if p.End != noEnd {
			continue
		}
		end, err := offsetAt(r.client, r.opts.Topic, p.ID, sarama.OffsetNewest)
		if err != nil {
			return false, fmt.Errorf("topic %q, partition %d: cannot find its end: %w", r.opts.Topic, p.ID, err)
		}
		p.End, changed = end, true
	}
	return changed, nil
}

func (r *reader) status(st *restriction) Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Watermark: st.Watermark}
	for i := range st.Parts {
		p := &st.Parts[i]
		ps := PartitionStatus{Partition: p.ID, Next: p.Next, High: p.High, Lag: UnknownLag}
		if p.done() { // nothing more is wanted of it, and nobody asks
			ps.Lag = 0
		} else if f := r.fetchers[p.ID]; f != nil {
			ps.told = f.told
			ps.told.status(&ps)
		}
		s.Partitions = append(s.Partitions, ps)
	}
	return s
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
