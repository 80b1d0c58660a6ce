package kafkaio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/uuid"
)

func init() {
	beam.RegisterDoFn(&writeFn{})
	register.Emitter2[beam.EventTime, int64]()
}

const (
	writeRecords  = 4096    // most records sent at once
	writeBytes    = 4 << 20 // bytes of keys and values after which what is there is sent
	maxWriteBytes = 16<<20 - 1<<10
)

// WriteOptions say where Write writes.
type WriteOptions struct {
	ID      string // names the sink within this process (Close); default: a new UUID
	Cluster Cluster
	Topic   string // must exist
}

// Write sends keys and values (KV<[]byte, []byte>) to a Kafka topic and
// returns the number of records of each bundle (int64, in the global window,
// at the newest event time of the bundle).
//
// An empty key or value is written as null: Beam's coder of bytes does not
// keep the two apart. The key decides the partition (Sarama's FNV-1a hash);
// records with a null key are spread. Record timestamps are the producer's
// clock, unless the topic stamps them itself.
//
// A bundle ends only when the brokers have acknowledged all its records on all
// in-sync replicas. Delivery is at least once: retries to the brokers double
// nothing (the producer is idempotent), but a runner that repeats a bundle
// writes its records again. The order within a key is that of the collection,
// which has none of its own.
func Write(s beam.Scope, o WriteOptions, col beam.PCollection) beam.PCollection {
	s = s.Scope("kafkaio.Write")
	setDefault(&o.ID, uuid.NewString())
	// The count of a bundle belongs to no window of its elements.
	global := beam.WindowInto(s, window.NewGlobalWindows(), col)
	return beam.ParDo(s, &writeFn{Options: o}, global)
}

type writeFn struct {
	Options WriteOptions

	sink    *sink
	pending []*sarama.ProducerMessage
	bytes   int
	written int64
	newest  beam.EventTime
}

func (fn *writeFn) Setup() error {
	if fn.Options.Topic == "" || len(fn.Options.Cluster.Brokers) == 0 {
		return fmt.Errorf("kafkaio.Write: topic %q at brokers %q: both must be named", fn.Options.Topic, fn.Options.Cluster.Brokers)
	}
	var err error
	fn.sink, err = sinkOf(&fn.Options)
	return err
}

func (fn *writeFn) StartBundle(_ func(beam.EventTime, int64)) {
	fn.pending, fn.bytes, fn.written, fn.newest = nil, 0, 0, mtime.MinTimestamp
}

func (fn *writeFn) ProcessElement(ts beam.EventTime, key, value []byte, _ func(beam.EventTime, int64)) error {
	m := &sarama.ProducerMessage{Topic: fn.Options.Topic}
	if len(key) > 0 {
		m.Key = sarama.ByteEncoder(key)
	}
	if len(value) > 0 {
		m.Value = sarama.ByteEncoder(value)
	}
	fn.pending = append(fn.pending, m)
	fn.bytes += len(key) + len(value)
	fn.newest = max(fn.newest, ts)
	if len(fn.pending) >= writeRecords || fn.bytes >= writeBytes {
		return fn.flush()
	}
	return nil
}

func (fn *writeFn) FinishBundle(emit func(beam.EventTime, int64)) error {
	if err := fn.flush(); err != nil {
		return err
	}
	if fn.written > 0 {
		emit(fn.newest, fn.written)
	}
	return nil
}

// flush sends what is pending and waits until it is acknowledged.
func (fn *writeFn) flush() error {
	if len(fn.pending) == 0 {
		return nil
	}
	if err := fn.sink.send(fn.pending); err != nil {
		return fmt.Errorf("topic %q: %w", fn.Options.Topic, err)
	}
	fn.written += int64(len(fn.pending))
	fn.pending, fn.bytes = nil, 0
	return nil
}

// sink is the one producer that this process has for a Write.
type sink struct {
	cluster Cluster
	topic   string

	mu       sync.RWMutex // held for reading by those who send
	producer sarama.SyncProducer
	client   sarama.Client
	cancel   context.CancelFunc // ends the waiting for brokers that are away
}

var sinks = struct {
	sync.Mutex
	byID map[string]*sink
}{byID: map[string]*sink{}}

func sinkOf(o *WriteOptions) (*sink, error) {
	sinks.Lock()
	defer sinks.Unlock()
	if k := sinks.byID[o.ID]; k != nil {
		return k, nil
	}
	k, err := openSink(o)
	if err == nil {
		sinks.byID[o.ID] = k
	}
	return k, err
}

func openSink(o *WriteOptions) (*sink, error) {
	if err := CheckTopic(o.Cluster, o.Topic); err != nil {
		return nil, err
	}
	cfg, err := o.Cluster.SaramaConfig()
	if err != nil {
		return nil, err
	}
	p := &cfg.Producer
	p.Idempotent, p.RequiredAcks, cfg.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	p.Return.Successes, p.Return.Errors = true, true
	p.Compression = sarama.CompressionLZ4
	p.MaxMessageBytes = maxWriteBytes // the topic's limit is the real one
	ctx, cancel := context.WithCancel(context.Background())
	Patient(ctx, cfg)
	client, err := o.Cluster.NewClientWith(cfg)
	if err != nil {
		cancel()
		return nil, err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("kafka producer: %w", o.Cluster.WriteDenied(err, o.Topic)), client.Close())
	}
	return &sink{cluster: o.Cluster, topic: o.Topic, producer: producer, client: client, cancel: cancel}, nil
}

func (k *sink) send(messages []*sarama.ProducerMessage) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.producer == nil {
		return errors.New("the sink was closed while it was written to (its job has ended, or was cancelled)")
	}
	err := k.producer.SendMessages(messages)
	var failed sarama.ProducerErrors
	if errors.As(err, &failed) && len(failed) > 0 {
		return fmt.Errorf("%d of %d records were not written, the first because of: %w", len(failed), len(messages), k.cluster.WriteDenied(failed[0].Err, k.topic))
	}
	return err
}

func closeSink(id string) error {
	sinks.Lock()
	k := sinks.byID[id]
	delete(sinks.byID, id)
	sinks.Unlock()
	if k == nil {
		return nil
	}
	k.cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.producer.Close()
	k.producer = nil
	if err = cmp.Or(err, k.client.Close()); err != nil {
		return fmt.Errorf("close kafka producer: %w", err)
	}
	return nil
}
