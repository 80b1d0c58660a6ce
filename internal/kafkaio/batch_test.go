package kafkaio

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawBatch(t *rapid.T) RecordBatch {
	number := rapid.Int64()
	blob := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")...)
	})
	header := rapid.Custom(func(t *rapid.T) Header { return Header{rapid.String().Draw(t, "key"), blob.Draw(t, "value")} })
	record := rapid.Custom(func(t *rapid.T) Record {
		return Record{
			Offset: number.Draw(t, "offset"), Timestamp: number.Draw(t, "timestamp"), Time: number.Draw(t, "time"), High: number.Draw(t, "high"),
			Late: rapid.Bool().Draw(t, "late"), CreateTime: rapid.Bool().Draw(t, "create time"), Key: blob.Draw(t, "key"), Value: blob.Draw(t, "value"), Headers: orNil(rapid.SliceOfN(header, 0, 3).Draw(t, "headers")),
		}
	})
	raise := rapid.Custom(func(t *rapid.T) Raise { return Raise{number.Draw(t, "offset"), number.Draw(t, "high")} })
	position := rapid.Custom(func(t *rapid.T) Position {
		return Position{rapid.Int32().Draw(t, "partition"), number.Draw(t, "start"), number.Draw(t, "next"), orNil(rapid.SliceOfN(raise, 0, 3).Draw(t, "raises")), number.Draw(t, "max until")}
	})
	b := RecordBatch{Topic: rapid.String().Draw(t, "topic"), Partition: rapid.Int32().Draw(t, "partition"), Arrival: number.Draw(t, "arrival")}
	if rapid.Bool().Draw(t, "mark") {
		b.Mark = &Mark{number.Draw(t, "watermark"), rapid.String().Draw(t, "id"), orNil(rapid.SliceOfN(position, 0, 3).Draw(t, "positions")), rapid.IntRange(0, 9).Draw(t, "clock")}
		return b
	}
	b.Records = orNil(rapid.SliceOfN(record, 0, 5).Draw(t, "records"))
	return b
}

func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

func TestRecordBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawBatch(t)
		data, err := encodeRecordBatch(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecordBatch(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" { // go-cmp keeps nil and empty apart
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
		if cut := rapid.IntRange(0, len(data)-1).Draw(t, "cut"); cut < len(data) {
			if b, err := decodeRecordBatch(data[:cut]); err == nil {
				t.Fatalf("cut to %d of %d bytes it decodes to %+v", cut, len(data), b)
			}
		}
		if _, err := decodeRecordBatch(append(data, 0)); err == nil {
			t.Fatal("a byte too many is not noticed")
		}
	})
}

func FuzzDecodeRecordBatch(f *testing.F) {
	for _, b := range []RecordBatch{
		{},
		{Topic: "t", Partition: 3, Arrival: 60_000, Records: []Record{{Offset: 7, Time: NoTime, High: 5, Late: true, Key: []byte{}, Value: []byte("v"), Headers: []Header{{"k", nil}}}}},
		{Topic: "t", Partition: -1, Mark: &Mark{Watermark: 5, TopicID: "id", Partitions: []Position{{Partition: 1, Next: 9, Raises: []Raise{{3, 4}}}}}},
	} {
		data, err := encodeRecordBatch(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}) // says that it holds 4 billion records
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeRecordBatch(data)
		if err != nil {
			return
		}
		again, err := encodeRecordBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		c, err := decodeRecordBatch(again)
		if err != nil {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
		if diff := cmp.Diff(b, c); diff != "" {
			t.Fatalf("decode, encode, decode (-first +second):\n%s", diff)
		}
	})
}
