package ingest

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/telemetry"
	"example.com/shopstream/transforms/metrics"
)

func init() {
	beam.RegisterDoFn(&writeFn{})
	register.Iter1[[]byte]()
	register.Emitter2[int64, []byte]()
}

// all is the one key of a GroupByKey that brings everything of a window
// together.
const all int64 = 0

// Write groups batches by base window and key and writes one file a group to
// the lake; the events lane loses its duplicates there. It returns one
// acknowledgement a file (KV<int64, []byte>, one constant key) in the same
// window.
//
// A duplicate has the same id, time and content as an event of a lower
// (partition, offset). Events that share id and time but not the content are
// kept; those of one category are counted as conflicts.
func Write(s beam.Scope, batches beam.PCollection, lakeURI, topic string, rules Rules) beam.PCollection {
	s = s.Scope("ingest.Write")
	base := window.NewFixedWindows(time.Duration(rules.BaseMs) * time.Millisecond)
	groups := beam.GroupByKey(s, beam.WindowInto(s, base, batches))
	return beam.ParDo(s, &writeFn{Lake: lakeURI, Topic: topic, Rules: rules}, groups)
}

// ack says what one file adds to its window's row.
type ack struct {
	File       *lake.File       `json:",omitempty"`
	Partition  int32            // of bronze
	From       int64            // of bronze: the offset of the first record
	Next       int64            // of bronze: the offset after the last record
	Ahead      int64            // of bronze: the end of the latest base window of an event that is ahead of its arrival window, ms; 0: none is
	Duplicates int64            // of events
	Conflicts  int64            // of events
	Dead       map[string]int64 // of dead letters, by reason
	LateDates  map[string]int64 // of late events, by UTC date
	Increments map[int64][]byte // of events: packed sums by bucket
	Revenue    map[string]int64 // of events: micro-units by currency, for display
	Mark       *kafkaio.Mark

	bytes int64 // of bronze: keys and values
}

type writeFn struct {
	Lake  string
	Topic string
	Rules Rules
}

func (fn *writeFn) ProcessElement(ctx context.Context, w beam.Window, key string, batches func(*[]byte) bool, emit func(int64, []byte)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	var packed [][]byte
	for b := []byte(nil); batches(&b); {
		packed = append(packed, b)
	}
	start := w.(window.IntervalWindow).Start.Milliseconds()
	a, data, err := fn.group(start, key, packed)
	if err != nil {
		return fmt.Errorf("window %s, group %q: %w", time.UnixMilli(start).UTC().Format(time.RFC3339), key, err)
	}
	if a.File != nil {
		if err := st.Put(ctx, a.File.Name, data); err != nil {
			return err
		}
		kafkaio.Written(fn.Rules.Source, a.bytes)
		telemetry.File.WithLabelValues(string(a.File.Lane)).Inc()
		telemetry.Size.WithLabelValues(string(a.File.Lane)).Add(float64(len(data)))
	}
	out, err := json.Marshal(a)
	if err != nil {
		return err
	}
	emit(all, out)
	return nil
}

// group turns the packed batches of one group into the content of its file.
func (fn *writeFn) group(start int64, key string, packed [][]byte) (ack, []byte, error) {
	k, err := decodeKey(key)
	if err != nil {
		return ack{}, nil, err
	}
	if k.lane == laneMark {
		mark, err := joinMarks(packed)
		return ack{Mark: mark}, nil, err
	}
	batches, err := unpack(packed)
	if err != nil {
		return ack{}, nil, err
	}
	switch k.lane {
	case laneBronze:
		return fn.bronze(start, k.partition, batches)
	case laneDead:
		return fn.dead(start, k.partition, batches)
	case laneLate:
		return fn.late(start, k.partition, batches)
	case laneEvents:
		return fn.silver(start, k.category, int(k.shard), batches)
	}
	return ack{}, nil, errPacked
}

// maxBatch bounds a batch: flushBytes and the largest record that Kafka takes.
const maxBatch = flushBytes + 256<<20

// unpack decompresses batches into one block.
func unpack(packed [][]byte) ([][]byte, error) {
	size := 0
	for _, p := range packed {
		n, err := s2.DecodedLen(p)
		if err != nil || n > maxBatch {
			return nil, errPacked
		}
		size += n
	}
	block := make([]byte, size)
	batches := make([][]byte, len(packed))
	for i, p := range packed {
		b, err := s2.Decode(block, p)
		if err != nil {
			return nil, errPacked
		}
		batches[i], block = b[:len(b):len(b)], block[len(b):]
	}
	return batches, nil
}

