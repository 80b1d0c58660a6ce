// Package kafkaio connects Beam pipelines to Kafka: Read, a native splittable
// source, unbounded or bounded, and Write, a sink, both over Sarama.
//
// # What Read does
//
// One restriction holds all partitions of a topic (Options.Groups splits them
// by partition number, for runners that take the minimum of the watermarks of
// a source's restrictions; Prism does not). Each partition has a goroutine
// that fetches committed records ahead; control records and records of aborted
// transactions are passed over. Partitions are read in step with each other:
// the one furthest behind in event time first, and none further than
// Options.Align ahead of one that has more to read, or whose leader is away.
// A bundle is what is read in Options.Bundle.
//
// An unbounded read finds new partitions (Options.Refresh) and ends only when
// Finish is called or its job is cancelled. A bounded read ends at what was
// committed when it began. The ends are read-committed: a transaction that is
// open does not hold the read up.
//
// # What is a function of the log
//
// A record's event time, the partition's highest event time up to it (High),
// its arrival window and whether it is late follow from the records of its
// partition from the start of the read on, in offset order: the same for
// every fetch size, bundle, run and runner. How records are cut into
// RecordBatches is not, nor in which order partitions take turns.
//
// One thing is not in the log: a partition that was idle (Options.IdleAfter),
// had ended, or is new does not hold the watermark; if it comes back behind,
// High is raised to the reported watermark plus the out-of-orderness bound, so
// that no runner has to drop its records. They may be late then, none is lost.
// Each raise is recorded in the Marks.
//
// # The watermark
//
// The reported watermark is the minimum over the partitions that hold it of
// High less the bound, floored to the base window. It never goes back, and no
// element is behind it. Before it is reported, a Mark with the position of
// every partition is emitted into the base window that ends at it. A sink that
// keeps the marks of finished windows can go on from one (Start.Resume): read
// again from the first offset whose arrival window is after the mark's
// watermark, and High, lateness and arrival windows come out as they were.
//
// # Delivery
//
// The restriction is the whole state of the read: positions, ends, High and
// raises of each partition and the reported watermark. It is claimed before
// what was read is emitted, and is what a runner's checkpoint keeps, so records
// enter the graph exactly once for a runner with checkpoints. Connections and
// buffers are found by Options.ID in the process, and opened again where they
// are missing. Prism keeps no checkpoints: there the graph's output and
// Start.Resume make it exact. Write is at least once.
//
// # Errors
//
// A broker that is away is waited for, with warnings. A topic that is missing,
// deleted, or made anew under the same name, and an offset that is not in the
// log any more, end the read with an error that says so.
package kafkaio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"example.com/shopstream/internal/guard"
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
	cfg.Metadata.AllowAutoTopicCreation = false // a typo must not make a topic
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
	password, err := guard.ReadSecret(c.PasswordFile)
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

// Patience is how long a producer made with Patient waits for brokers that are
// away before it gives up.
const Patience = 5 * time.Minute

// Patient makes a configuration wait for brokers that are away, until ctx ends,
// instead of failing after a second or two: for producers in the middle of
// their work. A client of it must be opened only when a broker was seen to
// answer (CheckTopic): it would wait for a missing one, or a missing topic, too.
func Patient(ctx context.Context, cfg *sarama.Config) {
	const most = 2 * time.Second
	backoff := func(tries, _ int) time.Duration {
		if ctx.Err() != nil {
			return 0 // and so through all tries at once: Sarama's waits cannot be ended otherwise
		}
		return min(100*time.Millisecond<<min(tries, 10), most)
	}
	// While no broker answers, Sarama waits in looking for the leader; then it sends each batch again.
	cfg.Metadata.Timeout = Patience // of all tries, which last longer where brokers hang
	cfg.Metadata.Retry.Max, cfg.Metadata.Retry.BackoffFunc = int(Patience/most), backoff
	cfg.Producer.Retry.Max, cfg.Producer.Retry.BackoffFunc = int(Patience/most), backoff
}

func (c Cluster) explain(err error) error {
	if errors.Is(err, sarama.ErrSASLAuthenticationFailed) {
		return fmt.Errorf("the brokers at %s refuse user %q: check the user, the password file and the mechanism (%s): %w", strings.Join(c.Brokers, ", "), c.User, c.SASL, err)
	}
	if bad := new(tls.CertificateVerificationError); errors.As(err, &bad) {
		trusted := "the system's roots"
		if c.CAFile != "" {
			trusted = c.CAFile
		}
		return fmt.Errorf("the certificate of the brokers at %s is not accepted: %w. Name them as the certificate does, and its authority with kafka.ca_file (trusted now: %s)",
			strings.Join(c.Brokers, ", "), bad.Err, trusted)
	}
	// What brokers do with a client that speaks TLS or SASL otherwise than they expect. Of a refused SASL handshake Sarama gives no cause.
	unreachable := new(net.OpError)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || c.SASL != "" && errors.Is(err, sarama.ErrOutOfBrokers) && !errors.As(err, &unreachable) {
		return fmt.Errorf("%w at %s: they close the connection. Check whether they expect TLS (asked for: %t) and SASL (mechanism %q, user %q, the password file) (%w)",
			ErrNoBroker, strings.Join(c.Brokers, ", "), c.TLS || c.CAFile != "", c.SASL, c.User, err)
	}
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

// topicWait is how long a new topic may take to be known by every broker.
const topicWait = 10 * time.Second

func ensureTopic(admin sarama.ClusterAdmin, topic string, partitions int) (int, error) {
	// Asked first: who may not create topics can still use one that exists.
	n, err := countPartitions(admin, topic)
	if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return n, err
	}
	appendTime, maxBytes := "LogAppendTime", "16777216"
	err = admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions: int32(partitions), ReplicationFactor: -1,
		ConfigEntries: map[string]*string{"message.timestamp.type": &appendTime, "max.message.bytes": &maxBytes},
	}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return 0, fmt.Errorf("cannot create topic %q with %d partitions: %w", topic, partitions, err)
	}
	for until := time.Now().Add(topicWait); ; time.Sleep(100 * time.Millisecond) {
		n, err := countPartitions(admin, topic)
		if err == nil || time.Now().After(until) {
			return n, err
		}
	}
}

func countPartitions(admin sarama.ClusterAdmin, topic string) (int, error) {
	meta, err := admin.DescribeTopics([]string{topic})
	switch {
	case err != nil:
	case len(meta) != 1:
		err = sarama.ErrIncompleteResponse
	case meta[0].Err != sarama.ErrNoError:
		err = meta[0].Err
	default:
		return len(meta[0].Partitions), nil
	}
	return 0, fmt.Errorf("cannot describe topic %q: %w", topic, err)
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
