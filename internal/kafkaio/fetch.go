package kafkaio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const (
	fetchWait    = 250 * time.Millisecond
	fetchVersion = 11 // Kafka 2.3: LogStartOffset, zstd, leader epochs
	retryWait    = 100 * time.Millisecond
	retryWaitMax = 2 * time.Second
	unknownFor   = 30 * time.Second // how long a topic may be unknown to a broker (leader changes) before it counts as gone
)

// chunk is what one fetch brought: records in offset order and the offset
// after them, which gaps (compaction, transactions) can put further.
type chunk struct {
	records []Record
	next    int64
}

// fetcher reads one partition in a goroutine of its own over a connection of
// its own, so that a partition that nobody reads from holds up no other. It
// stays two fetches ahead of its reader.
type fetcher struct {
	topic     string
	partition int32
	eventTime EventTimeFunc
	skew      int64
	maxBytes  int
	// fetchBytes is how much is asked for at once.
	fetchBytes int32

	chunks chan chunk
	high   atomic.Int64 // high watermark (or last stable offset) of the newest fetch; −1 before it
	alive  atomic.Int64 // since when the leader answers, ms of the wall clock; 0: it does not
	failed atomic.Pointer[error]
	cancel context.CancelFunc
	done   chan struct{}

	// Of the reading side only.
	current *chunk // nil: take the next one from chunks
	pos     int64  // offset of the next record that next will return
}

// EventTimeFunc finds the event time of a record's value: milliseconds since
// the epoch. recordTime is Kafka's timestamp of the record and skew how far
// the event time may be ahead of it, both ms; maxBytes is the largest value to
// look at. It must be pure.
type EventTimeFunc = func(value []byte, recordTime, skew int64, maxBytes int) (ms int64, ok bool)

var eventTimes = map[string]EventTimeFunc{}

// RegisterEventTime makes fn known by a name that can be encoded into a graph.
// Call it in an init function, so that workers know it too.
func RegisterEventTime(name string, fn EventTimeFunc) { eventTimes[name] = fn }

func startFetcher(client sarama.Client, o *Options, eventTime EventTimeFunc, partition int32, offset int64) *fetcher {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fetcher{
		topic: o.Topic, partition: partition, eventTime: eventTime, skew: o.Skew.Milliseconds(), maxBytes: o.MaxBytes, fetchBytes: int32(o.FetchBytes),
		chunks: make(chan chunk, 2), cancel: cancel, done: make(chan struct{}), pos: offset,
	}
	f.high.Store(-1)
	go f.run(ctx, client, offset)
	return f
}

func (f *fetcher) stop() {
	f.cancel()
	<-f.done
}

