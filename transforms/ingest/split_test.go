package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/passert"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/telemetry"
)

// split runs Split on the direct runner and returns what it emits.
func split(t *testing.T, rules Rules, batches ...kafkaio.RecordBatch) ([]packedElement, error) {
	t.Helper()
	c := &collected{}
	p, s := beam.NewPipelineWithRoot()
	out := Split(s, replay(t, s, direct, batches), rules)
	beam.ParDo0(s, &collectFn{Into: hold(t, c)}, out)
	passert.NonEmpty(s, beam.DropKey(s, out))
	_, err := beam.Run(context.WithoutCancel(t.Context()), direct, p)
	slices.SortStableFunc(c.elements, func(a, b packedElement) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key))
	})
	return c.elements, err
}

const minute = 60_000

var splitBase = logStart - logStart%minute

// at is a valid event at splitBase + ms as a record that the source has judged.
func at(ms int64, change func(*shop.Event), late bool) kafkaio.Record {
	e := shop.Event{ID: uuid.UUID{15: byte(ms)}, Type: shop.ProductViewed, Time: splitBase + ms, ProductID: "P1", Category: "toys", Version: 1}
	if change != nil {
		change(&e)
	}
	return kafkaio.Record{Timestamp: e.Time, Time: e.Time, High: max(e.Time, splitBase+minute), Late: late, Value: shop.AppendJSON(nil, &e)}
}

