package pipelines

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/producer"
)

// The reference computes what the lake has to hold from a topic's records, as
// plainly as can be: encoding/json, big.Rat, maps, one record after the other.
// It shares no code with the pipeline but the row types. Which records are
// valid it takes from the caller.
type reference struct {
	base, bound time.Duration
	want        contents
	cells       map[cell]*sums // of silver rows, by 5 minutes
}

type cell struct {
	start                       int64 // of 5 minutes, s
	product, category, currency string
}

type sums struct {
	lines, units, cancelledLines, cancelledUnits, views, carts int64
	revenue, cancelled                                         big.Rat
}

// jsonEvent is an event as encoding/json sees it.
type jsonEvent struct {
	EventID     string      `json:"event_id"`
	EventType   string      `json:"event_type"`
	EventTime   time.Time   `json:"event_time"`
	ProductID   string      `json:"product_id"`
	ProductName string      `json:"product_name"`
	Category    string      `json:"category"`
	UserID      string      `json:"user_id"`
	SessionID   string      `json:"session_id"`
	Country     string      `json:"country"`
	OrderID     string      `json:"order_id"`
	Line        int64       `json:"line"`
	Quantity    int64       `json:"quantity"`
	UnitPrice   json.Number `json:"unit_price"`
	Currency    string      `json:"currency"`
	Version     int32       `json:"schema_version"`
}

func (e *jsonEvent) isOrder() bool { return strings.HasPrefix(e.EventType, "order_") }

func (e *jsonEvent) price() *big.Rat {
	r, ok := new(big.Rat).SetString(e.UnitPrice.String())
	if !ok {
		panic("price " + e.UnitPrice.String())
	}
	return r
}

// refer builds the reference from all records of the topic. dead says of a
// record whether it is a dead letter, and its row.
func refer(t testing.TB, cluster kafkaio.Cluster, base, bound time.Duration, dead func(m *sarama.ConsumerMessage) (lake.DeadRow, bool)) *reference {
	t.Helper()
	ref := &reference{base: base, bound: bound, cells: map[cell]*sums{}, want: contents{
		bronze: map[place]uint64{}, silver: map[place]uint64{}, late: map[place]uint64{}, dead: map[place]uint64{},
		metrics: map[string]uint64{}, totals: lake.Totals{Dead: map[string]int64{}},
	}}
	clocks := map[int32]*referenceClock{}
	seen := map[string]string{} // id and time → content of the first
	_, err := producer.Consume(context.Background(), cluster, topic, producer.ConsumeOptions{UntilEnd: true}, func(m *sarama.ConsumerMessage) error {
		at := place{m.Partition, m.Offset}
		ref.want.bronze[at] = hash(bronzeRow(m))
		ref.want.totals.Read++
		deadRow, isDead := dead(m)
		clock := clocks[m.Partition]
		if clock == nil {
			clock = &referenceClock{}
			clocks[m.Partition] = clock
		}
		var e jsonEvent
		if isDead {
			ref.want.dead[at] = hash(deadRow)
			ref.want.totals.Dead[deadRow.Reason]++
			// A dead letter with a readable, plausible time moves its partition's clock too.
			if ms, ok := shop.EventTime(m.Value, m.Timestamp.UnixMilli(), shop.DefaultLimits); ok {
				clock.observe(time.UnixMilli(ms), m.Timestamp)
			}
			return nil
		}
		d := json.NewDecoder(bytes.NewReader(m.Value))
		d.UseNumber()
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("%v: %w", at, err)
		}
		e.EventTime = e.EventTime.Truncate(time.Millisecond)
		clock.observe(e.EventTime, m.Timestamp)
		end := e.EventTime.Truncate(base).Add(base)
		row := silverRow(&e, m)
		if !end.After(clock.now.Add(-bound)) {
			ref.want.totals.Late++
			ref.want.late[at] = hash(lake.LateRow{SilverRow: row, HighTime: clock.now.UnixMicro()})
			return nil
		}
		content := fmt.Sprint(e)
		id := e.EventID + e.EventTime.String()
		if seen[id] == content {
			ref.want.totals.Duplicates++
			return nil
		}
		seen[id] = content
		ref.want.totals.Silver++
		ref.want.silver[at] = hash(silver{row, e.Category})
		ref.add(&e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ref.compose()
	return ref
}

// referenceClock is the clock of a partition whose records the broker stamped,
// as docs/design.md says it.
type referenceClock struct {
	values []time.Time
	now    time.Time // zero: not yet
}

func (c *referenceClock) observe(event, record time.Time) {
	v := event
	if record.Before(v) {
		v = record
	}
	c.values = append(c.values, v)
	c.values = c.values[max(0, len(c.values)-128):]
	now := time.Time{}
	if record.Sub(event) <= 5*time.Minute {
		now = v
	} else if newest := slices.SortedFunc(slices.Values(c.values), func(a, b time.Time) int { return b.Compare(a) }); len(newest) >= 32 {
		now = newest[31]
	} else if len(newest) >= 8 {
		now = newest[len(newest)-1]
	}
	if now.After(c.now) {
		c.now = now
	}
}

func bronzeRow(m *sarama.ConsumerMessage) lake.BronzeRow {
	r := lake.BronzeRow{
		Topic: m.Topic, KafkaPartition: m.Partition, KafkaOffset: m.Offset, KafkaTimestamp: m.Timestamp.UnixMilli() * 1000, Key: m.Key, Value: m.Value,
	}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, lake.Header{Key: string(h.Key), Value: h.Value})
	}
	return r
}

