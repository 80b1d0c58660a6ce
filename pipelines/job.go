package pipelines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/google/uuid"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
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
			IdleAfter: cfg.Kafka.IdleAfter, Refresh: refreshEvery, Budget: int64(cfg.Stream.Budget),
		},
		Lake: cfg.Lake.URI, Shards: cfg.Stream.Shards, Start: freshStart,
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
	case runner != Prism:
		// Reading and writing are on other machines: nobody here would report what is written.
		o.Source.Budget = 0
	}
	return o.Validate()
}

// Init makes the lake if there is none, and otherwise checks that it was made
// with the same settings.
func (o StreamingOptions) Init(ctx context.Context) error {
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return err
	}
	return lake.Init(ctx, st, o.Settings())
}

// Resume makes the lake if there is none, and otherwise finds in its ledger
// where the job goes on, and removes what an earlier run left unfinished. The
// source's start is used only where the ledger has nothing final.
//
// It is for runners that keep no state between runs (Prism, direct).
func (o *StreamingOptions) Resume(ctx context.Context) error {
	if err := kafkaio.CheckTopic(o.Source.Cluster, o.Source.Topic); err != nil {
		return err
	}
	if err := o.Init(ctx); err != nil {
		return err
	}
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	o.Start = ledger.Resume()
	if o.Start.Source != nil && (o.Source.Start.Latest || !o.Source.Start.Time.IsZero()) {
		slog.Warn("kafka.start is not used: the lake goes on where its ledger ends", "lake", st.URI())
	}
	removed, err := lake.Continue(ctx, st, o.Start)
	if err != nil {
		return err
	}
	if o.Start.Source != nil || removed > 0 {
		slog.Info("the lake is continued", "lake", st.URI(), "final_until_ms", o.Start.Done, "unfinished_objects_removed", removed)
	}
	return nil
}

// Run builds and runs the job on a runner until it ends or ctx does. A bounded
// job that has ended is closed: the ledger's identity is checked and the lake
// marked as complete. closed says whether that was done.
func (o StreamingOptions) Run(ctx context.Context, runner string) (totals lake.Totals, closed bool, err error) {
	p, s := beam.NewPipelineWithRoot()
	Streaming(s, o)
	err = errors.Join(Run(ctx, runner, p), kafkaio.Close(o.Source.ID))
	if err != nil {
		return totals, false, err
	}
	if !InProcess(runner) {
		return totals, false, nil // it was only handed over
	}
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return totals, false, err
	}
	totals, err = lake.Close(ctx, st)
	return totals, err == nil, err
}
