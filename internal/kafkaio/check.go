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
	_, err = client.Partitions(topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		err = missingTopic(topic)
	}
	return errors.Join(err, client.Close())
}

func missingTopic(topic string) error {
	return fmt.Errorf("there is no topic %q: name yours with --topic, or make it by sending events to it (\"producer simulate\" or \"producer replay\" do)", topic)
}
