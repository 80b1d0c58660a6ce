package kafkaio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// source is what this process knows of the read with one ID. A bundle finds
// its connections here; where there are none (a new worker, a failed bundle),
// they are opened again from the restriction alone.
type source struct {
	flow   flow
	finish atomic.Bool // asked to end

	mu       sync.Mutex
	closed   bool
	readers  map[int]*reader // by group
	statuses map[int]Status  // by group
}

var sources sync.Map // Options.ID → *source

func sourceOf(id string) *source {
	if s, ok := sources.Load(id); ok {
		return s.(*source)
	}
	fresh := &source{readers: map[int]*reader{}, statuses: map[int]Status{}}
	fresh.flow.sealed.Store(NoTime)
	s, _ := sources.LoadOrStore(id, fresh)
	return s.(*source)
}

// errClosed ends a read whose source was closed while it ran.
var errClosed = errors.New("kafkaio: the source was closed (its job has ended, or was cancelled)")

// reader returns the open reader of the group of st, or opens one.
func (s *source) reader(o *Options, eventTime EventTimeFunc, st *restriction) (*reader, error) {
	s.mu.Lock()
	r, closed := s.readers[st.Group], s.closed
	s.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if r != nil {
		return r, nil
	}
	// Without the lock: it may take long. A group has one call at a time, so nobody else opens the same.
	log, err := openLog(context.Background(), o)
	if err != nil {
		return nil, err
	}
	var client sarama.Client
	if log == nil || log.tail() {
		if client, err = o.Cluster.NewClient(); err != nil {
			return nil, err
		}
	}
	r = newReader(client, o, eventTime, st.TopicID)
	r.replay, r.stamped = log, st.Stamped
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(errClosed, r.close())
	}
	// What was reported before this reader began gets no seal from this process: nothing must wait for it.
	s.flow.seal(st.Watermark)
	s.readers[st.Group] = r
	return r, nil
}

// release closes the reader of one group, which is at its end.
func (s *source) release(group int) error {
	s.mu.Lock()
	r := s.readers[group]
	delete(s.readers, group)
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.close()
}

// Close drops the connections of the source or sink with this ID after its
// job has ended. A source that still reads fails; its ID may be used again for
// a new job.
func Close(id string) error {
	err := closeSink(id)
	v, ok := sources.Load(id)
	if !ok {
		return err
	}
	s := v.(*source)
	s.mu.Lock()
	s.finish.Store(false) // a call of Finish from here on is for the next job
	s.closed = true       // stays: a bundle that runs on for a moment must not open connections again
	readers := s.readers
	s.readers = map[int]*reader{}
	s.mu.Unlock()
	for _, r := range readers {
		r.cancel() // all at once, then wait for each
	}
	for _, r := range readers {
		err = errors.Join(err, r.close())
	}
	return err
}

// open makes a closed source new again: a job begins.
func (s *source) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.closed = false
		s.flow.reset()
	}
}

// Finish makes an unbounded read of this process bounded: it reads to the
// offsets that the partitions have now and ends, and every window closes.
func Finish(id string) { sourceOf(id).finish.Store(true) }

// Status is what a source of this process has reached, for displays.
type Status struct {
	Watermark  int64 // ms, or NoTime
	Partitions []PartitionStatus
}

// PartitionStatus is what a source has reached in one partition.
type PartitionStatus struct {
	Partition int32
	Next      int64 // the next offset to read
	Lag       int64 // records in the log that were not read, up to the high watermark, 0 where a bounded read has come to its end; UnknownLag: the leader does not say
	High      int64 // the partition's clock, ms, or NoTime

	Silent  time.Duration // for how long fetches have not been answered; 0 where none is wanted, since reading is behind
	Problem error         // what the newest fetch failed with; nil: it did not

	OpenSince time.Time // since when the next record waits for the end of an open transaction; zero: it does not
	OpenAt    int64     // first offset of that transaction

	told *told // nil: nobody reads the partition
}

// UnknownLag is the lag of a partition whose leader does not answer.
const UnknownLag = -1

// Lag is the sum over the partitions, or UnknownLag if that of one is unknown.
func (s *Status) Lag() int64 {
	var sum int64
	for _, p := range s.Partitions {
		if p.Lag == UnknownLag {
			return UnknownLag
		}
		sum += p.Lag
	}
	return sum
}

// StatusOf returns what the source with this ID has reached in this process,
// by partition, and what the leaders have said by now. It stays when the source
// is closed.
func StatusOf(id string) Status {
	out := Status{Watermark: NoTime}
	v, ok := sources.Load(id)
	if !ok {
		return out
	}
	s := v.(*source)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := true
	for _, st := range s.statuses {
		out.Partitions = append(out.Partitions, st.Partitions...)
		if first || st.Watermark < out.Watermark {
			out.Watermark, first = st.Watermark, false
		}
	}
	for i := range out.Partitions {
		if p := &out.Partitions[i]; p.told != nil {
			p.told.status(p)
		}
	}
	slices.SortFunc(out.Partitions, func(a, b PartitionStatus) int { return int(a.Partition) - int(b.Partition) })
	return out
}

func (s *source) publish(st Status, group int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses[group] = st
}
