package ingest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
)

const topic = "ecommerce_events"

// testRules have a base window of a minute; the bound of testWindows is 30 s.
var (
	testRules   = Rules{BaseMs: 60_000, SkewMs: 300_000, MaxBytes: 1 << 20, Shards: 1, Done: kafkaio.NoTime, Source: "test"}
	testWindows = kafkaio.Windowing{Base: 60_000, Bound: 30_000, Skew: testRules.SkewMs, Clock: testClock}
	testClock   = kafkaio.ClockRule{Last: 8, Rank: 3, First: 2}

	// logStart is not at a multiple of 5 minutes.
	logStart = time.Date(2026, 3, 1, 22, 47, 13, 0, time.UTC).UnixMilli()
)

// log is a topic: records by partition, in offset order, with gaps.
type log [][]kafkaio.Record

// randomLog makes a log of n records whose event time goes on by step ms a
// record on average: in order and not, late, doubled, in conflict, broken; with
// clocks that are up to 4 minutes fast, of devices or of producers that stamp.
func randomLog(seed uint64, partitions, n int, step int64) log {
	rng := rand.New(rand.NewPCG(seed, 7))
	var made []shop.Event
	l := make(log, partitions)
	now := logStart
	for range n {
		now += rng.Int64N(2 * step)
		e := randomEvent(rng, now-rng.Int64N(25_000))
		fast := int64(0)
		switch roll := rng.IntN(100); {
		case roll < 6 && len(made) > 0: // a duplicate
			e = made[len(made)-1-rng.IntN(min(len(made), 20))]
		case roll < 10 && len(made) > 0: // a conflict
			twin := made[len(made)-1-rng.IntN(min(len(made), 20))]
			e.ID, e.Time, e.Category = twin.ID, twin.Time, twin.Category
		case roll < 13: // the same id, another time
			e.ID = uuid.UUID{1}
		case roll < 17:
			e.Time -= rng.Int64N(2 * time.Hour.Milliseconds())
		case roll < 27:
			fast = rng.Int64N(4 * time.Minute.Milliseconds())
			e.Time += fast
			made = append(made, e)
		default:
			made = append(made, e)
		}
		r := kafkaio.Record{Timestamp: now + rng.Int64N(1000), CreateTime: rng.IntN(2) == 0, Key: []byte(e.UserID), Value: shop.AppendJSON(nil, &e)}
		if r.CreateTime && rng.IntN(2) == 0 {
			r.Timestamp += fast
		}
		switch rng.IntN(40) {
		case 0:
			r.Value = r.Value[:rng.IntN(len(r.Value))] // cut short, but often with a time
		case 1:
			r.Value = nil
		case 2:
			r.Value = []byte(strings.Replace(string(r.Value), `"schema_version":1`, `"schema_version":2`, 1))
		case 3:
			r.Headers = []kafkaio.Header{{Key: "trace", Value: []byte{0, 255}}, {Key: "null"}, {Key: "bad\xff", Value: []byte{}}}
		}
		p := &l[rng.IntN(partitions)]
		r.Offset = int64(rng.IntN(3))
		if len(*p) > 0 {
			r.Offset += (*p)[len(*p)-1].Offset + 1
		}
		*p = append(*p, r)
	}
	return l
}

func randomEvent(rng *rand.Rand, at int64) shop.Event {
	product := rng.IntN(6)
	e := shop.Event{
		Type: shop.EventType(1 + rng.IntN(4)), Time: at, Version: 1,
		ProductID: fmt.Sprint("P", product), ProductName: []string{"", "Wooden train", "Tea \x00 \"cup\" ü"}[rng.IntN(3)],
		Category:  []string{"toys", "home & garden", "a/b ü"}[product%3],
		SessionID: fmt.Sprint("s", rng.IntN(9)), UserID: []string{"", "u1", "u2"}[rng.IntN(3)],
	}
	for i := range e.ID {
		e.ID[i] = byte(rng.Uint32())
	}
	if e.IsOrder() {
		e.OrderID, e.Currency = fmt.Sprint("o", rng.IntN(99)), []string{"GBP", "EUR"}[rng.IntN(2)]
		e.Line, e.Quantity, e.UnitPrice = rng.Int64N(3), 1+rng.Int64N(5), shop.Money(1+rng.Int64N(5_000_000))
	}
	return e
}

