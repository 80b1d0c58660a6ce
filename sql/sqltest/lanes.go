package sqltest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// writeDead writes the table of dead letters as the streaming job writes the lane,
// with the rows of the ledger that name its files.
func writeDead(ctx context.Context, st lake.Store, t warehouse.Table, text string) error {
	header, rows, err := ParseCSV(text)
	if err != nil {
		return err
	}
	files := map[int64]map[int32][]lake.DeadRow{} // by arrival window and partition
	for _, row := range rows {
		values := map[string]string{}
		for _, c := range t.Columns {
			values[c.Name] = neutral(c)
			if i := slices.Index(header, c.Name); i >= 0 {
				values[c.Name] = row[i]
			}
		}
		arrived, dead, err := deadRow(values)
		if err != nil {
			return err
		}
		if files[arrived] == nil {
			files[arrived] = map[int32][]lake.DeadRow{}
		}
		files[arrived][dead.KafkaPartition] = append(files[arrived][dead.KafkaPartition], dead)
	}
	for arrived, partitions := range files {
		if err := putDead(ctx, st, arrived, partitions); err != nil {
			return err
		}
	}
	return nil
}

func deadRow(values map[string]string) (arrived int64, r lake.DeadRow, err error) {
	at, err := time.Parse(time.RFC3339, values["arrived"])
	if err != nil {
		return 0, r, err
	}
	recorded, err := time.Parse(time.RFC3339, values["record_time"])
	if err != nil {
		return 0, r, err
	}
	partition, err := strconv.ParseInt(values["kafka_partition"], 10, 32)
	if err != nil {
		return 0, r, err
	}
	offset, err := strconv.ParseInt(values["kafka_offset"], 10, 64)
	if err != nil {
		return 0, r, err
	}
	r = lake.DeadRow{
		BronzeRow: lake.BronzeRow{
			Topic: values["topic"], KafkaPartition: int32(partition), KafkaOffset: offset, KafkaTimestamp: recorded.UnixMicro(),
			Key: raw(values["key"]), Value: raw(values["value"]),
		},
		Reason: values["reason"], Detail: values["detail"],
	}
	return at.UnixMilli(), r, nil
}

func raw(text string) []byte {
	if text == "NULL" {
		return nil
	}
	return []byte(text)
}

// putDead writes the files of one arrival window, in which nothing else arrived.
func putDead(ctx context.Context, st lake.Store, arrived int64, partitions map[int32][]lake.DeadRow) error {
	row := lake.Row{Window: arrived, End: arrived + baseWindowMs, Dead: map[string]int64{}, From: map[int32]int64{}, Next: map[int32]int64{}}
	put := func(lane lake.Lane, partition int32, rows int, data []byte) error {
		name := lake.LaneName(lane, arrived, partition)
		row.Files = append(row.Files, lake.File{Lane: lane, Name: name, Rows: int64(rows), Bytes: int64(len(data)), CRC: lake.CRC(data)})
		return st.Put(ctx, name, data)
	}
	for partition, dead := range partitions {
		slices.SortFunc(dead, func(a, b lake.DeadRow) int { return cmp.Compare(a.KafkaOffset, b.KafkaOffset) })
		bronze := make([]lake.BronzeRow, len(dead))
		for i, d := range dead {
			bronze[i] = d.BronzeRow
			row.Dead[d.Reason]++
			row.Read++
		}
		row.From[partition], row.Next[partition] = dead[0].KafkaOffset, dead[len(dead)-1].KafkaOffset+1
		data, err := lake.EncodeDead(nil, dead)
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		if err := put(lake.Dead, partition, len(dead), data); err != nil {
			return err
		}
		if data, err = lake.EncodeBronze(nil, bronze); err != nil {
			return fmt.Errorf("bronze: %w", err)
		}
		if err := put(lake.Bronze, partition, len(bronze), data); err != nil {
			return err
		}
	}
	return lake.PutRow(ctx, st, row)
}
