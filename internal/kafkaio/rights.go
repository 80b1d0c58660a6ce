package kafkaio

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"

	"github.com/IBM/sarama"
)

// Rights, as Kafka's ACLs name them.
const (
	rightRead     = "READ"
	rightWrite    = "WRITE"
	rightDescribe = "DESCRIBE"

	rightDescribeConfigs = "DESCRIBE_CONFIGS"
)

// Denied adds to a broker's refusal which right of which user it means, and how
// to grant it: right of the topic, READ of the group, or that of producing
// without duplicates. Other errors come back as they are.
func (c Cluster) Denied(err error, right, topic, group string) error {
	lacks := func(what, flags string) error {
		return fmt.Errorf("user %q lacks the right %s: grant it with kafka-acls.sh --bootstrap-server %s --add --allow-principal User:%s %s: %w",
			c.principal(), what, strings.Join(c.Brokers, ","), c.principal(), flags, err)
	}
	switch {
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed):
		return lacks(fmt.Sprintf("%s of topic %q", right, topic), fmt.Sprintf("--operation %s --topic %s", operation(right), topic))
	case errors.Is(err, sarama.ErrGroupAuthorizationFailed):
		return lacks(fmt.Sprintf("READ of group %q", group), "--operation Read --group "+group)
	case errors.Is(err, sarama.ErrClusterAuthorizationFailed) && right == rightWrite:
		return lacks("IDEMPOTENT_WRITE of the cluster, or WRITE of a topic", "--operation IdempotentWrite --cluster")
	}
	return err
}

// WriteDenied is Denied of a producer.
func (c Cluster) WriteDenied(err error, topic string) error {
	return c.Denied(err, rightWrite, topic, "")
}

// principal is the name that brokers know this client by.
func (c Cluster) principal() string {
	if c.SASL == "" {
		return "ANONYMOUS"
	}
	return c.User
}

// operation is a right as kafka-acls.sh spells it.
func operation(right string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(right, "_") {
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}

// unreachable explains why a broker at addr, which another broker named, cannot
// be reached. Errors of another kind come back as they are.
func (c Cluster) unreachable(err error, addr string) error {
	if slices.Contains(c.Brokers, addr) {
		return err
	}
	var (
		name *net.DNSError
		dial *net.OpError
	)
	why := ""
	switch {
	case errors.As(err, &name):
		why = "resolve: set advertised.listeners of that broker to a name that clients know, or add the name to DNS or to the hosts file of this machine"
	case errors.As(err, &dial) && dial.Op == "dial":
		why = "connect to: set advertised.listeners of that broker to an address that clients can reach, or open the network's way to it"
	default:
		return err
	}
	return fmt.Errorf("a broker of the cluster at %s advertises itself as %s, which this machine cannot %s (%w)", strings.Join(c.Brokers, ", "), addr, why, err)
}

// canRead says, before a job is started, what would keep it from reading a
// topic: a leader that cannot be reached from here, or a right that lacks.
// What may pass, as a change of leaders, it leaves to the job.
func canRead(client sarama.Client, c Cluster, topic string) error {
	partitions, err := client.Partitions(topic)
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, p := range partitions {
		leader, err := client.Leader(topic, p)
		if err != nil || asked[leader.Addr()] {
			continue
		}
		asked[leader.Addr()] = true
		// An offset that no log has: the right is looked at first, and no data comes.
		req := &sarama.FetchRequest{Version: fetchVersion, MaxBytes: 1, Isolation: sarama.ReadCommitted, SessionEpoch: -1}
		req.AddBlock(topic, p, math.MaxInt64, 1, -1)
		resp, err := leader.Fetch(req)
		if err != nil {
			if explained := c.unreachable(err, leader.Addr()); !errors.Is(err, explained) {
				return explained
			}
			continue
		}
		if block := resp.GetBlock(topic, p); block != nil && block.Err == sarama.ErrTopicAuthorizationFailed {
			return c.Denied(block.Err, rightRead, topic, "")
		}
	}
	return nil
}