// err is the error that ended the fetcher, or nil.
func (f *fetcher) err() error {
	if e := f.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// ready reports whether next would return something.
func (f *fetcher) ready() bool {
	if f.current == nil {
		select {
		case c := <-f.chunks:
			f.current = &c
		default:
		}
	}
	return f.current != nil
}

// next returns up to n records and the offset after them. It returns no
// records, and a later offset, where the log has a gap. Call it when ready.
func (f *fetcher) next(n int) ([]Record, int64) {
	c := f.current
	if n < len(c.records) {
		out := c.records[:n:n]
		c.records = c.records[n:]
		f.pos = c.records[0].Offset
		return out, f.pos
	}
	f.current, f.pos = nil, c.next
	return c.records, f.pos
}

func (f *fetcher) run(ctx context.Context, client sarama.Client, offset int64) {
	defer close(f.done)
	wait := retryWait
	var unknownSince time.Time
	for ctx.Err() == nil {
		next, err := f.session(ctx, client, offset)
		if next > offset {
			wait, unknownSince = retryWait, time.Time{}
		}
		offset = next
		if err == nil || ctx.Err() != nil {
			return
		}
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			if unknownSince.IsZero() {
				unknownSince = time.Now()
			}
			if time.Since(unknownSince) > unknownFor {
				err = &fatalError{fmt.Errorf("topic %s, partition %d is gone: it was deleted while it was read. Read a new topic into a new lake: %w", f.topic, f.partition, err)}
			}
		}
		var fatal *fatalError
		if errors.As(err, &fatal) {
			f.failed.Store(&fatal.error)
			return
		}
		slog.Warn("kafka fetch failed, trying again", "topic", f.topic, "partition", f.partition, "offset", offset, "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(wait*2, retryWaitMax)
		// A leader may have moved. The metadata is best effort: the next session reports what is wrong.
		if err := client.RefreshMetadata(f.topic); err != nil {
			slog.Debug("kafka metadata", "topic", f.topic, "error", err)
		}
	}
}

// fatalError is an error that no retry can mend.
type fatalError struct{ error }

// session fetches from the partition's leader until an error, and returns the
// offset to go on from.
func (f *fetcher) session(ctx context.Context, client sarama.Client, offset int64) (int64, error) {
	leader, err := client.Leader(f.topic, f.partition)
	if err != nil {
		return offset, err
	}
	conn := sarama.NewBroker(leader.Addr())
	if err := conn.Open(client.Config()); err != nil {
		return offset, err
	}
	// A fetch blocks for a while in the connection: closing it is what ends the wait early.
	stop := context.AfterFunc(ctx, func() { closeQuietly(conn) })
	defer func() {
		if stop() {
			closeQuietly(conn)
		}
	}()
	defer f.alive.Store(0)
	size := f.fetchBytes
	for ctx.Err() == nil {
		req := &sarama.FetchRequest{
			Version: fetchVersion, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: max(size, sarama.MaxResponseSize/2),
			Isolation: sarama.ReadCommitted, SessionEpoch: -1,
		}
		req.AddBlock(f.topic, f.partition, offset, size, -1)
		resp, err := conn.Fetch(req)
		if err != nil {
			return offset, fmt.Errorf("fetch from %s: %w", leader.Addr(), err)
		}
		block := resp.GetBlock(f.topic, f.partition)
		switch {
		case block == nil:
			return offset, fmt.Errorf("fetch from %s: %w", leader.Addr(), sarama.ErrIncompleteResponse)
		case errors.Is(block.Err, sarama.ErrOffsetOutOfRange):
			return offset, &fatalError{fmt.Errorf(
				"topic %s, partition %d: offset %d is not in the log, which starts at %d and ends at %d: retention has deleted records that were not read yet, or the topic was created again. "+
					"Start again with --start=earliest into a new lake, or restore the topic: %w", f.topic, f.partition, offset, block.LogStartOffset, block.HighWaterMarkOffset, block.Err)}
		case block.Err != sarama.ErrNoError:
			return offset, fmt.Errorf("fetch from %s: %w", leader.Addr(), block.Err)
		}
		c, err := f.parse(block, offset)
		if err != nil {
			return offset, &fatalError{err}
		}
		// The last stable offset is what a reader of committed records can reach.
		f.high.Store(min(block.HighWaterMarkOffset, block.LastStableOffset))
		f.alive.CompareAndSwap(0, time.Now().UnixMilli())
		if c.next == offset {
			if block.Partial {
				size = min(size*4, sarama.MaxResponseSize/2)
			}
			continue
		}
		size = f.fetchBytes
		select {
		case f.chunks <- c:
			offset = c.next
		case <-ctx.Done():
		}
	}
	return offset, nil
}

func closeQuietly(b *sarama.Broker) {
	if err := b.Close(); err != nil && !errors.Is(err, sarama.ErrNotConnected) {
		slog.Debug("kafka connection", "error", err)
	}
}

// parse turns a fetched block into records from offset on. Records of aborted
// transactions and control records are passed over, but move the offset.
func (f *fetcher) parse(block *sarama.FetchResponseBlock, offset int64) (chunk, error) {
	n := 0
	for _, set := range block.RecordsSet {
		if set.RecordBatch != nil {
			n += len(set.RecordBatch.Records)
		} else if set.MsgSet != nil {
			return chunk{}, fmt.Errorf("topic %s, partition %d holds messages in the format of Kafka before 0.11 at offset %d: rewrite the topic with a newer producer", f.topic, f.partition, offset)
		}
	}
	c := chunk{next: offset}
	if n > 0 {
		c.records = make([]Record, 0, n)
	}
	aborted := abortedProducers{pending: slices.SortedFunc(slices.Values(block.AbortedTransactions), func(a, b *sarama.AbortedTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})}
	for _, set := range block.RecordsSet {
		b := set.RecordBatch
		if b == nil || b.PartialTrailingRecord {
			continue
		}
		skip := aborted.skip(b)
		for _, rec := range b.Records {
			o := b.FirstOffset + rec.OffsetDelta
			if o < offset || skip {
				continue
			}
			ts := b.FirstTimestamp.Add(rec.TimestampDelta)
			if b.LogAppendTime {
				ts = b.MaxTimestamp
			}
			r := Record{Offset: o, Timestamp: ts.UnixMilli(), Time: NoTime, Key: rec.Key, Value: rec.Value}
			if ms, ok := f.eventTime(r.Value, r.Timestamp, f.skew, f.maxBytes); ok {
				r.Time = ms
			}
			if len(rec.Headers) > 0 {
				r.Headers = make([]Header, len(rec.Headers))
				for i, h := range rec.Headers {
					r.Headers[i] = Header{Key: string(h.Key), Value: h.Value}
				}
			}
			c.records = append(c.records, r)
		}
		c.next = max(c.next, b.LastOffset()+1)
	}
	return c, nil
}

// abortedProducers tells which batches of a fetch belong to aborted
// transactions, after KIP-98: a producer's batches are void from the aborted
// transaction's first offset to its abort marker.
type abortedProducers struct {
	pending []*sarama.AbortedTransaction // by first offset, ascending
	open    map[int64]bool
}

func (a *abortedProducers) skip(b *sarama.RecordBatch) bool {
	for len(a.pending) > 0 && a.pending[0].FirstOffset <= b.LastOffset() {
		if a.open == nil {
			a.open = map[int64]bool{}
		}
		a.open[a.pending[0].ProducerID] = true
		a.pending = a.pending[1:]
	}
	if b.Control {
		// A control batch holds one marker; whether it commits or aborts, the producer's transaction is over.
		delete(a.open, b.ProducerID)
		return true
	}
	return b.IsTransactional && a.open[b.ProducerID]
}
