package kafkaio

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/IBM/sarama"
)

// parse turns a fetched block into records from offset on. Records of aborted
// transactions and control records are passed over, but move the offset.
func (f *fetcher) parse(block *sarama.FetchResponseBlock, offset int64) (chunk, error) {
	n := 0
	for _, set := range block.RecordsSet {
		if set.RecordBatch != nil {
			n += len(set.RecordBatch.Records)
		} else if set.MsgSet != nil {
			return chunk{}, fmt.Errorf("topic %q, partition %d holds messages in the format of Kafka before 0.11 at offset %d: rewrite the topic with a newer producer", f.topic, f.partition, offset)
		}
	}
	c := chunk{next: offset}
	if n > 0 {
		c.records = make([]Record, 0, n)
	}
	aborted := abortedProducers{pending: block.AbortedTransactions}
	aborted.sort()
	for _, set := range block.RecordsSet {
		b := set.RecordBatch
		if b == nil || b.PartialTrailingRecord {
			continue
		}
		skip := aborted.skip(b)
		for _, rec := range b.Records {
			o := b.FirstOffset + rec.OffsetDelta
			if o < offset || skip {
				continue
			}
			r := Record{Offset: o, Timestamp: timestamp(b, rec), CreateTime: !b.LogAppendTime && !f.stamped, Key: rec.Key, Value: rec.Value}
			f.setTime(&r)
			if len(rec.Headers) > 0 {
				r.Headers = make([]Header, len(rec.Headers))
				for i, h := range rec.Headers {
					r.Headers[i] = Header{Key: string(h.Key), Value: h.Value}
				}
			}
			c.records = append(c.records, r)
		}
		c.next = max(c.next, b.LastOffset()+1)
	}
	if next, ok := afterEmptyBatches(block); ok {
		c.next = max(c.next, next)
	}
	return c, nil
}

// setTime finds a record's event time.
func (f *fetcher) setTime(r *Record) {
	r.Time = NoTime
	// Before the epoch arrival windows would not be monotone (see Windowing.Arrival).
	if ms, ok := f.eventTime(r.Value, r.Timestamp, f.skew, f.maxBytes); ok && ms >= 0 {
		r.Time = ms
	}
}

// timestamp is Kafka's timestamp of a record, ms, or −1 if it has none.
func timestamp(b *sarama.RecordBatch, rec *sarama.Record) int64 {
	ts := b.FirstTimestamp.Add(rec.TimestampDelta)
	if b.LogAppendTime {
		ts = b.MaxTimestamp
	}
	return max(ts.UnixMilli(), -1)
}

// committed is the offset up to which a reader of committed records can read.
func committed(block *sarama.FetchResponseBlock) int64 {
	if block.LastStableOffset < 0 { // the broker does not say
		return block.HighWaterMarkOffset
	}
	return min(block.HighWaterMarkOffset, block.LastStableOffset)
}

// cutShort reports whether a block ends within its first record batch.
func cutShort(block *sarama.FetchResponseBlock) bool {
	if block.Partial {
		return true
	}
	return len(block.RecordsSet) > 0 && block.RecordsSet[0].RecordBatch != nil && block.RecordsSet[0].RecordBatch.PartialTrailingRecord
}

// afterEmptyBatches is the offset after a block of nothing but batches that
// compaction has emptied. Sarama leaves those out and keeps the offset to
// itself; without it a reader would ask for them for ever. The offset itself
// is the only safe sign: a broker may also answer with nothing because it is
// slow.
func afterEmptyBatches(block *sarama.FetchResponseBlock) (int64, bool) {
	if len(block.RecordsSet) > 0 {
		return 0, false
	}
	next := reflect.ValueOf(block).Elem().FieldByName("recordsNextOffset")
	if next.Kind() != reflect.Pointer || next.IsNil() {
		return 0, false
	}
	return next.Elem().Int(), true
}

// abortedProducers tells which batches of a fetch belong to aborted
// transactions, after KIP-98: a producer's batches are void from the aborted
// transaction's first offset to its abort marker.
type abortedProducers struct {
	pending []*sarama.AbortedTransaction // by first offset, ascending
	open    map[int64]bool
}

func (a *abortedProducers) sort() {
	slices.SortFunc(a.pending, func(a, b *sarama.AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
}

func (a *abortedProducers) skip(b *sarama.RecordBatch) bool {
	for len(a.pending) > 0 && a.pending[0].FirstOffset <= b.LastOffset() {
		if a.open == nil {
			a.open = map[int64]bool{}
		}
		a.open[a.pending[0].ProducerID] = true
		a.pending = a.pending[1:]
	}
	if b.Control {
		// A control batch holds one marker; whether it commits or aborts, the producer's transaction is over.
		delete(a.open, b.ProducerID)
		return true
	}
	return b.IsTransactional && a.open[b.ProducerID]
}
