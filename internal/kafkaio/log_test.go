package kafkaio

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memoryLog is a Log of records that were read, in chunks of three.
type memoryLog struct {
	extent  Extent
	records map[int32][]Record
}

func (l *memoryLog) Extent(context.Context) (Extent, error) { return l.extent, nil }

func (l *memoryLog) Records(_ context.Context, partition int32, from int64) iter.Seq2[[]Record, error] {
	return func(yield func([]Record, error) bool) {
		next := l.extent.Partitions[partition].Next
		var rest []Record
		for _, r := range l.records[partition] {
			if from <= r.Offset && r.Offset < next {
				rest = append(rest, Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers})
			}
		}
		for chunk := range slices.Chunk(rest, 3) {
			if !yield(chunk, nil) {
				return
			}
		}
	}
}

var testLog memoryLog

func init() {
	RegisterLog("test", func(context.Context, string) (Log, error) { return &testLog, nil })
}

// TestLog reads a topic, with a partition that is idle and comes back behind
// the watermark, and then what was read once more: from memory, and the end
// from Kafka.
func TestLog(t *testing.T) {
	c := startBroker(t, 2)
	produce(t, c, events(0, steps(1_000_000, 100, 500)...)...)
	j := startJob(t, Options{Cluster: c, OutOfOrderness: 2 * time.Second, IdleAfter: 300 * time.Millisecond})
	j.until(t, "a watermark without the empty partition", func(c *collected) bool { return len(c.marks()) > 0 })
	produce(t, c, events(1, 900_000, 1_040_000, 2_000_000)...)
	j.until(t, "the old records", hasCount(503))
	produce(t, c, events(0, 2_000_000, 1_500_000, 2_100_000)...)
	Finish(j.id)
	j.wait(t)
	want, marks := j.records(), j.out.marks()
	final := marks[len(marks)-1]

	testLog = memoryLog{records: want, extent: Extent{TopicID: final.TopicID, Final: final}}
	for _, p := range final.Partitions {
		q := LogPartition{Partition: p.Partition, Start: p.Start, Raises: slices.Clone(p.Raises)}
		q.End = want[p.Partition][len(want[p.Partition])-1].Offset + 1
		q.Next = q.End - 2 // and two from Kafka
		for _, m := range marks[:len(marks)-1] {
			q.Raises = append(q.Raises, m.Partitions[p.Partition].Raises...)
		}
		q.Raises = append(q.Raises, Raise{Offset: p.Next, High: final.Watermark + 2000})
		slices.SortFunc(q.Raises, func(a, b Raise) int { return int(a.Offset - b.Offset) })
		q.Raises = slices.Compact(q.Raises)
		testLog.extent.Partitions = append(testLog.extent.Partitions, q)
	}
	again := startJob(t, Options{Cluster: c, OutOfOrderness: 2 * time.Second, Log: "test"})
	again.wait(t)
	if diff := cmp.Diff(want, again.records()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	got := again.out.marks()
	last := got[len(got)-1]
	if last.Watermark != final.Watermark || len(last.Partitions) != len(final.Partitions) {
		t.Fatalf("the last mark is %+v, want %+v", last, final)
	}
	for i, p := range last.Partitions {
		w := final.Partitions[i]
		if p.Next != w.Next || p.Start != w.Start {
			t.Errorf("the last mark has %+v, want %+v", p, w)
		}
		for _, raise := range w.Raises {
			if !slices.Contains(p.Raises, raise) {
				t.Errorf("the last mark has %+v, want the raises of %+v, too", p, w)
			}
		}
	}
}

// TestUnknownLog is about a program without the code that reads a log.
func TestUnknownLog(t *testing.T) {
	if _, err := openLog(t.Context(), &Options{Log: "none"}); err == nil {
		t.Error("no error")
	}
}
