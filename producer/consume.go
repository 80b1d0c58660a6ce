package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
)

// ConsumeOptions of Consume. The zero value follows all partitions from their
// first record on.
type ConsumeOptions struct {
	From       Start
	Partitions []int32 // empty: all
	Max        int64   // end after that many records passed Match; 0: no limit
	UntilEnd   bool    // end at the offsets that were the last ones at the start
	Match      func(m *sarama.ConsumerMessage) bool
}

// Start is a place in every partition of a topic. The zero value is the first record.
type Start struct {
	kind startKind
	at   int64 // an offset, or ms since the epoch
}

type startKind uint8

const (
	fromEarliest startKind = iota
	fromLatest
	fromOffset
	fromTime
)

// ParseStart reads "earliest", "latest", an offset, or a time in RFC 3339: the
// first record with that timestamp or a later one.
func ParseStart(s string) (Start, error) {
	switch s {
	case "", "earliest":
		return Start{}, nil
	case "latest":
		return Start{kind: fromLatest}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return Start{kind: fromOffset, at: n}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return Start{kind: fromTime, at: t.UnixMilli()}, nil
	}
	return Start{}, fmt.Errorf("start %q: expected earliest, latest, an offset (0 or more), or a time such as 2026-03-01T00:00:00Z", s)
}

// ConsumeStats counts what Consume read.
type ConsumeStats struct {
	Read    int64
	Matched int64
}

// errEnough ends Consume after Max records.
var errEnough = errors.New("enough")

// Consume reads a topic and calls f for each record that passes Match, from
// one goroutine at a time; order holds within a partition. An error of f ends
// it. When ctx ends, Consume returns nil: following a topic has no other end.
func Consume(ctx context.Context, cluster kafkaio.Cluster, topic string, o ConsumeOptions, f func(*sarama.ConsumerMessage) error) (stats ConsumeStats, err error) {
	cfg, err := clientConfig(cluster)
	if err != nil {
		return stats, err
	}
	cfg.Consumer.Fetch.Default = 4 << 20
	cfg.Consumer.Return.Errors = true
	client, err := cluster.NewClientWith(cfg)
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return stats, fmt.Errorf("consume: %w", err)
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	ranges, err := partitionRanges(client, topic, o)
	if err != nil {
		return stats, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards stats and f
	deal := func(m *sarama.ConsumerMessage) (err error) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx) // another partition ended it
		}
		defer func() {
			if err != nil {
				cancel(err) // before another partition gets the lock
			}
		}()
		stats.Read++
		if o.Match != nil && !o.Match(m) {
			return nil
		}
		stats.Matched++
		if err := f(m); err != nil {
			return err
		}
		if o.Max > 0 && stats.Matched >= o.Max {
			return errEnough
		}
		return nil
	}
	var readers sync.WaitGroup
	for _, r := range ranges {
		readers.Go(func() {
			if err := r.read(ctx, consumer, topic, deal); err != nil {
				cancel(err)
			}
		})
	}
	readers.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, errEnough) && !errors.Is(err, context.Canceled) {
		return stats, err
	}
	return stats, nil
}

// partitionRange is what to read of a partition: [from, until), where until -1
// is without end.
type partitionRange struct {
	partition   int32
	from, until int64
}

func partitionRanges(client sarama.Client, topic string, o ConsumeOptions) ([]partitionRange, error) {
	have, err := client.Partitions(topic)
	if err != nil {
		return nil, fmt.Errorf("consume: topic %q: %w", topic, err)
	}
	wanted := o.Partitions
	if len(wanted) == 0 {
		wanted = have
	}
	var out []partitionRange
	for _, p := range wanted {
		if !slices.Contains(have, p) {
			return nil, fmt.Errorf("consume: topic %q has no partition %d: it has %d, from 0 on", topic, p, len(have))
		}
		first, err := client.GetOffset(topic, p, sarama.OffsetOldest)
		if err != nil {
			return nil, fmt.Errorf("consume: topic %q, partition %d: %w", topic, p, err)
		}
		end, err := client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return nil, fmt.Errorf("consume: topic %q, partition %d: %w", topic, p, err)
		}
		r := partitionRange{partition: p, from: first, until: -1}
		switch o.From.kind {
		case fromLatest:
			r.from = end
		case fromOffset:
			r.from = min(max(first, o.From.at), end)
		case fromTime:
			if r.from, err = client.GetOffset(topic, p, o.From.at); err != nil {
				return nil, fmt.Errorf("consume: topic %q, partition %d: %w", topic, p, err)
			}
			if r.from < 0 { // nothing that late
				r.from = end
			}
		}
		if o.UntilEnd {
			r.until = end
		}
		out = append(out, r)
	}
	return out, nil
}

func (r partitionRange) read(ctx context.Context, consumer sarama.Consumer, topic string, deal func(*sarama.ConsumerMessage) error) (err error) {
	if r.until >= 0 && r.from >= r.until {
		return nil
	}
	pc, err := consumer.ConsumePartition(topic, r.partition, r.from)
	if err != nil {
		return fmt.Errorf("consume: topic %q, partition %d, offset %d: %w", topic, r.partition, r.from, err)
	}
	defer func() {
		// Close waits for the channels to be read to their end.
		pc.AsyncClose()
		for range pc.Messages() {
		}
		for range pc.Errors() {
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m, ok := <-pc.Messages():
			if !ok {
				return nil
			}
			if err := deal(m); err != nil {
				return err
			}
			if r.until >= 0 && m.Offset >= r.until-1 {
				return nil
			}
		case e, ok := <-pc.Errors():
			if ok {
				return fmt.Errorf("consume: %w", e)
			}
		}
	}
}