func batch1(partition int32, arrival int64, records ...kafkaio.Record) kafkaio.RecordBatch {
	for i := range records {
		records[i].Offset = int64(100*partition) + int64(i)
	}
	return kafkaio.RecordBatch{Topic: topic, Partition: partition, Arrival: arrival, Records: records}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	garden := func(e *shop.Event) { e.Category = "home & garden" }
	broken := kafkaio.Record{Timestamp: splitBase, Time: kafkaio.NoTime, High: splitBase + minute, Key: []byte("k"), Value: []byte("{")}
	mark := kafkaio.Mark{Watermark: splitBase, TopicID: "id", Partitions: []kafkaio.Position{{Partition: 200, Next: 5, Raises: []kafkaio.Raise{{Offset: 3, High: 4}}}}}
	got, err := split(t, testRules,
		batch1(200, splitBase+minute, at(1, nil, false), at(minute+2, garden, false), broken, at(-5*minute+3, nil, true), at(4, nil, false)),
		kafkaio.RecordBatch{Partition: -1, Arrival: splitBase - minute, Mark: &mark},
		batch1(1, splitBase, broken, at(5, garden, false)),
		// Before the first valid time of a partition.
		batch1(2, 0, kafkaio.Record{Time: kafkaio.NoTime, High: kafkaio.NoTime}),
	)
	if err != nil {
		t.Fatal(err)
	}
	const ( // keys by hand, so that a change of the format is seen
		b1, b200, b2 = "b1", "b200", "b2"
	)
	type lane struct {
		Time int64
		Key  string
		Rows []string
	}
	want := []lane{
		{0, b2, []string{"200 "}},
		{0, "d2", []string{"null_value 200 "}},
		{splitBase - minute, "m", []string{"id 5"}},
		{splitBase, b1, []string{"100 {", "101 {ev"}},
		{splitBase, "d1", []string{"malformed_json 100 {"}},
		{splitBase, "e0/home & garden", []string{"1/101 5"}},
		{splitBase, "e0/toys", []string{"200/20000 1", "200/20004 4"}},
		{splitBase + minute, b200, []string{"20000 {ev", "20001 {ev", "20002 {", "20003 {ev", "20004 {ev"}},
		{splitBase + minute, "d200", []string{"malformed_json 20002 {"}},
		{splitBase + minute, "e0/home & garden", []string{"200/20001 60002"}},
		{splitBase + minute, "l200", []string{"60000 200/20003 -299997"}},
	}
	var have []lane
	for _, e := range got {
		have = append(have, lane{e.Time, e.Key, describe(t, e)})
	}
	if diff := gocmp.Diff(want, have); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

// A bundle counts its valid events by partition, late ones apart, also those that
// are passed over since their window is final.
func TestSplitCountsValidEvents(t *testing.T) {
	t.Parallel()
	rules := testRules
	rules.Done = splitBase + minute
	fn := &splitFn{Rules: rules}
	fn.Setup()
	emit := func(beam.EventTime, string, []byte) {}
	fn.StartBundle(emit)
	broken := kafkaio.Record{Timestamp: splitBase, Time: kafkaio.NoTime, High: splitBase + minute, Value: []byte("{")}
	stamped := at(-5*minute+3, nil, true)
	stamped.CreateTime = true
	for _, b := range []kafkaio.RecordBatch{
		batch1(2, splitBase+minute, at(minute+1, nil, false), broken, at(-5*minute, nil, true), at(4, nil, false)),
		batch1(1, splitBase+minute, at(minute+1, nil, false), at(-5*minute, nil, true), stamped),
		batch1(2, splitBase+2*minute, at(-5*minute+9, nil, true)),
	} {
		if err := fn.ProcessElement(b, emit); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(map[int32]telemetry.Valid{1: {Events: 3, Late: 2, Producer: 1}, 2: {Events: 4, Late: 2}}, fn.valid); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (telemetry.LateEvent{Partition: 2, Offset: 200, Time: splitBase - 5*minute + 9, Clock: splitBase + minute}); fn.late != want {
		t.Errorf("late: %+v, want %+v", fn.late, want)
	}
}

// describe reads a packed batch.
func describe(t *testing.T, e packedElement) (rows []string) {
	t.Helper()
	text := func(parts ...any) string {
		var b strings.Builder
		for i, p := range parts {
			if i > 0 {
				b.WriteByte(' ')
			}
			switch p := p.(type) {
			case []byte:
				b.Write(p[:min(3, len(p))])
				if len(p) > 3 && p[0] == '{' && p[1] == '"' {
					return strings.Replace(b.String(), `{"e`, "{ev", 1)
				}
			default:
				s, _ := json.Marshal(p)
				b.WriteString(strings.Trim(string(s), `"`))
			}
		}
		return b.String()
	}
	if e.Key[0] == laneMark {
		m, err := joinMarks([][]byte{e.Data})
		if err != nil {
			t.Fatal(err)
		}
		return []string{text(m.TopicID, m.Partitions[0].Next)}
	}
	raw, err := s2.Decode(nil, e.Data)
	if err != nil {
		t.Fatal(err)
	}
	u := unpacker{in: raw}
	for u.more() {
		switch e.Key[0] {
		case laneBronze:
			r, _ := u.record(topic, 0)
			rows = append(rows, text(r.KafkaOffset, r.Value))
		case laneDead:
			reason, _ := u.text(), u.text()
			r, _ := u.record(topic, 0)
			rows = append(rows, text(reason, r.KafkaOffset, r.Value))
		case laneLate, laneEvents:
			var parts []any
			if e.Key[0] == laneLate {
				parts = append(parts, u.varint()-splitBase)
			}
			var ev shop.Event
			l := u.event(&ev)
			parts = append(parts, text(l.Partition)+"/"+text(l.Offset), ev.Time-splitBase)
			rows = append(rows, text(parts...))
		}
	}
	if u.err != nil {
		t.Fatal(u.err)
	}
	return rows
}

func TestSplitPassesOverFinishedWindows(t *testing.T) {
	t.Parallel()
	rules := testRules
	rules.Done = splitBase + minute
	got, err := split(t, rules, batch1(3, splitBase+minute,
		at(minute-1, nil, false), // of a finished window
		at(minute, nil, false),   // of the next one
		at(-9*minute, nil, true), // late events are filed by arrival: not finished
		kafkaio.Record{Time: kafkaio.NoTime, High: splitBase + minute, Value: []byte("x")},
	))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, e := range got {
		rows[e.Key] += len(describe(t, e))
	}
	if diff := gocmp.Diff(map[string]int{"b3": 4, "d3": 1, "l3": 1, "e0/toys": 1}, rows); diff != "" {
		t.Errorf("rows by lane (-want +got):\n%s", diff)
	}
}

// TestSplitRefusesToRewind: a batch of a final window would replace its files.
func TestSplitRefusesToRewind(t *testing.T) {
	t.Parallel()
	rules := testRules
	rules.Done = splitBase + 2*minute
	_, err := split(t, rules, batch1(3, splitBase+minute, at(3*minute, nil, false)))
	if err == nil || !strings.Contains(err.Error(), "partition 3, offset 300") || !strings.Contains(err.Error(), "new lake") {
		t.Errorf("error %v, want one that names partition and offset and says what to do", err)
	}
}

func TestSplitRefusesOtherLimits(t *testing.T) {
	t.Parallel()
	r := at(1, nil, false)
	r.Time++
	_, err := split(t, testRules, batch1(3, splitBase, r))
	if err == nil || !strings.Contains(err.Error(), "other limits") {
		t.Errorf("error %v, want one about limits", err)
	}
}

// TestSplitShards spreads events by id alone, so that duplicates meet.
func TestSplitShards(t *testing.T) {
	t.Parallel()
	rules := testRules
	rules.Shards = 300
	fn := &splitFn{Rules: rules}
	seen := map[int32]int{}
	for i := range 10_000 {
		e := shop.Event{ID: uuid.UUID{0: byte(i), 1: byte(i >> 8)}, Time: int64(i)}
		other := shop.Event{ID: e.ID, ProductID: "P2"}
		if fn.shard(&e) != fn.shard(&other) {
			t.Fatalf("event %v: the shard depends on more than the id", e.ID)
		}
		seen[fn.shard(&e)]++
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 shards are used", len(seen))
	}
}

// TestSplitFlushes wants large batches downstream before the bundle ends, and
// none of their memory used again.
func TestSplitFlushes(t *testing.T) {
	t.Parallel()
	large := func(i int64) (event, broken kafkaio.Record) {
		event = at(i, nil, false)
		event.Value = append(event.Value, strings.Repeat(" ", 300_000)...)
		broken = kafkaio.Record{Time: kafkaio.NoTime, High: splitBase, Value: bytes.Repeat([]byte{'A' + byte(i)}, 300_000)}
		return event, broken
	}
	fn := &splitFn{Rules: testRules}
	fn.Setup()
	var elements, copies []packedElement
	emit := func(et beam.EventTime, key string, data []byte) {
		elements = append(elements, packedElement{et.Milliseconds(), key, data})
		copies = append(copies, packedElement{et.Milliseconds(), key, slices.Clone(data)})
	}
	const bundles = 2
	for range bundles {
		fn.StartBundle(emit)
		before := len(elements)
		for i := range int64(10) {
			if err := fn.ProcessElement(batch1(0, splitBase, pair(large(i))...), emit); err != nil {
				t.Fatal(err)
			}
		}
		if len(elements) == before {
			t.Error("nothing went downstream before the end of the bundle")
		}
		fn.FinishBundle(emit)
	}
	for i, e := range elements {
		if len(e.Data) > flushBytes+400_000 {
			t.Errorf("group %s: a batch of %d bytes", e.Key, len(e.Data))
		}
		if !bytes.Equal(e.Data, copies[i].Data) {
			t.Errorf("group %s: an element changed after it was emitted", e.Key)
		}
	}
	rows := map[string]int{}
	for _, e := range elements {
		rows[e.Key] += len(describe(t, e))
	}
	want := map[string]int{"b0": 20 * bundles, "d0": 10 * bundles, "e0/toys": 10 * bundles}
	if diff := gocmp.Diff(want, rows); diff != "" {
		t.Errorf("rows by lane (-want +got):\n%s", diff)
	}
}

func pair(a, b kafkaio.Record) []kafkaio.Record { return []kafkaio.Record{a, b} }

// TestSplitKeepsNoViews: the currency of an order with an escape is a view of
// the parser's memory, which the next record overwrites.
func TestSplitKeepsNoViews(t *testing.T) {
	t.Parallel()
	order := func(currency string) kafkaio.Record {
		r := at(1, func(e *shop.Event) {
			e.Type, e.OrderID, e.Quantity, e.UnitPrice, e.Currency = shop.OrderCreated, "o1", 2, 1_500_000, "GBP"
		}, false)
		r.Value = []byte(strings.Replace(string(r.Value), "GBP", currency, 1))
		return r
	}
	fn := &splitFn{Rules: testRules}
	fn.Setup()
	emit := func(beam.EventTime, string, []byte) {}
	fn.StartBundle(emit)
	for _, currency := range []string{`\u0047BP`, `\u0045UR`, "GBP", "EUR"} {
		if err := fn.ProcessElement(batch1(0, splitBase, order(currency)), emit); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(map[string]int64{"GBP": 6_000_000, "EUR": 6_000_000}, fn.revenue); diff != "" {
		t.Errorf("revenue (-want +got):\n%s", diff)
	}
	fn.FinishBundle(emit)
}
