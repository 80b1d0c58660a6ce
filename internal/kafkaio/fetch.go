package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

const (
	fetchWait     = 250 * time.Millisecond
	maxFetchBytes = 50 << 20        // half of what sarama takes as a response
	fetchVersion  = 11              // Kafka 2.3: LogStartOffset, zstd, leader epochs
	answerWait    = 2 * time.Second // a leader that was silent for so long hangs; a fetch without data takes fetchWait
	retryWait     = 100 * time.Millisecond
	retryWaitMax  = 2 * time.Second
	aloneMost     = 200                              // batches that are fetched alone after a failure: more than a fetch brings
	gapMax        = fetchWait + 100*time.Millisecond // a partition that was not asked for longer may be another one by now
	deniedFor     = 10 * time.Second                 // how long a right that was there may lack before it counts as taken away
	unknownFor    = 30 * time.Second                 // how long a topic may be unknown to a broker (leader changes) before it counts as gone
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
	cluster   Cluster
	topic     string
	partition int32
	eventTime EventTimeFunc
	skew      int64
	maxBytes  int
	stamped   bool // the broker stamps all records
	// fetchBytes is how much to ask for at once; it changes with the number of partitions.
	fetchBytes func() int32
	batchBytes int  // most that a batch may decompress to
	stopAtBad  bool // a batch that cannot be read ends the read

	topicID string
	chunks  chan chunk
	told    *told
	failed  atomic.Pointer[error]
	cancel  context.CancelFunc
	done    chan struct{}

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

func startFetcher(r *reader, partition int32, offset int64) *fetcher {
	ctx, cancel := context.WithCancel(r.ctx)
	f := &fetcher{
		cluster: r.opts.Cluster, topic: r.opts.Topic, topicID: r.topicID, partition: partition,
		eventTime: r.eventTime, skew: r.opts.Skew.Milliseconds(), maxBytes: r.opts.MaxBytes, stamped: r.stamped, fetchBytes: r.share.Load,
		batchBytes: r.opts.BatchBytes, stopAtBad: r.opts.StopAtBadBatch,
		told: newTold(), chunks: make(chan chunk, 2), cancel: cancel, done: make(chan struct{}), pos: offset,
	}
	if r.replay != nil {
		go f.replay(ctx, r, offset)
	} else {
		go f.run(ctx, r.client, offset)
	}
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
	f.told.ask()
	wait, careful := retryWait, false
	var refusedSince time.Time // since when the topic is unknown, or the user may not read it
	for ctx.Err() == nil {
		err := f.session(ctx, client, &offset, careful)
		careful = true                // it may have been a batch that cannot be decoded: sarama then hands out none of the answer
		if f.told.since.Swap(0) > 0 { // it had answered
			wait, refusedSince = retryWait, time.Time{}
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		f.told.problem.Store(&err)
		if patience, final := f.refusal(err); final != nil {
			if refusedSince.IsZero() {
				refusedSince = time.Now()
			}
			if time.Since(refusedSince) >= patience {
				err = &fatalError{final}
			}
		}
		if errors.Is(err, errOtherTopic) {
			err = &fatalError{err}
		}
		var fatal *fatalError
		if errors.As(err, &fatal) {
			f.failed.Store(&fatal.error)
			return
		}
		slog.Warn("kafka fetch failed, trying again", "topic", f.topic, "partition", f.partition, "offset", offset, "wait", wait, "error", err)
		sleep(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		wait = min(wait*2, retryWaitMax)
		// A leader may have moved. The metadata is best effort: the next session reports what is wrong.
		if err := client.RefreshMetadata(f.topic); err != nil {
			slog.Debug("kafka metadata", "topic", f.topic, "error", err)
		} else if err := sameTopic(client, f.topic, f.topicID); errors.Is(err, errOtherTopic) {
			f.failed.Store(&err)
			return
		}
	}
}

// refusal is what an error of a session means if it stays for as long as
// patience, or nil where it may last for ever.
func (f *fetcher) refusal(err error) (patience time.Duration, final error) {
	switch {
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		return unknownFor, fmt.Errorf("topic %q, partition %d is gone: it was deleted while it was read. Read a new topic into a new lake: %w", f.topic, f.partition, err)
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed) && f.told.answered.Load() == 0:
		return 0, err
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed):
		return deniedFor, err
	}
	return 0, nil
}

// fatalError is an error that no retry can mend.
type fatalError struct{ error }

func (e *fatalError) Unwrap() error { return e.error }

// session fetches from the partition's leader until an error, and moves offset
// to where to go on from. A careful one begins with fetches of single batches,
// up to one that cannot be decoded, if there is one.
func (f *fetcher) session(ctx context.Context, client sarama.Client, offset *int64, careful bool) error {
	leader, err := client.Leader(f.topic, f.partition)
	if err != nil {
		return f.cluster.Denied(err, rightDescribe, f.topic, "")
	}
	conn := sarama.NewBroker(leader.Addr())
	cfg, raw, alone := client.Config(), &tap{}, 0
	if careful {
		cfg, alone = tapped(cfg, raw), aloneMost
	}
	if err := conn.Open(cfg); err != nil {
		return err
	}
	// A fetch blocks for a while in the connection: closing it ends the wait early.
	stop := context.AfterFunc(ctx, func() { closeQuietly(conn) })
	defer func() {
		if stop() {
			closeQuietly(conn)
		}
	}()
	if careful {
		// It waits until the connection is open: from then on, what is read are answers to what is asked here.
		if _, err := conn.Connected(); err != nil {
			return f.cluster.unreachable(err, leader.Addr())
		}
	}
	size := f.fetchBytes()
	var last time.Time // when the fetch before was sent
	for ctx.Err() == nil {
		asked := time.Now()
		var (
			block *sarama.FetchResponseBlock
			bad   *chunk
			err   error
		)
		if alone > 0 {
			alone--
			block, bad, err = f.alone(conn, raw, *offset, 1)
		} else {
			block, err = f.fetch(conn, *offset, size)
		}
		if err != nil {
			return fmt.Errorf("fetch from %s: %w", leader.Addr(), f.cluster.unreachable(err, leader.Addr()))
		}
		// A fetch names its topic, not the topic's id. One that is deleted fails the fetches that wait for its data; who
		// was not waiting, because it was full or held up, must not take the records of the next topic of that name.
		if asked.Sub(last) > gapMax {
			if err := sameTopicAt(conn, f.topic, f.topicID); err != nil {
				return err
			}
		}
		last = asked
		switch {
		case block == nil:
		case block.Err == sarama.ErrOffsetOutOfRange:
			return f.outOfRange(client, *offset)
		case block.Err != sarama.ErrNoError:
			return fmt.Errorf("fetch from %s: %w", leader.Addr(), f.cluster.Denied(block.Err, rightRead, f.topic, ""))
		}
		f.told.answer()
		switch {
		case bad != nil:
			alone = 0
			if f.deliver(ctx, *bad) {
				*offset = bad.next
			}
			continue
		case block == nil:
			continue
		}
		c, err := f.parse(block, *offset)
		if err != nil {
			return &fatalError{err}
		}
		f.told.ends(block.HighWaterMarkOffset, committed(block), c.next)
		switch {
		case c.next > *offset:
			size = f.fetchBytes()
			if f.deliver(ctx, c) {
				*offset = c.next
			}
		case cutShort(block):
			return fmt.Errorf("fetch from %s at offset %d: %w", leader.Addr(), *offset, errCut)
		case time.Since(asked) < fetchWait/10:
			sleep(ctx, fetchWait/10) // a broker that does not wait for data must not be asked in a loop
		}
	}
	return nil
}

// deliver hands a chunk to the reader, and waits while the reader is behind.
// It reports whether it could.
func (f *fetcher) deliver(ctx context.Context, c chunk) bool {
	select {
	case f.chunks <- c:
		return true
	default:
	}
	f.told.asking.Store(0)
	defer f.told.ask()
	select {
	case f.chunks <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// fetch asks for one block. It returns none where the broker answers without
// data because the client has used up its quota.
func (f *fetcher) fetch(conn *sarama.Broker, offset int64, size int32) (*sarama.FetchResponseBlock, error) {
	req := &sarama.FetchRequest{
		Version: fetchVersion, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: maxFetchBytes,
		Isolation: sarama.ReadCommitted, SessionEpoch: -1,
	}
	req.AddBlock(f.topic, f.partition, offset, size, -1)
	resp, err := conn.Fetch(req) // sarama waits as long as the broker asks before the next request
	if err != nil {
		return nil, err
	}
	block := resp.GetBlock(f.topic, f.partition)
	if block == nil && (resp.ThrottleTime == 0 || len(resp.Blocks) > 0) {
		return nil, sarama.ErrIncompleteResponse
	}
	return block, nil
}

// outOfRange explains a broker's refusal of an offset. It is final only if the
// offset is outside of the log for the broker that leads now.
func (f *fetcher) outOfRange(client sarama.Client, offset int64) error {
	oldest, err := offsetAt(client, f.topic, f.partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	newest, err := offsetAt(client, f.topic, f.partition, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	if oldest <= offset && offset <= newest {
		return sarama.ErrOffsetOutOfRange
	}
	return &fatalError{rangeError(f.topic, f.partition, offset, oldest, newest)}
}

func closeQuietly(b *sarama.Broker) {
	if err := b.Close(); err != nil && !errors.Is(err, sarama.ErrNotConnected) {
		slog.Debug("kafka connection", "error", err)
	}
}
