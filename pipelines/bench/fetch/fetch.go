// Package fetch reads Kafka topics for the benchmark's plain programs: as
// little as can be between the broker and a function.
package fetch

import (
	"fmt"

	"github.com/IBM/sarama"
)

const fetchBytes = 2 << 20

func config() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V2_8_0_0
	return cfg
}

// Ends are the offsets after the last record, by partition.
func Ends(brokers []string, topic string) (map[int32]int64, error) {
	client, err := sarama.NewClient(brokers, config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for _, p := range partitions {
		if ends[p], err = client.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// Partition calls do for every record of a partition from offset 0 to end. It
// knows one broker, no retries, transactions or headers.
func Partition(brokers []string, topic string, partition int32, end int64, do func(offset, timestamp int64, key, value []byte) error) error {
	conn := sarama.NewBroker(brokers[0])
	if err := conn.Open(config()); err != nil {
		return err
	}
	defer conn.Close()
	for offset := int64(0); offset < end; {
		req := &sarama.FetchRequest{Version: 11, MaxWaitTime: 250, MinBytes: 1, MaxBytes: 50 << 20, SessionEpoch: -1}
		req.AddBlock(topic, partition, offset, fetchBytes, -1)
		resp, err := conn.Fetch(req)
		if err != nil {
			return err
		}
		block := resp.GetBlock(topic, partition)
		if block == nil || block.Err != sarama.ErrNoError {
			return fmt.Errorf("partition %d, offset %d: no block, or an error: %v", partition, offset, block)
		}
		before := offset
		for _, set := range block.RecordsSet {
			b := set.RecordBatch
			for _, r := range b.Records {
				o := b.FirstOffset + r.OffsetDelta
				if o < offset {
					continue
				}
				timestamp := b.FirstTimestamp.Add(r.TimestampDelta)
				if b.LogAppendTime {
					timestamp = b.MaxTimestamp
				}
				if err := do(o, timestamp.UnixMilli(), r.Key, r.Value); err != nil {
					return err
				}
				offset = o + 1
			}
		}
		if offset == before {
			return fmt.Errorf("partition %d, offset %d: nothing came", partition, offset)
		}
	}
	return nil
}
