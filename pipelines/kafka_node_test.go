//go:build integration

package pipelines

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
)

// realKafka is a cluster of real Kafka nodes (KRaft, each broker and
// controller) that run as processes of this test on 127.0.0.1.
type realKafka struct {
	nodes []*kafkaNode
	ca    authority // that signed the nodes' certificates
}

// kafkaNode is one of them. Its ports stay the same when it starts again.
type kafkaNode struct {
	dir, jars                string
	id                       int
	plain, tls, sasl, quorum int // ports
	cmd                      *exec.Cmd
	exited                   chan struct{}
}

// startKafka starts a cluster of n nodes from the jars in the folder that
// SHOPSTREAM_TEST_KAFKA names (.ci/kafka fetches them).
func startKafka(t testing.TB, n int) *realKafka {
	t.Helper()
	jars := os.Getenv("SHOPSTREAM_TEST_KAFKA")
	if jars == "" {
		t.Fatal("SHOPSTREAM_TEST_KAFKA is not set: run this test with .ci/kafka DIR go test …, which fetches Kafka and sets it")
	}
	dir := t.TempDir()
	k := &realKafka{ca: newAuthority(t, "shop")}
	for i := range n {
		node := &kafkaNode{dir: filepath.Join(dir, fmt.Sprint(i+1)), jars: jars, id: i + 1}
		for _, port := range []*int{&node.plain, &node.tls, &node.sasl, &node.quorum} {
			*port = freePort(t)
		}
		k.nodes = append(k.nodes, node)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	id[0] &= 0x7f // in base64 a letter: Kafka's tool takes a leading - for an option
	each := make(chan error, n)
	for _, node := range k.nodes {
		if err := os.MkdirAll(node.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		k.ca.sign(t, filepath.Join(node.dir, "node.pem"), "127.0.0.1")
		if err := os.WriteFile(filepath.Join(node.dir, "server.properties"), []byte(k.properties(node)), 0o600); err != nil {
			t.Fatal(err)
		}
		go func() { each <- node.format(base64.RawURLEncoding.EncodeToString(id[:])) }()
	}
	for range k.nodes {
		if err := <-each; err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range k.nodes {
		node.start(t)
		t.Cleanup(func() { node.kill(t) })
	}
	for _, node := range k.nodes {
		node.wait(t)
	}
	k.ready(t)
	return k
}

// cluster is how to reach the nodes without encryption.
func (k *realKafka) cluster() kafkaio.Cluster {
	var c kafkaio.Cluster
	for _, n := range k.nodes {
		c.Brokers = append(c.Brokers, address(n.plain))
	}
	return c
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// The user of the SASL listener, for each mechanism.
const (
	kafkaUser     = "shop"
	kafkaPassword = "right"
)

func (k *realKafka) properties(n *kafkaNode) string {
	var voters []string
	for _, v := range k.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", v.id, address(v.quorum)))
	}
	listeners := fmt.Sprintf("PLAINTEXT://%s,SSL://%s,SASL_SSL://%s", address(n.plain), address(n.tls), address(n.sasl))
	copies := len(k.nodes)
	return fmt.Sprintf(`process.roles=broker,controller
node.id=%d
controller.quorum.voters=%s
listeners=%s,CONTROLLER://%s
advertised.listeners=%s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs=%s
default.replication.factor=%d
min.insync.replicas=%d
offsets.topic.replication.factor=%d
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=%d
transaction.state.log.num.partitions=3
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=16777216
# A node that was killed is known to be away after 3 s, not 9.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
# Compaction as soon as there is something to compact, for the topics that ask for it.
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=16777216
log.retention.check.interval.ms=1000
ssl.keystore.type=PEM
ssl.keystore.location=%s
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`, n.id, strings.Join(voters, ","), listeners, address(n.quorum), listeners, filepath.Join(n.dir, "data"),
		copies, (copies+1)/2, copies, copies, filepath.Join(n.dir, "node.pem"), kafkaUser, kafkaPassword)
}

// java is a command that runs a class of Kafka's, quick to start rather than
// quick for long.
func (n *kafkaNode) java(class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{
		"-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(n.jars, "*"), class,
	}, args...)...)
}

func (n *kafkaNode) format(cluster string) error {
	args := []string{"format", "-t", cluster, "-c", filepath.Join(n.dir, "server.properties")}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, kafkaUser, kafkaPassword))
	}
	if text, err := n.java("kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the storage of node %d: %w\n%s", n.id, err, text)
	}
	return nil
}

// start starts the node, also again after kill.
func (n *kafkaNode) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.cmd = n.java("kafka.Kafka", filepath.Join(n.dir, "server.properties"))
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait() // it always ends by kill
		close(exited)
	}(n.cmd, n.exited)
}

// kill ends the node with SIGKILL: it saves nothing.
func (n *kafkaNode) kill(t testing.TB) {
	t.Helper()
	select {
	case <-n.exited:
		return
	default:
	}
	if err := n.cmd.Process.Kill(); err != nil {
		t.Errorf("kill node %d: %v", n.id, err)
	}
	<-n.exited
}

// wait waits until the node takes connections.
func (n *kafkaNode) wait(t testing.TB) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address(n.plain))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-n.exited:
			t.Fatalf("node %d has ended:\n%s", n.id, n.log())
		default:
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("node %d does not begin: %v\n%s", n.id, err, n.log())
		}
	}
}

// log is the end of what the node has written.
func (n *kafkaNode) log() string {
	text, err := os.ReadFile(filepath.Join(n.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// ready waits until every node is in the cluster.
func (k *realKafka) ready(t testing.TB) {
	t.Helper()
	soon(t, time.Minute, "every node is in the cluster", func() bool {
		admin, err := k.openAdmin()
		if err != nil {
			return false
		}
		defer admin.Close()
		brokers, _, err := admin.DescribeCluster()
		return err == nil && len(brokers) == len(k.nodes)
	})
}

func (k *realKafka) openAdmin() (sarama.ClusterAdmin, error) {
	cfg, err := k.cluster().SaramaConfig()
	if err != nil {
		return nil, err
	}
	return sarama.NewClusterAdmin(k.cluster().Brokers, cfg)
}

func (k *realKafka) admin(t testing.TB) sarama.ClusterAdmin {
	t.Helper()
	admin, err := k.openAdmin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	return admin
}

// soon waits until something holds.
func soon(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("waited %s in vain until %s", limit, what)
		}
	}
}

// freePort is a port that is free for a server that starts later: it is below
// the range from which the system takes the ports of outgoing connections, of
// which the tests beside this one make many.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 15000 + mathrand.IntN(17000)
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port found")
	return 0
}
