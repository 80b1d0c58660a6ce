package lake

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"example.com/shopstream/internal/shop"
)

// silverRows makes rows as a shop makes them: two thirds views and carts.
func silverRows(n int) []SilverRow {
	r := rand.New(rand.NewPCG(1, 2))
	types := []string{"product_viewed", "product_viewed", "product_viewed", "add_to_cart", "order_created", "order_cancelled"}
	rows := make([]SilverRow, n)
	for i := range rows {
		var id uuid.UUID
		for j := range id {
			id[j] = byte(r.Uint32())
		}
		p := r.IntN(500)
		row := SilverRow{
			EventID: id.String(), EventType: types[r.IntN(len(types))], EventTime: 1_772_359_200_000_000 + int64(i)*1000 + r.Int64N(1000)*1000,
			ProductID: fmt.Sprintf("P%05d", p), ProductName: fmt.Sprintf("Wooden toy number %d", p),
			SessionID: fmt.Sprintf("s-%08x", r.Uint32()), Country: []string{"GB", "DE", "FR"}[r.IntN(3)],
			SchemaVersion: 1, KafkaPartition: int32(r.IntN(4)), KafkaOffset: int64(i) * 4,
		}
		if r.IntN(3) > 0 {
			row.UserID = fmt.Sprintf("u%06d", r.IntN(1_000_000))
		}
		if row.EventType[0] == 'o' {
			row.OrderID = fmt.Sprintf("o-%08d", r.IntN(1e8))
			row.Line, row.Quantity = int64(1+r.IntN(5)), int64(1+r.IntN(9))
			row.UnitPrice, row.Currency = shop.Money(r.IntN(10_000))*10_000+10_000, "GBP"
		}
		rows[i] = row
	}
	return rows
}

// bronzeRows makes records with values of 258 bytes.
func bronzeRows(n int) []BronzeRow {
	rows := make([]BronzeRow, n)
	for i, s := range silverRows(n) {
		value := fmt.Appendf(nil, `{"event_id":%q,"event_type":%q,"event_time":"2026-03-01T10:15:%02d.%03dZ","product_id":%q,"product_name":%q,"category":"toys","user_id":%q,"session_id":%q,"country":%q`,
			s.EventID, s.EventType, i/1000%60, i%1000, s.ProductID, s.ProductName, s.UserID, s.SessionID, s.Country)
		for len(value) < 257 {
			value = append(value, ' ')
		}
		value = append(value[:257], '}')
		rows[i] = BronzeRow{
			Topic: "ecommerce_events", KafkaPartition: 3, KafkaOffset: int64(i), KafkaTimestamp: s.EventTime,
			Key: []byte(s.SessionID), Value: value,
		}
	}
	return rows
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{20, 100, 1000, 20_000} {
		b.Run(fmt.Sprintf("silver/%d", n), func(b *testing.B) { benchEncode(b, silverRows(n), EncodeSilver) })
		b.Run(fmt.Sprintf("bronze/%d", n), func(b *testing.B) { benchEncode(b, bronzeRows(n), EncodeBronze) })
	}
}

func benchEncode[T any](b *testing.B, rows []T, encode func([]byte, []T) ([]byte, error)) {
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		out, err := encode(buf[:0], rows)
		if err != nil {
			b.Fatal(err)
		}
		buf = out
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
	b.ReportMetric(float64(len(buf))/float64(len(rows)), "bytes/row")
}
