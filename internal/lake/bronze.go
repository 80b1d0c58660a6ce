package lake

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"example.com/shopstream/internal/kafkaio"
)

// BronzeLog is the name by which kafkaio.Options.Log means bronze of the lake
// whose store's URI is Options.LogArg: what its readers see now.
const BronzeLog = "bronze"

func init() {
	kafkaio.RegisterLog(BronzeLog, func(ctx context.Context, uri string) (kafkaio.Log, error) {
		st, err := Shared(ctx, uri)
		if err != nil {
			return nil, err
		}
		l, err := ReadLedger(ctx, st)
		if err != nil {
			return nil, err
		}
		return newBronzeLog(st, l)
	})
}

// bronzeLog is bronze as a kafkaio.Log.
type bronzeLog struct {
	st     Store
	extent kafkaio.Extent
	files  map[int32][]File // by partition, in the order of offsets
}

// Again says what it takes to read what a lake's readers see once more: the
// records are in bronze, but for those beyond, of which only the events are
// visible, in windows that were still open when they arrived.
func (l *Ledger) Again(st Store) (kafkaio.Extent, error) {
	b, err := newBronzeLog(st, l)
	if err != nil {
		return kafkaio.Extent{}, err
	}
	return b.extent, nil
}

func newBronzeLog(st Store, l *Ledger) (*bronzeLog, error) {
	b := &bronzeLog{st: st, files: map[int32][]File{}, extent: kafkaio.Extent{TopicID: l.Settings.TopicID}}
	rows := l.Visible()
	raises := map[int32][]kafkaio.Raise{}
	start := map[int32]int64{}
	for _, r := range rows {
		for _, f := range r.Files {
			if f.Lane != Bronze {
				continue
			}
			k, err := ParseName(f.Name)
			if err != nil {
				return nil, err
			}
			b.files[k.Partition] = append(b.files[k.Partition], f)
		}
		if r.Mark == nil {
			continue
		}
		for _, p := range r.Mark.Partitions {
			start[p.Partition] = p.Start
			raises[p.Partition] = append(raises[p.Partition], p.Raises...)
		}
	}
	next := nextOffsets(rows)
	positions := map[int32]kafkaio.Position{}
	sealed, ok := l.Sealed()
	if l.Settings.State == StateRunner {
		return nil, fmt.Errorf("the lake %s was written by a job whose runner keeps its state (Flink, Dataflow): expected a ledger that says how far each partition was read. Read the topic again into a new lake", st.URI())
	}
	if ok {
		b.extent.Final = sealed.Mark
		b.extent.TopicID = cmp.Or(b.extent.TopicID, sealed.Mark.TopicID)
		for _, p := range sealed.Mark.Partitions {
			positions[p.Partition] = p
			next[p.Partition] = max(next[p.Partition], p.Start)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(next)) {
		p := kafkaio.LogPartition{Partition: id, Start: start[id], Next: next[id], End: next[id], Raises: raises[id]}
		if ok {
			// The mark is the last: who was behind its watermark after it was raised
			// to that, which a later mark would have recorded.
			p.Raises = append(p.Raises, kafkaio.Raise{Offset: positions[id].Next, High: sealed.Mark.Watermark + l.Settings.OutOfOrderness})
		}
		if l.Closed == nil {
			p.End = max(p.End, positions[id].Next)
		}
		slices.SortFunc(p.Raises, func(a, b kafkaio.Raise) int {
			return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.High, b.High))
		})
		p.Raises = slices.Compact(p.Raises)
		b.extent.Partitions = append(b.extent.Partitions, p)
	}
	return b, nil
}

// Extent implements kafkaio.Log.
func (b *bronzeLog) Extent(context.Context) (kafkaio.Extent, error) { return b.extent, nil }

// chunkRecords is how many records go on at once: a file may have a million,
// and what waits is to hold few files.
const chunkRecords = 4096

// Records implements kafkaio.Log. It holds one file in memory.
func (b *bronzeLog) Records(ctx context.Context, partition int32, from int64) iter.Seq2[[]kafkaio.Record, error] {
	return func(yield func([]kafkaio.Record, error) bool) {
		last := from - 1
		for _, f := range b.files[partition] {
			rows, err := ReadFile[BronzeRow](ctx, b.st, f)
			if err != nil {
				yield(nil, err)
				return
			}
			for chunk := range slices.Chunk(rows, chunkRecords) {
				records := make([]kafkaio.Record, 0, len(chunk))
				for i := range chunk {
					r := &chunk[i]
					if r.KafkaOffset < from {
						continue
					}
					if r.KafkaOffset <= last || r.KafkaPartition != partition {
						yield(nil, damaged(b.st, f.Name, fmt.Errorf("expected partition %d from offset %d on, found partition %d, offset %d", partition, last+1, r.KafkaPartition, r.KafkaOffset)))
						return
					}
					last = r.KafkaOffset
					records = append(records, record(r))
				}
				if len(records) > 0 && !yield(records, nil) {
					return
				}
			}
		}
	}
}

// record is a row of bronze as it was read from Kafka.
func record(r *BronzeRow) kafkaio.Record {
	out := kafkaio.Record{Offset: r.KafkaOffset, Timestamp: r.KafkaTimestamp / 1000, CreateTime: r.CreateTime, Key: r.Key, Value: r.Value}
	if len(r.Headers) > 0 {
		out.Headers = make([]kafkaio.Header, len(r.Headers))
		for i, h := range r.Headers {
			out.Headers[i] = kafkaio.Header{Key: h.Key, Value: h.Value}
		}
	}
	return out
}
