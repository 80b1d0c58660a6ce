//go:build integration

package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// program is a run of the streaming program, as built for clusters.
type program struct {
	cmd    *exec.Cmd
	group  string // consumer group that it reports to, its own
	out    lockedBuffer
	exited chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// kafkaJob is what the cases run: a topic of a cluster, read by the program.
type kafkaJob struct {
	path    string
	cluster kafkaio.Cluster
	topic   string
}

// start starts the program on a lake.
func (j kafkaJob) start(t testing.TB, dir string, args ...string) *program {
	t.Helper()
	c, group := j.cluster, uuid.NewString()
	all := append([]string{
		"--brokers=" + strings.Join(c.Brokers, ","), "--topic=" + j.topic, "--group=" + group, "--lake=" + dir,
		"--metrics-listen=", "--log-format=text",
	}, args...)
	p := &program{group: group, cmd: exec.Command(j.path, all...), exited: make(chan struct{})}
	if c.TLS {
		p.cmd.Env = append(p.cmd.Environ(), "SHOPSTREAM_KAFKA_TLS=true")
	}
	for name, v := range map[string]string{"CA_FILE": c.CAFile, "SASL": c.SASL, "USER": c.User, "PASSWORD_FILE": c.PasswordFile} {
		if v != "" {
			p.cmd.Env = append(p.cmd.Environ(), "SHOPSTREAM_KAFKA_"+name+"="+v)
		}
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code says how it went
		close(p.exited)
	}()
	t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			_ = p.cmd.Process.Kill() // it ends before it, at worst
			<-p.exited
		}
	})
	return p
}