func silverRow(e *jsonEvent, m *sarama.ConsumerMessage) lake.SilverRow {
	row := lake.SilverRow{
		EventID: strings.ToLower(e.EventID), EventType: e.EventType, EventTime: e.EventTime.UnixMicro(), ProductID: e.ProductID, ProductName: e.ProductName,
		UserID: e.UserID, SessionID: e.SessionID, Country: e.Country, SchemaVersion: e.Version, KafkaPartition: m.Partition, KafkaOffset: m.Offset, Category: e.Category,
	}
	if e.isOrder() {
		row.OrderID, row.Line, row.Quantity, row.Currency = e.OrderID, e.Line, e.Quantity, e.Currency
		micros := new(big.Rat).Mul(e.price(), big.NewRat(1_000_000, 1))
		row.UnitPrice = shop.Money(micros.Num().Int64())
	}
	return row
}

func (ref *reference) add(e *jsonEvent) {
	c := cell{start: e.EventTime.Truncate(5 * time.Minute).Unix(), product: e.ProductID, category: e.Category}
	if e.isOrder() {
		c.currency = e.Currency
	}
	s := ref.cells[c]
	if s == nil {
		s = &sums{}
		ref.cells[c] = s
	}
	var amount big.Rat
	if e.isOrder() {
		amount.Mul(e.price(), big.NewRat(e.Quantity, 1))
	}
	switch e.EventType {
	case "product_viewed":
		s.views++
	case "add_to_cart":
		s.carts++
	case "order_created":
		s.lines++
		s.units += e.Quantity
		s.revenue.Add(&s.revenue, &amount)
	case "order_cancelled":
		s.cancelledLines++
		s.cancelledUnits += e.Quantity
		s.cancelled.Add(&s.cancelled, &amount)
	}
}

// compose makes the rows of every metrics window from the cells.
func (ref *reference) compose() {
	type key struct {
		kind       string
		start, end int64
		level      string
		product    string
		category   string
		currency   string
	}
	rows := map[key]*sums{}
	for c, s := range ref.cells {
		add := func(kind string, start, length int64) {
			for _, k := range []key{
				{kind, start, start + length, "product", c.product, c.category, c.currency},
				{kind, start, start + length, "category", "", c.category, c.currency},
				{kind, start, start + length, "shop", "", "", c.currency},
			} {
				r := rows[k]
				if r == nil {
					r = &sums{}
					rows[k] = r
				}
				r.lines += s.lines
				r.units += s.units
				r.cancelledLines += s.cancelledLines
				r.cancelledUnits += s.cancelledUnits
				r.views += s.views
				r.carts += s.carts
				r.revenue.Add(&r.revenue, &s.revenue)
				r.cancelled.Add(&r.cancelled, &s.cancelled)
			}
		}
		add("5m", c.start, 300)
		add("1h", c.start-c.start%3600, 3600)
		for start := c.start - 3300; start <= c.start; start += 300 {
			add("sliding-1h", start, 3600)
		}
	}
	lines := map[key]int64{} // of all currencies
	for k, r := range rows {
		k.currency = ""
		lines[k] += r.lines
	}
	for k, r := range rows {
		m := lake.MetricRow{
			WindowStart: k.start * 1e6, WindowEnd: k.end * 1e6, Level: k.level, ProductID: k.product, Category: k.category, Currency: k.currency,
			OrderLines: r.lines, Units: r.units, CancelledLines: r.cancelledLines, CancelledUnits: r.cancelledUnits, Views: r.views, Carts: r.carts,
		}
		setMoney(&m, micros(&r.revenue), micros(&r.cancelled))
		if r.views > 0 {
			all := k
			all.currency = ""
			c := float64(lines[all]) / float64(r.views)
			m.Conversion = &c
		}
		ref.want.metrics[metricKey(k.kind, m)] = metricHash(m)
	}
}

func micros(r *big.Rat) int64 {
	m := new(big.Rat).Mul(r, big.NewRat(1_000_000, 1))
	if !m.IsInt() {
		panic("not micro-units: " + r.String())
	}
	return m.Num().Int64()
}

func setMoney(m *lake.MetricRow, revenue, cancelled int64) {
	m.Revenue, m.CancelledRevenue = new(shop.Money(revenue)), new(shop.Money(cancelled))
}