// joinMarks joins the marks of a window: one of each group of partitions that
// is read on its own.
func joinMarks(packed [][]byte) (*kafkaio.Mark, error) {
	var mark kafkaio.Mark
	for _, p := range packed {
		var m kafkaio.Mark
		if err := json.Unmarshal(p, &m); err != nil {
			return nil, fmt.Errorf("mark: %w", err)
		}
		m.Partitions = append(m.Partitions, mark.Partitions...)
		mark = m
	}
	slices.SortFunc(mark.Partitions, func(a, b kafkaio.Position) int { return cmp.Compare(a.Partition, b.Partition) })
	return &mark, nil
}

func file(lane lake.Lane, name string, rows int, data []byte) *lake.File {
	return &lake.File{Lane: lane, Name: name, Rows: int64(rows), Bytes: int64(len(data)), CRC: lake.CRC(data)}
}

func (fn *writeFn) bronze(start int64, partition int32, batches [][]byte) (ack, []byte, error) {
	// A batch starts with its first offset, and batches don't overlap.
	slices.SortFunc(batches, func(a, b []byte) int {
		return cmp.Compare((&unpacker{in: a}).uvarint(), (&unpacker{in: b}).uvarint())
	})
	var rows []lake.BronzeRow
	most := int64(0)
	for i, raw := range batches {
		u := unpacker{in: raw}
		for u.more() {
			row, ahead := u.record(fn.Topic, partition)
			rows, most = append(rows, row), max(most, ahead)
		}
		if i == 0 {
			rows = slices.Grow(rows, len(rows)*(sizeOf(batches)-len(raw))/max(1, len(raw)))
		}
		if u.err != nil {
			return ack{}, nil, u.err
		}
	}
	if len(rows) == 0 {
		return ack{}, nil, errPacked
	}
	sortIfNeeded(rows, func(a, b *lake.BronzeRow) int { return cmp.Compare(a.KafkaOffset, b.KafkaOffset) })
	data, err := lake.EncodeBronze(nil, rows)
	a := ack{
		File:      file(lake.Bronze, lake.LaneName(lake.Bronze, start, partition), len(rows), data),
		Partition: partition, From: rows[0].KafkaOffset, Next: rows[len(rows)-1].KafkaOffset + 1,
	}
	if most > 0 {
		a.Ahead = start + (most+1)*fn.Rules.BaseMs
	}
	for i := range rows {
		a.bytes += int64(len(rows[i].Key) + len(rows[i].Value))
	}
	return a, data, err
}

func sizeOf(batches [][]byte) (n int) {
	for _, b := range batches {
		n += len(b)
	}
	return n
}

func (fn *writeFn) dead(start int64, partition int32, batches [][]byte) (ack, []byte, error) {
	var rows []lake.DeadRow
	counts := map[string]int64{}
	for _, p := range batches {
		u := unpacker{in: p}
		for u.more() {
			row := lake.DeadRow{Reason: u.text(), Detail: u.text()}
			row.BronzeRow, _ = u.record(fn.Topic, partition)
			rows = append(rows, row)
			counts[strings.Clone(row.Reason)]++
		}
		if u.err != nil {
			return ack{}, nil, u.err
		}
	}
	sortIfNeeded(rows, func(a, b *lake.DeadRow) int { return cmp.Compare(a.KafkaOffset, b.KafkaOffset) })
	data, err := lake.EncodeDead(nil, rows)
	return ack{File: file(lake.Dead, lake.LaneName(lake.Dead, start, partition), len(rows), data), Dead: counts}, data, err
}

func (fn *writeFn) late(start int64, partition int32, batches [][]byte) (ack, []byte, error) {
	var rows []lake.LateRow
	dates := map[string]int64{}
	var ids idText
	for _, p := range batches {
		u := unpacker{in: p}
		for u.more() {
			high := u.varint()
			var e shop.Event
			at := u.event(&e)
			rows = append(rows, lake.LateRow{SilverRow: silverRow(&e, at, &ids), HighTime: high * 1000})
			dates[time.UnixMilli(e.Time).UTC().Format(time.DateOnly)]++
		}
		if u.err != nil {
			return ack{}, nil, u.err
		}
	}
	sortIfNeeded(rows, func(a, b *lake.LateRow) int { return cmp.Compare(a.KafkaOffset, b.KafkaOffset) })
	data, err := lake.EncodeLate(nil, rows)
	return ack{File: file(lake.Late, lake.LaneName(lake.Late, start, partition), len(rows), data), LateDates: dates}, data, err
}

// event is an event and where it stands.
type event struct {
	shop.Event
	at located
}

