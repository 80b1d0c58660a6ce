// Plain is the limit that the benchmark holds the streaming job to: the same
// files from the same topic, in a plain Go program without Beam, ledger,
// restart or bound of memory. It uses the job's parser and file encoders, and
// reads a topic whose partitions are about even, once, to its end.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/pipelines/bench/fetch"
	"example.com/shopstream/transforms/metrics"
)

const metricsPeriod = 300_000 // ms

func main() {
	brokers := flag.String("brokers", "", "")
	topic := flag.String("topic", "ecommerce_events", "")
	uri := flag.String("lake", "", "")
	base := flag.Duration("base-window", time.Minute, "")
	bound := flag.Duration("out-of-orderness", 30*time.Second, "")
	flag.Parse()
	if err := run(strings.Split(*brokers, ","), *topic, *uri, kafkaio.Windowing{Base: base.Milliseconds(), Bound: bound.Milliseconds(), Skew: shop.DefaultLimits.Skew.Milliseconds()}); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(brokers []string, topic, uri string, w kafkaio.Windowing) error {
	ctx := context.Background()
	st, err := lake.OpenStore(ctx, uri)
	if err != nil {
		return err
	}
	job := &job{
		Windowing: w, topic: topic, st: st, seen: map[int32]int64{},
		windows: map[int64]map[string][]event{}, sums: map[int64]metrics.Table{}, metricsDone: kafkaio.NoTime,
	}
	ends, err := fetch.Ends(brokers, topic)
	if err != nil {
		return err
	}
	for p := range ends {
		job.seen[p] = kafkaio.NoTime
	}
	errs := make(chan error)
	for p, end := range ends {
		r := &reader{job: job, partition: p, high: kafkaio.NoTime, clock: kafkaio.NewPartitionClock(job.Windowing), parser: shop.NewParser(shop.DefaultLimits), mine: map[int64]map[string][]event{}}
		go func() {
			err := fetch.Partition(brokers, topic, p, end, r.record)
			if err == nil {
				err = r.end()
			}
			errs <- err
		}()
	}
	for range ends {
		if err := <-errs; err != nil {
			return err
		}
	}
	return job.publish(end)
}

const end = int64(1) << 62 // a time after all

type event struct {
	shop.Event
	offset    int64
	partition int32
}

// job is what the partitions share: events on time by window and category, and
// the sums of the windows that are written.
type job struct {
	kafkaio.Windowing
	topic string
	st    lake.Store

	mu          sync.Mutex      // held while windows are written
	seen        map[int32]int64 // by partition: windows that end by it get no more events
	windows     map[int64]map[string][]event
	sums        map[int64]metrics.Table // by start of 5 minutes
	metricsDone int64
}

// reader handles the records of one partition.
type reader struct {
	*job
	partition int32
	parser    *shop.Parser
	clock     *kafkaio.PartitionClock
	high      int64
	arrival   int64
	bronze    []lake.BronzeRow
	dead      []lake.DeadRow
	late      []lake.LateRow
	mine      map[int64]map[string][]event // on time, not yet handed over
}

func (r *reader) record(offset, timestamp int64, key, value []byte) error {
	at, ok := shop.EventTime(value, timestamp, shop.DefaultLimits)
	if !ok {
		at = kafkaio.NoTime
	}
	r.high = r.clock.Observe(&kafkaio.Record{Offset: offset, Timestamp: timestamp, Time: at})
	if a := r.Arrival(r.high); a != r.arrival {
		if err := r.flush(); err != nil {
			return err
		}
		r.arrival = a
	}
	row := lake.BronzeRow{Topic: r.topic, KafkaPartition: r.partition, KafkaOffset: offset, KafkaTimestamp: timestamp * 1000, Key: key, Value: value}
	r.bronze = append(r.bronze, row)
	e, invalid := r.parser.Parse(value, timestamp)
	switch {
	case invalid != nil:
		r.dead = append(r.dead, lake.DeadRow{BronzeRow: row, Reason: string(invalid.Reason), Detail: invalid.Detail})
	case r.Late(e.Time, r.high):
		r.late = append(r.late, lake.LateRow{SilverRow: silver(&event{e, offset, r.partition}), HighTime: r.high * 1000})
	default:
		w := r.mine[r.Start(e.Time)]
		if w == nil {
			w = map[string][]event{}
			r.mine[r.Start(e.Time)] = w
		}
		w[e.Category] = append(w[e.Category], event{e, offset, r.partition})
	}
	return nil
}

// flush writes the partition's rows of an arrival window and hands over the
// windows that get no more events from it.
func (r *reader) flush() error {
	if len(r.bronze) > 0 {
		if err := put(r.job, lake.LaneName(lake.Bronze, r.arrival, r.partition), lake.EncodeBronze, r.bronze); err != nil {
			return err
		}
	}
	if len(r.dead) > 0 {
		if err := put(r.job, lake.LaneName(lake.Dead, r.arrival, r.partition), lake.EncodeDead, r.dead); err != nil {
			return err
		}
	}
	if len(r.late) > 0 {
		if err := put(r.job, lake.LaneName(lake.Late, r.arrival, r.partition), lake.EncodeLate, r.late); err != nil {
			return err
		}
	}
	clear(r.bronze)
	r.bronze, r.dead, r.late = r.bronze[:0], nil, nil
	return r.handOver(r.Watermark(r.high))
}

func (r *reader) end() error {
	if err := r.flush(); err != nil {
		return err
	}
	return r.handOver(end)
}

func put[T any](j *job, name string, encode func([]byte, []T) ([]byte, error), rows []T) error {
	data, err := encode(nil, rows)
	if err != nil {
		return err
	}
	return j.st.Put(context.Background(), name, data)
}

// handOver gives the job the partition's events of windows that end by seen,
// and writes the windows that all partitions have handed over.
func (r *reader) handOver(seen int64) error {
	j := r.job
	j.mu.Lock()
	defer j.mu.Unlock()
	for start, categories := range r.mine {
		if start+j.Base > seen {
			continue
		}
		if j.windows[start] == nil {
			j.windows[start] = map[string][]event{}
		}
		for c, events := range categories {
			j.windows[start][c] = append(j.windows[start][c], events...)
		}
		delete(r.mine, start)
	}
	j.seen[r.partition] = seen
	all := end
	for _, s := range j.seen {
		all = min(all, s)
	}
	for start, categories := range j.windows {
		if start+j.Base > all {
			continue
		}
		for c, events := range categories {
			if err := j.silver(start, c, events); err != nil {
				return err
			}
		}
		delete(j.windows, start)
		if err := j.st.Sync(context.Background()); err != nil {
			return err
		}
	}
	return j.publish(all)
}

// silver writes the events of a window and category, each once, and adds up
// their sums.
func (j *job) silver(start int64, category string, events []event) error {
	order := make([]*event, len(events))
	for i := range events {
		order[i] = &events[i]
	}
	slices.SortFunc(order, func(a, b *event) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
	})
	ids := make(map[uuid.UUID]*event, len(events))
	rows := make([]lake.SilverRow, 0, len(events))
	b := kafkaio.Windowing{Base: metricsPeriod}.Start(start)
	if j.sums[b] == nil {
		j.sums[b] = metrics.Table{}
	}
	for _, e := range order {
		if first := ids[e.ID]; first != nil && first.Event == e.Event {
			continue
		}
		ids[e.ID] = e
		rows = append(rows, silver(e))
		j.sums[b].Observe(&e.Event)
	}
	return put(j, lake.SilverName(start, category, 0), lake.EncodeSilver, rows)
}

