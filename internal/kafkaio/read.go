package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/uuid"
)

func init() {
	register.DoFn5x2[context.Context, *watermarkEstimator, *sdf.LockRTracker, []byte, func(beam.EventTime, RecordBatch), sdf.ProcessContinuation, error](&readFn{})
	register.DoFn4x2[context.Context, *sdf.LockRTracker, []byte, func(beam.EventTime, RecordBatch), sdf.ProcessContinuation, error](&readOnceFn{})
	register.Emitter2[beam.EventTime, RecordBatch]()
}

// Options say what to read and how. Zero durations and counts take the
// defaults named here.
type Options struct {
	ID      string // names the source within this process (Finish, StatusOf); default: a new UUID
	Cluster Cluster
	Topic   string
	Start   Start

	EventTime string // name of the function, registered by RegisterEventTime, that finds a record's event time

	BaseWindow     time.Duration // length of the base window; default 1 min
	OutOfOrderness time.Duration // how far behind the highest time of its partition a record may be; default 30 s
	Skew           time.Duration // how far an event time may be ahead of the record's timestamp
	MaxBytes       int           // largest value in which an event time is looked for; default 1 MiB

	Bounded bool // end at the offsets that the partitions have at the start
	OneCall bool // bounded, without checkpoints: for the direct runner, which calls a splittable DoFn once

	Groups        int           // independent readers, by partition number modulo Groups; default 1 (Prism needs 1)
	FetchBytes    int           // bytes asked for at once, per partition; default 2 MiB
	Bundle        time.Duration // longest slice of reading before results go downstream; default 250 ms
	BundleRecords int           // most records in a slice; default 32,768
	Align         time.Duration // how far in event time a partition may run ahead of the slowest one; default 60 s
	IdleAfter     time.Duration // a partition without new records for so long holds the watermark no more; 0: never
	Refresh       time.Duration // how often to look for new partitions; 0: never
	Budget        int64         // bytes read and not written at which reading pauses; 0: no bound. Only where sinks call Written and Sealed in this process
}

// Windowing is the part of the options that decides windows and lateness.
func (o *Options) Windowing() Windowing {
	return Windowing{Base: o.BaseWindow.Milliseconds(), Bound: o.OutOfOrderness.Milliseconds()}
}

// Start says where a read begins. The zero value is the earliest record.
type Start struct {
	Latest  bool            // only records that arrive from now on
	Time    time.Time       // the first record whose Kafka timestamp is at or after it
	Offsets map[int32]int64 // these offsets; partitions not named start at the earliest
	Resume  *ResumePoint    // where an earlier run had come to
}

// ResumePoint is where a read that was stopped goes on: every record from Next
// on is read, with high event times rebuilt exactly as they were.
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
}

// Read reads a Kafka topic and returns a PCollection<RecordBatch>: each batch
// has records of one partition and one arrival window, in offset order, with
// their event times, the partition's high event time and whether they are
// late; and Marks (see RecordBatch). Batches vary from run to run, what is in
// an arrival window does not.
//
// Without Bounded the read is unbounded and reports a watermark: the minimum,
// over partitions that are not idle, of the high event time less
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
	setDefault(&o.OutOfOrderness, 30*time.Second)
	setDefault(&o.MaxBytes, 1<<20)
	setDefault(&o.FetchBytes, 2<<20)
	setDefault(&o.Groups, 1)
	setDefault(&o.Bundle, 250*time.Millisecond)
	setDefault(&o.BundleRecords, 32768)
	setDefault(&o.Align, time.Minute)
	if o.OneCall {
		o.Bounded, o.Budget = true, 0 // nothing is written before the one call returns
	}
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
	fn.eventTime = eventTimes[fn.Options.EventTime]
	if fn.eventTime == nil {
		return fmt.Errorf("kafkaio.Read: no event time function is registered as %q", fn.Options.EventTime)
	}
	return nil
}

// CreateInitialRestriction resolves where to start, and in bounded mode where
// to end, once for the whole read.
func (fn *reading) CreateInitialRestriction(_ []byte) (restriction, error) {
	client, err := fn.Options.Cluster.NewClient()
	if err != nil {
		return restriction{}, err
	}
	st, err := initialState(client, &fn.Options)
	return st, errors.Join(err, client.Close())
}

