package kafkaio

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

const (
	// openQuiet is how long a transaction may be open before it is worth a
	// warning: producers that deliver exactly once hold one open most of the time.
	openQuiet = 30 * time.Second
	// openEvery is how often the warning is repeated.
	openEvery = time.Minute
	// openLong is longer than brokers let a transaction last by default
	// (transaction.max.timeout.ms): one that is open for longer is not ended by them.
	openLong = 15 * time.Minute
)

// OpenTransaction says in one line which partitions wait for the end of an open
// transaction, and since when; "" if none does. Of one that lasts for too long
// it says how to end it.
func (s *Status) OpenTransaction(topic string, now time.Time) string {
	first, waiting := s.longestOpen()
	if first == nil {
		return ""
	}
	age := now.Sub(first.OpenSince)
	text := fmt.Sprintf("partition %d waits behind an open transaction (offset %d) since %s, for %s",
		first.Partition, first.OpenAt, first.OpenSince.UTC().Format(time.RFC3339), age.Round(time.Second))
	if waiting > 1 {
		text += fmt.Sprintf(", and %d more partitions", waiting-1)
	}
	if age >= openLong {
		text += fmt.Sprintf(". Its producer seems to be gone, and no broker ends it: look with kafka-transactions.sh describe-producers --topic %s --partition %d, and end it with kafka-transactions.sh abort --topic %s --partition %d --start-offset %d",
			topic, first.Partition, topic, first.Partition, first.OpenAt)
	}
	return text
}

// longestOpen is the partition that has waited the longest for a transaction to
// end, or nil, and how many wait.
func (s *Status) longestOpen() (first *PartitionStatus, waiting int) {
	for i := range s.Partitions {
		p := &s.Partitions[i]
		if p.OpenSince.IsZero() {
			continue
		}
		if waiting++; first == nil || p.OpenSince.Before(first.OpenSince) {
			first = p
		}
	}
	return first, waiting
}

// warnOpen warns of transactions that have been open for a while.
func (r *reader) warnOpen(s *Status, now time.Time) {
	s = &Status{Partitions: slices.DeleteFunc(slices.Clone(s.Partitions), func(p PartitionStatus) bool {
		return p.OpenSince.IsZero() || now.Sub(p.OpenSince) < openQuiet
	})}
	if len(s.Partitions) == 0 || now.Sub(r.warned) < openEvery {
		return
	}
	r.warned = now
	slog.Warn("records wait: "+s.OpenTransaction(r.opts.Topic, now), "topic", r.opts.Topic)
}
