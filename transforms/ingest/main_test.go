package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/teststream"

	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/direct"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	localprism "example.com/shopstream/internal/prism"
	"example.com/shopstream/transforms/metrics"
)

func init() {
	register.DoFn3x1[beam.EventTime, string, []byte, error](&collectFn{})
	register.DoFn2x1[int64, func(beam.EventTime, kafkaio.RecordBatch), error](&replayFn{})
	register.DoFn1x0[int64](&endFn{})
	register.Emitter2[beam.EventTime, kafkaio.RecordBatch]()
}

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))) // runners tell every graph
	*jobopts.Experiments = "prism_disable_sdf_split"
	os.Exit(localprism.Tests(m))
}

const (
	prism  = "prism"
	direct = "direct"
)

// held are values of a test that DoFns of its pipelines look up: runners of
// these tests run in the process.
var (
	held   sync.Map // int64 → any
	lastID atomic.Int64
)

func hold(t testing.TB, v any) int64 {
	id := lastID.Add(1)
	held.Store(id, v)
	t.Cleanup(func() { held.Delete(id) })
	return id
}

// packedElement is an element between Split and Write.
type packedElement struct {
	Time int64
	Key  string
	Data []byte
}

// collectFn keeps the elements that it is given.
type collectFn struct{ Into int64 }

type collected struct {
	sync.Mutex
	elements []packedElement
}

func (fn *collectFn) ProcessElement(et beam.EventTime, key string, data []byte) error {
	v, _ := held.Load(fn.Into)
	c, ok := v.(*collected)
	if !ok {
		return fmt.Errorf("nothing is held as %d", fn.Into)
	}
	c.Lock()
	defer c.Unlock()
	c.elements = append(c.elements, packedElement{et.Milliseconds(), key, data})
	return nil
}

// replayFn emits the record batches of a test: the element is the index.
type replayFn struct{ Of int64 }

func (fn *replayFn) ProcessElement(i int64, emit func(beam.EventTime, kafkaio.RecordBatch)) error {
	v, _ := held.Load(fn.Of)
	batches, ok := v.([]kafkaio.RecordBatch)
	if !ok {
		return fmt.Errorf("nothing is held as %d", fn.Of)
	}
	emit(mtime.FromMilliseconds(batches[i].Arrival), batches[i])
	return nil
}

// replay makes a collection of batches. On Prism the watermark goes to each
// mark after it was emitted, as the source does it, in other runners to the
// end at once.
func replay(t testing.TB, s beam.Scope, runner string, batches []kafkaio.RecordBatch) beam.PCollection {
	t.Helper()
	id := hold(t, batches)
	if runner != prism {
		indexes := make([]int64, len(batches))
		for i := range indexes {
			indexes[i] = int64(i)
		}
		return beam.ParDo(s, &replayFn{Of: id}, beam.CreateList(s, indexes))
	}
	c := teststream.NewConfig()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range batches {
		must(c.AddElements(b.Arrival, int64(i)))
		if b.Mark != nil {
			must(c.AdvanceWatermark(b.Mark.Watermark))
		}
	}
	must(c.AdvanceWatermarkToInfinity())
	return beam.ParDo(s, &replayFn{Of: id}, teststream.Create(s, c))
}

type endFn struct{}

func (endFn) ProcessElement(int64) {}

// runGraph runs the graph of pipelines.Streaming, behind its source, over
// batches.
func runGraph(t testing.TB, runner, lakeURI string, batches []kafkaio.RecordBatch, rules Rules, start lake.Start) {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	split := Split(s, replay(t, s, runner, batches), rules)
	if len(start.Ahead) > 0 {
		split = beam.Flatten(s, split, Ahead(s, lakeURI, start.Ahead, rules))
	}
	acks := Write(s, split, lakeURI, topic, rules)
	increments, seals := Commit(s, acks, lakeURI, rules.Source)
	if len(start.Increments) > 0 {
		increments = beam.Flatten(s, increments, metrics.Again(s, lakeURI, rules.BaseMs, start.Increments))
	}
	published := metrics.Publish(s, increments, lakeURI, rules.BaseMs, start.MetricsDone)
	for _, col := range []beam.PCollection{seals, published} {
		beam.ParDo0(s, &endFn{}, beam.Reshuffle(s, col))
	}
	if _, err := beam.Run(context.WithoutCancel(t.Context()), runner, p); err != nil {
		t.Fatalf("%s: %v", runner, err)
	}
}

func openLake(t testing.TB) lake.Store {
	t.Helper()
	st, err := lake.Shared(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// content reads every object of a lake.
func content(t testing.TB, st lake.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for info, err := range st.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := st.Get(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		out[info.Name] = string(data)
	}
	return out
}
