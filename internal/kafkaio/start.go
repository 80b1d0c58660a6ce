package kafkaio

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
)

// initialState resolves Start and, in bounded mode, the ends.
func initialState(client sarama.Client, o *Options) (restriction, error) {
	st := restriction{Groups: 1, Watermark: NoTime}
	ids, err := client.Partitions(o.Topic)
	switch {
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition) || err == nil && len(ids) == 0:
		return st, missingTopic(o.Topic)
	case err != nil:
		return st, fmt.Errorf("topic %q: %w", o.Topic, o.Cluster.Denied(err, rightDescribe, o.Topic, ""))
	}
	if err := sameTopic(client, o.Topic, o.TopicID); err != nil {
		return st, err
	}
	if r := o.Start.Resume; r != nil {
		if err := sameTopic(client, o.Topic, r.TopicID); err != nil {
			return st, err
		}
		st.Watermark = r.Watermark
	}
	if st.TopicID, err = topicID(client, o.Topic); err != nil {
		return st, err
	}
	if st.Stamped, err = stamped(client, o.Topic); err != nil {
		return st, err
	}
	slices.Sort(ids)
	for _, id := range ids {
		p := partState{ID: id, High: NoTime, End: noEnd}
		if err := place(client, o, &p); err != nil {
			return st, fmt.Errorf("topic %q, partition %d: %w", o.Topic, id, err)
		}
		if o.Bounded {
			if p.End, err = offsetAt(client, o.Topic, id, sarama.OffsetNewest); err != nil {
				return st, fmt.Errorf("topic %q, partition %d: cannot find its end: %w", o.Topic, id, err)
			}
			if p.Next > p.End { // unbounded, the first fetch would say so
				oldest, err := offsetAt(client, o.Topic, id, sarama.OffsetOldest)
				return st, cmp.Or(err, rangeError(o.Topic, id, p.Next, oldest, p.End))
			}
		}
		st.Parts = append(st.Parts, p)
	}
	return st, nil
}

// place sets where the read of one partition starts.
func place(client sarama.Client, o *Options, p *partState) error {
	if r := o.Start.Resume; r != nil {
		for i := range r.Partitions {
			if q := &r.Partitions[i]; q.Partition == p.ID {
				q.place(p)
				return nil
			}
		}
	}
	at := sarama.OffsetOldest
	switch {
	case o.Start.Resume != nil: // a partition that the earlier run did not know: all of it
	case o.Start.Latest:
		at = sarama.OffsetNewest
	case !o.Start.Time.IsZero():
		at = o.Start.Time.UnixMilli()
	case o.Start.Offsets != nil:
		if offset, ok := o.Start.Offsets[p.ID]; ok {
			p.Start, p.Next, p.Read = offset, offset, offset
			return nil
		}
	}
	offset, err := offsetAt(client, o.Topic, p.ID, at)
	if err == nil && offset < 0 { // no record is that new
		offset, err = offsetAt(client, o.Topic, p.ID, sarama.OffsetNewest)
	}
	if err != nil {
		return fmt.Errorf("cannot find where to start: %w", err)
	}
	p.Start, p.Next, p.Read = offset, offset, offset
	return nil
}

// place sets p to where q is.
func (q *ResumePosition) place(p *partState) {
	p.Start, p.Next, p.Read, p.Raises = q.Start, q.Next, q.Read, slices.Clone(q.Raises)
	p.MaxUntil, p.Clock = q.MaxUntil, newClock(q.Recent)
}

func rangeError(topic string, partition int32, offset, oldest, newest int64) error {
	return fmt.Errorf("topic %q, partition %d: offset %d is not in the log, which starts at %d and ends at %d: retention has deleted records that were not read yet, or the topic was created again. "+
		"Start again with --start=earliest into a new lake, or restore the topic: %w", topic, partition, offset, oldest, newest, sarama.ErrOffsetOutOfRange)
}

