package kafkaio

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A record batch whose records cannot be had, because it decompresses to too
// much or is damaged, must not stop those behind it. What stands for it is one
// record at its last offset, so that a read that begins in its middle makes the
// same: without key and value, with one header whose key is the kind and whose
// value says what was found. It is a function of the batch alone.
const (
	// BatchTooLarge is the kind of a batch that decompresses to more than Options.BatchBytes.
	BatchTooLarge = "shopstream.batch_too_large"
	// BatchDamaged is the kind of a batch with a wrong checksum, an unknown codec or records that cannot be decoded.
	BatchDamaged = "shopstream.batch_damaged"
)

// BadBatch reports whether a record stands for a batch that cannot be read, and
// the kind and description of it. A producer that sends such a record without a
// value itself gains nothing: a record without a value is no event.
func BadBatch(r *Record) (kind, detail string, ok bool) {
	if r.Value != nil || r.Key != nil || len(r.Headers) != 1 {
		return "", "", false
	}
	h := &r.Headers[0]
	if h.Key != BatchTooLarge && h.Key != BatchDamaged {
		return "", "", false
	}
	return h.Key, string(h.Value), true
}

// badBatch is what the header says of a batch whose records cannot be had.
type badBatch struct {
	sarama.RecordBatch       // without records
	count              int32 // of its records, as it says
	kind, detail       string
}

const (
	batchHeader = 61 // bytes before the records
	batchPrefix = 12 // bytes before what the batch's length counts
	crcFrom     = 21 // the checksum is of everything from here on
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errCut     = errors.New("the answer ends within its first record batch")
	errTooLong = fmt.Errorf("the answer is longer than %d bytes", sarama.MaxResponseSize)
)

// parseBadBatch reads the header of the first batch of raw, which was asked for
// with offset and lies before the end of the log. why is what sarama said of
// it; limit is how much it may decompress to.
func parseBadBatch(raw []byte, offset, end int64, why error, limit int) (*badBatch, error) {
	if len(raw) < batchHeader {
		return nil, errCut
	}
	be := binary.BigEndian
	length := int64(int32(be.Uint32(raw[8:])))
	b := &badBatch{count: int32(be.Uint32(raw[57:]))}
	b.FirstOffset, b.Version = int64(be.Uint64(raw)), int8(raw[16])
	attributes := be.Uint16(raw[crcFrom:])
	b.Codec = sarama.CompressionCodec(attributes & 7)
	b.LogAppendTime, b.IsTransactional, b.Control = attributes&8 != 0, attributes&16 != 0, attributes&32 != 0
	b.LastOffsetDelta = int32(be.Uint32(raw[23:]))
	b.MaxTimestamp = time.UnixMilli(int64(be.Uint64(raw[35:])))
	b.ProducerID = int64(be.Uint64(raw[43:]))
	last := b.LastOffset()
	if b.Version != 2 || length < batchHeader-batchPrefix || b.LastOffsetDelta < 0 || b.FirstOffset < 0 || b.FirstOffset > offset || last < offset || last >= end {
		return nil, fmt.Errorf("the header of the record batch at offset %d is damaged, so that nobody can say where the next one begins (format %d, %d bytes, offsets %d to %d, in a log that ends at %d)",
			offset, b.Version, length, b.FirstOffset, last, end)
	}
	if int64(len(raw)) < batchPrefix+length {
		return nil, errCut
	}
	raw = raw[:batchPrefix+length]
	what := fmt.Sprintf("the batch of offsets %d to %d, %d records, %d bytes (%s)", b.FirstOffset, last, b.count, len(raw), b.Codec)
	b.kind = BatchDamaged
	switch {
	case crc32.Checksum(raw[crcFrom:], castagnoli) != be.Uint32(raw[17:]):
		b.detail = what + " has a wrong checksum"
	case errors.Is(why, sarama.ErrDecompressedBatchTooLarge):
		b.kind, b.detail = BatchTooLarge, fmt.Sprintf("%s decompresses to more than kafka.max_batch_bytes, %d", what, limit)
	case errors.Is(why, zstd.ErrWindowSizeExceeded):
		b.kind, b.detail = BatchTooLarge, fmt.Sprintf("%s has a window of more than kafka.max_batch_bytes, %d", what, limit)
	default:
		b.detail = what + " cannot be decoded"
	}
	return b, nil
}

// record is what stands for the batch.
func (b *badBatch) record() Record {
	return Record{
		Offset: b.LastOffset(), Timestamp: max(b.MaxTimestamp.UnixMilli(), -1), Time: NoTime,
		Headers: []Header{{Key: b.kind, Value: []byte(b.detail)}},
	}
}

// alone fetches the batch at offset by itself: its block, or, if sarama cannot
// decode it, what stands for it.
func (f *fetcher) alone(conn *sarama.Broker, raw *tap, offset int64, size int32) (*sarama.FetchResponseBlock, *chunk, error) {
	raw.keep()
	block, err := f.fetch(conn, offset, size)
	if err == nil && (block == nil || block.Err != sarama.ErrNoError || !cutShort(block)) {
		return block, nil, nil
	}
	body, cut := raw.take()
	switch {
	case errors.Is(cut, errTooLong):
		return nil, nil, &fatalError{fmt.Errorf("topic %q, partition %d: the record batch at offset %d is too large for this program: %w. Read the topic into a new lake from a time after it, with --start", f.topic, f.partition, offset, cut)}
	case cut != nil:
		return nil, nil, cmp.Or(err, cut)
	}
	resp := kmsg.FetchResponse{Version: fetchVersion}
	if bad := resp.ReadFrom(body); bad != nil || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, nil, cmp.Or(err, bad, errCut)
	}
	p := &resp.Topics[0].Partitions[0]
	b, bad := parseBadBatch(p.RecordBatches, offset, p.HighWatermark, err, f.batchBytes)
	switch {
	case errors.Is(bad, errCut):
		return nil, nil, cmp.Or(err, errCut)
	case bad != nil:
		return nil, nil, &fatalError{fmt.Errorf("topic %q, partition %d: %w: read the topic into a new lake from a time after it, with --start", f.topic, f.partition, bad)}
	}
	var aborted abortedProducers
	for _, a := range p.AbortedTransactions {
		aborted.pending = append(aborted.pending, &sarama.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	c := &chunk{next: b.LastOffset() + 1}
	f.told.ends(p.HighWatermark, min(p.HighWatermark, p.LastStableOffset), c.next)
	if aborted.sort(); aborted.skip(&b.RecordBatch) {
		return nil, c, nil
	}
	if f.stopAtBad {
		return nil, nil, &fatalError{fmt.Errorf("topic %q, partition %d: %s (%w). It becomes a dead letter with kafka.undecodable: dead-letter", f.topic, f.partition, b.detail, cmp.Or(err, errCut))}
	}
	slog.Warn("a record batch cannot be read, and becomes one dead letter: "+b.detail, "topic", f.topic, "partition", f.partition,
		"records", b.count, "offset", b.FirstOffset, "last_offset", b.LastOffset(), "error", err)
	c.records = []Record{b.record()}
	return nil, c, nil
}