func (fn *writeFn) silver(start int64, category string, shard int, batches [][]byte) (ack, []byte, error) {
	var events []event
	for i, p := range batches {
		u := unpacker{in: p}
		for u.more() {
			events = append(events, event{})
			e := &events[len(events)-1]
			e.at = u.event(&e.Event)
		}
		if i == 0 {
			events = slices.Grow(events, len(events)*(sizeOf(batches)-len(p))/max(1, len(p)))
		}
		if u.err != nil {
			return ack{}, nil, u.err
		}
	}
	a := ack{Increments: map[int64][]byte{}, Revenue: map[string]int64{}}
	var kept []int32
	kept, a.Duplicates, a.Conflicts = dedup(events, inLogOrder(events))

	rows := make([]lake.SilverRow, len(kept))
	tables := map[int64]metrics.Table{}
	bucket := kafkaio.Windowing{Base: metrics.Bucket(fn.Rules.BaseMs)}
	var ids idText
	for i, at := range kept {
		e := &events[at]
		rows[i] = silverRow(&e.Event, e.at, &ids)
		b := bucket.Start(e.Time)
		if tables[b] == nil {
			tables[b] = metrics.Table{}
		}
		tables[b].Observe(&e.Event)
	}
	for b, t := range tables {
		a.Increments[b] = t.Append(nil)
		for k, s := range t {
			if s.Lines > 0 && s.Revenue != metrics.Overflow {
				telemetry.AddRevenue(a.Revenue, k.Currency, int64(s.Revenue))
			}
		}
	}
	data, err := lake.EncodeSilver(nil, rows)
	a.File = file(lake.Silver, lake.SilverName(start, category, shard), len(rows), data)
	return a, data, err
}

// dedup keeps, of events in the given order, the first of each id, time and
// content, and returns the order without the others. Events that share id and
// time with a kept one but not the content are conflicts: kept too.
//
// The time it takes does not depend on how many events share an id: a broken
// producer may give all of them the same.
func dedup(events []event, order []int32) (kept []int32, duplicates, conflicts int64) {
	first := make(map[uuid.UUID]int32, len(events))
	// The kept ones that were not the first of their id: rare, and made when needed.
	type instant struct {
		id   uuid.UUID
		time int64
	}
	var others map[shop.Event]struct{}
	var instants map[instant]struct{}
	kept = order[:0]
	for _, at := range order {
		e := &events[at]
		i, seen := first[e.ID]
		if !seen {
			first[e.ID] = at
			kept = append(kept, at)
			continue
		}
		if events[i].Event == e.Event {
			duplicates++
			continue
		}
		if _, other := others[e.Event]; other {
			duplicates++
			continue
		}
		when := instant{e.ID, e.Time}
		if _, other := instants[when]; other || events[i].Time == e.Time {
			conflicts++
		}
		if others == nil {
			others, instants = map[shop.Event]struct{}{}, map[instant]struct{}{}
		}
		others[e.Event], instants[when] = struct{}{}, struct{}{}
		kept = append(kept, at)
	}
	return kept, duplicates, conflicts
}

// inLogOrder returns the indexes of events by partition and offset.
func inLogOrder(events []event) []int32 {
	order := make([]int32, len(events))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return events[a].at.compare(events[b].at) })
	return order
}

// sortIfNeeded sorts rows that are mostly in order already: batches come one
// after the other.
func sortIfNeeded[T any](rows []T, compare func(a, b *T) int) {
	for i := 1; i < len(rows); i++ {
		if compare(&rows[i-1], &rows[i]) > 0 {
			slices.SortFunc(rows, func(a, b T) int { return compare(&a, &b) })
			return
		}
	}
}

func silverRow(e *shop.Event, at located, ids *idText) lake.SilverRow {
	return lake.SilverRow{
		EventID: ids.format(e.ID), EventType: e.Type.String(), EventTime: e.Time * 1000,
		ProductID: e.ProductID, ProductName: e.ProductName,
		UserID: e.UserID, SessionID: e.SessionID, Country: e.Country,
		OrderID: e.OrderID, Line: e.Line, Quantity: e.Quantity, UnitPrice: e.UnitPrice, Currency: e.Currency,
		SchemaVersion: int32(e.Version), KafkaPartition: at.Partition, KafkaOffset: at.Offset, Category: e.Category,
	}
}

// idText writes ids as text into large blocks, not one allocation an id.
type idText struct{ free []byte }

func (t *idText) format(id uuid.UUID) string {
	const n = 36
	if len(t.free) < n {
		t.free = make([]byte, 256*n)
	}
	b := t.free[:n:n]
	t.free = t.free[n:]
	hex.Encode(b, id[:4])
	hex.Encode(b[9:], id[4:6])
	hex.Encode(b[14:], id[6:8])
	hex.Encode(b[19:], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return unsafe.String(unsafe.SliceData(b), n)
}
