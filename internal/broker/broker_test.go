package broker

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// childDir makes the test binary a broker on that folder which prints its
// address and waits to be killed.
const childDir = "SHOPSTREAM_TEST_BROKER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		b, err := Start(Options{Dir: dir})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(b.Addrs()[0])
		select {}
	}
	// sarama's metrics library keeps one goroutine for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

func TestRecordsSurviveCloseAndReopen(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		b := start(t, Options{Dir: dir})
		if round == 0 {
			createTopic(t, b.Addrs(), nil)
		}
		values := numbered(round*500, 500)
		produce(t, b.Addrs(), values, nil)
		want = append(want, values...)
		if diff := cmp.Diff(want, consume(t, b.Addrs(), len(want))); diff != "" {
			t.Fatalf("round %d: records differ (-want +got):\n%s", round, diff)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAcknowledgedRecordsSurviveKill(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || strings.HasPrefix(addr, "error:") {
			t.Fatalf("child: %q, %v", addr, err)
		}
		addrs := []string{strings.TrimSpace(addr)}
		if round == 0 {
			createTopic(t, addrs, nil)
			if _, err := Start(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) || !strings.Contains(err.Error(), dir) {
				t.Errorf("second opener: got error %v, want one that names process %d and folder %s", err, cmd.Process.Pid, dir)
			}
		}
		values := numbered(round*500, 500)
		produce(t, addrs, values, nil)
		want = append(want, values...)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // "signal: killed"
	}
	b := start(t, Options{Dir: dir})
	if diff := cmp.Diff(want, consume(t, b.Addrs(), len(want))); diff != "" {
		t.Errorf("after three kills records differ (-want +got):\n%s", diff)
	}
}

func TestLockIsReleasedByCloseOnly(t *testing.T) {
	dir := t.TempDir()
	b := start(t, Options{Dir: dir})
	if _, err := Start(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Fatalf("second opener: got %v, want an error that names process %d", err, os.Getpid())
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, Options{Dir: dir})
}

func TestPortInUse(t *testing.T) {
	b := start(t, Options{})
	_, port, _ := strings.Cut(b.Addrs()[0], ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Options{Port: n}); err == nil || !strings.Contains(err.Error(), "port "+port+" of 127.0.0.1 is in use") {
		t.Errorf("got %v, want an error that names the port", err)
	}
	if !strings.HasPrefix(b.Addrs()[0], "127.0.0.1:") {
		t.Errorf("listens on %s, want 127.0.0.1 only", b.Addrs()[0])
	}
}

// A producer whose clock is off must not put its time on the record, and its
// batches must stay readable after the broker has moved their times.
func TestTimestampsAreTheBrokersClock(t *testing.T) {
	dir := t.TempDir()
	for name, clock := range map[string]time.Time{
		"a year ahead": time.Now().AddDate(1, 0, 0), "a year behind": time.Now().AddDate(-1, 0, 0),
	} {
		b := start(t, Options{Dir: dir})
		createTopic(t, b.Addrs(), nil)
		before := time.Now().Truncate(time.Millisecond)
		produce(t, b.Addrs(), numbered(0, 10), func(m *sarama.ProducerMessage) { m.Timestamp = clock })
		after := time.Now()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = start(t, Options{Dir: dir}) // a wrong checksum would lose them here
		for _, m := range messages(t, b.Addrs(), 10) {
			if m.Timestamp.Before(before) || m.Timestamp.After(after) {
				t.Errorf("%s: record has %s, want between %s and %s", name, m.Timestamp, before, after)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		dir = t.TempDir()
	}
}

func TestMessageSizes(t *testing.T) {
	b := start(t, Options{})
	limit := "16777216"
	createTopic(t, b.Addrs(), map[string]*string{"max.message.bytes": &limit})
	big := strings.Repeat("x", 15<<20)
	produce(t, b.Addrs(), []string{big}, nil)
	if got := consume(t, b.Addrs(), 1); len(got[0]) != len(big) {
		t.Errorf("got %d bytes, want %d", len(got[0]), len(big))
	}
	cfg := clientConfig()
	cfg.Producer.MaxMessageBytes = 64 << 20
	p, err := sarama.NewSyncProducer(b.Addrs(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(strings.Repeat("x", 17<<20))})
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("17 MiB: got %v, want a refusal for its size", err)
	}
}

func TestStampLeavesDamagedBatchesAlone(t *testing.T) {
	for _, b := range [][]byte{nil, {1, 2, 3}, bytes.Repeat([]byte{0xff}, 200)} {
		got := bytes.Clone(b)
		stamp(got, 1)
		if !bytes.Equal(got, b) {
			t.Errorf("%x became %x", b, got)
		}
	}
}

const topic = "t"

func start(t *testing.T, o Options) *Broker {
	t.Helper()
	b, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func numbered(from, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("record %06d", from+i)
	}
	return out
}

func clientConfig() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V2_8_0_0
	cfg.Producer.Return.Successes = true
	cfg.Producer.Idempotent = true
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.MaxMessageBytes = 16 << 20
	cfg.Net.MaxOpenRequests = 1
	return cfg
}

func createTopic(t *testing.T, addrs []string, config map[string]*string) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(addrs, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: -1, ConfigEntries: config}, false); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, addrs, values []string, edit func(*sarama.ProducerMessage)) {
	t.Helper()
	p, err := sarama.NewSyncProducer(addrs, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var batch []*sarama.ProducerMessage
	for _, v := range values {
		m := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(v)}
		if edit != nil {
			edit(m)
		}
		batch = append(batch, m)
	}
	if err := p.SendMessages(batch); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, addrs []string, n int) []string {
	t.Helper()
	var out []string
	for _, m := range messages(t, addrs, n) {
		out = append(out, string(m.Value))
	}
	return out
}

func messages(t *testing.T, addrs []string, n int) []*sarama.ConsumerMessage {
	t.Helper()
	c, err := sarama.NewConsumer(addrs, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pc, err := c.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	var out []*sarama.ConsumerMessage
	for len(out) < n {
		select {
		case m := <-pc.Messages():
			out = append(out, m)
		case <-time.After(20 * time.Second):
			t.Fatalf("got %d records, want %d", len(out), n)
		}
	}
	return out
}
