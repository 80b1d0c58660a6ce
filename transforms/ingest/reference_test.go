package ingest

import (
	"slices"
	"strings"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// reference is what a lake has to hold of records, found without packing,
// grouping or Beam: one record after the other, in the order of the log.
type reference struct {
	Rows   map[int64]lake.Row // without files, marks and increments
	Bronze map[string][]lake.BronzeRow
	Dead   map[string][]lake.DeadRow
	Late   map[string][]lake.LateRow
	Silver map[string][]lake.SilverRow
}

func referenceOf(batches []kafkaio.RecordBatch, rules Rules) reference {
	ref := reference{map[int64]lake.Row{}, map[string][]lake.BronzeRow{}, map[string][]lake.DeadRow{}, map[string][]lake.LateRow{}, map[string][]lake.SilverRow{}}
	update := func(window int64, change func(*lake.Row)) {
		row, ok := ref.Rows[window]
		if !ok {
			row = lake.Row{Window: window, End: window + rules.BaseMs, Dead: map[string]int64{}, LateDates: map[string]int64{}, From: map[int32]int64{}, Next: map[int32]int64{}}
		}
		change(&row)
		ref.Rows[window] = row
	}
	for _, b := range batches {
		if b.Mark != nil {
			update(b.Arrival, func(r *lake.Row) { r.Mark = b.Mark })
		}
	}
	kept := map[string][]shop.Event{} // by file
	parser := shop.NewParser(rules.limits())
	for _, b := range records(batches) {
		r, partition := b.Records[0], b.Partition
		bronze := lake.BronzeRow{Topic: topic, KafkaPartition: partition, KafkaOffset: r.Offset, KafkaTimestamp: r.Timestamp * 1000, CreateTime: r.CreateTime, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			bronze.Headers = append(bronze.Headers, lake.Header{Key: strings.ToValidUTF8(h.Key, "\uFFFD"), Value: h.Value})
		}
		name := lake.LaneName(lake.Bronze, b.Arrival, partition)
		ref.Bronze[name] = append(ref.Bronze[name], bronze)
		update(b.Arrival, func(row *lake.Row) {
			row.Read++
			if _, seen := row.From[partition]; !seen {
				row.From[partition] = r.Offset
			}
			row.Next[partition] = r.Offset + 1
			if end := r.Time - r.Time%rules.BaseMs + rules.BaseMs; r.Time != kafkaio.NoTime && end > row.End {
				if row.Ahead == nil {
					row.Ahead = map[int32]int64{}
				}
				row.Ahead[partition] = max(row.Ahead[partition], end)
			}
		})

		e, invalid := parser.Parse(r.Value, r.Timestamp)
		if invalid != nil {
			name := lake.LaneName(lake.Dead, b.Arrival, partition)
			ref.Dead[name] = append(ref.Dead[name], lake.DeadRow{BronzeRow: bronze, Reason: string(invalid.Reason), Detail: invalid.Detail})
			update(b.Arrival, func(row *lake.Row) { row.Dead[string(invalid.Reason)]++ })
			continue
		}
		e = e.Clone()
		silver := lake.SilverRow{
			EventID: e.ID.String(), EventType: e.Type.String(), EventTime: e.Time * 1000, ProductID: e.ProductID, ProductName: e.ProductName,
			UserID: e.UserID, SessionID: e.SessionID, Country: e.Country, OrderID: e.OrderID, Line: e.Line, Quantity: e.Quantity,
			UnitPrice: e.UnitPrice, Currency: e.Currency, SchemaVersion: int32(e.Version), KafkaPartition: partition, KafkaOffset: r.Offset, Category: e.Category,
		}
		if r.Late {
			name := lake.LaneName(lake.Late, b.Arrival, partition)
			ref.Late[name] = append(ref.Late[name], lake.LateRow{SilverRow: silver, HighTime: r.High * 1000})
			update(b.Arrival, func(row *lake.Row) {
				row.Late++
				row.LateDates[time.UnixMilli(e.Time).UTC().Format(time.DateOnly)]++
			})
			continue
		}
		window := e.Time - e.Time%rules.BaseMs
		fn := splitFn{Rules: rules}
		name = lake.SilverName(window, e.Category, int(fn.shard(&e)))
		if slices.Contains(kept[name], e) {
			update(window, func(row *lake.Row) { row.Duplicates++ })
			continue
		}
		conflict := slices.ContainsFunc(kept[name], func(k shop.Event) bool { return k.ID == e.ID && k.Time == e.Time })
		kept[name] = append(kept[name], e)
		ref.Silver[name] = append(ref.Silver[name], silver)
		update(window, func(row *lake.Row) {
			row.Silver++
			if conflict {
				row.Conflicts++
			}
		})
	}
	return ref
}
