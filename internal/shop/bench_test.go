package shop_test

import (
	"testing"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"example.com/shopstream/internal/shop"
)

const benchTime = 1_772_360_100_000

var benchEvent = []byte(`{"event_id":"3f1c9a52-0b7e-4d7a-9c1e-5a2b8f6d4e10","event_type":"order_created","event_time":"2026-03-01T10:15:00.123Z","product_id":"P-001234","user_id":"u-48213","category":"toys","order_id":"o-9912837","line":1,"quantity":3,"unit_price":"12.95","currency":"EUR","schema_version":1}`)

func BenchmarkParse(b *testing.B) {
	p := shop.NewParser(shop.DefaultLimits)
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if _, inv := p.Parse(benchEvent, benchTime); inv != nil {
			b.Fatal(inv)
		}
	}
}

// The alternative: fastjson and the checks that it lacks, without duplicate
// keys, surrogates and fields.
func BenchmarkFastjson(b *testing.B) {
	var p fastjson.Parser
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if !utf8.Valid(benchEvent) {
			b.Fatal("UTF-8")
		}
		if err := fastjson.ValidateBytes(benchEvent); err != nil {
			b.Fatal(err)
		}
		if _, err := p.ParseBytes(benchEvent); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventTime(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := shop.EventTime(benchEvent, benchTime, shop.DefaultLimits); !ok {
			b.Fatal("no event time")
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	p := shop.NewParser(shop.DefaultLimits)
	e, inv := p.Parse(benchEvent, benchTime)
	if inv != nil {
		b.Fatal(inv)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = shop.AppendJSON(dst[:0], &e)
	}
}

func BenchmarkParseMoney(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := shop.ParseMoney("12.95"); err != nil {
			b.Fatal(err)
		}
	}
}
