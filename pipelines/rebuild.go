package pipelines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/google/uuid"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

// RebuildOptions say which lake is built again, and how.
type RebuildOptions struct {
	Lake    string          // URI
	Cluster kafkaio.Cluster // of the lake's topic; asked only where RebuildPlan.Tail is not 0
	Shards  int             // silver files a category and window; 0: as before

	Bundle        time.Duration // as in kafkaio.Options
	BundleRecords int
	Align         time.Duration
	Budget        int64

	BatchBytes     int // as in kafkaio.Options
	StopAtBadBatch bool
	MaxDeadShare   float64 // share of dead letters above which there is a warning; 1: never
}

// RebuildFrom turns a configuration into the options of a rebuild.
func RebuildFrom(cfg config.Config) RebuildOptions {
	return RebuildOptions{
		Lake: cfg.Lake.URI, Cluster: Cluster(cfg.Kafka),
		Bundle: cfg.Stream.Bundle, BundleRecords: cfg.Stream.BundleRecords, Align: cfg.Stream.Align, Budget: int64(cfg.Stream.Budget),
		BatchBytes: int(cfg.Kafka.MaxBatchBytes), StopAtBadBatch: cfg.Kafka.Undecodable == "stop",
		MaxDeadShare: cfg.Stream.MaxDeadShare,
	}
}

// RebuildPlan is what a rebuild has to do.
type RebuildPlan struct {
	Lake       string // the store's URI: that of the current generation
	Generation int    // the current one
	Settings   lake.Settings
	Closed     bool
	GoesOn     bool        // closed by a source that goes on another time
	Totals     lake.Totals // of what readers see
	Files      int         // of bronze
	Bytes      int64
	First      time.Time // start of the first base window with events, UTC; zero: there are none
	Last       time.Time // end of the last
	// Tail is how many offsets are read from Kafka: records that are not in bronze
	// yet, among which are events of windows that are final.
	Tail int64

	extent kafkaio.Extent
}

// RebuildJob is the job that makes a generation.
type RebuildJob struct {
	RebuildOptions
	Plan *RebuildPlan
	Into string // URI of the new generation's store
	ID   string // of the source
}

// Rebuild builds the job that makes a lake again from its bronze: the streaming
// job's graph, from end to end, with bronze in the place of Kafka.
func Rebuild(s beam.Scope, j RebuildJob) { Streaming(s, j.streaming()) }

func (j RebuildJob) streaming() StreamingOptions {
	set := j.Plan.Settings
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	return StreamingOptions{
		Source: kafkaio.Options{
			ID: j.ID, Cluster: j.Cluster, Topic: set.Topic, Log: lake.BronzeLog, LogArg: j.Plan.Lake,
			BaseWindow: ms(set.BaseWindowMs), OutOfOrderness: ms(set.OutOfOrderness), Skew: ms(set.SkewMs), MaxBytes: set.MaxEventBytes,
			Bounded: true, Bundle: j.Bundle, BundleRecords: j.BundleRecords, Align: j.Align, Budget: j.Budget,
			BatchBytes: j.BatchBytes, StopAtBadBatch: j.StopAtBadBatch,
		},
		Lake: j.Into, Shards: set.Shards, MaxAmount: set.MaxAmount, Start: freshStart,
	}
}

// ErrNothingToRebuild is wrapped by the error for a lake of which nothing is
// final.
var ErrNothingToRebuild = errors.New("nothing in the lake is final yet")

// Plan finds out what a rebuild has to do, and whether it can. It changes
// nothing.
func (o RebuildOptions) Plan(ctx context.Context) (*RebuildPlan, error) {
	st, err := lake.SharedNow(ctx, o.Lake)
	if err != nil {
		return nil, err
	}
	return o.plan(ctx, st)
}

func (o RebuildOptions) plan(ctx context.Context, st lake.Store) (*RebuildPlan, error) {
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return nil, err
	}
	rows := ledger.Visible()
	p := &RebuildPlan{
		Lake: st.URI(), Generation: lake.Generation(st), Settings: ledger.Settings, Closed: ledger.Closed != nil, GoesOn: ledger.Closed != nil && ledger.Closed.GoesOn, Totals: lake.Total(rows),
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("lake %s: %w: run the streaming job first", p.Lake, ErrNothingToRebuild)
	}
	if o.Shards > 0 {
		p.Settings.Shards = o.Shards
	}
	p.Last = time.UnixMilli(rows[len(rows)-1].End).UTC()
	for _, r := range rows {
		if p.First.IsZero() && r.Silver > 0 { // before it are records that came before a partition had a clock
			p.First = time.UnixMilli(r.Window).UTC()
		}
		for _, f := range r.Files {
			if f.Lane == lake.Bronze {
				p.Files++
				p.Bytes += f.Bytes
			}
		}
	}
	if p.extent, err = ledger.Again(st); err != nil {
		return nil, err
	}
	return p, p.checkTail(o.Cluster)
}

