package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/producer"
)

func startBroker(data string, cfg config.Config) (*broker.Broker, error) {
	b, err := broker.Start(broker.Options{Dir: filepath.Join(data, "broker"), Partitions: cfg.Kafka.Partitions, Log: slog.Default()})
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s\n", broker.Notice)
	return b, nil
}

// events is where this run's events come from, and how they get into Kafka.
type events struct {
	cluster kafkaio.Cluster
	topic   string
	replay  *replay // nil: a simulation
	source  producer.Source
	deliver producer.DeliverOptions
	total   time.Duration     // of a simulation; 0: endless
	history *producer.History // to make for a simulation; nil: none
}

// open opens the source and makes the topic.
func open(ctx context.Context, cfg config.Config, set settings) (*events, error) {
	e := &events{cluster: pipelines.Cluster(cfg.Kafka), topic: cfg.Kafka.Topic, total: set.duration}
	partitions, err := kafkaio.EnsureTopic(ctx, e.cluster, e.topic, cfg.Kafka.Partitions)
	if err != nil {
		return nil, err
	}
	if set.source != "" {
		e.replay, err = newReplay(ctx, os.Stdout, e.cluster, e.topic, partitions, set, cfg.Stream.OutOfOrderness)
		return e, err
	}
	sim := cfg.Simulate
	last, err := producer.LastEventTime(ctx, e.cluster, e.topic)
	if err != nil {
		return nil, err
	}
	start, left := shopTime(time.Now(), last, sim.Speedup)
	if left < time.Second {
		return nil, fmt.Errorf("the shop's clock runs %g times as fast as the real one and has caught up with it: use --speedup=1, or another folder with --data", sim.Speedup)
	}
	if e.total == 0 || left < e.total {
		e.total = left
	}
	if left == forever {
		e.total = set.duration
	}
	zone, err := time.LoadLocation(cfg.Gold.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("gold.time_zone: %w", err)
	}
	past, err := readPast(ctx, cfg.Lake.URI, zone, start, set.history)
	if err != nil {
		return nil, err
	}
	if e.history, err = past.history(cfg, set.history); err != nil {
		return nil, err
	}
	e.deliver = producer.DeliverOptions{Speedup: sim.Speedup}
	e.source, err = producer.NewSimulator(producer.SimulateOptions{
		Seed: uint64(sim.Seed), Start: start, Partitions: partitions, Rate: sim.Rate, Speedup: sim.Speedup, Duration: e.total, Flat: true,
		Duplicates: sim.Duplicates, Invalid: sim.Invalid, Late: sim.Late, OutOfOrder: sim.OutOfOrder, MaxDelay: sim.MaxDelay,
		Bound: cfg.Stream.OutOfOrderness, NotBefore: lateFrom(past.first, zone),
	})
	return e, err
}

const (
	forever = time.Duration(math.MaxInt64)
	// headStart is how long before now the clock of a shop that runs faster than
	// the real one begins.
	headStart = 7 * 24 * time.Hour
)

// shopTime is the event time at which the simulated shop opens, and for how
// long it can run until its clock meets the real one: a shop of an earlier run
// goes on where it stopped, so that its events are not late.
func shopTime(now, last time.Time, speedup float64) (start time.Time, left time.Duration) {
	start = now
	if speedup > 1 {
		start = now.Add(-headStart)
	}
	if next := last.Add(time.Second); next.After(start) || (speedup > 1 && !last.IsZero()) {
		start = next
	}
	start = start.Truncate(time.Millisecond)
	if speedup <= 1 {
		return start, forever
	}
	return start, time.Duration(float64(now.Sub(start)) / (speedup - 1)).Truncate(time.Second)
}

// baseWindow is the base window of a lake: its own, if it is there, else one that
// fits what is to be read.
func (e *events) baseWindow(ctx context.Context, uri string) (time.Duration, error) {
	st, err := lake.SharedNow(ctx, uri)
	if err != nil {
		return 0, err
	}
	settings, ok, err := lake.ReadSettings(ctx, st)
	switch {
	case err != nil:
		return 0, err
	case ok:
		return time.Duration(settings.BaseWindowMs) * time.Millisecond, nil
	case e.replay == nil:
		return shopWindow, nil
	}
	f := e.replay.next.file
	span := max(0, f.Last.Sub(f.First))
	w := pipelines.BaseWindowFor(f.Records, span)
	fmt.Printf("base window: %s, for %s records over %s; --base-window sets another\n", short(w), number(f.Records), short(span.Round(time.Minute)))
	return w, nil
}

// shopWindow is the base window of the simulated shop.
const shopWindow = time.Minute

// short is a time without what is 0 in it: 15m, 6h, 187 days.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	text := d.String()
	switch {
	case d > 2*day:
		return fmt.Sprintf("%d days", d.Round(day)/day)
	case d >= time.Hour && d%time.Hour == 0:
		return strings.TrimSuffix(text, "0m0s")
	case d >= time.Minute && d%time.Minute == 0:
		return strings.TrimSuffix(text, "0s")
	}
	return text
}

func (e *events) close() error {
	if e.source == nil {
		return nil
	}
	return e.source.Close()
}

// ingest sends the events and runs the streaming job over them to its end.
func (e *events) ingest(ctx context.Context, stop context.CancelFunc, o pipelines.StreamingOptions, restarts int) (lake.Totals, error) {
	if e.replay != nil {
		o.Source.Bounded = true
		sent, err := e.replay.send(ctx)
		if err != nil {
			return lake.Totals{}, err
		}
		v := startView(os.Stdout, o, e)
		defer v.stop()
		totals, _, err := o.RunSupervised(ctx, pipelines.Prism, pipelines.Supervision{Restarts: restarts, Waiting: v.waiting})
		if err == nil && totals.Read != sent {
			err = fmt.Errorf("topic %s was sent %d records of files, but the lake has read %d: has somebody else written to the topic?", e.topic, sent, totals.Read)
		}
		return totals, err
	}

	o.GoesOn = true // in the next run

	// Live: the job runs beside the shop. When the shop closes (or Ctrl-C asks
	// for it), the job reads to the end of the log and finishes every window. A
	// second Ctrl-C stops at once.
	shop, closeShop := context.WithCancel(ctx)
	defer closeShop()
	job, cancelJob := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelJob()
	sent := make(chan error, 1)
	var closed atomic.Bool // the shop has, and the job is told to finish
	v := startView(os.Stdout, o, e)
	defer v.stop()
	e.deliver.Progress, e.deliver.ProgressEvery = v.sent, time.Second
	go func() {
		_, err := producer.Deliver(shop, e.cluster, e.topic, e.source, e.deliver)
		if err != nil && !errors.Is(err, context.Canceled) {
			sent <- err
			cancelJob()
			return
		}
		if ctx.Err() != nil {
			stop() // the next Ctrl-C has its default effect: the process ends, and a later run goes on
			v.say("finishing; Ctrl-C once more to stop at once")
		}
		closed.Store(true)
		kafkaio.Finish(o.Source.ID)
		sent <- nil
	}()
	totals, _, err := o.RunSupervised(job, pipelines.Prism, pipelines.Supervision{
		Restarts: restarts, Stop: ctx.Done(), Finish: closed.Load, Waiting: v.waiting,
	})
	closeShop()
	if sendErr := <-sent; sendErr != nil {
		return totals, sendErr
	}
	return totals, err
}