// read plays kafkaio's source: it cuts the log into batches and marks in an
// order that the seed decides. No partition is ever idle, so that there are no
// raises. It goes on at resume if that is not nil.
func (l log) read(seed uint64, w kafkaio.Windowing, resume *kafkaio.ResumePoint) []kafkaio.RecordBatch {
	type position struct {
		at    int // in the slice of the partition
		high  int64
		times []int64 // clock values
	}
	rng := rand.New(rand.NewPCG(seed, 8))
	limits := limits(testRules.SkewMs, testRules.MaxBytes)
	pos := make([]position, len(l))
	watermark := kafkaio.NoTime
	for p := range pos {
		pos[p].high = kafkaio.NoTime
	}
	if resume != nil {
		watermark = resume.Watermark
		for _, r := range resume.Partitions {
			records := l[r.Partition]
			for pos[r.Partition].at < len(records) && records[pos[r.Partition].at].Offset < r.Next {
				pos[r.Partition].at++
			}
			pos[r.Partition].times = r.Recent
		}
	}
	var out []kafkaio.RecordBatch
	for turn := 0; ; turn++ {
		low := -1 // the partition that is furthest behind
		for p := range pos {
			if pos[p].at < len(l[p]) && (low < 0 || pos[p].high < pos[low].high) {
				low = p
			}
		}
		if low < 0 {
			return out
		}
		p := &pos[low]
		for range min(1+rng.IntN(12), len(l[low])-p.at) {
			r := l[low][p.at]
			r.Time = kafkaio.NoTime
			if t, ok := shop.EventTime(r.Value, r.Timestamp, limits); ok {
				r.Time = t
				p.times = append(slices.Clip(p.times), min(t, r.Timestamp))
				p.high = max(p.high, clockOf(w, p.times))
				if !r.CreateTime && r.Timestamp-t <= w.Skew {
					p.high = max(p.high, min(t, r.Timestamp))
				}
			}
			r.High = p.high
			r.Late = r.Time != kafkaio.NoTime && w.Late(r.Time, r.High)
			p.at++
			last := len(out) - 1
			if arrival := w.Arrival(r.High); last < 0 || out[last].Mark != nil || out[last].Partition != int32(low) || out[last].Arrival != arrival || rng.IntN(8) == 0 {
				out = append(out, kafkaio.RecordBatch{Topic: topic, Partition: int32(low), Arrival: arrival})
				last++
			}
			out[last].Records = append(out[last].Records, r)
		}
		if rng.IntN(3) == 0 {
			continue
		}
		wm := kafkaio.NoTime
		mark := kafkaio.Mark{Clock: 1}
		first := true
		for p := range pos {
			next := int64(0)
			if pos[p].at > 0 {
				next = l[p][pos[p].at-1].Offset + 1
			}
			mark.Partitions = append(mark.Partitions, kafkaio.Position{Partition: int32(p), Next: next})
			if pos[p].at < len(l[p]) {
				if m := w.Watermark(pos[p].high); first || m < wm {
					wm, first = m, false
				}
			}
		}
		if !first && wm > watermark {
			watermark, mark.Watermark = wm, wm
			out = append(out, kafkaio.RecordBatch{Topic: topic, Partition: -1, Arrival: wm - w.Base, Mark: &mark})
		}
	}
}

// clockOf is the rank among the last clock values.
func clockOf(w kafkaio.Windowing, times []int64) int64 {
	last := slices.Sorted(slices.Values(times[max(0, len(times)-w.Clock.Last):]))
	if len(last) < w.Clock.First {
		return kafkaio.NoTime
	}
	return last[max(0, len(last)-w.Clock.Rank)]
}

// marks are the indexes of marks among batches.
func marks(batches []kafkaio.RecordBatch) (at []int) {
	for i, b := range batches {
		if b.Mark != nil {
			at = append(at, i)
		}
	}
	return at
}

// records are all records of batches with their partitions, in log order.
func records(batches []kafkaio.RecordBatch) (out []kafkaio.RecordBatch) {
	for _, b := range batches {
		for _, r := range b.Records {
			out = append(out, kafkaio.RecordBatch{Partition: b.Partition, Arrival: b.Arrival, Records: []kafkaio.Record{r}})
		}
	}
	slices.SortFunc(out, func(a, b kafkaio.RecordBatch) int {
		return located{a.Partition, a.Records[0].Offset}.compare(located{b.Partition, b.Records[0].Offset})
	})
	return out
}
