// Package kafkaio connects Beam pipelines to Kafka: a native, splittable,
// unbounded source and a sink, both over sarama.
package kafkaio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// Cluster says how to reach a Kafka cluster. It is plain data: it is encoded
// into the pipeline's graph, and a worker opens its own connections from it.
// Secrets are therefore named (a file), never held.
type Cluster struct {
	Brokers []string // host:port, at least one

	TLS    bool   // encrypt; the system's roots unless CAFile is given
	CAFile string // PEM of the authority that signed the brokers' certificates

	SASL         string // "", "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"
	User         string
	PasswordFile string // file whose content, without the line end, is the password
}

// ErrNoBroker is wrapped by errors that mean that no broker answered.
var ErrNoBroker = errors.New("no broker answers")

// SaramaConfig returns a new client configuration for the cluster.
func (c Cluster) SaramaConfig() (*sarama.Config, error) {
	cfg := sarama.NewConfig()
	cfg.ClientID = "shopstream"
	cfg.Version = sarama.V2_8_0_0
	cfg.Net.DialTimeout = 5 * time.Second
	cfg.Metadata.Retry.Max = 3
	cfg.Metadata.Retry.Backoff = 200 * time.Millisecond
	if c.TLS || c.CAFile != "" {
		cfg.Net.TLS.Enable = true
		cfg.Net.TLS.Config = &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CAFile != "" {
			pem, err := os.ReadFile(c.CAFile)
			if err != nil {
				return nil, fmt.Errorf("kafka tls: cannot read the certificate authority: %w", err)
			}
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("kafka tls: %s holds no PEM certificate", c.CAFile)
			}
			cfg.Net.TLS.Config.RootCAs = pool
		}
	}
	if c.SASL == "" {
		return cfg, nil
	}
	password, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("kafka sasl: cannot read the password file: %w", err)
	}
	cfg.Net.SASL.Enable = true
	cfg.Net.SASL.User = c.User
	cfg.Net.SASL.Password = strings.TrimRight(string(password), "\r\n")
	cfg.Net.SASL.Mechanism = sarama.SASLMechanism(c.SASL)
	switch c.SASL {
	case sarama.SASLTypePlaintext:
	case sarama.SASLTypeSCRAMSHA256:
		cfg.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA256} }
	case sarama.SASLTypeSCRAMSHA512:
		cfg.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: scram.SHA512} }
	default:
		return nil, fmt.Errorf("kafka sasl: unknown mechanism %q: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", c.SASL)
	}
	return cfg, nil
}

// NewClient connects to the cluster. The error wraps ErrNoBroker if none answers.
func (c Cluster) NewClient() (sarama.Client, error) {
	cfg, err := c.SaramaConfig()
	if err != nil {
		return nil, err
	}
	return c.NewClientWith(cfg)
}

// NewClientWith is NewClient with a configuration of the caller's, made by SaramaConfig.
func (c Cluster) NewClientWith(cfg *sarama.Config) (sarama.Client, error) {
	client, err := sarama.NewClient(c.Brokers, cfg)
	if err != nil {
		return nil, c.explain(err)
	}
	return client, nil
}

func (c Cluster) explain(err error) error {
	if errors.Is(err, sarama.ErrOutOfBrokers) {
		return fmt.Errorf("%w at %s: start one, or name yours with --brokers (%w)", ErrNoBroker, strings.Join(c.Brokers, ", "), err)
	}
	return fmt.Errorf("kafka at %s: %w", strings.Join(c.Brokers, ", "), err)
}

// EnsureTopic creates the topic if it is missing: partitions partitions, the
// broker's clock as record time (so that a producer's bad clock cannot poison
// the watermark), and room for values of 16 MiB. A topic that exists is left
// as it is, and its number of partitions is returned.
func EnsureTopic(_ context.Context, c Cluster, topic string, partitions int) (int, error) {
	cfg, err := c.SaramaConfig()
	if err != nil {
		return 0, err
	}
	admin, err := sarama.NewClusterAdmin(c.Brokers, cfg)
	if err != nil {
		return 0, c.explain(err)
	}
	n, err := ensureTopic(admin, topic, partitions)
	return n, errors.Join(err, admin.Close())
}

func ensureTopic(admin sarama.ClusterAdmin, topic string, partitions int) (int, error) {
	appendTime, maxBytes := "LogAppendTime", "16777216"
	err := admin.CreateTopic(topic, &sarama.TopicDetail{
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
	if len(meta) != 1 || meta[0].Err != sarama.ErrNoError {
		return 0, fmt.Errorf("cannot describe topic %q: %w", topic, meta[0].Err)
	}
	return len(meta[0].Partitions), nil
}

// scramClient adapts xdg-go/scram to sarama.
type scramClient struct {
	hash scram.HashGeneratorFcn
	conv *scram.ClientConversation
}

func (s *scramClient) Begin(user, password, authzID string) error {
	client, err := s.hash.NewClient(user, password, authzID)
	if err != nil {
		return err
	}
	s.conv = client.NewConversation()
	return nil
}

func (s *scramClient) Step(challenge string) (string, error) { return s.conv.Step(challenge) }
func (s *scramClient) Done() bool                            { return s.conv.Done() }
