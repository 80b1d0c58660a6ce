package kafkaio

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
)

const (
	// groupEvery is how often positions are reported to the consumer group.
	groupEvery = 2 * time.Second
	// groupPatience is the number of failures in a row that is worth a warning.
	groupPatience = 5
)

// reportOffsets commits the positions of a source to its consumer group until
// the reader is closed. It is for lag tools alone: nothing reads them back, and
// a failure is a warning.
func (r *reader) reportOffsets() {
	tick := time.NewTicker(groupEvery)
	defer tick.Stop()
	var last *Status
	failures := 0
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
		s := r.reached.Load()
		if s == nil || s == last {
			continue
		}
		if err := r.commitOffsets(*s); err != nil {
			// A coordinator that has just begun, or moved, answers a moment later.
			if failures++; failures == groupPatience {
				slog.Warn("cannot report offsets to the consumer group; lag tools show old ones", "group", r.opts.Group, "error", err)
			}
			continue
		}
		last, failures = s, 0
	}
}

// commitOffsets commits positions as a client that is no member of the group.
func (r *reader) commitOffsets(s Status) error {
	return r.opts.Cluster.Denied(r.commit(s), rightRead, r.opts.Topic, r.opts.Group)
}

func (r *reader) commit(s Status) error {
	if r.opts.Group == "" || len(s.Partitions) == 0 {
		return nil
	}
	coordinator, err := r.client.Coordinator(r.opts.Group)
	if err != nil {
		return err
	}
	req := sarama.NewOffsetCommitRequest(r.client.Config(), r.opts.Group)
	for _, p := range s.Partitions {
		req.AddBlock(r.opts.Topic, p.Partition, p.Next, 0, "")
	}
	resp, err := coordinator.CommitOffset(req)
	if err != nil {
		return errors.Join(err, r.client.RefreshCoordinator(r.opts.Group))
	}
	for topic, partitions := range resp.Errors {
		for p, code := range partitions {
			if code != sarama.ErrNoError {
				return errors.Join(fmt.Errorf("topic %s, partition %d: %w", topic, p, code), r.client.RefreshCoordinator(r.opts.Group))
			}
		}
	}
	return nil
}
