package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
)

// closeWait is how long a delivery that was asked to end waits for brokers that
// are away.
const closeWait = 10 * time.Second

// DeliverOptions of Deliver. The zero value sends everything as fast as it can.
type DeliverOptions struct {
	// Rate is the number of records per second of wall time; 0: no limit.
	Rate float64
	// Speedup paces by the source's own clock (Record.At): it passes Speedup
	// times as fast as wall time. 0: don't. Not together with Rate.
	Speedup float64
	// SkipExisting resumes: of each partition, as many records are left out as
	// the topic already holds. The last of those must be the same on both sides.
	SkipExisting bool
	// SkipFrom are the offsets at which the source begins in the topic, by
	// partition: what stands before is something else. For SkipExisting.
	SkipFrom map[int32]int64
	// Limit ends after that many records of the source, skipped ones included;
	// 0: no limit.
	Limit int64
	// Progress, if set, is called about every ProgressEvery (0: 500 ms) from
	// another goroutine, and once at the end.
	Progress      func(Progress)
	ProgressEvery time.Duration
}

// Progress of a delivery.
type Progress struct {
	Records int64 // taken from the source, skipped ones included
	Total   int64 // -1: not known
	Elapsed time.Duration
	Rate    float64       // records per second so far
	Left    time.Duration // -1: not known
	Done    bool
}

// Stats of a delivery.
type Stats struct {
	Delivered int64 // acknowledged by the brokers
	Skipped   int64 // already in the topic
	Failed    int64
	Elapsed   time.Duration
}

// Deliver sends a source's records to a topic, which must exist, and returns
// when all are acknowledged or given up.
//
// Production is idempotent: neither retries nor a lost connection double or
// reorder records. Each partition holds what the source gave for it, in that
// order.
//
// Brokers that go away are waited for (kafkaio.Patience). A record that fails
// then ends the delivery; the error has the first failure's cause.
// When ctx ends, Deliver takes no more records, waits for those in flight, and
// returns ctx's error: every record taken from the source is in the topic then,
// unless brokers are away for another 10 s, which is an error of its own.
func Deliver(ctx context.Context, cluster kafkaio.Cluster, topic string, src Source, o DeliverOptions) (Stats, error) {
	if o.Rate < 0 || o.Speedup < 0 || (o.Rate > 0 && o.Speedup > 0) {
		return Stats{}, fmt.Errorf("deliver: rate %g and speed-up %g: expected one of them, and not below 0", o.Rate, o.Speedup)
	}
	// Before the patient client below: that one would wait for what is missing.
	if err := kafkaio.CheckTopic(cluster, topic); err != nil {
		return Stats{}, fmt.Errorf("deliver: %w", err)
	}
	patience, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(closeWait, giveUp) })()
	cfg, err := producerConfig(patience, cluster)
	if err != nil {
		return Stats{}, err
	}
	client, err := cluster.NewClientWith(cfg)
	if err != nil {
		return Stats{}, err
	}
	d := &delivery{cluster: cluster, topic: topic, src: src, opts: o, total: src.Total(), giveUp: giveUp, abort: make(chan struct{})}
	if o.Limit > 0 && (d.total < 0 || d.total > o.Limit) {
		d.total = o.Limit
	}
	stats, err := d.run(ctx, client)
	return stats, errors.Join(err, client.Close())
}

func producerConfig(ctx context.Context, cluster kafkaio.Cluster) (*sarama.Config, error) {
	cfg, err := clientConfig(cluster)
	if err != nil {
		return nil, err
	}
	cfg.ChannelBufferSize = 4096
	p := &cfg.Producer
	p.Idempotent = true
	p.RequiredAcks = sarama.WaitForAll
	cfg.Net.MaxOpenRequests = 1
	kafkaio.Patient(ctx, cfg)
	p.Partitioner = sarama.NewManualPartitioner
	p.Compression = sarama.CompressionLZ4
	p.MaxMessageBytes = 16<<20 - 1<<10 // the brokers' limit is the real one
	p.Flush.Frequency = 10 * time.Millisecond
	p.Flush.Bytes = 512 << 10
	p.Flush.MaxMessages = 8192
	p.Return.Successes = true // the only sign that a record is settled
	p.Return.Errors = true
	return cfg, nil
}

// delivery is the state of one Deliver. The loop owns src; the counters are
// shared with the goroutines for errors and progress.
type delivery struct {
	cluster kafkaio.Cluster
	topic   string
	src     Source
	opts    DeliverOptions
	total   int64

	taken, sent, skipped atomic.Int64

	giveUp context.CancelFunc // ends the waiting for brokers that are away
	flying sync.WaitGroup     // records sent and neither acknowledged nor failed
	abort  chan struct{}      // closed by the first failure
	failed int64              // written by drain, read after it ended
	cause  error
}

