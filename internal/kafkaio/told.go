package kafkaio

import (
	"sync/atomic"
	"time"
)

// lagFor is how long after a leader's last answer its high watermark counts as
// known: a change of leaders takes less.
const lagFor = 5 * time.Second

// told is what the leader of a partition has told its fetcher. It outlives the
// fetcher, and any goroutine may read it.
type told struct {
	high     atomic.Int64 // high watermark of the newest fetch: the end of the log; −1 before it
	stable   atomic.Int64 // where committed records end: high, or the first record of an open transaction; −1 before the first fetch
	since    atomic.Int64 // since when the leader answers, by uptime; 0: it does not
	answered atomic.Int64 // when it last did, by uptime
	asking   atomic.Int64 // since when an answer is waited for, by uptime; 0: none is wanted
	problem  atomic.Pointer[error]
	open     atomic.Pointer[openTransaction]
}

// openTransaction holds a partition up: its records, and all after them, wait
// for its end.
type openTransaction struct {
	offset int64 // of its first record
	since  time.Time
}

func newTold() *told {
	t := &told{}
	t.high.Store(-1)
	t.stable.Store(-1)
	return t
}

// answers reports whether the leader answers: fetches come back, and did so
// just now.
func (t *told) answers() bool {
	return t.since.Load() > 0 && uptime()-time.Duration(t.answered.Load()) < answerWait
}

// silent is how long an answer has been waited for; 0 while none is wanted,
// since the reader is behind.
func (t *told) silent() time.Duration {
	if asking := t.asking.Load(); asking > 0 {
		return uptime() - time.Duration(asking)
	}
	return 0
}

// ask notes that an answer is waited for from now on.
func (t *told) ask() { t.asking.Store(int64(uptime())) }

// answer notes a good fetch.
func (t *told) answer() {
	now := int64(uptime())
	t.answered.Store(now)
	t.asking.Store(now)
	t.since.CompareAndSwap(0, now)
	t.problem.Store(nil)
}

// ends notes where the log and its committed records end, and whether a fetcher
// that is at next now has read all that is committed, but not all.
func (t *told) ends(high, stable, next int64) {
	// In this order: who sees the new end of what is committed must not take the partition for read to its end.
	t.high.Store(high)
	t.stable.Store(stable)
	was := t.open.Load()
	switch {
	case stable >= high || next < stable:
		t.open.Store(nil)
	case was == nil || was.offset != stable:
		t.open.Store(&openTransaction{offset: stable, since: time.Now()})
	}
}

// status fills in what is known by now of a partition that was read up to p.Next.
func (t *told) status(p *PartitionStatus) {
	p.Silent = t.silent()
	if e := t.problem.Load(); e != nil {
		p.Problem = *e
	}
	if high := t.high.Load(); high >= 0 && p.Silent < lagFor {
		p.Lag = max(0, high-p.Next)
	} else {
		p.Lag = UnknownLag
	}
	if open := t.open.Load(); open != nil {
		p.OpenAt, p.OpenSince = open.offset, open.since
	}
}
