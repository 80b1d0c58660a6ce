package kafkaio

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/prism"
)

func init() {
	register.DoFn3x0[beam.EventTime, RecordBatch, func(int64, int64)](&collectFn{})
	register.DoFn4x1[beam.Window, int64, func(*int64) bool, func(int64), error](&windowFn{})
	register.DoFn1x0[int64](&ignoreFn{})
	register.Emitter2[int64, int64]()
	register.Emitter1[int64]()
	register.Iter1[int64]()
	beam.RegisterType(reflect.TypeFor[collectFn]())
	RegisterEventTime("test", testTime)
}

func TestMain(m *testing.M) {
	beam.Init()
	*jobopts.Experiments = "prism_disable_sdf_split"
	if os.Getenv("SHOPSTREAM_TEST_LOG") == "" {
		slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	}
	os.Exit(prism.Tests(m))
}

// testTime reads a value of the form "<ms>", or "<ms>|anything".
func testTime(value []byte, _, _ int64, _ int) (int64, bool) {
	digits, _, _ := strings.Cut(string(value), "|")
	ms, err := strconv.ParseInt(digits, 10, 64)
	return ms, err == nil
}

const testTopic = "events"

func startBroker(t testing.TB, partitions int) Cluster {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	c := Cluster{Brokers: b.Addrs()}
	if partitions > 0 {
		if n, err := EnsureTopic(t.Context(), c, testTopic, partitions); err != nil || n != partitions {
			t.Fatalf("%d partitions, %v", n, err)
		}
	}
	return c
}

// message is a record to produce.
type message struct {
	partition  int32
	key, value []byte
	headers    []sarama.RecordHeader
}

// events are messages with these event times.
func events(partition int32, times ...int64) []message {
	var out []message
	for _, ms := range times {
		out = append(out, message{partition: partition, value: strconv.AppendInt(nil, ms, 10)})
	}
	return out
}

func steps(from, step int64, n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = from + int64(i)*step
	}
	return out
}

func produce(t testing.TB, c Cluster, messages ...message) {
	t.Helper()
	p := newProducer(t, c, nil)
	defer p.Close()
	sendAll(t, p, messages...)
}

