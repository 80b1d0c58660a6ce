// Package producer makes events and puts them into Kafka: a simulated shop
// with its own ledger of truth (Simulator), the replay of files that shops have
// (Open), one delivery loop for both (Deliver), and reading a topic back
// (Consume).
//
// Every source is a pure function of its options and its file: run again, it
// gives the same records, byte for byte and in the same order within each
// partition. So a delivery that was cut off is resumed by skipping what the
// topic already holds. The partition is chosen here (PartitionOf), not by the
// Kafka client, so that all programs and tests agree on it.
package producer

import (
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"

	"example.com/shopstream/internal/shop"
)

// Record is one Kafka record to be. Its bytes belong to the receiver: a source
// never writes to them again.
type Record struct {
	Partition int32
	Key       []byte // nil: a null key
	Value     []byte // nil: a null value, a tombstone
	// EventTime is the event time that can be read from Value, or 0. In
	// milliseconds since the epoch, UTC.
	EventTime int64
	// At is the source's clock when it gave the record, the same unit: it never
	// goes back. Deliver paces by it where a speed-up is asked for.
	At int64
	// Ahead is how far the clock of the device that sends the record is ahead, ms:
	// Deliver stamps it with that clock's time.
	Ahead int64
}

// Source gives records in a fixed order. It is for one goroutine.
type Source interface {
	// Next gives the next record; ok is false at the end and after an error.
	Next() (rec Record, ok bool)
	// Err says why Next ended early; nil at a regular end.
	Err() error
	// Total is the number of records in all, or -1 where that is not known.
	Total() int64
	Close() error
}

// PartitionOf gives the partition of a key: xxHash64 modulo the number of
// partitions. A nil key goes to partition 0.
func PartitionOf(key []byte, partitions int) int32 {
	if key == nil || partitions <= 1 {
		return 0
	}
	return int32(xxhash.Sum64(key) % uint64(partitions))
}

// keyOf is the contract's key of an event: user, else session, else order.
func keyOf(e *shop.Event) string {
	switch {
	case e.UserID != "":
		return e.UserID
	case e.SessionID != "":
		return e.SessionID
	}
	return e.OrderID
}

// replayNamespace is the namespace of event ids derived from a line's place in
// a file (UUID version 5). It never changes: ids must stay the same.
var replayNamespace = uuid.MustParse("6a2f5d1c-3b0e-5c4f-9a57-7d1b2f0e8c11")

// anyTime is a record timestamp that makes no event time one of the future.
const anyTime = math.MaxInt64

// arena hands out small byte slices cut from large pieces: one allocation per
// few hundred records instead of two per record.
type arena struct{ free []byte }

const arenaPiece = 64 << 10

// keep copies b.
func (a *arena) keep(b []byte) []byte {
	if len(b) > arenaPiece/8 {
		return append([]byte(nil), b...)
	}
	if cap(a.free)-len(a.free) < len(b) {
		a.free = make([]byte, 0, arenaPiece)
	}
	from := len(a.free)
	a.free = append(a.free, b...)
	return a.free[from:len(a.free):len(a.free)]
}
