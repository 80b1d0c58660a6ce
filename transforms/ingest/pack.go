package ingest

import (
	"encoding/binary"
	"errors"
	"strings"
	"unsafe"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// Records cross the shuffle in packed batches of one lane: a few large byte
// strings instead of one element a record, which costs ten times as much.
// The formats live no longer than a bundle and need no versions.

// located is where a record stands in the log.
type located struct {
	Partition int32
	Offset    int64
}

func (a located) compare(b located) int {
	switch {
	case a.Partition != b.Partition:
		return int(a.Partition) - int(b.Partition)
	case a.Offset < b.Offset:
		return -1
	case a.Offset > b.Offset:
		return 1
	}
	return 0
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendNullable keeps nil (null) and empty apart: the length is stored plus one.
func appendNullable(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(v))+1)
	return append(b, v...)
}

// appendEvent packs an event and where it stands.
func appendEvent(b []byte, e *shop.Event, at located) []byte {
	b = append(b, e.ID[:]...)
	b = append(b, byte(e.Type))
	b = binary.AppendVarint(b, e.Time)
	b = binary.AppendUvarint(b, uint64(at.Partition))
	b = binary.AppendUvarint(b, uint64(at.Offset))
	b = binary.AppendUvarint(b, uint64(e.Version))
	b = appendText(b, e.ProductID)
	b = appendText(b, e.ProductName)
	b = appendText(b, e.Category)
	b = appendText(b, e.UserID)
	b = appendText(b, e.SessionID)
	b = appendText(b, e.Country)
	if !e.IsOrder() {
		return b
	}
	b = appendText(b, e.OrderID)
	b = appendText(b, e.Currency)
	b = binary.AppendUvarint(b, uint64(e.Line))
	b = binary.AppendUvarint(b, uint64(e.Quantity))
	return binary.AppendUvarint(b, uint64(e.UnitPrice))
}

// appendRecord packs a record as it was received, and by how many base windows
// its event is ahead of its arrival window.
func appendRecord(b []byte, r *kafkaio.Record, ahead int64) []byte {
	b = binary.AppendUvarint(b, uint64(r.Offset))
	b = binary.AppendVarint(b, r.Timestamp)
	stamped := uint64(0)
	if r.CreateTime {
		stamped = 1
	}
	b = binary.AppendUvarint(b, uint64(ahead)<<1|stamped)
	b = appendNullable(b, r.Key)
	b = appendNullable(b, r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		b = appendText(b, h.Key)
		b = appendNullable(b, h.Value)
	}
	return b
}

var errPacked = errors.New("ingest: a packed batch is damaged")

// unpacker reads what the functions above wrote. Its results are views of the
// batch. The first error sticks and empties the input.
type unpacker struct {
	in  []byte
	err error
}

func (u *unpacker) fail() {
	u.in, u.err = nil, errPacked
}

func (u *unpacker) more() bool { return len(u.in) > 0 }

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.in)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return v
}

func (u *unpacker) varint() int64 {
	v, n := binary.Varint(u.in)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return v
}

func (u *unpacker) take(n uint64) []byte {
	if n > uint64(len(u.in)) {
		u.fail()
		return nil
	}
	b := u.in[:n:n]
	u.in = u.in[n:]
	return b
}

func (u *unpacker) text() string {
	b := u.take(u.uvarint())
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (u *unpacker) nullable() []byte {
	n := u.uvarint()
	if n == 0 {
		return nil
	}
	b := u.take(n - 1)
	if b == nil && u.err == nil {
		b = []byte{}
	}
	return b
}

func (u *unpacker) event(e *shop.Event) (at located) {
	copy(e.ID[:], u.take(16))
	if t := u.take(1); t != nil {
		e.Type = shop.EventType(t[0])
	}
	e.Time = u.varint()
	at.Partition = int32(u.uvarint())
	at.Offset = int64(u.uvarint())
	e.Version = int64(u.uvarint())
	e.ProductID = u.text()
	e.ProductName = u.text()
	e.Category = u.text()
	e.UserID = u.text()
	e.SessionID = u.text()
	e.Country = u.text()
	if e.IsOrder() {
		e.OrderID = u.text()
		e.Currency = u.text()
		e.Line = int64(u.uvarint())
		e.Quantity = int64(u.uvarint())
		e.UnitPrice = shop.Money(u.uvarint())
	}
	return at
}

// record reads a record into a row that other programs can read. What a file
// could not hold is changed as little as possible: bytes of a header's key that
// are no UTF-8 become U+FFFD, and a timestamp outside the years 1 to 9999
// becomes the nearest one inside.
func (u *unpacker) record(topic string, partition int32) (r lake.BronzeRow, ahead int64) {
	r = lake.BronzeRow{Topic: topic, KafkaPartition: partition}
	r.KafkaOffset = int64(u.uvarint())
	r.KafkaTimestamp = min(max(u.varint(), firstTimestamp), lastTimestamp) * 1000
	bits := u.uvarint()
	ahead, r.CreateTime = int64(bits>>1), bits&1 != 0
	r.Key = u.nullable()
	r.Value = u.nullable()
	n := u.uvarint()
	if n > uint64(len(u.in)) { // each takes more than a byte
		u.fail()
		return r, 0
	}
	if n > 0 {
		r.Headers = make([]lake.Header, n)
	}
	for i := range r.Headers {
		r.Headers[i] = lake.Header{Key: strings.ToValidUTF8(u.text(), "\uFFFD"), Value: u.nullable()}
	}
	return r, ahead
}

// The years that SQL engines and their clients read: 0001-01-01 up to
// 9999-12-31T23:59:59.999Z, ms. Kafka's timestamps are any number that a
// producer sends.
const (
	firstTimestamp = -62_135_596_800_000
	lastTimestamp  = 253_402_300_799_999
)
