package kafkaio

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
)

// scripted is a broker that answers fetches from a script and then with
// nothing new.
func scripted(t *testing.T, answers ...any) sarama.Client {
	t.Helper()
	b := sarama.NewMockBroker(t, 1)
	t.Cleanup(b.Close)
	b.SetHandlerByMap(map[string]sarama.MockResponse{
		"ApiVersionsRequest": sarama.NewMockApiVersionsResponse(t).SetApiKeys([]sarama.ApiVersionsResponseKey{
			{ApiKey: 1, MaxVersion: fetchVersion}, {ApiKey: 2, MaxVersion: 4}, {ApiKey: 3, MaxVersion: 7},
		}),
		"MetadataRequest": sarama.NewMockMetadataResponse(t).SetBroker(b.Addr(), 1).SetLeader(testTopic, 0, 1),
		"OffsetRequest":   sarama.NewMockOffsetResponse(t).SetOffset(testTopic, 0, sarama.OffsetOldest, 0).SetOffset(testTopic, 0, sarama.OffsetNewest, 1000),
		"FetchRequest":    sarama.NewMockSequence(answers...),
	})
	client, err := Cluster{Brokers: []string{b.Addr()}}.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func answer(high int64, edit func(*sarama.FetchResponseBlock)) *sarama.FetchResponse {
	block := &sarama.FetchResponseBlock{HighWaterMarkOffset: high, LastStableOffset: high, PreferredReadReplica: -1}
	if edit != nil {
		edit(block)
	}
	return &sarama.FetchResponse{Version: fetchVersion, Blocks: map[string]map[int32]*sarama.FetchResponseBlock{testTopic: {0: block}}}
}

// batch is a record batch from offset first to last; its records are those
// that compaction has left.
func batch(first, last int64, left ...int64) func(*sarama.FetchResponseBlock) {
	return func(block *sarama.FetchResponseBlock) {
		b := &sarama.RecordBatch{Version: 2, FirstOffset: first, LastOffsetDelta: int32(last - first), FirstTimestamp: time.UnixMilli(5000), ProducerID: -1}
		for _, o := range left {
			b.Records = append(b.Records, &sarama.Record{OffsetDelta: o - first, Value: fmt.Append(nil, o)})
		}
		r := sarama.Records{RecordBatch: b}
		block.RecordsSet = append(block.RecordsSet, &r)
	}
}

func startScripted(t *testing.T, client sarama.Client) *fetcher {
	t.Helper()
	r := newReader(client, &Options{Topic: testTopic}, testTime, "")
	r.share.Store(1000)
	f := startFetcher(r, 0, 0)
	t.Cleanup(f.stop)
	return f
}

// offsets takes what the fetcher brings until it is at next.
func (f *fetcher) offsets(t *testing.T, next int64) []int64 {
	t.Helper()
	var out []int64
	for start := time.Now(); f.pos < next; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second || f.err() != nil {
			t.Fatalf("stays at %d, want %d (error: %v)", f.pos, next, f.err())
		}
		for f.ready() {
			records, _ := f.next(100)
			for _, r := range records {
				out = append(out, r.Offset)
			}
		}
	}
	return out
}

