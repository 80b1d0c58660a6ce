// Package ingest turns Kafka records into the files of the lake: it splits
// them into lanes (bronze, events, late, dead letters), groups each lane by
// base window, removes duplicates, writes one file a group, and commits each
// window to the ledger.
//
// Everything but the order of work is a function of the log: files, rows and
// counts are the same on every run, runner and after every restart. A bundle
// that a runner tries again overwrites its files with the same content.
package ingest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/telemetry"
)

func init() {
	beam.RegisterDoFn(&splitFn{})
	register.Emitter3[beam.EventTime, string, []byte]()
	beam.RegisterType(reflect.TypeFor[Rules]())
	kafkaio.RegisterEventTime(EventTimeName, func(value []byte, recordTime, skew int64, maxBytes int) (int64, bool) {
		return shop.EventTime(value, recordTime, limits(skew, maxBytes))
	})
}

// EventTimeName is the name of the event time function of shop events.
const EventTimeName = "shop"

// Rules are what decides where a record goes. They are fixed for a lake.
type Rules struct {
	BaseMs   int64 // length of the base window
	SkewMs   int64 // how far an event may be ahead of its record's timestamp
	MaxBytes int   // largest value that is parsed
	Shards   int   // files a category and window
	// MaxAmount is the most that an order line may amount to; 0: shop.MaxMoney.
	MaxAmount shop.Money
	// Done is the end of the newest base window that is final, ms, or
	// kafkaio.NoTime: on-time events up to it are in the lake already and are
	// passed over.
	Done int64
	// Source is the ID of the source, which is told what is written.
	Source string
}

// A group's key is text, which every runner can pass on: the lane, then the
// partition, or of events shard/category.
const (
	laneBronze = 'b'
	laneDead   = 'd'
	laneLate   = 'l'
	laneEvents = 'e'
	laneMark   = 'm'
)

const (
	// flushBytes is the size at which a batch goes downstream before the bundle
	// ends.
	flushBytes = 256 << 10
	// maxFree is how many of their buffers are kept from bundle to bundle.
	maxFree = 64
)

// Split parses records and deals them into lanes. It returns packed batches
// (KV<string, []byte>) by lane and partition, or category and shard, at the
// start of their base window: of a record's arrival window for bronze, dead
// letters and late events, of the event's own for events on time.
func Split(s beam.Scope, records beam.PCollection, rules Rules) beam.PCollection {
	return beam.ParDo(s.Scope("ingest.Split"), &splitFn{Rules: rules}, records)
}

type splitFn struct {
	Rules Rules

	windows kafkaio.Windowing
	parser  *shop.Parser
	batches map[batchKey]*batch
	free    [][]byte // buffers of batches of earlier bundles
	packed  []byte   // buffer of flush
	read    int
	revenue map[string]int64          // of orders as they are read, for display
	refused map[string]int64          // dead letters of the bundle, by reason
	example telemetry.DeadLetter      // the first of them
	counts  telemetry.Valid           // of the element
	valid   map[int32]telemetry.Valid // of the bundle, by partition
	late    telemetry.LateEvent       // the last of the bundle
}

// batchKey says which group a batch belongs to.
type batchKey struct {
	lane      byte
	window    int64
	partition int32  // of all lanes but events
	shard     int32  // of events
	category  string // of events
}

func (k batchKey) encode() string {
	b := []byte{k.lane}
	switch k.lane {
	case laneEvents:
		b = strconv.AppendInt(b, int64(k.shard), 10)
		b = append(b, '/')
		b = append(b, k.category...)
	case laneMark:
	default:
		b = strconv.AppendInt(b, int64(k.partition), 10)
	}
	return string(b)
}

