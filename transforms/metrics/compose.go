package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

func init() {
	register.DoFn5x1[context.Context, beam.Window, int64, func(*[]byte) bool, func(beam.EventTime, int64, []byte), error](&composeFn{})
	register.DoFn5x1[context.Context, beam.Window, int64, func(*[]byte) bool, func(int64, []byte), error](&publishFn{})
	register.DoFn5x1[context.Context, beam.Window, int64, func(*[]byte) bool, func(int64), error](&sealFn{})
	register.DoFn3x1[context.Context, []byte, func(beam.EventTime, int64, []byte), error](&emitAgainFn{})
	register.Iter1[[]byte]()
	register.Emitter1[int64]()
	register.Emitter2[int64, []byte]()
	register.Emitter3[beam.EventTime, int64, []byte]()
	beam.RegisterType(reflect.TypeFor[composed]())
}

// all is the one key of a GroupByKey that brings everything of a window
// together.
const all int64 = 0

// Compose merges increments (KV<int64, []byte>: one constant key, packed
// tables, at the event time of their bucket) into windows and returns one
// element a window (KV<int64, []byte>), at the window's last millisecond. Each
// window fires once.
func Compose(s beam.Scope, increments beam.PCollection, kind Kind) beam.PCollection {
	s = s.Scope("metrics.Compose." + kind.Name)
	grouped := beam.GroupByKey(s, beam.WindowInto(s, kind.Fn, increments))
	return beam.ParDo(s, &composeFn{Kind: kind.Name}, grouped)
}

// composed is a window's table on its way to a file.
type composed struct {
	Kind       string
	Start, End int64 // of the window, ms
	Packed     []byte
}

type composeFn struct{ Kind string }

func (fn *composeFn) ProcessElement(_ context.Context, w beam.Window, _ int64, packed func(*[]byte) bool, emit func(beam.EventTime, int64, []byte)) error {
	iw := w.(window.IntervalWindow)
	t := Table{}
	for p := []byte(nil); packed(&p); {
		if err := t.Unpack(p); err != nil {
			return fmt.Errorf("metrics window %s: %w", fn.Kind, err)
		}
	}
	out, err := json.Marshal(composed{Kind: fn.Kind, Start: iw.Start.Milliseconds(), End: iw.End.Milliseconds(), Packed: t.Append(nil)})
	if err != nil {
		return err
	}
	emit(iw.End-1, all, out)
	return nil
}

// Publish writes composed windows to the lake: per period and kind one file,
// then the period's row of the metrics ledger, and, after every earlier row is
// written, its seal. Periods that ended by done (ms, or NoTime) are final from
// an earlier run and are left as they are. It returns the sealed periods.
func Publish(s beam.Scope, lakeURI string, baseMs, done int64, composed ...beam.PCollection) beam.PCollection {
	s = s.Scope("metrics.Publish")
	period := window.NewFixedWindows(time.Duration(Period(baseMs)) * time.Millisecond)
	for i := range composed {
		composed[i] = beam.WindowInto(s, period, composed[i])
	}
	rows := beam.ParDo(s, &publishFn{Lake: lakeURI, Done: done}, beam.GroupByKey(s, beam.Flatten(s, composed...)))
	// The rows' windows are grouped once more: this group fires only after all earlier rows are on disk.
	return beam.ParDo(s, &sealFn{Lake: lakeURI}, beam.GroupByKey(s, rows))
}

type publishFn struct {
	Lake string
	Done int64
}

func (fn *publishFn) ProcessElement(ctx context.Context, w beam.Window, _ int64, parts func(*[]byte) bool, emit func(int64, []byte)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	iw := w.(window.IntervalWindow)
	if fn.Done != kafkaio.NoTime && iw.End.Milliseconds() <= fn.Done {
		return nil
	}
	byKind := map[string][]lake.MetricRow{}
	for p := []byte(nil); parts(&p); {
		var c composed
		if err := json.Unmarshal(p, &c); err != nil {
			return fmt.Errorf("composed metrics window: %w", err)
		}
		t := Table{}
		if err := t.Unpack(c.Packed); err != nil {
			return fmt.Errorf("composed metrics window: %w", err)
		}
		byKind[c.Kind] = append(byKind[c.Kind], t.Rows(c.Start, c.End)...)
	}
	row := lake.MetricsRow{Window: iw.Start.Milliseconds(), End: iw.End.Milliseconds()}
	for _, kind := range Kinds() {
		records := byKind[kind.Name]
		if len(records) == 0 {
			continue
		}
		Sort(records)
		data, err := lake.EncodeMetrics(nil, records)
		if err != nil {
			return err
		}
		f := lake.File{Name: lake.MetricsName(kind.Name, row.Window), Rows: int64(len(records)), Bytes: int64(len(data))}
		if err := st.Put(ctx, f.Name, data); err != nil {
			return err
		}
		row.Files = append(row.Files, f)
	}
	if err := lake.PutMetricsRow(ctx, st, row); err != nil {
		return err
	}
	emit(all, nil)
	return nil
}

type sealFn struct {
	Lake string
}

func (fn *sealFn) ProcessElement(ctx context.Context, w beam.Window, _ int64, _ func(*[]byte) bool, emit func(int64)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	start := w.(window.IntervalWindow).Start.Milliseconds()
	if err := lake.PutMetricsSeal(ctx, st, start); err != nil {
		return err
	}
	emit(start)
	return nil
}

// Again emits the increments of files once more: what metrics windows that
// were open when an earlier run stopped still need. The output is that of
// ingest.Commit.
func Again(s beam.Scope, lakeURI string, baseMs int64, files []string) beam.PCollection {
	s = s.Scope("metrics.Again")
	list, err := json.Marshal(files)
	if err != nil { // a []string always encodes
		panic(err)
	}
	again := beam.ParDo(s, &emitAgainFn{Lake: lakeURI}, beam.Create(s, list))
	return beam.WindowInto(s, window.NewFixedWindows(time.Duration(baseMs)*time.Millisecond), again)
}

type emitAgainFn struct {
	Lake string
}

func (fn *emitAgainFn) ProcessElement(ctx context.Context, list []byte, emit func(beam.EventTime, int64, []byte)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	var files []string
	if err := json.Unmarshal(list, &files); err != nil {
		return err
	}
	for _, name := range files {
		data, err := st.Get(ctx, name)
		if err != nil {
			return err
		}
		in, err := DecodeIncrements(data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		Emit(in, emit)
	}
	return nil
}

// Emit emits increments in the order of their buckets, each at its bucket's
// event time.
func Emit(in Increments, emit func(beam.EventTime, int64, []byte)) {
	for _, bucket := range in.Buckets() {
		emit(mtime.FromMilliseconds(bucket), all, slices.Clone(in[bucket]))
	}
}