// offsetAt is the oldest or newest offset of a partition, or the first one
// whose record has a timestamp at or after at, or −1. Newest is the end of
// what is committed: a read of committed records cannot get past it, and would
// wait for transactions that are open.
func offsetAt(client sarama.Client, topic string, partition int32, at int64) (int64, error) {
	offset, err := askOffset(client, topic, partition, at)
	if err == nil {
		return offset, nil
	}
	// The leader may have moved.
	if refreshErr := client.RefreshMetadata(topic); refreshErr != nil {
		return 0, refreshErr
	}
	return askOffset(client, topic, partition, at)
}

func askOffset(client sarama.Client, topic string, partition int32, at int64) (int64, error) {
	leader, err := client.Leader(topic, partition)
	if err != nil {
		return 0, err
	}
	req := sarama.NewOffsetRequest(client.Config().Version)
	req.IsolationLevel = sarama.ReadCommitted
	req.AddBlock(topic, partition, at, 1)
	resp, err := leader.GetAvailableOffsets(req)
	if err != nil {
		closeQuietly(leader) // opened again by the next client.Leader
		return 0, err
	}
	block := resp.GetBlock(topic, partition)
	switch {
	case block == nil:
		return 0, sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError:
		return 0, block.Err
	}
	return block.Offset, nil
}

// errOtherTopic is wrapped by the error of sameTopic for a topic that is
// another one.
var errOtherTopic = errors.New("its offsets mean other records now. Read it into a new lake")

// sameTopic returns an error if the topic has another id than was: it was
// deleted and created again. An empty id says nothing.
func sameTopic(client sarama.Client, topic, was string) error {
	if was == "" {
		return nil
	}
	is, err := topicID(client, topic)
	if err != nil {
		return err
	}
	return otherTopic(topic, was, is)
}

// sameTopicAt is sameTopic as one broker sees it.
func sameTopicAt(broker *sarama.Broker, topic, was string) error {
	if was == "" {
		return nil
	}
	is, err := topicIDAt(broker, topic)
	if err != nil {
		return err
	}
	return otherTopic(topic, was, is)
}

func otherTopic(topic, was, is string) error {
	if is == was || is == "" {
		return nil
	}
	return fmt.Errorf("topic %q was deleted and created again (its id was %s, it is %s): %w", topic, was, is, errOtherTopic)
}

// topicID is the id that the cluster gave the topic when it was created, or ""
// if the brokers are too old to say, or know no such topic.
func topicID(client sarama.Client, topic string) (string, error) {
	broker, err := client.Controller()
	if err != nil {
		return "", fmt.Errorf("topic %q: cannot ask for its id: %w", topic, err)
	}
	return topicIDAt(broker, topic)
}

// embeddedCluster is the id of the cluster that internal/broker's is. It stamps
// every record, but cannot say so in the batches.
const embeddedCluster = "shopstream-embedded"

// stamped reports whether the broker stamps all records, whatever their
// batches say.
func stamped(client sarama.Client, topic string) (bool, error) {
	broker, err := client.Controller()
	if err != nil {
		return false, fmt.Errorf("topic %q: cannot ask for the cluster's id: %w", topic, err)
	}
	resp, err := broker.GetMetadata(&sarama.MetadataRequest{Version: 10, Topics: []string{topic}})
	if err != nil {
		return false, fmt.Errorf("topic %q: cannot ask for the cluster's id: %w", topic, err)
	}
	return resp.ClusterID != nil && *resp.ClusterID == embeddedCluster, nil
}

func topicIDAt(broker *sarama.Broker, topic string) (string, error) {
	resp, err := broker.GetMetadata(&sarama.MetadataRequest{Version: 10, Topics: []string{topic}})
	if err != nil {
		return "", fmt.Errorf("topic %q: cannot ask for its id: %w", topic, err)
	}
	for _, t := range resp.Topics {
		if t.Name == topic && t.Uuid != (sarama.Uuid{}) {
			return uuid.UUID(t.Uuid).String(), nil
		}
	}
	return "", nil
}
