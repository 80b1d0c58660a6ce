package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/uuid"
)

func init() {
	beam.RegisterDoFn(&readFn{})
	beam.RegisterDoFn(&readOnceFn{})
	register.Emitter2[beam.EventTime, RecordBatch]()
}

// Options say what to read and how. A zero value takes the default where one
// is named here.
type Options struct {
	ID      string // names the source within this process (Finish, StatusOf, Close); default: a new UUID
	Cluster Cluster
	Topic   string
	TopicID string // id that the topic must have (FindTopic); "": any
	Group   string // consumer group that positions are reported to, for lag tools only; "": none
	Start   Start
	Log     string // name of a kind of Log, registered by RegisterLog, that is read in place of Kafka, bounded; Start is not used then
	LogArg  string // which one

	EventTime string // name of the function, registered by RegisterEventTime, that finds a record's event time

	BaseWindow     time.Duration // length of the base window; default 1 min
	OutOfOrderness time.Duration // how far behind the highest time of its partition a record may be; zero is zero
	Skew           time.Duration // how far an event time may be ahead of the record's timestamp
	Clock          ClockRule     // how clocks resist wrong times; its zero value is the default
	MaxBytes       int           // largest value in which an event time is looked for; default 1 MiB

	BatchBytes     int  // most that a record batch may decompress to, bytes; default 128 MiB. It holds for all sources of the process
	StopAtBadBatch bool // a record batch that cannot be read ends the read; else one record stands for it (BadBatch)

	Bounded bool // end at the offsets that the partitions have at the start
	OneCall bool // bounded, without checkpoints: for the direct runner, which calls a splittable DoFn once

	Groups        int           // independent readers, by partition number modulo Groups, at most one a partition; default 1 (Prism needs 1)
	FetchBytes    int           // bytes asked for at once, per partition; default 1 MiB
	Bundle        time.Duration // longest slice of reading before results go downstream; default 250 ms
	BundleRecords int           // most records in a slice; default 32,768
	IdleSlice     time.Duration // a slice without data ends after so long, and the next one starts a second later; 0: it lasts for Bundle, and the next one starts at once
	Align         time.Duration // how far in event time a partition may run ahead of the slowest one; default 60 s; negative: any
	IdleAfter     time.Duration // a partition without new records for so long holds the watermark no more; 0: never
	Refresh       time.Duration // how often to look for new partitions; 0: never
	Budget        int64         // bytes read and not written at which reading pauses; 0: no bound. Only where sinks call Written and Sealed in this process
}

// Windowing is the part of the options that decides windows and lateness.
func (o *Options) Windowing() Windowing {
	return Windowing{Base: o.BaseWindow.Milliseconds(), Bound: o.OutOfOrderness.Milliseconds(), Skew: o.Skew.Milliseconds(), Clock: o.Clock}
}

// Start says where a read begins. The zero value is the earliest record.
type Start struct {
	Latest  bool            // only records that arrive from now on
	Time    time.Time       // the first record whose Kafka timestamp is at or after it
	Offsets map[int32]int64 // these offsets; partitions not named start at the earliest
	Resume  *ResumePoint    // where an earlier run had come to
}

// ResumePoint is where a read that was stopped goes on: every record from Next
// on is read, with clocks rebuilt exactly as they were. Among them are records
// on time whose base window ended by Watermark: whoever has that window finished
// has them, and must pass them over. And before Next are records on time whose
// base window ends after Watermark, those that are ahead of their partition's
// clock: they are not read again, and must come from where they were kept.
type ResumePoint struct {
	Watermark  int64 // the watermark that was reported, ms: all before it is finished
	TopicID    string
	Partitions []ResumePosition
}

// ResumePosition is the part of a ResumePoint that belongs to one partition.
type ResumePosition struct {
	Partition int32
	Start     int64   // the first offset of the whole read
	Next      int64   // go on here
	Read      int64   // records before it were read already; the raises among them are replayed
	Raises    []Raise // by offset
	MaxUntil  int64   // see Position
	Recent    []int64 // the last ClockMemory clock values before Next (ClockValue), the oldest first
}

// Read reads a Kafka topic and returns a PCollection<RecordBatch>: each batch
// has records of one partition and one arrival window, in offset order, with
// their event times, the partition's clock and whether they are late; and Marks (see RecordBatch). Batches vary from run to run, what is in
// an arrival window does not.
//
// Without Bounded the read is unbounded and reports a watermark: the minimum,
// over partitions that are not idle, of the clock (ClockRule) less
// OutOfOrderness, floored to the base window. No record is ever behind it.
// Delivery is that of the runner's checkpoints: exactly once into the graph.
func Read(s beam.Scope, o Options) beam.PCollection {
	s = s.Scope("kafkaio.Read")
	o.defaults()
	fn := reading{Options: o}
	if o.OneCall {
		return beam.ParDo(s, &readOnceFn{fn}, beam.Impulse(s))
	}
	return beam.ParDo(s, &readFn{fn}, beam.Impulse(s))
}

func (o *Options) defaults() {
	setDefault(&o.ID, uuid.NewString())
	setDefault(&o.BaseWindow, time.Minute)
	setDefault(&o.MaxBytes, 1<<20)
	setDefault(&o.FetchBytes, 1<<20)
	setDefault(&o.BatchBytes, batchBytes)
	setDefault(&o.Groups, 1)
	setDefault(&o.Bundle, 250*time.Millisecond)
	setDefault(&o.BundleRecords, 32768)
	setDefault(&o.Align, time.Minute)
	o.Bounded = o.Bounded || o.Log != ""
	if o.OneCall {
		o.Bounded, o.Budget = true, 0 // nothing is written before the one call returns
	}
}