// decodeKey is the inverse of encode, without the window.
func decodeKey(key string) (k batchKey, err error) {
	if key == "" {
		return k, errPacked
	}
	k.lane = key[0]
	number, category, isEvents := strings.Cut(key[1:], "/")
	if key == string(rune(laneMark)) {
		return k, nil
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || k.lane == laneMark || isEvents != (k.lane == laneEvents) {
		return k, errPacked
	}
	if isEvents {
		k.shard, k.category = int32(n), category
	} else {
		k.partition = int32(n)
	}
	return k, nil
}

// batch is the open batch of one key.
type batch struct {
	key  batchKey
	data []byte
}

// limits are those of an event's time.
func limits(skewMs int64, maxBytes int) shop.Limits {
	return shop.Limits{MaxBytes: maxBytes, Skew: time.Duration(skewMs) * time.Millisecond}
}

func (r Rules) limits() shop.Limits {
	l := limits(r.SkewMs, r.MaxBytes)
	l.MaxAmount = r.MaxAmount
	return l
}

func (fn *splitFn) Setup() {
	fn.windows = kafkaio.Windowing{Base: fn.Rules.BaseMs}
	fn.parser = shop.NewParser(fn.Rules.limits())
}

func (fn *splitFn) StartBundle(_ func(beam.EventTime, string, []byte)) {
	fn.batches = map[batchKey]*batch{}
	fn.read, fn.revenue = 0, map[string]int64{}
	fn.refused, fn.example = nil, telemetry.DeadLetter{}
	fn.valid = map[int32]telemetry.Valid{}
}

func (fn *splitFn) ProcessElement(in kafkaio.RecordBatch, emit func(beam.EventTime, string, []byte)) error {
	if fn.Rules.Done != kafkaio.NoTime && in.Arrival < fn.Rules.Done {
		return fn.rewinds(&in)
	}
	if in.Mark != nil {
		data, err := json.Marshal(in.Mark)
		if err != nil {
			return err
		}
		emit(mtime.FromMilliseconds(in.Arrival), batchKey{lane: laneMark}.encode(), data)
		return nil
	}
	bronze := fn.batch(batchKey{lane: laneBronze, window: in.Arrival, partition: in.Partition})
	fn.counts = fn.valid[in.Partition]
	for i := range in.Records {
		r := &in.Records[i]
		bronze.data = appendRecord(bronze.data, r, fn.ahead(&in, r))
		fn.flushIfLarge(bronze, emit)
		if err := fn.deal(&in, r, emit); err != nil {
			return err
		}
	}
	fn.read += len(in.Records)
	fn.valid[in.Partition] = fn.counts
	return nil
}

// ahead is by how many base windows the event of a record is ahead of the
// window that it arrived in: its producer's clock is fast, or its partition's
// clock is slow to believe it.
func (fn *splitFn) ahead(in *kafkaio.RecordBatch, r *kafkaio.Record) int64 {
	if r.Time < in.Arrival+fn.Rules.BaseMs { // NoTime, too
		return 0
	}
	return (r.Time - in.Arrival) / fn.Rules.BaseMs
}

// rewinds is the error of a batch that belongs to a final window, whose files
// and row it would replace. A source that goes on where the ledger says never
// sends one, unless the log has lost the records there.
func (fn *splitFn) rewinds(in *kafkaio.RecordBatch) error {
	offset := int64(-1)
	if len(in.Records) > 0 {
		offset = in.Records[0].Offset
	}
	utc := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	return fmt.Errorf("partition %d, offset %d arrived in the window of %s, but all before %s is final in the lake: "+
		"expected the log from the offset where the lake ends; has its retention removed that? Read the topic into a new lake", in.Partition, offset, utc(in.Arrival), utc(fn.Rules.Done))
}

// batchReason is the reason of a record that stands for a batch that cannot be
// read, and otherwise that of the parser.
func batchReason(r *kafkaio.Record, invalid *shop.Invalid) *shop.Invalid {
	switch kind, detail, _ := kafkaio.BadBatch(r); kind {
	case kafkaio.BatchTooLarge:
		return shop.Rejected(shop.BatchTooLarge, detail)
	case kafkaio.BatchDamaged:
		return shop.Rejected(shop.BatchDamaged, detail)
	}
	return invalid
}

// deal packs a record into its lane.
func (fn *splitFn) deal(in *kafkaio.RecordBatch, r *kafkaio.Record, emit func(beam.EventTime, string, []byte)) error {
	e, invalid := fn.parser.Parse(r.Value, r.Timestamp)
	if invalid != nil && r.Value == nil {
		invalid = batchReason(r, invalid)
	}
	at := located{in.Partition, r.Offset}
	var b *batch
	switch {
	case invalid != nil:
		b = fn.batch(batchKey{lane: laneDead, window: in.Arrival, partition: in.Partition})
		b.data = appendText(b.data, string(invalid.Reason))
		b.data = appendText(b.data, invalid.Detail)
		b.data = appendRecord(b.data, r, 0)
		fn.refuse(invalid, at, r.Value)
	case r.Time != e.Time:
		return fmt.Errorf("partition %d, offset %d: the source read event time %d and the parser %d: they were given other limits", at.Partition, at.Offset, r.Time, e.Time)
	case r.Late:
		b = fn.batch(batchKey{lane: laneLate, window: in.Arrival, partition: in.Partition})
		b.data = binary.AppendVarint(b.data, r.High)
		b.data = appendEvent(b.data, &e, at)
		fn.observeLate(r, at)
	default:
		fn.counts.Events++
		window := fn.windows.Start(e.Time)
		if fn.Rules.Done != kafkaio.NoTime && window < fn.Rules.Done {
			return nil // it is in a finished file
		}
		if e.Type == shop.OrderCreated {
			if amount, ok := e.UnitPrice.Mul(e.Quantity); ok {
				fn.observeRevenue(e.Currency, amount)
			}
		}
		fn.event(&e, at, window, emit)
		return nil
	}
	fn.flushIfLarge(b, emit)
	return nil
}

// event packs an event that is on time.
func (fn *splitFn) event(e *shop.Event, at located, window int64, emit func(beam.EventTime, string, []byte)) {
	b := fn.batch(batchKey{lane: laneEvents, window: window, category: e.Category, shard: fn.shard(e)})
	b.data = appendEvent(b.data, e, at)
	fn.flushIfLarge(b, emit)
}

// FinishBundle sends what was packed downstream, before the runner learns of a
// new watermark.
func (fn *splitFn) FinishBundle(emit func(beam.EventTime, string, []byte)) {
	fn.flushAll(emit)
	telemetry.ObserveRead(fn.read, fn.revenue)
	telemetry.ObserveValid(fn.valid, fn.late)
	if fn.refused != nil {
		telemetry.ObserveRefused(fn.refused, fn.example)
	}
}

func (fn *splitFn) flushAll(emit func(beam.EventTime, string, []byte)) {
	for _, b := range fn.batches {
		fn.flush(b, emit)
		if len(fn.free) < maxFree {
			fn.free = append(fn.free, b.data)
		}
	}
	fn.batches = nil
}

// refuse notes a dead letter, for people who watch.
func (fn *splitFn) refuse(why *shop.Invalid, at located, value []byte) {
	if fn.refused == nil {
		fn.refused = map[string]int64{}
		fn.example = telemetry.DeadLetter{
			Reason: string(why.Reason), Detail: why.Detail, Partition: at.Partition, Offset: at.Offset,
			Value: bytes.Clone(value[:min(len(value), telemetry.MaxExample)]),
		}
	}
	fn.refused[string(why.Reason)]++
}

// observeLate notes a late event, for people who watch.
func (fn *splitFn) observeLate(r *kafkaio.Record, at located) {
	fn.counts.Events++
	fn.counts.Late++
	if r.CreateTime {
		fn.counts.Producer++
	}
	fn.late = telemetry.LateEvent{Partition: at.Partition, Offset: at.Offset, Time: r.Time, Clock: r.High}
}

// observeRevenue adds to the revenue of a currency, which may be a view.
func (fn *splitFn) observeRevenue(currency string, amount shop.Money) {
	if _, ok := fn.revenue[currency]; !ok {
		currency = strings.Clone(currency)
	}
	telemetry.AddRevenue(fn.revenue, currency, int64(amount))
}

// shard spreads a category's events by id, so that duplicates meet.
func (fn *splitFn) shard(e *shop.Event) int32 {
	if fn.Rules.Shards <= 1 {
		return 0
	}
	return int32(xxhash.Sum64(e.ID[:]) % uint64(fn.Rules.Shards))
}

// batch returns the open batch of a key, whose category may be a view.
func (fn *splitFn) batch(k batchKey) *batch {
	b := fn.batches[k]
	if b == nil {
		k.category = strings.Clone(k.category)
		b = &batch{key: k}
		if n := len(fn.free); n > 0 {
			b.data, fn.free = fn.free[n-1], fn.free[:n-1]
		}
		fn.batches[k] = b
	}
	return b
}

func (fn *splitFn) flushIfLarge(b *batch, emit func(beam.EventTime, string, []byte)) {
	if len(b.data) >= flushBytes {
		fn.flush(b, emit)
	}
}

// flush sends a batch downstream, compressed: the runner copies each byte about
// ten times on its way through the shuffle.
func (fn *splitFn) flush(b *batch, emit func(beam.EventTime, string, []byte)) {
	if len(b.data) == 0 {
		return
	}
	fn.packed = slices.Grow(fn.packed[:0], s2.MaxEncodedLen(len(b.data)))
	// A copy: the runner may keep what it is given.
	data := bytes.Clone(s2.Encode(fn.packed[:cap(fn.packed)], b.data))
	emit(mtime.FromMilliseconds(b.key.window), b.key.encode(), data)
	b.data = b.data[:0]
}