// Compaction leaves gaps, and batches without any record, also at the end.
func TestFetchCompacted(t *testing.T) {
	client := scripted(t,
		answer(30, batch(0, 9, 2, 5)), answer(30, batch(10, 19)), answer(30, batch(20, 29)), answer(30, nil))
	f := startScripted(t, client)
	if diff := cmp.Diff([]int64{2, 5}, f.offsets(t, 30)); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

// An answer without records is no gap: the broker may be slow.
func TestFetchSlowBroker(t *testing.T) {
	client := scripted(t,
		answer(10, nil), // says that there is more, but not what
		&sarama.FetchResponse{Version: fetchVersion, ThrottleTime: time.Millisecond}, // quota
		answer(10, batch(0, 9, 0, 9)), answer(10, nil))
	f := startScripted(t, client)
	if diff := cmp.Diff([]int64{0, 9}, f.offsets(t, 10)); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

// Errors that pass are waited for, and an offset that is in the log is not out
// of range for long.
func TestFetchRetries(t *testing.T) {
	failing := func(err sarama.KError) *sarama.FetchResponse {
		return answer(-1, func(b *sarama.FetchResponseBlock) { b.Err = err })
	}
	client := scripted(t,
		failing(sarama.ErrNotLeaderForPartition), failing(sarama.ErrUnknownTopicOrPartition), failing(sarama.ErrOffsetOutOfRange),
		answer(2, batch(0, 0, 0)), failing(sarama.ErrLeaderNotAvailable), answer(2, batch(1, 1, 1)), answer(2, nil))
	f := startScripted(t, client)
	if diff := cmp.Diff([]int64{0, 1}, f.offsets(t, 2)); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

// A fetcher that is full, and so asks for nothing, misses that its topic is
// deleted. It must not take the records of the next topic of that name for
// those that it was about to read.
func TestFetchHeldUpWhileTopicIsMadeAgain(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, steps(1000, 1, 3000)...)...)
	client, err := c.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	id, err := topicID(client, testTopic)
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(client, &Options{Topic: testTopic}, testTime, id)
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	r.share.Store(1000)
	f := startFetcher(r, 0, 0)
	t.Cleanup(f.stop)
	for start := time.Now(); len(f.chunks) < cap(f.chunks); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the fetcher does not fill up")
		}
	}
	time.Sleep(2 * gapMax)
	recreate(t, c)
	produce(t, c, events(0, steps(50_000, 1, 3000)...)...)
	for start := time.Now(); f.err() == nil || f.ready(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("nothing is noticed; the fetcher is at %d", f.pos)
		}
		for f.ready() {
			records, _ := f.next(100)
			for _, rec := range records {
				if rec.Time >= 50_000 {
					t.Fatalf("record %+v is of the second topic", rec)
				}
			}
		}
	}
	wantText(t, f.err().Error(), "was deleted and created again", id, "new lake")
}

// The more partitions, the less each fetches ahead.
func TestFetchShare(t *testing.T) {
	for n, want := range map[int]int32{0: 2 << 20, 1: 2 << 20, 10: 2 << 20, 200: 64 << 20 / 600, 100_000: 32 << 10} {
		if got := fetchShare(2<<20, n); got != want {
			t.Errorf("%d partitions: %d bytes, want %d", n, got, want)
		}
	}
	if got := fetchShare(1000, 1); got != 1000 {
		t.Errorf("%d bytes, want the 1000 that were asked for", got)
	}
}

func TestAbortedProducers(t *testing.T) {
	data := func(producer, first, last int64) *sarama.RecordBatch {
		return &sarama.RecordBatch{ProducerID: producer, FirstOffset: first, LastOffsetDelta: int32(last - first), IsTransactional: true}
	}
	marker := func(producer, at int64) *sarama.RecordBatch {
		b := data(producer, at, at)
		b.Control = true
		return b
	}
	plain := data(3, 4, 4)
	plain.IsTransactional = false
	a := abortedProducers{pending: []*sarama.AbortedTransaction{{ProducerID: 1, FirstOffset: 2}, {ProducerID: 1, FirstOffset: 20}}}
	for i, c := range []struct {
		batch *sarama.RecordBatch
		skip  bool
	}{
		{data(1, 0, 1), false}, // of a transaction before
		{marker(1, 1), true},
		{data(1, 2, 3), true},
		{plain, false},
		{data(2, 5, 5), false},
		{data(1, 6, 7), true},
		{marker(2, 8), true},
		{data(1, 9, 9), true},
		{marker(1, 10), true},
		{data(1, 11, 12), false}, // the next transaction commits
		{marker(1, 13), true},
		{data(1, 20, 21), true},
	} {
		if got := a.skip(c.batch); got != c.skip {
			t.Errorf("batch %d at %d: skip is %t", i, c.batch.FirstOffset, got)
		}
	}
}

func TestTimestamps(t *testing.T) {
	created := &sarama.RecordBatch{FirstTimestamp: time.UnixMilli(5000), MaxTimestamp: time.UnixMilli(9000)}
	appended := *created
	appended.LogAppendTime = true
	rec := &sarama.Record{TimestampDelta: 7 * time.Millisecond}
	for _, c := range []struct {
		batch *sarama.RecordBatch
		want  int64
	}{{created, 5007}, {&appended, 9000}, {&sarama.RecordBatch{}, -1}} {
		if got := timestamp(c.batch, rec); got != c.want {
			t.Errorf("%d, want %d", got, c.want)
		}
	}
}
