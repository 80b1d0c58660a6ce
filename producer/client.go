package producer

import (
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
)

// clientConfig is the cluster's configuration for a client that never makes a
// topic by a typo.
func clientConfig(cluster kafkaio.Cluster) (*sarama.Config, error) {
	cfg, err := cluster.SaramaConfig()
	if err != nil {
		return nil, err
	}
	cfg.Metadata.AllowAutoTopicCreation = false
	cfg.Consumer.MaxWaitTime = 100 * time.Millisecond // how long closing waits for an empty fetch
	return cfg, nil
}
