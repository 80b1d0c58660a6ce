//go:build integration

package pipelines

import (
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/producer"
)

// absence is how long a broker is away.
func absence(t testing.TB) time.Duration {
	t.Helper()
	s := os.Getenv("SHOPSTREAM_ABSENCE")
	if s == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("SHOPSTREAM_ABSENCE: %v", err)
	}
	return d
}

// testDisturbed reads a topic that is written meanwhile, while brokers go and
// come. The producer must not fail either, nor write anything twice.
func testDisturbed(t *testing.T, j kafkaJob, disturb func()) {
	j.make(t, 4, map[string]string{"message.timestamp.type": "LogAppendTime"})
	const rate = 2000
	o := producer.SimulateOptions{Seed: 21, Density: 500, Count: 30 * rate}
	dir := t.TempDir()
	p := j.start(t, dir)
	delivered := make(chan error, 1)
	deliver := j.delivery(t, o, rate)
	go func() { delivered <- deliver() }()
	soon(t, 30*time.Second, "the program has read something", func() bool { return sum(j.reached(t, p)) > 0 })
	before := sum(j.reached(t, p))
	disturb()
	if err := <-delivered; err != nil {
		t.Errorf("the producer: %v", err)
	}
	if n := sum(j.ends(t)); n != o.Count {
		t.Errorf("the topic has %d records, want the %d that were sent", n, o.Count)
	}
	got := j.settle(t, p, dir)
	t.Logf("%d of %d records were read before it began; all: %+v", before, o.Count, got.totals)
	if before >= o.Count {
		t.Error("all was read before anything happened")
	}
	same(t, j.bounded(t, t.TempDir()), got)
}

func sum(m map[int32]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// A broker is killed and comes back at once, and then after minutes.
func testBrokerKilled(t *testing.T, k *realKafka, j kafkaJob) {
	testDisturbed(t, j, func() {
		for _, away := range []time.Duration{0, absence(t)} {
			time.Sleep(3 * time.Second)
			k.nodes[0].kill(t)
			time.Sleep(away)
			k.nodes[0].start(t)
			k.nodes[0].wait(t)
		}
	})
}

// Of three brokers that hold everything, the leader of a partition is killed,
// then the one that leads it now; each comes back a while later.
func testLeaderChanges(t *testing.T, k *realKafka, j kafkaJob) {
	testDisturbed(t, j, func() {
		for range 2 {
			time.Sleep(2 * time.Second)
			leader := k.leader(j.topic)
			if leader == 0 {
				t.Fatal("nobody leads")
			}
			k.nodes[leader-1].kill(t)
			soon(t, 30*time.Second, "another broker leads", func() bool { l := k.leader(j.topic); return l != 0 && l != leader })
			time.Sleep(2 * time.Second)
			k.nodes[leader-1].start(t)
			k.nodes[leader-1].wait(t)
			k.ready(t)
			soon(t, time.Minute, "all copies are in step", func() bool { return k.inStep(j.topic) })
		}
	})
}

// leader is the node that leads the topic's partition 0, or 0.
func (k *realKafka) leader(topic string) (id int) {
	k.partitions(topic, func(p *sarama.PartitionMetadata) {
		if p.ID == 0 && p.Leader > 0 {
			id = int(p.Leader)
		}
	})
	return id
}

// inStep reports whether every node has all of the topic.
func (k *realKafka) inStep(topic string) bool {
	n := 0
	k.partitions(topic, func(p *sarama.PartitionMetadata) { n += len(p.Isr) })
	return n == 4*len(k.nodes)
}

func (k *realKafka) partitions(topic string, f func(*sarama.PartitionMetadata)) {
	admin, err := k.openAdmin()
	if err != nil {
		return // nobody answers; whoever asks waits
	}
	defer admin.Close()
	meta, err := admin.DescribeTopics([]string{topic})
	if err != nil || len(meta) != 1 {
		return
	}
	for _, p := range meta[0].Partitions {
		f(p)
	}
}