// publish writes the metrics windows that end by seen.
func (j *job) publish(seen int64) error {
	if len(j.sums) == 0 {
		return nil
	}
	first, last := end, int64(0)
	for b := range j.sums {
		first, last = min(first, b), max(last, b)
	}
	for b := max(first, j.metricsDone); b < last+3_600_000 && b+metricsPeriod <= seen; b += metricsPeriod {
		for _, w := range metrics.Compose(j.sums, b, b+metricsPeriod) {
			if err := put(j, lake.MetricsName(w.Kind, b), lake.EncodeMetrics, w.Rows); err != nil {
				return err
			}
		}
		j.metricsDone = b + metricsPeriod
		delete(j.sums, j.metricsDone-3_600_000) // no later window has it
	}
	return nil
}

func silver(e *event) lake.SilverRow {
	return lake.SilverRow{
		EventID: e.ID.String(), EventType: e.Type.String(), EventTime: e.Time * 1000,
		ProductID: e.ProductID, ProductName: e.ProductName,
		UserID: e.UserID, SessionID: e.SessionID, Country: e.Country,
		OrderID: e.OrderID, Line: e.Line, Quantity: e.Quantity, UnitPrice: e.UnitPrice, Currency: e.Currency,
		SchemaVersion: int32(e.Version), KafkaPartition: e.partition, KafkaOffset: e.offset, Category: e.Category,
	}
}
