package pipelines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/google/uuid"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/ingest"
	"example.com/shopstream/transforms/metrics"
)

// Cluster is the Kafka cluster that a configuration names.
func Cluster(k config.Kafka) kafkaio.Cluster {
	return kafkaio.Cluster{
		Brokers: k.Brokers, TLS: k.TLS, CAFile: k.CAFile, SASL: k.SASL, User: k.User, PasswordFile: k.PasswordFile,
	}
}

// StreamingFrom turns a configuration into the options of a streaming job.
func StreamingFrom(cfg config.Config) StreamingOptions {
	start := kafkaio.Start{Latest: cfg.Kafka.Start == "latest"}
	start.Time, _ = cfg.Kafka.StartTime()
	return StreamingOptions{
		Source: kafkaio.Options{
			ID: uuid.NewString(), Cluster: Cluster(cfg.Kafka), Topic: cfg.Kafka.Topic, Group: cfg.Kafka.Group, Start: start,
			BaseWindow: cfg.Stream.BaseWindow, OutOfOrderness: cfg.Stream.OutOfOrderness,
			Skew: cfg.Stream.Skew, MaxBytes: int(cfg.Stream.MaxEventBytes),
			Bundle: cfg.Stream.Bundle, BundleRecords: cfg.Stream.BundleRecords, Align: cfg.Stream.Align,
			BatchBytes: int(cfg.Kafka.MaxBatchBytes), StopAtBadBatch: cfg.Kafka.Undecodable == "stop",
			IdleAfter: cfg.Kafka.IdleAfter, Refresh: refreshEvery, Budget: int64(cfg.Stream.Budget),
		},
		Lake: cfg.Lake.URI, Shards: cfg.Stream.Shards, MaxAmount: cfg.Stream.MaxAmount, Start: freshStart, asked: cfg.Kafka.Start != "ledger",
		MaxDeadShare: cfg.Stream.MaxDeadShare, MaxLateShare: cfg.Stream.MaxLateShare, MaxCategories: cfg.Stream.MaxCategories, finalBefore: kafkaio.NoTime,
		Flink: FlinkOptions{
			Parallelism: cfg.Flink.Parallelism, Checkpoint: cfg.Flink.Checkpoint, CheckpointDir: cfg.Flink.CheckpointDir,
			StateBackend: cfg.Flink.StateBackend, Savepoint: cfg.Flink.Savepoint, MaxBundle: cfg.Flink.MaxBundle,
		},
	}
}

// freshStart is the start of a lake that holds nothing final.
var freshStart = lake.Start{Done: kafkaio.NoTime, MetricsDone: kafkaio.NoTime}

// InProcess reports whether a runner runs jobs in this process and keeps no
// state of its own between runs.
func InProcess(runner string) bool { return runner == Prism || runner == Direct }

// For fits the options to a runner and validates them.
func (o *StreamingOptions) For(runner string) error {
	switch {
	case !slices.Contains(runnerNames, runner):
		// Beam has more names for the same runners ("PrismRunner"); what a job may do hangs on these.
		return fmt.Errorf("--runner=%s: expected one of %s", runner, strings.Join(runnerNames, ", "))
	case runner == Direct && !o.Source.Bounded:
		return errors.New("the direct runner ends only when its input does: add --bounded, or use --runner=prism")
	case runner == Direct:
		o.Source.OneCall = true
	case runner == "dataflow" && !strings.HasPrefix(o.Lake, "gs://"):
		return fmt.Errorf("lake %q: Dataflow's workers are on other machines and need a bucket: --lake=gs://bucket/prefix", o.Lake)
	case runner == Flink:
		if err := errors.Join(o.Flink.validate(), o.samePaths()); err != nil {
			return err
		}
		o.asksTopic = true
		o.Source.Groups = o.Flink.Parallelism
		o.Source.Bundle = min(o.Source.Bundle, o.Flink.MaxBundle)
		o.Source.IdleSlice = idleSlice
	}
	if runner != Prism {
		// Reading and writing are on other machines: nobody here would report what is written.
		o.Source.Budget = 0
	}
	return o.Validate()
}

// samePaths returns an error for a file or folder whose name means another one
// in the workers' working directory.
func (o StreamingOptions) samePaths() error {
	for what, path := range map[string]string{
		"lake": o.Lake, "kafka.ca_file": o.Source.Cluster.CAFile, "kafka.password_file": o.Source.Cluster.PasswordFile,
	} {
		if path != "" && !strings.Contains(path, "://") && !filepath.IsAbs(path) {
			return fmt.Errorf("%s %q: workers on other machines look for it, too: give the whole path, which must be the same there", what, path)
		}
	}
	return nil
}

// Init makes the lake of a job that keeps its own state (Flink, Dataflow) if
// there is none, and otherwise checks that it was made with the same settings,
// for such a job.
func (o *StreamingOptions) Init(ctx context.Context) error {
	st, err := o.initForRunner(ctx)
	if err != nil {
		return err
	}
	return lake.Reopen(ctx, st)
}

func (o *StreamingOptions) initForRunner(ctx context.Context) (lake.Store, error) {
	if o.asksTopic {
		id, err := kafkaio.FindTopic(o.Source.Cluster, o.Source.Topic)
		if err != nil {
			return nil, err
		}
		o.Source.TopicID = id
		tellStamps(o.Source)
	}
	return o.initLake(ctx, lake.StateRunner, o.Source.TopicID)
}

func (o StreamingOptions) initLake(ctx context.Context, state lake.State, topicID string) (lake.Store, error) {
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return nil, err
	}
	settings := o.Settings()
	settings.State, settings.TopicID = state, topicID
	return st, lake.Init(ctx, st, settings)
}