func newProducer(t testing.TB, c Cluster, edit func(*sarama.Config)) sarama.SyncProducer {
	t.Helper()
	cfg, err := c.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	cfg.Producer.Return.Successes = true
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.MaxMessageBytes = 16 << 20
	cfg.Producer.Idempotent, cfg.Net.MaxOpenRequests = true, 1
	if edit != nil {
		edit(cfg)
	}
	p, err := sarama.NewSyncProducer(c.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sendAll(t testing.TB, p sarama.SyncProducer, messages ...message) {
	t.Helper()
	var batch []*sarama.ProducerMessage
	for _, m := range messages {
		pm := &sarama.ProducerMessage{Topic: testTopic, Partition: m.partition, Headers: m.headers}
		if m.key != nil {
			pm.Key = sarama.ByteEncoder(m.key)
		}
		if m.value != nil {
			pm.Value = sarama.ByteEncoder(m.value)
		}
		batch = append(batch, pm)
	}
	// Small record batches: a fetch brings few records, so that reads take many turns.
	for chunk := range slices.Chunk(batch, 100) {
		if err := p.SendMessages(chunk); err != nil {
			t.Fatal(err)
		}
	}
}

func admin(t testing.TB, c Cluster) sarama.ClusterAdmin {
	t.Helper()
	cfg, err := c.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	a, err := sarama.NewClusterAdmin(c.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// collected is what came out of a read.
type collected struct {
	mu      sync.Mutex
	batches []RecordBatch
	late    string          // the first element that is not where it belongs
	windows map[int64]int64 // records by window, after a GroupByKey: what no runner has dropped
}

var collections sync.Map // Options.ID → *collected

// collectFn notes the source's output and emits, for each batch, the number of
// its records.
type collectFn struct{ ID string }

func (fn *collectFn) ProcessElement(ts beam.EventTime, b RecordBatch, emit func(int64, int64)) {
	v, _ := collections.Load(fn.ID)
	c := v.(*collected)
	c.mu.Lock()
	if ts.Milliseconds() != b.Arrival && c.late == "" {
		c.late = fmt.Sprintf("element at %d in arrival window %d", ts.Milliseconds(), b.Arrival)
	}
	c.batches = append(c.batches, b)
	c.mu.Unlock()
	emit(0, int64(len(b.Records)))
}

type windowFn struct{ ID string }

func (fn *windowFn) ProcessElement(w beam.Window, _ int64, counts func(*int64) bool, emit func(int64)) error {
	v, _ := collections.Load(fn.ID)
	c := v.(*collected)
	c.mu.Lock()
	defer c.mu.Unlock()
	iw := w.(window.IntervalWindow)
	if _, again := c.windows[iw.Start.Milliseconds()]; again {
		return fmt.Errorf("window %v came twice", iw)
	}
	var sum, n int64
	for counts(&n) {
		sum += n
	}
	c.windows[iw.Start.Milliseconds()] = sum
	Sealed(fn.ID, iw.End.Milliseconds())
	emit(sum)
	return nil
}

type ignoreFn struct{}

func (ignoreFn) ProcessElement(int64) {}

// job is a read that runs, on Prism or the direct runner.
type job struct {
	id      string
	out     *collected
	done    chan struct{}
	err     error
	stopped sync.Once
}

var jobs int

func startJob(t testing.TB, o Options) *job {
	t.Helper()
	jobs++
	o.ID = fmt.Sprintf("job %d", jobs)
	if o.Topic == "" {
		o.Topic = testTopic
	}
	if o.BaseWindow == 0 {
		o.BaseWindow = time.Second
	}
	if o.Bundle == 0 {
		o.Bundle = 50 * time.Millisecond
	}
	if o.Clock == (ClockRule{}) {
		o.Clock = ClockRule{1, 1, 1} // few records, whose highest time is the clock
	}
	o.EventTime = "test"
	j := &job{id: o.ID, out: &collected{windows: map[int64]int64{}}, done: make(chan struct{})}
	collections.Store(o.ID, j.out)
	p, s := beam.NewPipelineWithRoot()
	counts := beam.ParDo(s, &collectFn{ID: o.ID}, Read(s, o))
	grouped := beam.GroupByKey(s, beam.WindowInto(s, window.NewFixedWindows(o.BaseWindow), counts))
	beam.ParDo0(s, &ignoreFn{}, beam.Reshuffle(s, beam.ParDo(s, &windowFn{ID: o.ID}, grouped)))
	runner := "prism"
	if o.OneCall {
		runner = "direct"
	}
	go func() {
		defer close(j.done)
		_, j.err = beam.Run(context.Background(), runner, p)
	}()
	t.Cleanup(func() { j.cancel(t) })
	return j
}

// cancel ends the job at once, as an interrupted program does.
func (j *job) cancel(t testing.TB) {
	t.Helper()
	j.stopped.Do(func() {
		for tries := 0; ; tries++ {
			select {
			case <-j.done:
				if err := Close(j.id); err != nil {
					t.Error(err)
				}
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := cancelJobs(); err != nil || tries > 500 {
				t.Fatalf("the job does not end: %v", err)
			}
		}
	})
}

func cancelJobs() error {
	conn, err := grpcx.Dial(context.Background(), *jobopts.Endpoint, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := jobpb.NewJobServiceClient(conn)
	list, err := client.GetJobs(context.Background(), &jobpb.GetJobsRequest{})
	if err != nil {
		return err
	}
	for _, info := range list.GetJobInfo() {
		if info.GetState() == jobpb.JobState_RUNNING {
			if _, err := client.Cancel(context.Background(), &jobpb.CancelJobRequest{JobId: info.GetJobId()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait waits for the end of the job and checks what holds for every read.
func (j *job) wait(t testing.TB) {
	t.Helper()
	select {
	case <-j.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("the read does not end; it has reached %+v", StatusOf(j.id))
	}
	if j.err != nil {
		t.Fatal(j.err)
	}
	j.check(t)
}

// fails waits for the job to fail and returns its error.
func (j *job) fails(t testing.TB) string {
	t.Helper()
	select {
	case <-j.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("the read does not end; it has reached %+v", StatusOf(j.id))
	}
	if j.err == nil {
		t.Fatal("the read ends without an error")
	}
	return j.err.Error()
}

// until waits until what has come out satisfies ok.
func (j *job) until(t testing.TB, what string, ok func(c *collected) bool) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		j.out.mu.Lock()
		good := ok(j.out)
		j.out.mu.Unlock()
		if good {
			return
		}
		select {
		case <-j.done:
			t.Fatalf("the job has ended before %s: %v", what, j.err)
		default:
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("waited in vain for %s; the source has reached %+v", what, StatusOf(j.id))
		}
	}
}

// check holds for every read that has ended: partitions in offset order, every
// element in its window, nothing dropped by the runner.
func (j *job) check(t testing.TB) {
	t.Helper()
	c := j.out
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late != "" {
		t.Error(c.late)
	}
	want := map[int64]int64{}
	next, arrival := map[int32]int64{}, map[int32]int64{}
	wm := NoTime
	for _, b := range c.batches {
		want[b.Arrival] += int64(len(b.Records))
		if b.Arrival < wm {
			t.Errorf("a batch of arrival window %d came after watermark %d", b.Arrival, wm)
		}
		if b.Mark != nil {
			if b.Mark.Watermark <= wm {
				t.Errorf("mark %d after %d", b.Mark.Watermark, wm)
			}
			wm = b.Mark.Watermark
			for _, p := range b.Mark.Partitions {
				if p.Next < next[p.Partition] {
					t.Errorf("mark at %d: partition %d is at %d, but %d was emitted", wm, p.Partition, p.Next, next[p.Partition]-1)
				}
			}
			continue
		}
		if b.Arrival < arrival[b.Partition] {
			t.Errorf("partition %d: arrival window %d after %d", b.Partition, b.Arrival, arrival[b.Partition])
		}
		arrival[b.Partition] = b.Arrival
		for _, r := range b.Records {
			if r.Offset < next[b.Partition] {
				t.Errorf("partition %d: offset %d after %d", b.Partition, r.Offset, next[b.Partition]-1)
			}
			next[b.Partition] = r.Offset + 1
		}
	}
	for w, n := range want {
		if c.windows[w] != n {
			t.Errorf("window %d: %d records were emitted, %d arrived after grouping", w, n, c.windows[w])
		}
	}
}

// records returns the records by partition.
func (j *job) records() map[int32][]Record {
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	return j.out.records()
}

func (c *collected) records() map[int32][]Record {
	out := map[int32][]Record{}
	for _, b := range c.batches {
		if len(b.Records) > 0 {
			out[b.Partition] = append(out[b.Partition], b.Records...)
		}
	}
	return out
}

func (c *collected) marks() []*Mark {
	var out []*Mark
	for _, b := range c.batches {
		if b.Mark != nil {
			out = append(out, b.Mark)
		}
	}
	return out
}

func (c *collected) count() int {
	n := 0
	for _, b := range c.batches {
		n += len(b.Records)
	}
	return n
}

// hasCount is a condition of until.
func hasCount(n int) func(*collected) bool {
	return func(c *collected) bool { return c.count() >= n }
}

// offsetsOf are the offsets read, by partition.
func offsetsOf(records map[int32][]Record) map[int32][]int64 {
	out := map[int32][]int64{}
	for p, rs := range records {
		for _, r := range rs {
			out[p] = append(out[p], r.Offset)
		}
	}
	return out
}
