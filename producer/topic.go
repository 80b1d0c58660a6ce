package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
)

// EnsureTopic creates a topic if it is missing, as kafkaio.EnsureTopic
// specifies: the broker's clock as record time, values of up to 16 MiB. It
// returns the number of partitions that the topic has, whoever made it.
//
// kafkaio's own asks for the controller through a client that keeps no full
// metadata, which sarama refuses ("no specific topics to update metadata").
func EnsureTopic(_ context.Context, cluster kafkaio.Cluster, topic string, partitions int) (n int, err error) {
	cfg, err := clientConfig(cluster)
	if err != nil {
		return 0, err
	}
	client, err := cluster.NewClientWith(cfg)
	if err != nil {
		return 0, err
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("cannot create topic %q: %w", topic, err), client.Close())
	}
	defer func() { err = errors.Join(err, admin.Close()) }() // closes the client too
	appendTime, maxBytes := "LogAppendTime", "16777216"
	err = admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: int32(partitions), ReplicationFactor: -1,
		ConfigEntries: map[string]*string{"message.timestamp.type": &appendTime, "max.message.bytes": &maxBytes},
	}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return 0, fmt.Errorf("cannot create topic %q with %d partitions: %w", topic, partitions, err)
	}
	meta, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, fmt.Errorf("cannot describe topic %q: %w", topic, err)
	}
	if len(meta) != 1 {
		return 0, fmt.Errorf("cannot describe topic %q: the broker described %d topics", topic, len(meta))
	}
	if meta[0].Err != sarama.ErrNoError {
		return 0, fmt.Errorf("cannot describe topic %q: %w", topic, meta[0].Err)
	}
	return len(meta[0].Partitions), nil
}

// clientConfig is the cluster's configuration for a client that finds out at
// once whether a broker answers, and never makes a topic by a typo.
func clientConfig(cluster kafkaio.Cluster) (*sarama.Config, error) {
	cfg, err := cluster.SaramaConfig()
	if err != nil {
		return nil, err
	}
	cfg.Metadata.Full = true
	cfg.Consumer.MaxWaitTime = 100 * time.Millisecond // how long closing waits for an empty fetch
	cfg.Metadata.AllowAutoTopicCreation = false
	return cfg, nil
}
