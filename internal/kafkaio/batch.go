package kafkaio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

func init() {
	beam.RegisterType(reflect.TypeFor[RecordBatch]())
	beam.RegisterCoder(reflect.TypeFor[RecordBatch](), encodeRecordBatch, decodeRecordBatch)
}

// Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte // nil: null
}

// Record is one Kafka record with what the source derived from the log.
type Record struct {
	Offset    int64
	Timestamp int64 // Kafka's record timestamp, ms
	Time      int64 // event time, ms; NoTime if the value has no valid one
	High      int64 // H_p: the partition's clock with this record, ms, or NoTime
	Late      bool  // the base window of Time was closed at High
	// CreateTime says that the producer stamped the record
	// (message.timestamp.type), not the broker.
	CreateTime bool
	Key        []byte
	Value      []byte // nil: null
	Headers    []Header
}

// RecordBatch is the element of Read: records of one partition and one
// arrival window in offset order, or a Mark.
//
// The element's event time is the start of the arrival window, or the start of
// the base window that ends at the mark's watermark.
type RecordBatch struct {
	Topic     string
	Partition int32
	Arrival   int64 // start of the arrival window, ms
	Records   []Record
	Mark      *Mark // set: no records
}

// bytes is the size of the keys and values.
func (b *RecordBatch) bytes() int64 {
	var n int64
	for i := range b.Records {
		n += int64(len(b.Records[i].Key) + len(b.Records[i].Value))
	}
	return n
}

// Mark says what the source had read when it reported a watermark. It is
// emitted before the watermark is reported, in the base window that ends at
// it.
type Mark struct {
	Watermark  int64      `json:"watermark"` // ms
	TopicID    string     `json:"topic_id,omitempty"`
	Partitions []Position `json:"partitions"`
	// Clock is the version of the rule by which clocks of partitions go. Programs
	// before ClockRule wrote none: their clock was the highest event time.
	Clock int `json:"clock,omitempty"`
}

const clockVersion = 1

// Resume is where a read goes on whose state is this mark, but for Next, which
// depends on what became of the records (ResumePosition).
func (m *Mark) Resume() *ResumePoint {
	r := &ResumePoint{Watermark: m.Watermark, TopicID: m.TopicID}
	for _, p := range m.Partitions {
		q := ResumePosition{Partition: p.Partition, Start: p.Start, Next: p.Start, Read: p.Next, Raises: p.Raises, MaxUntil: p.MaxUntil}
		if m.Clock == 0 {
			q.MaxUntil = p.Next
		}
		r.Partitions = append(r.Partitions, q)
	}
	return r
}

// Position is how far one partition was read.
type Position struct {
	Partition int32   `json:"partition"`
	Start     int64   `json:"start"`            // the first offset of the whole read
	Next      int64   `json:"next"`             // the next offset to read
	Raises    []Raise `json:"raises,omitempty"` // all since the mark before, and those whose arrival window is after its watermark
	// MaxUntil: for records before this offset the clock was the highest event
	// time. They were read before ClockRule.
	MaxUntil int64 `json:"max_until,omitempty"`
}

// Raise records that the high event time of a partition was raised before the
// record at Offset: the partition was behind the reported watermark. It is the
// one thing that cannot be derived from the log.
type Raise struct {
	Offset int64 `json:"offset"`
	High   int64 `json:"high"` // ms
}

// The coder is used only where a runner does not fuse the source with its
// consumer: a plain length-prefixed layout, nothing clever.

const (
	flagLate = 1 << iota
	flagCreateTime
)

func encodeRecordBatch(b RecordBatch) ([]byte, error) {
	size := 64
	for i := range b.Records {
		size += 48 + len(b.Records[i].Key) + len(b.Records[i].Value)
	}
	out := make([]byte, 0, size)
	out = appendBytes(out, []byte(b.Topic))
	out = binary.AppendVarint(out, int64(b.Partition))
	out = binary.AppendVarint(out, b.Arrival)
	if b.Mark == nil {
		out = append(out, 0)
	} else {
		out = append(out, 1)
		out = appendMark(out, b.Mark)
	}
	out = binary.AppendUvarint(out, uint64(len(b.Records)))
	for i := range b.Records {
		r := &b.Records[i]
		out = binary.AppendVarint(out, r.Offset)
		out = binary.AppendVarint(out, r.Timestamp)
		out = binary.AppendVarint(out, r.Time)
		out = binary.AppendVarint(out, r.High)
		var flags byte
		if r.Late {
			flags |= flagLate
		}
		if r.CreateTime {
			flags |= flagCreateTime
		}
		out = append(out, flags)
		out = appendBytes(out, r.Key)
		out = appendBytes(out, r.Value)
		out = binary.AppendUvarint(out, uint64(len(r.Headers)))
		for _, h := range r.Headers {
			out = appendBytes(out, []byte(h.Key))
			out = appendBytes(out, h.Value)
		}
	}
	return out, nil
}

