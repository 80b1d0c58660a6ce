package kafkaio

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"example.com/shopstream/internal/broker"
)

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("the error does not say %q:\n%s", p, text)
		}
	}
}

func TestMissingTopic(t *testing.T) {
	c := startBroker(t, 0)
	wantText(t, startJob(t, Options{Cluster: c, Topic: "no-such", Bounded: true}).fails(t), `there is no topic "no-such"`, "--topic")
	if err := CheckTopic(c, "no-such"); err == nil || !strings.Contains(err.Error(), `there is no topic "no-such"`) {
		t.Errorf("CheckTopic: %v", err)
	}
	eager, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation()) // as most brokers are
	if err != nil {
		t.Fatal(err)
	}
	defer eager.Close()
	c = Cluster{Brokers: eager.ListenAddrs()}
	if err := CheckTopic(c, "no-such"); err == nil || !strings.Contains(err.Error(), `there is no topic "no-such"`) {
		t.Errorf("CheckTopic: %v", err)
	}
	topics, err := admin(t, c).ListTopics()
	if err != nil || len(topics) != 0 {
		t.Errorf("asking for a topic has made it: %v, %v", topics, err)
	}
}

func TestMissingBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantText(t, startJob(t, Options{Cluster: Cluster{Brokers: []string{addr}}, Bounded: true}).fails(t), "no broker answers at "+addr, "--brokers")
	if _, err := (Cluster{Brokers: []string{addr}}).NewClient(); !errors.Is(err, ErrNoBroker) {
		t.Errorf("%v is not ErrNoBroker", err)
	}
}

func TestInvalidOptions(t *testing.T) {
	ok := Options{Topic: "t", Cluster: Cluster{Brokers: []string{"b:1"}}}
	ok.defaults()
	if err := ok.validate(); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Options){
		"no topic":       func(o *Options) { o.Topic = "" },
		"no broker":      func(o *Options) { o.Cluster.Brokers = nil },
		"tiny window":    func(o *Options) { o.BaseWindow = time.Microsecond },
		"negative bound": func(o *Options) { o.OutOfOrderness = -1 },
		"no groups":      func(o *Options) { o.Groups = -1 },
	} {
		o := ok
		edit(&o)
		if o.validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUnknownEventTime(t *testing.T) {
	fn := &reading{Options: Options{Topic: "t", Cluster: Cluster{Brokers: []string{"b:1"}}, EventTime: "nobody's"}}
	fn.Options.defaults()
	if err := fn.Setup(); err == nil || !strings.Contains(err.Error(), `"nobody's"`) {
		t.Errorf("%v", err)
	}
}

func TestOffsetOutOfRange(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, steps(1000, 1, 10)...)...)
	if err := admin(t, c).DeleteRecords(testTopic, map[int32]int64{0: 4}); err != nil {
		t.Fatal(err)
	}
	for offset, says := range map[int64]string{
		2:  "offset 2 is not in the log, which starts at 4 and ends at 10",
		11: "offset 11 is not in the log, which starts at 4 and ends at 10",
	} {
		for _, bounded := range []bool{true, false} {
			j := startJob(t, Options{Cluster: c, Bounded: bounded, Start: Start{Offsets: map[int32]int64{0: offset}}})
			wantText(t, j.fails(t), says, `topic "events", partition 0`, "--start=earliest")
		}
	}
	j := startJob(t, Options{Cluster: c, Bounded: true})
	j.wait(t)
	if n := j.out.count(); n != 6 {
		t.Errorf("from the earliest: %d records, want the 6 that are left", n)
	}
}

func recreate(t *testing.T, c Cluster) {
	t.Helper()
	a := admin(t, c)
	if err := a.DeleteTopic(testTopic); err != nil {
		t.Fatal(err)
	}
	if err := a.CreateTopic(testTopic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: -1}, false); err != nil {
		t.Fatal(err)
	}
}

