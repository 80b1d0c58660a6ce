package lake

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"pgregory.net/rapid"
)

// oldBronze and oldDead are rows of programs that did not know who stamped a
// record.
type oldBronze struct {
	Topic          string   `parquet:"topic,dict"`
	KafkaPartition int32    `parquet:"kafka_partition"`
	KafkaOffset    int64    `parquet:"kafka_offset"`
	KafkaTimestamp int64    `parquet:"kafka_timestamp,timestamp(microsecond)"`
	Key            []byte   `parquet:"key,optional"`
	Value          []byte   `parquet:"value,optional"`
	Headers        []Header `parquet:"headers,list"`
}

type oldDead struct {
	oldBronze
	Reason string `parquet:"reason,dict"`
	Detail string `parquet:"detail"`
}

func oldOf(r BronzeRow) oldBronze {
	return oldBronze{r.Topic, r.KafkaPartition, r.KafkaOffset, r.KafkaTimestamp, r.Key, r.Value, r.Headers}
}

// TestOldFiles reads bronze and dead letters of older programs: without the
// column that they lack, all else the same.
func TestOldFiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dead := rapid.SliceOfN(anyDead, 1, 70).Draw(t, "rows")
		var bronze []BronzeRow
		var old []oldBronze
		var oldLetters []oldDead
		for i := range dead {
			dead[i].CreateTime = false
			bronze = append(bronze, dead[i].BronzeRow)
			old = append(old, oldOf(dead[i].BronzeRow))
			oldLetters = append(oldLetters, oldDead{oldOf(dead[i].BronzeRow), dead[i].Reason, dead[i].Detail})
		}
		got, err := DecodeRows[BronzeRow](plainFile(t, old))
		if diff := cmp.Diff(bronze, got, sameBytes); diff != "" || err != nil {
			t.Fatalf("bronze: %v (-want +got):\n%s", err, diff)
		}
		letters, err := DecodeRows[DeadRow](plainFile(t, oldLetters))
		if diff := cmp.Diff(dead, letters, sameBytes); diff != "" || err != nil {
			t.Fatalf("dead letters: %v (-want +got):\n%s", err, diff)
		}
		// Another column that lacks is no older program's.
		type less struct {
			Topic string `parquet:"topic,dict"`
		}
		if _, err := DecodeRows[BronzeRow](plainFile(t, []less{{"t"}})); err == nil {
			t.Fatal("a file of one column was read as bronze")
		}
	})
}

// sameBytes takes an absent list for an empty one.
var sameBytes = cmp.Options{cmp.Comparer(func(a, b []Header) bool {
	return len(a) == len(b) && cmp.Equal(append([]Header{}, a...), append([]Header{}, b...))
})}

func plainFile[T any](t *rapid.T, rows []T) []byte {
	var out bytes.Buffer
	w := parquet.NewWriter(&out, parquet.SchemaOf(new(T)), parquet.Compression(&zstd.Codec{}))
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
