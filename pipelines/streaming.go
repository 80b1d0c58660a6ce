// Package pipelines builds shopstream's graphs from the transforms.
package pipelines

import (
	"errors"
	"fmt"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/google/uuid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/transforms/ingest"
	"example.com/shopstream/transforms/metrics"
)

func init() {
	beam.RegisterDoFn(&endFn{})
}

// refreshEvery is how often a streaming job looks for new partitions.
const refreshEvery = 10 * time.Second

// StreamingOptions say what a streaming job reads, by which rules, and where
// it writes.
type StreamingOptions struct {
	Source kafkaio.Options // its EventTime and Start.Resume are set by Streaming
	Lake   string          // URI; made by lake.Init
	Shards int             // silver files a category and window; default 1
	// MaxAmount is the most that an order line may amount to, in units of its
	// currency; 0: lake.NoMaxAmount.
	MaxAmount int64
	Start     lake.Start   // where an earlier run had come to; lake.Ledger.Resume
	Flink     FlinkOptions // of the Flink runner
	// MaxDeadShare is the share of dead letters above which a job in this process
	// warns; 1: never.
	MaxDeadShare float64
	// MaxLateShare is likewise of late events among the valid ones.
	MaxLateShare float64
	// MaxCategories is how many categories base windows may have in the mean before
	// it warns; 0: never.
	MaxCategories int
	// GoesOn says that the source which ends goes on another time: the lake's last
	// day is not complete by that end.
	GoesOn bool

	asksTopic bool        // the program that submits a job reaches the brokers, and can ask which topic it is
	asked     bool        // a start was asked for by name
	lease     *lake.Lease // of the lake, taken by Resume and released by Run

	resumed     bool        // before is known
	before      lake.Totals // of the windows that were final before the first Resume,
	finalBefore int64       // and the end of the newest of them, ms
}

// Settings are what the lake of a streaming job keeps and holds later runs to.
func (o StreamingOptions) Settings() lake.Settings {
	r := o.rules()
	set := lake.Settings{
		Topic: o.Source.Topic, BaseWindowMs: r.BaseMs, OutOfOrderness: o.Source.OutOfOrderness.Milliseconds(),
		SkewMs: r.SkewMs, MaxEventBytes: r.MaxBytes, Shards: r.Shards,
	}
	if o.MaxAmount < lake.NoMaxAmount {
		set.MaxAmount = o.MaxAmount
	}
	return set
}

func (o StreamingOptions) rules() ingest.Rules {
	return ingest.Rules{
		BaseMs: o.Source.BaseWindow.Milliseconds(), SkewMs: o.Source.Skew.Milliseconds(),
		MaxBytes: o.Source.MaxBytes, Shards: max(1, o.Shards), Done: o.Start.Done, Source: o.Source.ID,
		MaxAmount: shop.Units(o.MaxAmount),
	}
}

// Validate says what the graph could not work with.
func (o StreamingOptions) Validate() error {
	const fiveMinutes, day = 300_000, 86_400_000
	base := o.Source.BaseWindow.Milliseconds()
	if base < 1000 || (base <= fiveMinutes && fiveMinutes%base != 0) || (base > fiveMinutes && (base%fiveMinutes != 0 || day%base != 0)) {
		return fmt.Errorf("base window %s: it must be at least 1 s and divide 5 minutes, or be a multiple of 5 minutes that divides a day", o.Source.BaseWindow)
	}
	if o.Lake == "" {
		return errors.New("no lake is given: name a folder or gs://bucket with --lake")
	}
	if o.Source.OutOfOrderness < 0 || o.Source.MaxBytes < 1 || o.Source.Skew < 0 {
		return fmt.Errorf("out-of-orderness bound %s, skew %s, largest value %d bytes: none may be negative", o.Source.OutOfOrderness, o.Source.Skew, o.Source.MaxBytes)
	}
	return nil
}

// Streaming builds the streaming job: Kafka records to bronze, silver, late
// events and dead letters with a ledger, and to metrics per product, category
// and shop in 5-minute, hourly and sliding windows.
func Streaming(s beam.Scope, o StreamingOptions) {
	if o.Source.ID == "" {
		o.Source.ID = uuid.NewString()
	}
	o.Source.EventTime = ingest.EventTimeName
	o.Source.Start.Resume = o.Start.Source
	rules := o.rules()

	records := kafkaio.Read(s, o.Source)
	batches := ingest.Split(s, records, rules)
	if len(o.Start.Ahead) > 0 {
		batches = beam.Flatten(s, batches, ingest.Ahead(s, o.Lake, o.Start.Ahead, rules))
	}
	acks := ingest.Write(s, batches, o.Lake, o.Source.Topic, rules)
	increments, seals := ingest.Commit(s, acks, o.Lake, rules.Source)
	if len(o.Start.Increments) > 0 {
		increments = beam.Flatten(s, increments, metrics.Again(s, o.Lake, rules.BaseMs, o.Start.Increments))
	}
	published := metrics.Publish(s, increments, o.Lake, rules.BaseMs, o.Start.MetricsDone)

	end(s, seals)
	end(s, published)
}

// end consumes a collection that nobody needs: Prism spins on a stage without
// an output, and a Reshuffle gives it one.
func end(s beam.Scope, col beam.PCollection) {
	beam.ParDo0(s, &endFn{}, beam.Reshuffle(s, col))
}

type endFn struct{}

func (endFn) ProcessElement(int64) {}