func (fn *reading) SplitRestriction(_ []byte, st restriction) []restriction {
	out := make([]restriction, fn.Options.Groups)
	for g := range out {
		out[g] = st
		out[g].Group, out[g].Groups = g, fn.Options.Groups
		out[g].Parts = slices.DeleteFunc(slices.Clone(st.Parts), func(p partState) bool { return int(p.ID)%fn.Options.Groups != g })
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

type readFn struct{ reading }

func (fn *readFn) InitialWatermarkEstimatorState(_ beam.EventTime, st restriction, _ []byte) int64 {
	return st.Watermark
}

func (fn *readFn) CreateWatermarkEstimator(ms int64) *watermarkEstimator {
	return &watermarkEstimator{ms: ms}
}

func (fn *readFn) WatermarkEstimatorState(we *watermarkEstimator) int64 { return we.ms }

// ProcessElement reads for one slice of time, emits what it read, and only
// then reports a watermark.
func (fn *readFn) ProcessElement(ctx context.Context, we *watermarkEstimator, rt *sdf.LockRTracker, _ []byte, emit func(beam.EventTime, RecordBatch)) (sdf.ProcessContinuation, error) {
	st, err := fn.slice(ctx, rt, emit)
	if err != nil || st == nil {
		return sdf.StopProcessing(), err
	}
	we.ms = st.Watermark
	if st.Finished {
		return sdf.StopProcessing(), nil
	}
	return sdf.ResumeProcessingIn(0), nil
}

// readOnceFn reads a bounded topic to its end in one call.
type readOnceFn struct{ reading }

func (fn *readOnceFn) ProcessElement(ctx context.Context, rt *sdf.LockRTracker, _ []byte, emit func(beam.EventTime, RecordBatch)) (sdf.ProcessContinuation, error) {
	for {
		st, err := fn.slice(ctx, rt, emit)
		if err != nil || st == nil || st.Finished {
			return sdf.StopProcessing(), err
		}
	}
}

// slice reads until the bundle is full or its time is over. It returns the
// state reached, or nil when the runner has taken the rest away.
func (fn *reading) slice(ctx context.Context, rt *sdf.LockRTracker, emit func(beam.EventTime, RecordBatch)) (*restriction, error) {
	claimed := rt.GetRestriction().(restriction)
	if claimed.Finished {
		return &claimed, nil
	}
	o := &fn.Options
	r, err := readerFor(o, fn.eventTime, claimed.Group)
	if err != nil {
		return nil, err
	}
	st := claimed.clone()
	r.grow(&st)
	if finishFlag(o.ID).Load() {
		if err := r.end(&st); err != nil {
			return nil, err
		}
	}
	flow := flowOf(o.ID)
	for deadline, n := time.Now().Add(o.Bundle), 0; n < o.BundleRecords && !st.allDone(); {
		var p *partState
		var records []Record
		var next int64
		if !flow.full(o.Budget, st.Watermark) {
			if p, records, next, err = r.turn(&st); err != nil {
				return nil, err
			}
		}
		if p == nil {
			if ctx.Err() != nil || time.Until(deadline) <= 0 {
				break
			}
			sleep(ctx, pollWait)
			continue
		}
		batches := st.take(o.Windowing(), o.Topic, p, records, next)
		if !rt.TryClaim(st.clone()) {
			return nil, nil
		}
		for _, b := range batches {
			flow.read.Add(b.bytes())
			emit(mtime.FromMilliseconds(b.Arrival), b)
		}
		n += len(records)
		if time.Until(deadline) <= 0 {
			break
		}
	}
	if err := fn.report(r, &st, rt, emit); err != nil {
		if errors.Is(err, errSplit) {
			return nil, nil
		}
		return nil, err
	}
	r.publish(&st)
	if st.Finished {
		return &st, Close(o.ID)
	}
	return &st, nil
}

var errSplit = errors.New("the runner has taken the rest away")

// report emits a mark if the watermark has moved, and closes a read that is
// at its end. The jump of the watermark at the end of a bounded read makes no
// mark: windows closed by it may still get more data from a later run.
func (fn *reading) report(r *reader, st *restriction, rt *sdf.LockRTracker, emit func(beam.EventTime, RecordBatch)) error {
	if st.allDone() {
		st.Finished = true
		if !rt.TryClaim(st.clone()) {
			return errSplit
		}
		return nil
	}
	w := fn.Options.Windowing()
	wm := r.watermark(st)
	if wm <= st.Watermark {
		return nil
	}
	mark := st.mark(w, wm)
	st.Watermark = wm
	if !rt.TryClaim(st.clone()) {
		return errSplit
	}
	emit(mtime.FromMilliseconds(wm-w.Base), RecordBatch{Topic: fn.Options.Topic, Partition: -1, Arrival: wm - w.Base, Mark: mark})
	return nil
}

// take moves the state of p over the records and packs them by arrival window.
func (r *restriction) take(w Windowing, topic string, p *partState, records []Record, next int64) []RecordBatch {
	var out []RecordBatch
	from, arrival := 0, int64(0)
	for i := range records {
		rec := &records[i]
		rec.High, rec.Late = r.observe(w, p, rec.Offset, rec.Time)
		if a := w.Arrival(rec.High); i == 0 || a != arrival {
			if i > from {
				out = append(out, RecordBatch{Topic: topic, Partition: p.ID, Arrival: arrival, Records: records[from:i:i]})
			}
			from, arrival = i, a
		}
	}
	if len(records) > from {
		out = append(out, RecordBatch{Topic: topic, Partition: p.ID, Arrival: arrival, Records: records[from:]})
	}
	p.Next = next
	return out
}

// watermarkEstimator reports what the source set.
type watermarkEstimator struct{ ms int64 }

func (e *watermarkEstimator) CurrentWatermark() time.Time {
	return time.UnixMilli(max(e.ms, mtime.MinTimestamp.Milliseconds()))
}

// initialState resolves Start and, in bounded mode, the ends.
func initialState(client sarama.Client, o *Options) (restriction, error) {
	st := restriction{Groups: 1, Watermark: NoTime}
	ids, err := client.Partitions(o.Topic)
	if err == nil && len(ids) == 0 {
		err = errNoPartitions
	}
	if err != nil {
		return st, fmt.Errorf("topic %q: %w. Create it (producer simulate does), or name yours with --topic", o.Topic, err)
	}
	if st.TopicID, err = topicID(client, o.Topic); err != nil {
		return st, err
	}
	if r := o.Start.Resume; r != nil {
		if r.TopicID != "" && st.TopicID != "" && r.TopicID != st.TopicID {
			return st, fmt.Errorf("topic %q was deleted and created again (its id was %s, it is %s): its offsets mean other records now. Read it into a new lake", o.Topic, r.TopicID, st.TopicID)
		}
		st.Watermark = r.Watermark
	}
	slices.Sort(ids)
	for _, id := range ids {
		p := partState{ID: id, High: NoTime, End: noEnd}
		if err := place(client, o, &p); err != nil {
			return st, fmt.Errorf("topic %q, partition %d: %w", o.Topic, id, err)
		}
		if o.Bounded {
			if p.End, err = client.GetOffset(o.Topic, id, sarama.OffsetNewest); err != nil {
				return st, fmt.Errorf("topic %q, partition %d: cannot find its end: %w", o.Topic, id, err)
			}
		}
		st.Parts = append(st.Parts, p)
	}
	slog.Debug("kafka read starts", "topic", o.Topic, "partitions", len(st.Parts), "watermark", st.Watermark)
	return st, nil
}

// place sets where the read of one partition starts.
func place(client sarama.Client, o *Options, p *partState) error {
	if r := o.Start.Resume; r != nil {
		for _, q := range r.Partitions {
			if q.Partition == p.ID {
				p.Start, p.Next, p.Read, p.Raises = q.Start, q.Next, q.Read, slices.Clone(q.Raises)
				return nil
			}
		}
	}
	at := sarama.OffsetOldest
	switch {
	case o.Start.Resume != nil: // a partition that the earlier run did not know: all of it
	case o.Start.Latest:
		at = sarama.OffsetNewest
	case !o.Start.Time.IsZero():
		at = o.Start.Time.UnixMilli()
	case o.Start.Offsets != nil:
		if offset, ok := o.Start.Offsets[p.ID]; ok {
			p.Start, p.Next, p.Read = offset, offset, offset
			return nil
		}
	}
	offset, err := client.GetOffset(o.Topic, p.ID, at)
	if err == nil && offset < 0 { // no record is that new
		offset, err = client.GetOffset(o.Topic, p.ID, sarama.OffsetNewest)
	}
	if err != nil {
		return fmt.Errorf("cannot find where to start: %w", err)
	}
	p.Start, p.Next, p.Read = offset, offset, offset
	return nil
}

// topicID is the id that the cluster gave the topic when it was created, or ""
// if the brokers are too old to say.
func topicID(client sarama.Client, topic string) (string, error) {
	broker, err := client.Controller()
	if err != nil {
		return "", fmt.Errorf("topic %q: cannot ask for its id: %w", topic, err)
	}
	resp, err := broker.GetMetadata(&sarama.MetadataRequest{Version: 10, Topics: []string{topic}})
	if err != nil {
		return "", fmt.Errorf("topic %q: cannot ask for its id: %w", topic, err)
	}
	for _, t := range resp.Topics {
		if t.Name == topic && t.Uuid != (sarama.Uuid{}) {
			return uuid.UUID(t.Uuid).String(), nil
		}
	}
	return "", nil
}
