package kafkaio

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// CheckTopic says, before a job is started, what would make it fail: no
// broker answers (the error wraps ErrNoBroker), or there is no such topic.
func CheckTopic(c Cluster, topic string) error {
	client, err := c.NewClient()
	if err != nil {
		return err
	}
	return errors.Join(exists(client, c, topic), client.Close())
}

// FindTopic is CheckTopic for who reads the topic, and returns the topic's id:
// another topic of that name has another one. It is "" if the brokers are too
// old to say.
func FindTopic(c Cluster, topic string) (id string, err error) {
	client, err := c.NewClient()
	if err != nil {
		return "", err
	}
	if err = exists(client, c, topic); err == nil {
		err = canRead(client, c, topic)
	}
	if err == nil {
		id, err = topicID(client, topic)
	}
	return id, errors.Join(err, client.Close())
}

func exists(client sarama.Client, c Cluster, topic string) error {
	_, err := client.Partitions(topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return missingTopic(topic)
	}
	return c.Denied(err, rightDescribe, topic, "")
}

func missingTopic(topic string) error {
	return fmt.Errorf("there is no topic %q: name yours with --topic, or make it by sending events to it (\"producer simulate\" or \"producer replay\" do)", topic)
}

// CheckStart says, before anything is changed for a read, whether the log can
// supply it: that the topic is the one that was read before, and that every
// partition still has the offset where the read is to begin.
func CheckStart(o Options) error {
	o.defaults()
	client, err := o.Cluster.NewClient()
	if err != nil {
		return err
	}
	st, err := initialState(client, &o)
	for i := range st.Parts {
		if err == nil {
			err = checkRange(client, o.Topic, st.Parts[i].ID, st.Parts[i].Next, st.Parts[i].Next)
		}
	}
	return errors.Join(err, client.Close())
}

// Ends returns the offset after the last record of each partition that has
// records.
func Ends(c Cluster, topic string) (ends map[int32]int64, err error) {
	client, err := c.NewClient()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ids, err := client.Partitions(topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil, missingTopic(topic)
	}
	if err != nil {
		return nil, fmt.Errorf("topic %q: %w", topic, c.Denied(err, rightDescribe, topic, ""))
	}
	ends = map[int32]int64{}
	for _, id := range ids {
		oldest, err := offsetAt(client, topic, id, sarama.OffsetOldest)
		if err != nil {
			return nil, fmt.Errorf("topic %q, partition %d: cannot find its beginning: %w", topic, id, err)
		}
		newest, err := offsetAt(client, topic, id, sarama.OffsetNewest)
		if err != nil {
			return nil, fmt.Errorf("topic %q, partition %d: cannot find its end: %w", topic, id, err)
		}
		if newest > oldest {
			ends[id] = newest
		}
	}
	return ends, nil
}

// CheckOffsets says whether the log still has the offsets from first to next
// (exclusive) of each partition.
func CheckOffsets(c Cluster, topic string, first, next map[int32]int64) error {
	client, err := c.NewClient()
	if err != nil {
		return err
	}
	for p, from := range first {
		if err == nil {
			err = checkRange(client, topic, p, from, next[p])
		}
	}
	return errors.Join(err, client.Close())
}

func checkRange(client sarama.Client, topic string, partition int32, first, next int64) error {
	oldest, err := offsetAt(client, topic, partition, sarama.OffsetOldest)
	if err != nil {
		return fmt.Errorf("topic %q, partition %d: %w", topic, partition, err)
	}
	newest, err := offsetAt(client, topic, partition, sarama.OffsetNewest)
	switch {
	case err != nil:
		return fmt.Errorf("topic %q, partition %d: %w", topic, partition, err)
	case first < oldest:
		return rangeError(topic, partition, first, oldest, newest)
	case next > newest:
		return rangeError(topic, partition, next, oldest, newest)
	}
	return nil
}
