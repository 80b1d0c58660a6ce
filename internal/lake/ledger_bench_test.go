package lake

import (
	"fmt"
	"testing"

	"example.com/shopstream/internal/kafkaio"
)

// BenchmarkReadLedger reads a ledger of a year or two of minutes: rows with 30
// files each, every fifth with a mark.
func BenchmarkReadLedger(b *testing.B) {
	for _, c := range []struct {
		store string
		rows  int64
	}{{"folder", 100_000}, {"bucket", 5_000}} {
		b.Run(fmt.Sprintf("%s/rows=%d", c.store, c.rows), func(b *testing.B) {
			st := Store(newLocal(b))
			if c.store == "bucket" {
				st = mustOpen(b, startBucket(b)+"/lake")
			}
			fillLedger(b, st, c.rows)
			b.ResetTimer()
			for b.Loop() {
				l, err := ReadLedger(b.Context(), st)
				if err != nil {
					b.Fatal(err)
				}
				start := l.Resume()
				if _, err := Continue(b.Context(), st, start); err != nil {
					b.Fatal(err)
				}
				if start.Done != w(c.rows) {
					b.Fatalf("it goes on at %d, want %d", start.Done, w(c.rows))
				}
			}
		})
	}
}

func fillLedger(b *testing.B, st Store, rows int64) {
	if err := Init(b.Context(), st, anySettings); err != nil {
		b.Fatal(err)
	}
	err := Parallel(int(rows), readers, func(n int) error {
		i := int64(n)
		r := Row{Window: w(i), End: w(i + 1), Read: 60_000, Silver: 52_000, Duplicates: 8000, From: map[int32]int64{}, Next: map[int32]int64{}}
		for f := range 26 {
			r.Files = append(r.Files, File{Lane: Silver, Name: SilverName(r.Window, fmt.Sprintf("category %d", f), 0), Rows: 2000, Bytes: 123_456, CRC: 1 << 31})
		}
		for p := range int32(4) {
			r.From[p], r.Next[p] = 15_000*i, 15_000*i+15_000
			r.Files = append(r.Files, File{Lane: Bronze, Name: LaneName(Bronze, r.Window, p), Rows: 15_000, Bytes: 3_456_789, CRC: 1 << 31})
		}
		if i%5 == 4 {
			r.Mark = &kafkaio.Mark{Watermark: r.End, TopicID: "id"}
		}
		name := windowName(rowsDir, r.Window, ".json")
		data, _, err := encodeObject(name, r)
		if err != nil {
			return err
		}
		return st.Put(b.Context(), name, data)
	})
	if err == nil {
		err = PutSeal(b.Context(), st, w(rows-1))
	}
	if err != nil {
		b.Fatal(err)
	}
}
