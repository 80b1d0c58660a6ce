package ingest

import (
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
)

// BenchmarkSplit is a record's way through Split without a runner: a bundle of a
// thousand, of which each twentieth is late.
func BenchmarkSplit(b *testing.B) {
	var records []kafkaio.Record
	for i := range 1000 {
		r := at(int64(i), func(e *shop.Event) { e.Category = string(rune('a' + i%20)) }, i%20 == 0)
		records = append(records, r)
	}
	batch := batch1(1, splitBase+minute, records...)
	fn := &splitFn{Rules: testRules}
	fn.Setup()
	emit := func(beam.EventTime, string, []byte) {}
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(records) {
		fn.StartBundle(emit)
		if err := fn.ProcessElement(batch, emit); err != nil {
			b.Fatal(err)
		}
		fn.FinishBundle(emit)
	}
}
