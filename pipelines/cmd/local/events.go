package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
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

// baseWindow is the base window that fits what is to be read: a day for the
// years of a sparse file (files of a minute would be tens of thousands, each
// with a few rows), a minute for our own events and the simulated shop.
func (s *settings) baseWindow() (time.Duration, error) {
	if s.source == "" {
		return time.Minute, nil
	}
	format, err := producer.ParseFormat(s.format)
	if err != nil {
		return 0, err
	}
	if format == "" {
		if format, err = producer.Recognise(s.source); err != nil {
			return 0, err
		}
	}
	if format == producer.Events {
		return time.Minute, nil
	}
	return 24 * time.Hour, nil
}

// events is where this run's events come from, and how they get into Kafka.
type events struct {
	cluster kafkaio.Cluster
	topic   string
	source  producer.Source
	deliver producer.DeliverOptions
	replay  bool
	total   time.Duration     // of a simulation; 0: endless
	history *producer.History // to make for a simulation; nil: none
}

// open opens the source and makes the topic.
func open(ctx context.Context, cfg config.Config, set settings) (*events, error) {
	e := &events{cluster: pipelines.Cluster(cfg.Kafka), topic: cfg.Kafka.Topic, replay: set.source != "", total: set.duration}
	partitions, err := kafkaio.EnsureTopic(ctx, e.cluster, e.topic, cfg.Kafka.Partitions)
	if err != nil {
		return nil, err
	}
	if e.replay {
		format, err := producer.ParseFormat(set.format)
		if err != nil {
			return nil, err
		}
		// Run again, it goes on where the topic ends.
		e.deliver = producer.DeliverOptions{SkipExisting: true}
		e.source, err = producer.Open(set.source, producer.ReplayOptions{Format: format, Partitions: partitions})
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

func (e *events) close() error { return e.source.Close() }

// ingest sends the events and runs the streaming job over them to its end.
func (e *events) ingest(ctx context.Context, stop context.CancelFunc, o pipelines.StreamingOptions, restarts int) (lake.Totals, error) {
	if e.replay {
		o.Source.Bounded = true
		sent, err := e.send(ctx)
		if err != nil {
			return lake.Totals{}, err
		}
		v := startView(os.Stdout, o, e)
		defer v.stop()
		totals, _, err := o.RunSupervised(ctx, pipelines.Prism, pipelines.Supervision{Restarts: restarts, Waiting: v.waiting})
		if err == nil && totals.Read != sent {
			err = fmt.Errorf("topic %s was sent %d records of the file, but the lake has read %d: has somebody else written to the topic?", e.topic, sent, totals.Read)
		}
		return totals, err
	}

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

// send delivers a whole file before it is read, and returns how many records
// of it the topic has.
func (e *events) send(ctx context.Context) (int64, error) {
	bar := newProgress(os.Stdout, "to Kafka")
	e.deliver.Progress = bar.update
	stats, err := producer.Deliver(ctx, e.cluster, e.topic, e.source, e.deliver)
	bar.end()
	if err != nil {
		return 0, err
	}
	fmt.Printf("%s records sent to topic %s in %s (%s were there already)\n",
		number(stats.Delivered), e.topic, stats.Elapsed.Round(10*time.Millisecond), number(stats.Skipped))
	return stats.Delivered + stats.Skipped, nil
}
