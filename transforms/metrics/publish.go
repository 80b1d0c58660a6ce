package metrics

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

func init() {
	beam.RegisterDoFn(&publishFn{})
	beam.RegisterDoFn(&sealFn{})
	beam.RegisterDoFn(&againFn{})
	beam.RegisterType(reflect.TypeFor[lake.IncrementsFile]())
	register.Iter1[[]byte]()
	register.Emitter1[int64]()
	register.Emitter3[beam.EventTime, int64, []byte]()
}

// all is the one key of a GroupByKey that brings everything of a window
// together.
const all int64 = 0

// Emit emits the increments of the base window that ends at end (ms), in the
// form that Publish takes: KV<int64, []byte> with one constant key, at the
// window's last millisecond, where no runner finds them late.
func Emit(in Increments, end int64, emit func(beam.EventTime, int64, []byte)) {
	for _, bucket := range in.Buckets() {
		emit(mtime.FromMilliseconds(end-1), all, append(binary.AppendVarint(nil, bucket), in[bucket]...))
	}
}

// Publish composes increments into 5-minute, hourly and sliding windows and
// writes them to the lake: once a period (5 minutes, or the base window where
// that is longer) one file a kind with the windows that ended in it, then the
// period's row of the metrics ledger and, after every earlier row is written,
// its seal. Each window is written once, when the watermark has passed it.
//
// Periods that ended by done (ms, or kafkaio.NoTime) are final from an earlier
// run and are left as they are. Publish returns the starts of sealed periods.
func Publish(s beam.Scope, increments beam.PCollection, lakeURI string, baseMs, done int64) beam.PCollection {
	s = s.Scope("metrics.Publish")
	windows := beam.GroupByKey(s, beam.WindowInto(s, cover(baseMs), increments))
	rows := beam.ParDo(s, &publishFn{Lake: lakeURI, PeriodMs: period(baseMs), Done: done}, windows)
	// The rows are grouped once more: this group fires only after the watermark has passed all earlier rows.
	return beam.ParDo(s, &sealFn{Lake: lakeURI, PeriodMs: period(baseMs)}, beam.GroupByKey(s, rows))
}

type publishFn struct {
	Lake     string
	PeriodMs int64
	Done     int64
}

func (fn *publishFn) ProcessElement(ctx context.Context, w beam.Window, _ int64, increments func(*[]byte) bool, emit func(beam.EventTime, int64, []byte)) error {
	end := w.(window.IntervalWindow).End.Milliseconds()
	row := lake.MetricsRow{Window: end - fn.PeriodMs, End: end}
	if fn.Done != kafkaio.NoTime && end <= fn.Done {
		return nil
	}
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	var packed [][]byte
	for p := []byte(nil); increments(&p); {
		packed = append(packed, p)
	}
	buckets, err := bucketTables(packed)
	if err != nil {
		return fmt.Errorf("metrics up to %d: %w", end, err)
	}
	for _, w := range Compose(buckets, row.Window, end) {
		data, err := lake.EncodeMetrics(nil, w.Rows)
		if err != nil {
			return err
		}
		f := lake.File{Name: lake.MetricsName(w.Kind, row.Window), Rows: int64(len(w.Rows)), Bytes: int64(len(data)), CRC: lake.CRC(data)}
		if err := st.Put(ctx, f.Name, data); err != nil {
			return err
		}
		row.Files = append(row.Files, f)
	}
	if err := lake.PutMetricsRow(ctx, st, row); err != nil {
		return err
	}
	emit(mtime.FromMilliseconds(end-1), all, nil)
	return nil
}

// sealFn seals the newest period of a bundle, which says all that the others
// would.
type sealFn struct {
	Lake     string
	PeriodMs int64

	newest int64 // end of the newest window of the bundle, ms, or kafkaio.NoTime
}

func (fn *sealFn) StartBundle(_ func(int64)) { fn.newest = kafkaio.NoTime }

func (fn *sealFn) ProcessElement(w beam.Window, _ int64, _ func(*[]byte) bool, emit func(int64)) {
	end := w.(window.IntervalWindow).End.Milliseconds()
	fn.newest = max(fn.newest, end)
	emit(end - fn.PeriodMs)
}

// FinishBundle writes the seal. A bundle that fails is run again.
func (fn *sealFn) FinishBundle(ctx context.Context, _ func(int64)) error {
	if fn.newest == kafkaio.NoTime {
		return nil
	}
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	return lake.PutMetricsSeal(ctx, st, fn.newest-fn.PeriodMs)
}

// Again emits the increments of files once more, in the base windows of
// baseMs: what metrics windows that were open when an earlier run stopped still
// need.
func Again(s beam.Scope, lakeURI string, baseMs int64, files []lake.IncrementsFile) beam.PCollection {
	s = s.Scope("metrics.Again")
	increments := beam.ParDo(s, &againFn{Lake: lakeURI}, beam.CreateList(s, files))
	return beam.WindowInto(s, window.NewFixedWindows(time.Duration(baseMs)*time.Millisecond), increments)
}

type againFn struct{ Lake string }

func (fn *againFn) ProcessElement(ctx context.Context, f lake.IncrementsFile, emit func(beam.EventTime, int64, []byte)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	in, err := getIncrements(ctx, st, f)
	if err != nil {
		return err
	}
	Emit(in, f.End, emit)
	return nil
}

// Check returns an error that names the file unless Again can emit all of
// them: what a lake cannot go on from must be found before it is changed.
func Check(ctx context.Context, st lake.Store, files []lake.IncrementsFile) error {
	const readers = 8 // each holds one file's sums
	return lake.Parallel(len(files), readers, func(i int) error {
		_, err := getIncrements(ctx, st, files[i])
		return err
	})
}

func getIncrements(ctx context.Context, st lake.Store, f lake.IncrementsFile) (Increments, error) {
	data, err := st.Get(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	if crc := lake.CRC(data); f.CRC != 0 && crc != f.CRC {
		err = fmt.Errorf("expected the content that the ledger names, of CRC-32C %08x, found %08x", f.CRC, crc)
	}
	var in Increments
	if err == nil {
		in, err = DecodeIncrements(data)
	}
	if err != nil {
		return nil, fmt.Errorf("lake %s: %s is damaged: %w: restore it from a copy", st.URI(), f.Name, err)
	}
	return in, nil
}
