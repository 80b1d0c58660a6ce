package kafkaio

import (
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"
)

// Stamps is who stamps a topic's records now: message.timestamp.type. It may be
// changed at any time, and a read goes by each record; it is for people.
type Stamps string

// The values of Stamps, as Kafka spells them.
const (
	LogAppendTime Stamps = "LogAppendTime" // the broker
	CreateTime    Stamps = "CreateTime"    // the producers
)

const timestampType = "message.timestamp.type"

// AskStamps asks the brokers who stamps the topic's records. The error names
// the right DESCRIBE_CONFIGS if that lacks.
func AskStamps(c Cluster, topic string) (s Stamps, err error) {
	client, err := c.NewClient()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if byBroker, err := stamped(client, topic); err != nil || byBroker {
		return LogAppendTime, err
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return "", err
	}
	resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{timestampType}}
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{&resource}, sarama.DescribeConfigsOptions{})
	switch {
	case err != nil:
	case len(results) != 1:
		err = sarama.ErrIncompleteResponse
	case results[0].ErrorCode != sarama.ErrNoError:
		err = c.Denied(results[0].ErrorCode, rightDescribeConfigs, topic, "")
	default:
		for _, entry := range results[0].Configs {
			if entry.Name == timestampType {
				return Stamps(entry.Value), nil
			}
		}
		err = sarama.ErrIncompleteResponse
	}
	return "", fmt.Errorf("cannot ask who stamps the records of topic %q (%s): %w", topic, timestampType, err)
}

// Means says what it means for the clocks of the topic's partitions, and what to
// do where it means something.
func (s Stamps) Means(c Cluster, topic string) string {
	if s == LogAppendTime {
		return fmt.Sprintf("the broker stamps the records of topic %q (%s=%s): no clock but its own can be ahead", topic, timestampType, s)
	}
	rule := ClockRule{}.orDefault()
	return fmt.Sprintf("producers stamp the records of topic %q themselves (%s=%s), also those whose clocks are wrong: a partition's time needs its first %d records to begin, and goes on where %d of its last %d agree. "+
		"So it is about %d records behind, and that many in a row from one fast producer move it. Let the broker stamp them: kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s (docs/kafka.md)",
		topic, timestampType, s, rule.First, rule.Rank, rule.Last, rule.Rank, strings.Join(c.Brokers, ","), topic, timestampType, LogAppendTime)
}