func (o *Options) validate() error {
	switch {
	case o.Topic == "" || len(o.Cluster.Brokers) == 0 && o.Log == "":
		return fmt.Errorf("kafkaio: topic %q at brokers %q: both must be named", o.Topic, o.Cluster.Brokers)
	case o.BaseWindow < time.Millisecond || o.OutOfOrderness < 0 || o.Groups < 1:
		return fmt.Errorf("kafkaio: base window %s, out-of-orderness bound %s, %d groups: expected at least 1 ms, 0 and 1",
			o.BaseWindow, o.OutOfOrderness, o.Groups)
	}
	return nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// reading is what the two DoFns of the source share.
type reading struct {
	Options Options

	eventTime EventTimeFunc
}

func (fn *reading) Setup() error {
	if err := fn.Options.validate(); err != nil {
		return err
	}
	limitBatches(fn.Options.BatchBytes)
	fn.eventTime = eventTimes[fn.Options.EventTime]
	if fn.eventTime == nil {
		return fmt.Errorf("kafkaio.Read: no event time function is registered as %q", fn.Options.EventTime)
	}
	return nil
}

// CreateInitialRestriction resolves where to start, and in bounded mode where
// to end, once for the whole read.
func (fn *reading) CreateInitialRestriction(_ []byte) (restriction, error) {
	sourceOf(fn.Options.ID).open()
	switch log, err := openLog(context.Background(), &fn.Options); {
	case err != nil:
		return restriction{}, err
	case log != nil:
		return log.state(&fn.Options)
	}
	client, err := fn.Options.Cluster.NewClient()
	if err != nil {
		return restriction{}, err
	}
	st, err := initialState(client, &fn.Options)
	return st, errors.Join(err, client.Close())
}

func (fn *reading) SplitRestriction(_ []byte, st restriction) []restriction {
	// A group without partitions would hold the watermark for ever, or end and never get the partitions that come later.
	out := make([]restriction, min(fn.Options.Groups, len(st.Parts)))
	for g := range out {
		out[g] = st.clone()
		out[g].Group, out[g].Groups = g, len(out)
		out[g].Parts = slices.DeleteFunc(out[g].Parts, func(p partState) bool { return int(p.ID)%len(out) != g })
	}
	return out
}

func (fn *reading) RestrictionSize(_ []byte, st restriction) float64 {
	return float64(1 + len(st.Parts))
}

func (fn *reading) CreateTracker(st restriction) *sdf.LockRTracker {
	return sdf.NewLockRTracker(&tracker{state: st})
}

// TruncateRestriction ends the read where it is when a runner drains the job.
func (fn *reading) TruncateRestriction(rt *sdf.LockRTracker, _ []byte) restriction {
	st := rt.GetRestriction().(restriction)
	st.Finished = true
	return st
}

// watermarkEstimator reports what the source set. The runner asks from other
// goroutines.
type watermarkEstimator struct{ ms atomic.Int64 }

func (e *watermarkEstimator) CurrentWatermark() time.Time {
	return time.UnixMilli(max(e.ms.Load(), mtime.MinTimestamp.Milliseconds()))
}

type readFn struct{ reading }

func (fn *readFn) InitialWatermarkEstimatorState(_ beam.EventTime, st restriction, _ []byte) int64 {
	return st.Watermark
}

func (fn *readFn) CreateWatermarkEstimator(ms int64) *watermarkEstimator {
	e := &watermarkEstimator{}
	e.ms.Store(ms)
	return e
}

func (fn *readFn) WatermarkEstimatorState(we *watermarkEstimator) int64 { return we.ms.Load() }

// ProcessElement reads for one slice of time, emits what it read, and only
// then reports a watermark.
func (fn *readFn) ProcessElement(ctx context.Context, we *watermarkEstimator, rt *sdf.LockRTracker, _ []byte, emit func(beam.EventTime, RecordBatch)) (sdf.ProcessContinuation, error) {
	st, idle, err := fn.slice(ctx, rt, emit)
	if err != nil || st == nil {
		return sdf.StopProcessing(), err
	}
	we.ms.Store(st.Watermark)
	switch {
	case st.Finished:
		return sdf.StopProcessing(), nil
	case idle && fn.Options.IdleSlice > 0:
		return sdf.ResumeProcessingIn(idleResume), nil
	}
	return sdf.ResumeProcessingIn(0), nil
}

// idleResume is when a runner should come back after a slice without data.
// Flink keeps each return in its state, and counts whole seconds only.
const idleResume = time.Second

// readOnceFn reads a bounded topic to its end in one call.
type readOnceFn struct{ reading }

func (fn *readOnceFn) ProcessElement(ctx context.Context, rt *sdf.LockRTracker, _ []byte, emit func(beam.EventTime, RecordBatch)) (sdf.ProcessContinuation, error) {
	for ctx.Err() == nil {
		st, _, err := fn.slice(ctx, rt, emit)
		if err != nil || st == nil || st.Finished {
			return sdf.StopProcessing(), err
		}
	}
	return sdf.StopProcessing(), ctx.Err()
}
