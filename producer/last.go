package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
)

// tail is how many of a partition's last records LastEventTime looks at: more
// than duplicates and late events may hide the newest one behind.
const tail = 500

// LastEventTime is the highest event time among the last records of each
// partition of a topic, the zero time if it holds none: where a simulated shop
// that was stopped goes on.
func LastEventTime(ctx context.Context, cluster kafkaio.Cluster, topic string) (last time.Time, err error) {
	cfg, err := clientConfig(cluster)
	if err != nil {
		return last, err
	}
	client, err := cluster.NewClientWith(cfg)
	if err != nil {
		return last, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return last, fmt.Errorf("last event time: %w", err)
	}
	partitions, err := client.Partitions(topic)
	if err != nil {
		return last, fmt.Errorf("last event time: topic %q: %w", topic, err)
	}
	for _, p := range partitions {
		oldest, err := client.GetOffset(topic, p, sarama.OffsetOldest)
		if err != nil {
			return last, fmt.Errorf("last event time: topic %q, partition %d: %w", topic, p, err)
		}
		end, err := client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return last, fmt.Errorf("last event time: topic %q, partition %d: %w", topic, p, err)
		}
		if end == oldest {
			continue
		}
		pc, err := consumer.ConsumePartition(topic, p, max(oldest, end-tail))
		if err != nil {
			return last, fmt.Errorf("last event time: topic %q, partition %d: %w", topic, p, err)
		}
		t, err := lastOf(ctx, pc, end)
		if err := errors.Join(err, pc.Close()); err != nil {
			return last, fmt.Errorf("last event time: topic %q, partition %d: %w", topic, p, err)
		}
		if t.After(last) {
			last = t
		}
	}
	return last, nil
}

func lastOf(ctx context.Context, pc sarama.PartitionConsumer, end int64) (last time.Time, err error) {
	quiet := time.NewTimer(readOneWait)
	defer quiet.Stop()
	for {
		select {
		case m := <-pc.Messages():
			if ms, ok := shop.EventTime(m.Value, m.Timestamp.UnixMilli(), shop.DefaultLimits); ok {
				if t := time.UnixMilli(ms); t.After(last) {
					last = t
				}
			}
			if m.Offset >= end-1 {
				return last, nil
			}
		case <-quiet.C: // the log's end holds no records (transactions, compaction)
			return last, nil
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}
