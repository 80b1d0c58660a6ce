package pipelines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/telemetry"
)

const (
	// firstWait is about how long a job that failed waits before it is started
	// again; it doubles up to longestWait as long as nothing gets final.
	firstWait   = time.Second
	longestWait = time.Minute
)

// Supervision says how a job that lost its storage or Kafka is started again.
type Supervision struct {
	Restarts int                   // how often in a row without a window getting final; 0: never
	Stop     <-chan struct{}       // if closed: no waiting any more
	Finish   func() bool           // if it reports true, a restart reads to the end that the topic has then
	Waiting  func(d time.Duration) // if set, is told of each wait
}

// RunSupervised is Run for a job that Resume has prepared, on a runner that
// keeps no state. A job that fails because the lake or Kafka is away goes on
// from the ledger after a while; other errors end it.
func (o *StreamingOptions) RunSupervised(ctx context.Context, runner string, s Supervision) (totals lake.Totals, closed bool, err error) {
	began, again := time.Now(), false
	err = s.supervise(ctx, func(ctx context.Context) error {
		if again {
			if o.Source.Start.Latest { // what has come since is not to be left out
				o.Source.Start = kafkaio.Start{Time: began}
			}
			o.Source.Bounded = o.Source.Bounded || s.Finish != nil && s.Finish()
			if err := o.Resume(ctx); err != nil {
				return err
			}
		}
		again = true
		var err error
		totals, closed, err = o.Run(ctx, runner)
		return err
	}, func() int64 { return telemetry.Snapshot().Sealed })
	return totals, closed, err
}

// ErrWaiting is wrapped, beside context.Canceled and the error that the job had
// failed with, by the error of a job that was stopped while it waited to be
// started again.
var ErrWaiting = errors.New("stopped while the job waited to be started again")

// supervise calls run until it ends well, ctx or Stop does, or it fails for
// good: with an error that would be there again, or more than Restarts times
// since progress has grown. It returns run's last error, in one
// that wraps ErrWaiting if a wait was ended.
func (s Supervision) supervise(ctx context.Context, run func(context.Context) error, progress func() int64) error {
	wait, restarts := firstWait, 0
	for {
		before := progress()
		err := run(ctx)
		if progress() > before {
			wait, restarts = firstWait, 0
		}
		if err == nil || ctx.Err() != nil || !retryable(err) || restarts == s.Restarts {
			return err
		}
		restarts++
		pause := wait/2 + rand.N(wait/2+1) // not all at once where many wait for one thing
		slog.Warn("the job failed; it will be started again from the ledger", "wait", pause.Round(time.Millisecond),
			"restart", restarts, "of_at_most", s.Restarts, "error", err)
		if s.Waiting != nil {
			s.Waiting(pause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w), after: %w", ErrWaiting, ctx.Err(), err)
		case <-s.Stop:
			timer.Stop()
			return fmt.Errorf("%w (%w), after: %w", ErrWaiting, context.Canceled, err)
		}
		wait = min(2*wait, longestWait)
	}
}

// retryable reports whether what failed may work later as it is.
func retryable(err error) bool {
	return !errors.Is(err, context.Canceled) && !errors.Is(err, lake.ErrDamaged) && (lake.Temporary(err) || kafkaio.Temporary(err))
}