// end waits for the program to end by itself and returns its exit code.
func (p *program) end(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		if err := p.cmd.Process.Signal(syscall.SIGQUIT); err == nil { // which prints its goroutines
			<-p.exited
		}
		t.Fatalf("the program has not ended after %s:\n%s", limit, p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// interrupt stops the program as Ctrl-C does.
func (p *program) interrupt(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	if code := p.end(t, 20*time.Second); code != 130 {
		t.Fatalf("the interrupted program ended with %d:\n%s", code, p.out.String())
	}
}

// fails waits for the program to end with an error and returns its last line,
// which must have all the parts. A person should read it in the log.
func (p *program) fails(t testing.TB, parts ...string) string {
	t.Helper()
	code := p.end(t, 50*time.Second)
	lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
	last := lines[len(lines)-1]
	t.Log(last)
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, part := range parts {
		if !strings.Contains(last, part) {
			t.Errorf("the message does not say %q; all output:\n%s", part, p.out.String())
		}
	}
	return last
}

// bounded runs the program over what the topic has and returns what is in the
// lake then.
func (j kafkaJob) bounded(t testing.TB, dir string, args ...string) contents {
	t.Helper()
	p := j.start(t, dir, append([]string{"--bounded"}, args...)...)
	if code := p.end(t, 2*time.Minute); code != 0 {
		t.Fatalf("a bounded run ended with %d:\n%s", code, p.out.String())
	}
	c := read(t, dir)
	if err := c.totals.Check(); err != nil {
		t.Error(err)
	}
	return c
}

// settle waits until a program that runs on has read all of the topic, stops
// it, finishes its lake with a bounded run, and returns what is there. Every
// row of bronze is compared with the topic, read by a consumer of Sarama's.
func (j kafkaJob) settle(t testing.TB, p *program, dir string) contents {
	t.Helper()
	j.caughtUp(t, p)
	p.interrupt(t)
	c := j.bounded(t, dir)
	diff(t, "bronze and the topic", j.bronze(t), c.bronze)
	return c
}

// caughtUp waits until the positions that the program reports to its consumer
// group are the ends of the partitions.
func (j kafkaJob) caughtUp(t testing.TB, p *program) {
	t.Helper()
	ends := j.ends(t)
	var got map[int32]int64
	defer func() {
		if t.Failed() {
			t.Logf("the ends are %v, the program has reached %v:\n%s", ends, got, p.out.String())
		}
	}()
	soon(t, 2*time.Minute, "all was read", func() bool {
		select {
		case <-p.exited:
			t.Fatalf("the program has ended:\n%s", p.out.String())
		default:
		}
		got = j.reached(t, p)
		return cmp.Equal(got, ends)
	})
}

// ends are the offsets after the last record of each partition.
func (j kafkaJob) ends(t testing.TB) map[int32]int64 {
	t.Helper()
	client, err := j.cluster.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ids, err := client.Partitions(j.topic)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32]int64{}
	for _, id := range ids {
		if out[id], err = client.GetOffset(j.topic, id, sarama.OffsetNewest); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// reached are the positions that a program has reported.
func (j kafkaJob) reached(t testing.TB, p *program) map[int32]int64 {
	t.Helper()
	cfg, err := j.cluster.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdmin(j.cluster.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	out := map[int32]int64{}
	resp, err := admin.ListConsumerGroupOffsets(p.group, nil)
	if err != nil {
		return out // its coordinator may be away
	}
	for id, block := range resp.Blocks[j.topic] {
		out[id] = block.Offset
	}
	return out
}

// bronze is what bronze has to hold: the topic, read committed.
func (j kafkaJob) bronze(t testing.TB) map[place]uint64 {
	t.Helper()
	out := map[place]uint64{}
	stamps, err := kafkaio.AskStamps(j.cluster, j.topic)
	if err != nil {
		t.Fatal(err)
	}
	j.consume(t, func(m *sarama.ConsumerMessage) {
		row := bronzeRow(m)
		row.CreateTime = stamps == kafkaio.CreateTime
		out[place{m.Partition, m.Offset}] = hash(row)
	})
	return out
}

// consume gives every committed record of the topic, in the order of each
// partition.
func (j kafkaJob) consume(t testing.TB, f func(*sarama.ConsumerMessage)) {
	t.Helper()
	cfg, err := j.cluster.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Consumer.IsolationLevel = sarama.ReadCommitted
	cfg.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer(j.cluster.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	for id := range j.ends(t) {
		pc, err := consumer.ConsumePartition(j.topic, id, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		// Markers and gaps bring nothing: silence is the end.
		for quiet := false; !quiet; {
			select {
			case m := <-pc.Messages():
				f(m)
			case err := <-pc.Errors():
				t.Fatal(err)
			case <-time.After(time.Second):
				quiet = true
			}
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// shopRecords are the records of the simulated shop.
func shopRecords(t testing.TB, o producer.SimulateOptions) (out []producer.Record) {
	t.Helper()
	src := simulate(t, o)
	for rec, ok := src.Next(); ok; rec, ok = src.Next() {
		out = append(out, rec)
	}
	return out
}

// send writes records as they are, with a producer that edit has changed.
func (j kafkaJob) send(t testing.TB, records []producer.Record, edit func(*sarama.Config)) {
	t.Helper()
	p := j.producer(t, edit)
	defer p.Close()
	j.sendWith(t, p, records)
}

func (j kafkaJob) producer(t testing.TB, edit func(*sarama.Config)) sarama.SyncProducer {
	t.Helper()
	cfg, err := j.cluster.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	cfg.Producer.Return.Successes = true
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Idempotent, cfg.Net.MaxOpenRequests = true, 1
	cfg.Producer.MaxMessageBytes = 16 << 20
	if edit != nil {
		edit(cfg)
	}
	p, err := sarama.NewSyncProducer(j.cluster.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (j kafkaJob) sendWith(t testing.TB, p sarama.SyncProducer, records []producer.Record) {
	t.Helper()
	for part := range slices.Chunk(records, 500) {
		var messages []*sarama.ProducerMessage
		for _, r := range part {
			m := &sarama.ProducerMessage{Topic: j.topic, Partition: r.Partition}
			if r.Key != nil {
				m.Key = sarama.ByteEncoder(r.Key)
			}
			if r.Value != nil {
				m.Value = sarama.ByteEncoder(r.Value)
			}
			messages = append(messages, m)
		}
		if err := p.SendMessages(messages); err != nil {
			t.Fatal(err)
		}
	}
}

// make creates the job's topic.
func (j kafkaJob) make(t testing.TB, partitions int, settings map[string]string) {
	t.Helper()
	cfg, err := j.cluster.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdmin(j.cluster.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: -1, ConfigEntries: map[string]*string{}}
	for k, v := range settings {
		detail.ConfigEntries[k] = &v
	}
	soon(t, 20*time.Second, "topic "+j.topic+" is made", func() bool {
		err = admin.CreateTopic(j.topic, detail, false)
		return err == nil || !errors.Is(err, sarama.ErrTopicAlreadyExists) // one that was deleted goes a moment later
	})
	if err != nil {
		t.Fatal(err)
	}
	j.known(t, partitions)
}

// known waits until every partition of the topic has a leader.
func (j kafkaJob) known(t testing.TB, partitions int) {
	t.Helper()
	client, err := j.cluster.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	soon(t, 20*time.Second, "topic "+j.topic+" is known", func() bool {
		if err := client.RefreshMetadata(j.topic); err != nil {
			return false
		}
		ids, err := client.WritablePartitions(j.topic)
		return err == nil && len(ids) == partitions
	})
}

// deliver sends simulated events, as fast as it can or at a rate.
func (j kafkaJob) deliver(t testing.TB, o producer.SimulateOptions, rate float64) {
	t.Helper()
	if err := j.delivery(t, o, rate)(); err != nil {
		t.Error(err)
	}
}

func (j kafkaJob) delivery(t testing.TB, o producer.SimulateOptions, rate float64) func() error {
	t.Helper()
	src := simulate(t, o)
	return func() error {
		stats, err := producer.Deliver(context.Background(), j.cluster, j.topic, src, producer.DeliverOptions{Rate: rate})
		if err == nil && stats.Delivered != o.Count {
			err = fmt.Errorf("%d records were delivered, want %d", stats.Delivered, o.Count)
		}
		return err
	}
}

// raises are those that the ledger of a lake has recorded.
func raises(t testing.TB, dir string) map[int32][]kafkaio.Raise {
	t.Helper()
	ledger, err := lake.ReadLedger(context.Background(), mustStore(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32][]kafkaio.Raise{}
	for _, r := range ledger.Rows {
		if r.Mark == nil {
			continue
		}
		for _, p := range r.Mark.Partitions {
			for _, raise := range p.Raises {
				if n := len(out[p.Partition]); n == 0 || out[p.Partition][n-1] != raise {
					out[p.Partition] = append(out[p.Partition], raise)
				}
			}
		}
	}
	return out
}
