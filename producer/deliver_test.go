package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/kafkaio"
)

const testTopic = "events"

// cluster starts an embedded broker with a topic of that many partitions.
func cluster(t testing.TB, partitions int) kafkaio.Cluster {
	t.Helper()
	b, err := broker.Start(broker.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	c := kafkaio.Cluster{Brokers: b.Addrs()}
	if _, err := kafkaio.EnsureTopic(t.Context(), c, testTopic, partitions); err != nil {
		t.Fatal(err)
	}
	return c
}

// numbers is a source of n records, spread over partitions, a second apart.
type numbers struct {
	n, next, partitions int
	after               func(i int) // called when record i is given
	err                 error       // at the end
}

func (s *numbers) Next() (Record, bool) {
	if s.next == s.n {
		return Record{}, false
	}
	i := s.next
	s.next++
	if s.after != nil {
		s.after(i)
	}
	return Record{Partition: int32(i % s.partitions), Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, "v", i), At: int64(i) * 1000}, true
}

func (s *numbers) Err() error   { return s.err }
func (s *numbers) Total() int64 { return int64(s.n) }
func (s *numbers) Close() error { return nil }

// content is a topic's records as "key=value", by partition, in order.
func content(t testing.TB, c kafkaio.Cluster) [][]string {
	t.Helper()
	client, err := c.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ps, err := client.Partitions(testTopic)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]string, len(ps))
	for _, p := range ps {
		high, err := client.GetOffset(testTopic, p, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if high == 0 {
			continue
		}
		pc, err := consumer.ConsumePartition(testTopic, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		for m := range pc.Messages() {
			out[p] = append(out[p], fmt.Sprintf("%s=%s", m.Key, m.Value))
			if m.Offset == high-1 {
				break
			}
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func numbersContent(n, partitions int) [][]string {
	out := make([][]string, partitions)
	for i := range n {
		out[i%partitions] = append(out[i%partitions], fmt.Sprintf("k%d=v%d", i, i))
	}
	return out
}

func TestDeliver(t *testing.T) {
	c := cluster(t, 3)
	var last Progress
	stats, err := Deliver(t.Context(), c, testTopic, &numbers{n: 10_000, partitions: 3}, DeliverOptions{Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Delivered != 10_000 || stats.Failed != 0 || stats.Skipped != 0 {
		t.Errorf("got %+v, want 10000 delivered", stats)
	}
	if last.Records != 10_000 || last.Total != 10_000 || !last.Done || last.Left != 0 {
		t.Errorf("last progress is %+v", last)
	}
	if diff := cmp.Diff(numbersContent(10_000, 3), content(t, c)); diff != "" {
		t.Errorf("topic differs (-want +got):\n%s", diff)
	}
}

func TestDeliverKeepsNullsAndEmpties(t *testing.T) {
	c := cluster(t, 1)
	src := &fixed{recs: []Record{{}, {Key: []byte{}, Value: []byte{}}, {Key: []byte("k")}}}
	if _, err := Deliver(t.Context(), c, testTopic, src, DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	_, err := Consume(t.Context(), c, testTopic, ConsumeOptions{UntilEnd: true}, func(m *sarama.ConsumerMessage) error {
		got = append(got, fmt.Sprintf("%t %t", m.Key == nil, m.Value == nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"true true", "false false", "false true"}, got); diff != "" {
		t.Errorf("null key, null value (-want +got):\n%s", diff)
	}
}

type fixed struct {
	recs []Record
	next int
}

func (s *fixed) Next() (Record, bool) {
	if s.next == len(s.recs) {
		return Record{}, false
	}
	s.next++
	return s.recs[s.next-1], true
}
func (s *fixed) Err() error   { return nil }
func (s *fixed) Total() int64 { return -1 }
func (s *fixed) Close() error { return nil }

func TestDeliverCancelledKeepsAllTaken(t *testing.T) {
	c := cluster(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	src := &numbers{n: 1 << 30, partitions: 2, after: func(i int) {
		if i == 4_321 {
			cancel()
		}
	}}
	stats, err := Deliver(ctx, c, testTopic, src, DeliverOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if stats.Delivered != int64(src.next) || stats.Delivered != 4_322 {
		t.Errorf("delivered %d, taken %d, want 4322", stats.Delivered, src.next)
	}
	if diff := cmp.Diff(numbersContent(4_322, 2), content(t, c)); diff != "" {
		t.Errorf("topic differs (-want +got):\n%s", diff)
	}
}

func TestDeliverResumes(t *testing.T) {
	c := cluster(t, 3)
	for _, n := range []int{0, 1, 2_000, 2_000, 5_001} {
		src := &numbers{n: n, partitions: 3}
		stats, err := Deliver(t.Context(), c, testTopic, src, DeliverOptions{SkipExisting: true})
		if err != nil {
			t.Fatalf("n = %d: %v", n, err)
		}
		if got := stats.Delivered + stats.Skipped; got != int64(n) {
			t.Errorf("n = %d: delivered %d and skipped %d", n, stats.Delivered, stats.Skipped)
		}
	}
	if diff := cmp.Diff(numbersContent(5_001, 3), content(t, c)); diff != "" {
		t.Errorf("topic differs (-want +got):\n%s", diff)
	}

	t.Run("another source", func(t *testing.T) {
		src := &fixed{}
		for range 5_001 {
			src.recs = append(src.recs, Record{Value: []byte("other")})
		}
		_, err := Deliver(t.Context(), c, testTopic, src, DeliverOptions{SkipExisting: true})
		if err == nil || !strings.Contains(err.Error(), "holds something else: record 1666 of partition 0 is") {
			t.Errorf("got %v, want a refusal", err)
		}
	})
	t.Run("a shorter source", func(t *testing.T) {
		_, err := Deliver(t.Context(), c, testTopic, &numbers{n: 30, partitions: 3}, DeliverOptions{SkipExisting: true})
		if err == nil || !strings.Contains(err.Error(), "holds 1667 records, the source gives it only 10") {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

func TestDeliverPaces(t *testing.T) {
	c := cluster(t, 1)
	for name, o := range map[string]DeliverOptions{
		"rate":     {Rate: 1000},     // 300 records: 0.3 s
		"speed-up": {Speedup: 1_000}, // 299 s of the source's clock
	} {
		stats, err := Deliver(t.Context(), c, testTopic, &numbers{n: 300, partitions: 1}, o)
		if err != nil {
			t.Fatal(err)
		}
		if stats.Elapsed < 290*time.Millisecond {
			t.Errorf("%s: took %s, want at least 0.29 s", name, stats.Elapsed)
		}
	}
}

func TestDeliverLimit(t *testing.T) {
	c := cluster(t, 1)
	stats, err := Deliver(t.Context(), c, testTopic, &numbers{n: 300, partitions: 1}, DeliverOptions{Limit: 7})
	if err != nil || stats.Delivered != 7 {
		t.Errorf("got %+v, %v, want 7 delivered", stats, err)
	}
}

func TestDeliverErrors(t *testing.T) {
	c := cluster(t, 2)
	broken := errors.New("broken file")
	for _, tc := range []struct {
		name    string
		cluster kafkaio.Cluster
		topic   string
		src     Source
		want    string
		opts    DeliverOptions
	}{
		{name: "no broker", cluster: kafkaio.Cluster{Brokers: []string{"127.0.0.1:1"}}, topic: testTopic, src: &numbers{}, want: "no broker answers at 127.0.0.1:1"},
		{name: "no topic", cluster: c, topic: "nowhere", src: &numbers{}, want: `topic "nowhere"`},
		{name: "partition", cluster: c, topic: testTopic, src: &numbers{n: 9, partitions: 3}, want: `record 3 is for partition 2, but topic "events" has 2`},
		{name: "source", cluster: c, topic: testTopic, src: &numbers{err: broken}, want: broken.Error()},
		{name: "pace", cluster: c, topic: testTopic, src: &numbers{}, opts: DeliverOptions{Rate: 1, Speedup: 1}, want: "expected one of them"},
		{
			name: "too large", cluster: c, topic: testTopic, want: "1 of 1 records were not delivered",
			src: &fixed{recs: []Record{{Value: make([]byte, 17<<20)}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Deliver(t.Context(), tc.cluster, tc.topic, tc.src, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// BenchmarkDeliver is the speed of delivery into the embedded broker, in this
// process and on its cores, with records of 250 bytes.
func BenchmarkDeliver(b *testing.B) {
	c := cluster(b, 4)
	src := &simulated{n: b.N}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := Deliver(b.Context(), c, testTopic, src, DeliverOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// simulated repeats a few records, so that what is measured is the delivery.
type simulated struct {
	n, next int
	recs    []Record
}

func (s *simulated) Next() (Record, bool) {
	if s.recs == nil {
		for i := range 4096 {
			value := fmt.Appendf(nil, `{"event_id":"%032x","text":"%0190d","n":%d}`, i*7919, i, i)
			s.recs = append(s.recs, Record{Partition: int32(i % 4), Key: fmt.Append(nil, i), Value: value})
		}
	}
	if s.next == s.n {
		return Record{}, false
	}
	s.next++
	return s.recs[s.next%len(s.recs)], true
}
func (s *simulated) Err() error   { return nil }
func (s *simulated) Total() int64 { return int64(s.n) }
func (s *simulated) Close() error { return nil }
