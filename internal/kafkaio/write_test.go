package kafkaio

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/go-cmp/cmp"
)

func init() {
	register.DoFn2x0[[]byte, func(beam.EventTime, []byte, []byte)](&makeFn{})
	register.DoFn1x0[int64](&sumFn{})
	register.Emitter3[beam.EventTime, []byte, []byte]()
}

// makeFn emits N records; a value of every tenth is null, of the one after it
// empty.
type makeFn struct{ N, Size int }

func (fn *makeFn) ProcessElement(_ []byte, emit func(beam.EventTime, []byte, []byte)) {
	for i := range fn.N {
		key, value := fmt.Appendf(nil, "key %d", i%7), fmt.Appendf(nil, "%d|%s", 1000*i, strings.Repeat("x", fn.Size))
		switch i % 10 {
		case 0:
			value = nil
		case 1:
			value = []byte{}
		case 2:
			key = nil
		}
		emit(beam.EventTime(1000*i), key, value)
	}
}

var written atomic.Int64

type sumFn struct{}

func (sumFn) ProcessElement(n int64) { written.Add(n) }

// write runs a pipeline that writes n records, windowed, and returns the
// number that the sink reports.
func write(t *testing.T, o WriteOptions, n, size int, shuffle bool) (int64, error) {
	t.Helper()
	written.Store(0)
	p, s := beam.NewPipelineWithRoot()
	col := beam.ParDo(s, &makeFn{N: n, Size: size}, beam.Impulse(s))
	col = beam.WindowInto(s, window.NewFixedWindows(time.Minute), col)
	if shuffle {
		col = beam.Reshuffle(s, col)
	}
	beam.ParDo0(s, &sumFn{}, beam.Reshuffle(s, Write(s, o, col)))
	_, err := beam.Run(context.Background(), "prism", p)
	return written.Load(), err
}

func TestWrite(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		t.Run(fmt.Sprintf("shuffle=%t", shuffle), func(t *testing.T) {
			c := startBroker(t, 3)
			const n = 10_000
			o := WriteOptions{ID: t.Name(), Cluster: c, Topic: testTopic}
			got, err := write(t, o, n, 1000, shuffle)
			if err != nil || got != n {
				t.Fatalf("%d records reported, %v", got, err)
			}
			if err := Close(o.ID); err != nil {
				t.Error(err)
			}
			noGoroutines(t)
			j := startJob(t, Options{Cluster: c, Bounded: true})
			j.wait(t)
			values, home := map[string]int{}, map[string]int32{}
			for p, records := range j.records() {
				for _, r := range records {
					switch key := string(r.Key); {
					case r.Key == nil:
						values["null key"]++
					case home[key] != 0 && home[key] != p+1:
						t.Fatalf("key %q is in partitions %d and %d", key, home[key]-1, p)
					default:
						home[key] = p + 1
					}
					switch {
					case r.Value == nil:
						values["null"]++
					case len(r.Value) == 0:
						values["empty"]++
					default:
						values["text"]++
					}
				}
			}
			if diff := cmp.Diff(map[string]int{"null key": n / 10, "null": n / 5, "text": n / 5 * 4}, values); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteErrors(t *testing.T) {
	c := startBroker(t, 1)
	o := WriteOptions{ID: t.Name(), Cluster: c, Topic: "no-such"}
	if _, err := write(t, o, 1, 1, false); err == nil || !strings.Contains(err.Error(), `there is no topic "no-such"`) {
		t.Errorf("missing topic: %v", err)
	}
	if _, err := write(t, WriteOptions{Cluster: c}, 1, 1, false); err == nil || !strings.Contains(err.Error(), "both must be named") {
		t.Errorf("no topic: %v", err)
	}
	limit := "2000"
	if err := admin(t, c).CreateTopic("small", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &limit}}, false); err != nil {
		t.Fatal(err)
	}
	o = WriteOptions{ID: t.Name() + " small", Cluster: c, Topic: "small"}
	if _, err := write(t, o, 4, 17<<20, false); err == nil || !strings.Contains(err.Error(), `topic "small"`) || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("records that are too large: %v", err)
	}
	if err := Close(o.ID); err != nil {
		t.Error(err)
	}
	k := &sink{}
	if err := k.send(nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed sink: %v", err)
	}
}