func TestTopicMadeAgain(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, steps(1000, 1000, 10)...)...)
	first := startJob(t, Options{Cluster: c})
	first.until(t, "a mark", func(c *collected) bool { return len(c.marks()) > 0 })
	m := first.out.marks()[0]
	if m.TopicID == "" {
		t.Fatal("the mark has no topic id")
	}
	recreate(t, c)
	// Fewer records than were read: the running read must not take them for new ones.
	produce(t, c, events(0, 50_000)...)
	wantText(t, first.fails(t), `topic "events"`)

	produce(t, c, events(0, steps(50_000, 1000, 20)...)...)
	resume := &ResumePoint{Watermark: m.Watermark, TopicID: m.TopicID, Partitions: []ResumePosition{{Next: 5, Read: 10}}}
	wantText(t, startJob(t, Options{Cluster: c, Start: Start{Resume: resume}}).fails(t), "was deleted and created again", m.TopicID, "new lake")
}

func TestSASL(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "shop", "right"), kfake.Superuser("SCRAM-SHA-512", "shop512", "right"), kfake.Superuser("PLAIN", "plain", "right"), kfake.SeedTopics(1, testTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	file := filepath.Join(t.TempDir(), "password")
	for _, tt := range []struct{ mechanism, user, password, says string }{
		{"SCRAM-SHA-256", "shop", "right\n", ""},
		{"SCRAM-SHA-512", "shop512", "right", ""},
		{"PLAIN", "plain", "right\r\n", ""},
		{"SCRAM-SHA-256", "shop", "wrong", `user "shop"`},
		{"PLAIN", "plain", "wrong", `user "plain"`},
		{"GSSAPI", "shop", "right", `unknown mechanism "GSSAPI"`},
	} {
		if err := os.WriteFile(file, []byte(tt.password), 0o600); err != nil {
			t.Fatal(err)
		}
		err := CheckTopic(Cluster{Brokers: cluster.ListenAddrs(), SASL: tt.mechanism, User: tt.user, PasswordFile: file}, testTopic)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.mechanism, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s, password %q: %v, want one that says %q", tt.mechanism, tt.password, err, tt.says)
		}
	}
}

// A cancelled job ends at once and leaves nothing running.
func TestCancel(t *testing.T) {
	if raceDetector {
		t.Skip("Beam's harness closes a channel that the last bundle of a cancelled job still sends to: a race of its own")
	}
	c := startBroker(t, 4)
	produce(t, c, events(0, steps(1000, 1, 5000)...)...)
	j := startJob(t, Options{Cluster: c})
	j.until(t, "the first records", hasCount(1000))
	start := time.Now()
	j.cancel(t)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("cancelling took %s", d)
	}
	noGoroutines(t)
}

// noGoroutines waits until no goroutine runs code of this package or of
// sarama. (goleak cannot be used: Prism's job server stays.)
func noGoroutines(t *testing.T) {
	t.Helper()
	var left []string
	for range 100 {
		left = left[:0]
		buf := make([]byte, 1<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if (strings.Contains(g, "internal/kafkaio.") || strings.Contains(g, "sarama.(")) && !strings.Contains(g, "testing.tRunner") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left, the first:\n%s", len(left), left[0])
}

// A broker that goes away and comes back is waited for; nothing is lost.
func TestBrokerComesBack(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c := Cluster{Brokers: b.Addrs()}
	if _, err := EnsureTopic(t.Context(), c, testTopic, 2); err != nil {
		t.Fatal(err)
	}
	produce(t, c, events(0, 1000, 2000)...)
	j := startJob(t, Options{Cluster: c, IdleAfter: 500 * time.Millisecond})
	j.until(t, "the first records", hasCount(2))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond)
	wm := StatusOf(j.id).Watermark
	time.Sleep(300 * time.Millisecond)
	if now := StatusOf(j.id).Watermark; now != wm {
		t.Errorf("the watermark moves from %d to %d while the broker is away", wm, now)
	}
	_, port, _ := net.SplitHostPort(c.Brokers[0])
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = broker.Start(broker.Options{Dir: dir, Port: n}); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	produce(t, c, events(1, 3000)...)
	j.until(t, "a record from after the pause", hasCount(3))
	Finish(j.id)
	j.wait(t)
}
