package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

type simulateFlags struct {
	count         int64
	duration      time.Duration
	start         string
	density       float64
	flat          bool
	foreign       float64
	skewPartition int
	skew          time.Duration
	fastClocks    float64
	fastBy        time.Duration
	ledger        string
	resume        bool
}

func simulateCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Send the events of a simulated shop",
		Long: `Send the events of a simulated shop: 2,000 products in 30 categories, a few of
them popular, prices that change, promotions, a rhythm of day, week and year,
and sessions whose views lead to carts, orders and cancellations.

The same options give the same records, byte for byte. --rate is the long-term
mean: it ebbs and flows with the shop's demand at that hour (UTC) unless --flat
is given. Without --count or --duration it goes on until Ctrl-C.

--ledger writes what a right pipeline makes of the records: how many are new,
duplicate, late or invalid and why, and the sums of each product in each 5
minutes.`,
		Example: `  producer simulate --rate 2000 --duration 2m
  producer simulate --rate 0 --count 2000000 --density 20000 --ledger truth.json
  producer simulate --rate 500 --speedup 60 --flat          # an hour a minute
  producer simulate --count 1000000 --rate 0 --start 2026-03-01T00:00:00Z --resume`,
		Args: cobra.NoArgs,
	}
	loader := bind(cmd, "kafka.brokers", "kafka.topic", "kafka.partitions", "simulate")
	fl := cmd.Flags()
	fl.Int64Var(&f.count, "count", 0, "end after that many records (0: no limit)")
	fl.DurationVar(&f.duration, "duration", 0, "end after that long, of event time if --rate is 0 (0: no limit)")
	fl.StringVar(&f.start, "start", "", "event time of the first event, RFC 3339 (default: so that the last one is about now)")
	fl.Float64Var(&f.density, "density", 0, "mean events per second of event time (0: from --rate and --speedup, or 1000)")
	fl.BoolVar(&f.flat, "flat", false, "no rhythm: the same demand at all hours")
	fl.Float64Var(&f.foreign, "foreign", 0, "share of customers who pay in GBP, CHF or PLN")
	fl.IntVar(&f.skewPartition, "skew-partition", 0, "the partition that --skew is for")
	fl.DurationVar(&f.skew, "skew", 0, "make all events of one partition that much older, such as 720h")
	fl.Float64Var(&f.fastClocks, "fast-clocks", 0, "share of customers whose device's clock is fast, in their events and, where the topic is CreateTime, their records")
	fl.DurationVar(&f.fastBy, "fast-by", 4*time.Minute, "how far these clocks are ahead; beyond stream.skew their events are dead letters")
	fl.StringVar(&f.ledger, "ledger", "", "write the truth about the records to this `file`")
	fl.BoolVar(&f.resume, "resume", false, "leave out what the topic already holds of the same run (needs --start)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loader.Load()
		if err != nil {
			return err
		}
		return simulate(cmd.Context(), cfg, f, cmd.ErrOrStderr())
	}
	return cmd
}

func simulate(ctx context.Context, cfg config.Config, f simulateFlags, stderr io.Writer) error {
	o, err := simulateOptions(cfg, f, time.Now())
	if err != nil {
		return mistake{err}
	}
	if _, err := producer.NewSimulator(o); err != nil { // before a topic is made for it
		return mistake{err}
	}
	cluster := clusterOf(cfg.Kafka)
	if o.Partitions, err = kafkaio.EnsureTopic(ctx, cluster, cfg.Kafka.Topic, cfg.Kafka.Partitions); err != nil {
		return err
	}
	src, err := producer.NewSimulator(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "simulating into topic %s, %d partitions: --seed %d --start %s\n",
		cfg.Kafka.Topic, o.Partitions, cfg.Simulate.Seed, o.Start.Format(time.RFC3339))
	if end := o.Start.Add(o.Span()); o.Span() > 0 && end.After(time.Now().Add(o.Span()+time.Minute)) {
		fmt.Fprintf(stderr, "note: event time goes on to %s: events that are in the future when they arrive become dead letters\n", end.Format(time.RFC3339))
	}
	d := producer.DeliverOptions{SkipExisting: f.resume}
	if o.Rate > 0 {
		d.Speedup = o.Speedup
	}
	deliverErr := deliver(ctx, cluster, cfg.Kafka.Topic, src, d, stderr)
	if deliverErr != nil && !errors.Is(deliverErr, context.Canceled) {
		return deliverErr // the ledger would count records that are not there
	}
	if f.ledger != "" {
		if err := src.Truth().WriteFile(f.ledger); err != nil {
			return errors.Join(err, deliverErr)
		}
		fmt.Fprintf(stderr, "truth written to %s\n", f.ledger)
	}
	return deliverErr
}

// simulateOptions joins configuration and flags; now is only for a start that
// is not given.
func simulateOptions(cfg config.Config, f simulateFlags, now time.Time) (producer.SimulateOptions, error) {
	s := cfg.Simulate
	o := producer.SimulateOptions{
		Seed: uint64(s.Seed), Partitions: cfg.Kafka.Partitions,
		Rate: s.Rate, Speedup: s.Speedup, Density: f.density, Flat: f.flat, Count: f.count, Duration: f.duration,
		Duplicates: s.Duplicates, Invalid: s.Invalid, Late: s.Late, OutOfOrder: s.OutOfOrder,
		Bound: cfg.Stream.OutOfOrderness, MaxDelay: max(s.MaxDelay, time.Millisecond),
		SkewPartition: f.skewPartition, Skew: f.skew, FastClocks: f.fastClocks, FastBy: f.fastBy, Foreign: f.foreign,
	}
	if f.start != "" {
		start, err := time.Parse(time.RFC3339, f.start)
		if err != nil {
			return o, fmt.Errorf("--start %q: expected a time such as 2026-03-01T00:00:00Z", f.start)
		}
		o.Start = start.UTC()
		return o, nil
	}
	if f.resume {
		return o, errors.New("--resume needs the --start (and all else) of the run to resume: it printed them when it began")
	}
	o.Start = now.UTC().Truncate(time.Second)
	const endless = 365 * 24 * time.Hour
	switch span := o.Span(); {
	case span > 0 && (o.Rate == 0 || o.Speedup > 1):
		o.Start = o.Start.Add(-span)
	case span == 0 && (o.Rate == 0 || o.Speedup > 1):
		o.Start = o.Start.Add(-endless) // it catches up with now, but not soon
	}
	return o, nil
}
