package producer

import (
	"bytes"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// skipper leaves out what a topic already holds of a source. A nil one leaves
// out nothing.
type skipper struct {
	topic string
	parts []skipped // by partition
}

// skipped is what one partition holds of the source.
type skipped struct {
	records    int64 // in the topic, from where the source begins
	seen       int64 // of the source so far
	key, value []byte
}

// newSkipper finds what the topic holds behind the offsets from, by partition.
func newSkipper(client sarama.Client, topic string, partitions []int32, from map[int32]int64) (*skipper, error) {
	s := &skipper{topic: topic, parts: make([]skipped, len(partitions))}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	defer consumer.Close() // its client stays open; nothing was written
	for _, p := range partitions {
		high, err := client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return nil, fmt.Errorf("resume: cannot find the end of partition %d of topic %q: %w", p, topic, err)
		}
		if high < from[p] {
			return nil, fmt.Errorf("resume: partition %d of topic %q ends at offset %d, expected %d or more: records are missing that it had", p, topic, high, from[p])
		}
		s.parts[p].records = high - from[p]
		if high == from[p] {
			continue
		}
		last, err := readOne(consumer, topic, p, high-1)
		if err != nil {
			return nil, err
		}
		s.parts[p].key, s.parts[p].value = last.Key, last.Value
	}
	return s, nil
}

const readOneWait = 20 * time.Second

func readOne(consumer sarama.Consumer, topic string, partition int32, offset int64) (*sarama.ConsumerMessage, error) {
	pc, err := consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, fmt.Errorf("resume: cannot read offset %d of partition %d of topic %q: %w", offset, partition, topic, err)
	}
	defer pc.Close() // reading only
	select {
	case m := <-pc.Messages():
		if m.Offset != offset {
			return nil, fmt.Errorf("resume: partition %d of topic %q has no record at offset %d: it has gaps, and cannot be resumed", partition, topic, offset)
		}
		return m, nil
	case <-time.After(readOneWait):
		return nil, fmt.Errorf("resume: no answer within %s for offset %d of partition %d of topic %q", readOneWait, offset, partition, topic)
	}
}

// skip tells whether the topic has rec already. It fails where the topic has
// another record in its place.
func (s *skipper) skip(rec *Record) (bool, error) {
	if s == nil {
		return false, nil
	}
	p := &s.parts[rec.Partition]
	if p.seen >= p.records {
		return false, nil
	}
	p.seen++
	if p.seen == p.records && (!bytes.Equal(p.key, rec.Key) || !bytes.Equal(p.value, rec.Value)) {
		return false, fmt.Errorf("resume: topic %q holds something else: record %d of partition %d is %q there, and %q here: use another topic, or don't resume",
			s.topic, p.records-1, rec.Partition, clip(p.value, 120), clip(rec.Value, 120))
	}
	return true, nil
}

// finish checks at the source's end that the topic held no more than it gave.
func (s *skipper) finish() error {
	if s == nil {
		return nil
	}
	for p, part := range s.parts {
		if part.seen < part.records {
			return fmt.Errorf("resume: partition %d of topic %q holds %d records, the source gives it only %d: the topic holds something else",
				p, s.topic, part.records, part.seen)
		}
	}
	return nil
}