// Resume makes the lake if there is none, and otherwise finds in its ledger
// where the job goes on, and removes what an earlier run left unfinished. The
// source's start is used only where the ledger has nothing final.
//
// It is for runners that keep no state between runs (Prism, direct).
//
// The lake is locked until Run has ended. Nothing in it is changed unless the
// topic can still supply what would be removed.
func (o *StreamingOptions) Resume(ctx context.Context) (err error) {
	topicID, err := kafkaio.FindTopic(o.Source.Cluster, o.Source.Topic)
	if err != nil {
		return err
	}
	if !o.resumed {
		tellStamps(o.Source)
	}
	st, err := lake.SharedNow(ctx, o.Lake)
	if err != nil {
		return err
	}
	// Before anything is written: a store whose lease was lost refuses until then.
	if o.lease, err = lake.Lock(ctx, st); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.lease.Release())
		}
	}()
	if _, err := o.initLake(ctx, lake.StateLedger, topicID); err != nil {
		return err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	o.Start = ledger.Resume()
	if !o.resumed { // a restart goes on with the same run
		o.resumed, o.finalBefore = true, o.Start.Done
		o.before = lake.Total(slices.DeleteFunc(slices.Clone(ledger.Rows), func(r lake.Row) bool { return r.End > o.finalBefore }))
	}
	if err := o.checkSource(ctx, st, ledger); err != nil {
		return err
	}
	// What it cannot go on from must be found before anything is removed.
	if err := ledger.Recall(ctx, st, &o.Start); err != nil {
		return err
	}
	if err := ingest.CheckAhead(ctx, st, o.Start.Ahead); err != nil {
		return err
	}
	if err := metrics.Check(ctx, st, o.Start.Increments); err != nil {
		return err
	}
	removed, err := lake.Continue(ctx, st, o.Start)
	if err != nil {
		return err
	}
	if o.Start.Source != nil || removed > 0 {
		slog.Info("the lake is continued", "lake", st.URI(), "final_until_ms", o.Start.Done, "unfinished_objects_removed", removed)
		if hint := sparse(ledger.Visible(), o.Source.BaseWindow); hint != "" {
			slog.Warn("the base window is too short for this shop", "found", hint)
		}
	}
	return nil
}

// tellStamps logs who stamps the topic's records: nothing hangs on it, but what
// resists wrong clocks does.
func tellStamps(source kafkaio.Options) {
	switch stamps, err := kafkaio.AskStamps(source.Cluster, source.Topic); {
	case err != nil:
		slog.Warn("who stamps the topic's records is not known; the job goes by each record", "error", err)
	case stamps == kafkaio.LogAppendTime:
		slog.Info(stamps.Means(source.Cluster, source.Topic))
	default:
		slog.Warn(stamps.Means(source.Cluster, source.Topic))
	}
}

// checkSource returns an error unless the topic can supply what the lake lacks
// and what continuing it removes.
func (o *StreamingOptions) checkSource(ctx context.Context, st lake.Store, ledger *lake.Ledger) error {
	if o.Start.Source != nil {
		if o.asked {
			slog.Warn("kafka.start is not used: the lake goes on where its ledger ends", "lake", st.URI())
		}
		check := o.Source
		check.Start = kafkaio.Start{Resume: o.Start.Source}
		return kafkaio.CheckStart(check)
	}
	if ledger.Closed == nil {
		return nil // nothing that a reader could see is removed
	}
	// A short read that ended before any watermark: all of it is read again.
	if o.Source.Start.Latest || !o.Source.Start.Time.IsZero() {
		return fmt.Errorf("the lake %s has to be read again from its beginning: drop --start, or use another lake", st.URI())
	}
	first, next, err := ledger.Offsets(ctx, st)
	if err != nil {
		return err
	}
	return kafkaio.CheckOffsets(o.Source.Cluster, o.Source.Topic, first, next)
}

// New makes the lake of a job that keeps its own state (Flink, Dataflow), and
// refuses one that has data: a job that starts would write over it.
func (o *StreamingOptions) New(ctx context.Context) error {
	st, err := o.initForRunner(ctx)
	if err != nil {
		return err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	if len(ledger.Rows) > 0 {
		return fmt.Errorf("the lake %s has data, which a new job would write over: update the running job (--update), or use another lake", st.URI())
	}
	return nil
}

// Run builds and runs the job on a runner until it ends or ctx does. A bounded
// job that has ended is closed: the ledger's identity is checked and the lake
// marked as complete. closed says whether that was done.
func (o StreamingOptions) Run(ctx context.Context, runner string) (totals lake.Totals, closed bool, err error) {
	p, s := beam.NewPipelineWithRoot()
	Streaming(s, o)
	if o.lease != nil {
		defer func() { err = errors.Join(err, o.lease.Release()) }()
		var unbind context.CancelFunc
		ctx, unbind = o.lease.Bind(ctx)
		defer unbind()
	}
	if InProcess(runner) {
		defer o.watchRecords(ctx)()
	}
	if runner == Flink {
		if whole, err := o.runOnFlink(ctx, p); err != nil || !whole {
			return totals, false, err
		}
	} else if err = errors.Join(Run(ctx, runner, p), kafkaio.Close(o.Source.ID)); err != nil {
		return totals, false, err
	} else if !InProcess(runner) {
		return totals, false, nil // the runner's own state says where it is
	}
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return totals, false, err
	}
	end := lake.Close
	if o.GoesOn {
		end = lake.Pause
	}
	totals, err = end(ctx, st)
	return totals, err == nil, err
}