func appendMark(out []byte, m *Mark) []byte {
	out = binary.AppendVarint(out, m.Watermark)
	out = appendBytes(out, []byte(m.TopicID))
	out = binary.AppendUvarint(out, uint64(m.Clock))
	out = binary.AppendUvarint(out, uint64(len(m.Partitions)))
	for _, p := range m.Partitions {
		out = binary.AppendVarint(out, int64(p.Partition))
		out = binary.AppendVarint(out, p.Start)
		out = binary.AppendVarint(out, p.Next)
		out = binary.AppendVarint(out, p.MaxUntil)
		out = binary.AppendUvarint(out, uint64(len(p.Raises)))
		for _, r := range p.Raises {
			out = binary.AppendVarint(out, r.Offset)
			out = binary.AppendVarint(out, r.High)
		}
	}
	return out
}

// appendBytes keeps nil (null) and empty apart: the length is stored plus one.
func appendBytes(out, b []byte) []byte {
	if b == nil {
		return append(out, 0)
	}
	out = binary.AppendUvarint(out, uint64(len(b))+1)
	return append(out, b...)
}

var errShort = errors.New("kafkaio: encoded record batch is cut short")

// decoder reads what the functions above wrote; the first error sticks.
type decoder struct {
	in  []byte
	err error
}

func (d *decoder) fail() {
	d.err = errShort
	d.in = nil
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.in)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.in = d.in[n:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.in)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.in = d.in[n:]
	return v
}

// count reads a length of things that take at least one byte each.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.in)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) byte() byte {
	if len(d.in) == 0 {
		d.fail()
		return 0
	}
	b := d.in[0]
	d.in = d.in[1:]
	return b
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n == 0 {
		return nil
	}
	n--
	if n > uint64(len(d.in)) {
		d.fail()
		return nil
	}
	b := d.in[:n:n]
	d.in = d.in[n:]
	return b
}

func decodeRecordBatch(in []byte) (RecordBatch, error) {
	d := decoder{in: in}
	b := RecordBatch{Topic: string(d.bytes()), Partition: int32(d.varint()), Arrival: d.varint()}
	if d.byte() == 1 {
		b.Mark = d.mark()
	}
	if n := d.count(); n > 0 {
		b.Records = make([]Record, n)
	}
	for i := range b.Records {
		r := &b.Records[i]
		r.Offset, r.Timestamp, r.Time, r.High = d.varint(), d.varint(), d.varint(), d.varint()
		flags := d.byte()
		r.Late, r.CreateTime = flags&flagLate != 0, flags&flagCreateTime != 0
		r.Key, r.Value = d.bytes(), d.bytes()
		if n := d.count(); n > 0 {
			r.Headers = make([]Header, n)
		}
		for j := range r.Headers {
			r.Headers[j] = Header{Key: string(d.bytes()), Value: d.bytes()}
		}
	}
	if d.err == nil && len(d.in) > 0 {
		return RecordBatch{}, fmt.Errorf("kafkaio: encoded record batch has %d bytes too many", len(d.in))
	}
	return b, d.err
}

func (d *decoder) mark() *Mark {
	m := &Mark{Watermark: d.varint(), TopicID: string(d.bytes()), Clock: int(d.uvarint())}
	if n := d.count(); n > 0 {
		m.Partitions = make([]Position, n)
	}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		p.Partition, p.Start, p.Next, p.MaxUntil = int32(d.varint()), d.varint(), d.varint(), d.varint()
		if n := d.count(); n > 0 {
			p.Raises = make([]Raise, n)
		}
		for j := range p.Raises {
			p.Raises[j] = Raise{Offset: d.varint(), High: d.varint()}
		}
	}
	return m
}