// checkTail returns an error unless Kafka has what is to be read of it.
func (p *RebuildPlan) checkTail(cluster kafkaio.Cluster) error {
	first, next := map[int32]int64{}, map[int32]int64{}
	for _, q := range p.extent.Partitions {
		if q.Next < q.End {
			first[q.Partition], next[q.Partition] = q.Next, q.End
			p.Tail += q.End - q.Next
		}
	}
	if p.Tail == 0 {
		return nil
	}
	explain := func(err error) error {
		return fmt.Errorf("the last final windows of the lake have events that bronze has not: up to %d records of topic %q that came after, which are read from Kafka: %w", p.Tail, p.Settings.Topic, err)
	}
	if len(cluster.Brokers) == 0 {
		return explain(errors.New("name its brokers with --brokers"))
	}
	id, err := kafkaio.FindTopic(cluster, p.Settings.Topic)
	if err == nil && id != "" && p.extent.TopicID != "" && id != p.extent.TopicID {
		err = fmt.Errorf("the topic was deleted and created again (its id was %s, it is %s)", p.extent.TopicID, id)
	}
	if err == nil {
		err = kafkaio.CheckOffsets(cluster, p.Settings.Topic, first, next)
	}
	if err != nil {
		return explain(err)
	}
	return nil
}

// RebuildReport is what a rebuild has made.
type RebuildReport struct {
	Plan       *RebuildPlan
	Generation int
	Lake       string      // URI of the new generation's store
	Totals     lake.Totals // of what readers see there
}

// RunRebuild builds the lake again, waits, and makes the new generation the
// lake. Nobody else can write the lake meanwhile. planned, if set, is told
// what will be done before the job starts.
//
// With an error, or killed at any time before its last put, the lake is what it
// was. The next rebuild removes what this one left and starts from the
// beginning: what it wrote may be another parser's.
func (o RebuildOptions) RunRebuild(ctx context.Context, runner string, planned func(*RebuildPlan)) (report RebuildReport, err error) {
	if !InProcess(runner) {
		return report, fmt.Errorf("--runner=%s: a rebuild holds the lake's lease, and runs where that is: expected %s or %s", runner, Prism, Direct)
	}
	st, err := lake.SharedNow(ctx, o.Lake)
	if err != nil {
		return report, err
	}
	lease, err := lake.Lock(ctx, st)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	ctx, unbind := lease.Bind(ctx)
	defer unbind()
	if report.Plan, err = o.plan(ctx, st); err != nil {
		return report, err
	}
	fresh, err := lake.NewGeneration(ctx, lease, st)
	if err != nil {
		return report, err
	}
	report.Generation, report.Lake = lake.Generation(fresh), fresh.URI()
	if err := lake.Init(ctx, fresh, report.Plan.Settings); err != nil {
		return report, err
	}
	job := RebuildJob{RebuildOptions: o, Plan: report.Plan, Into: fresh.URI(), ID: uuid.NewString()}
	if planned != nil {
		planned(report.Plan)
	}
	if err := job.run(ctx, runner); err != nil {
		return report, err
	}
	if report.Totals, err = report.Plan.check(ctx, fresh); err != nil {
		return report, err
	}
	if err := lake.CarryGoldInputs(ctx, st, fresh); err != nil {
		return report, err
	}
	return report, lake.Switch(ctx, lease, fresh)
}

func (j RebuildJob) run(ctx context.Context, runner string) error {
	p, s := beam.NewPipelineWithRoot()
	o := j.streaming()
	if runner == Direct {
		o.Source.OneCall, o.Source.Budget = true, 0
	}
	o.MaxDeadShare, o.MaxLateShare = j.MaxDeadShare, 1 // what was late was told, and stays so
	defer o.watchRecords(ctx)()
	Streaming(s, o)
	return errors.Join(Run(ctx, runner, p), kafkaio.Close(j.ID))
}

// check returns an error unless the new generation has all that the plan says,
// and is as far and as closed as the old one. It returns the totals of what
// readers will see.
func (p *RebuildPlan) check(ctx context.Context, fresh lake.Store) (lake.Totals, error) {
	if p.Closed {
		end := lake.Close
		if p.GoesOn {
			end = lake.Pause
		}
		if _, err := end(ctx, fresh); err != nil {
			return lake.Totals{}, err
		}
	}
	ledger, err := lake.ReadLedger(ctx, fresh)
	if err != nil {
		return lake.Totals{}, err
	}
	all := lake.Total(ledger.Rows)
	if err := all.Check(); err != nil {
		return all, err
	}
	if least := p.Totals.Read; all.Read < least || all.Read > least+p.Tail {
		return all, fmt.Errorf("the new generation %s has %d records: expected the %d of bronze and at most %d of Kafka", fresh.URI(), all.Read, least, p.Tail)
	}
	sealed, ok := ledger.Sealed()
	if final := p.extent.Final; final != nil && (!ok || sealed.End != final.Watermark) {
		return all, fmt.Errorf("the new generation %s is final up to %d ms: expected %d, as the old one", fresh.URI(), sealed.End, final.Watermark)
	}
	return lake.Total(ledger.Visible()), nil
}

// PruneGenerations removes all generations of a lake but the current one, and
// returns their numbers.
func PruneGenerations(ctx context.Context, uri string) (removed []int, err error) {
	st, err := lake.SharedNow(ctx, uri)
	if err != nil {
		return nil, err
	}
	lease, err := lake.Lock(ctx, st)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	ctx, unbind := lease.Bind(ctx)
	defer unbind()
	if removed, err = lake.Prune(ctx, st); len(removed) > 0 {
		slog.Info("old generations were removed", "lake", st.URI(), "generations", removed)
	}
	return removed, err
}