func (d *delivery) run(ctx context.Context, client sarama.Client) (Stats, error) {
	partitions, err := client.Partitions(d.topic)
	if err != nil {
		return Stats{}, fmt.Errorf("deliver: topic %q: %w: create it first", d.topic, err)
	}
	var skip *skipper
	if d.opts.SkipExisting {
		if skip, err = newSkipper(client, d.topic, partitions, d.opts.SkipFrom); err != nil {
			return Stats{}, err
		}
	}
	producer, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		return Stats{}, fmt.Errorf("deliver: %w", d.cluster.WriteDenied(err, d.topic))
	}

	start := time.Now()
	var background sync.WaitGroup
	background.Go(func() { d.drain(producer.Errors()) })
	background.Go(func() {
		for range producer.Successes() {
			d.flying.Done()
		}
	})
	stopProgress := d.reportProgress(start)

	err = d.loop(ctx, producer.Input(), int32(len(partitions)), skip)
	d.settle()
	producer.AsyncClose() // both channels are closed when all is settled
	background.Wait()
	stopProgress()

	stats := Stats{
		Delivered: d.sent.Load() - d.failed, Failed: d.failed, Skipped: d.skipped.Load(), Elapsed: time.Since(start),
	}
	if d.failed > 0 {
		err = errors.Join(fmt.Errorf("deliver: %d of %d records were not delivered; the first because: %w", d.failed, d.sent.Load(), d.cause), err)
	}
	return stats, err
}

// loop takes records until the source ends, ctx ends or a record fails.
func (d *delivery) loop(ctx context.Context, input chan<- *sarama.ProducerMessage, partitions int32, skip *skipper) error {
	pace := newPacer(d.opts.Rate, d.opts.Speedup)
	defer pace.stop()
	var slab messages
	for d.opts.Limit == 0 || d.taken.Load() < d.opts.Limit {
		select {
		case <-d.abort:
			return nil // run reports the failure
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		rec, ok := d.src.Next()
		if !ok {
			if err := d.src.Err(); err != nil {
				return err
			}
			return skip.finish()
		}
		d.taken.Add(1)
		if rec.Partition < 0 || rec.Partition >= partitions {
			return fmt.Errorf("deliver: record %d is for partition %d, but topic %q has %d: give the source the topic's number of partitions",
				d.taken.Load(), rec.Partition, d.topic, partitions)
		}
		if skipped, err := skip.skip(&rec); err != nil {
			return err
		} else if skipped {
			d.skipped.Add(1)
			continue
		}
		pace.wait(ctx, rec.At) // cut short by ctx; the record taken is still sent
		d.flying.Add(1)
		select {
		case input <- slab.message(d.topic, rec):
			d.sent.Add(1)
		case <-d.abort:
			d.flying.Done()
			return nil
		}
	}
	return nil
}

// settle waits until every record is acknowledged or one has failed. Sarama
// must not be closed before: it then fails what it is sending again.
func (d *delivery) settle() {
	settled := make(chan struct{})
	go func() {
		d.flying.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-d.abort:
	}
}

// drain counts failures; it ends with the producer.
func (d *delivery) drain(errs <-chan *sarama.ProducerError) {
	for e := range errs {
		if d.failed == 0 {
			d.cause = fmt.Errorf("partition %d: %w", e.Msg.Partition, d.cluster.WriteDenied(e.Err, d.topic))
			close(d.abort)
			d.giveUp() // the rest would wait in vain
		}
		d.failed++
		d.flying.Done()
	}
}

// reportProgress starts the calls of Progress; stop makes the last one.
func (d *delivery) reportProgress(start time.Time) (stop func()) {
	if d.opts.Progress == nil {
		return func() {}
	}
	every := d.opts.ProgressEvery
	if every <= 0 {
		every = 500 * time.Millisecond
	}
	done := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				d.opts.Progress(d.progress(start, false))
			case <-done:
				d.opts.Progress(d.progress(start, true))
				return
			}
		}
	})
	return func() { close(done); reporter.Wait() }
}

func (d *delivery) progress(start time.Time, done bool) Progress {
	p := Progress{Records: d.taken.Load(), Total: d.total, Elapsed: time.Since(start), Left: -1, Done: done}
	if s := p.Elapsed.Seconds(); s > 0 {
		p.Rate = float64(p.Records) / s
	}
	if p.Total >= 0 && p.Rate > 0 {
		p.Left = time.Duration(float64(max(0, p.Total-p.Records)) / p.Rate * float64(time.Second))
	}
	return p
}

// messages makes sarama's messages a piece at a time: one allocation for many.
type messages struct{ free []message }

type message struct {
	m          sarama.ProducerMessage
	key, value sarama.ByteEncoder
}

func (s *messages) message(topic string, rec Record) *sarama.ProducerMessage {
	if len(s.free) == 0 {
		s.free = make([]message, 128)
	}
	e := &s.free[0]
	s.free = s.free[1:]
	e.m.Topic, e.m.Partition = topic, rec.Partition
	if rec.Key != nil {
		e.key = rec.Key
		e.m.Key = &e.key
	}
	if rec.Value != nil {
		e.value = rec.Value
		e.m.Value = &e.value
	}
	if rec.Ahead != 0 { // else the client's own clock, when it sends
		e.m.Timestamp = time.Now().Add(time.Duration(rec.Ahead) * time.Millisecond)
	}
	return &e.m
}
