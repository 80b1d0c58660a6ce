package lake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"cloud.google.com/go/storage"
)

// retry calls a service again and again until it answers. Every attempt has a
// time limit of its own: a connection that hangs ends like one that breaks.
// The client's own retries are off, because those have no such limit.
type retry struct {
	attempt time.Duration // of the first attempt; twice that after each that took longer, for slow links
	total   time.Duration // of all attempts: a bundle that waits for ever would look like a pipeline without input
	wait    time.Duration // after the first attempt; it doubles up to longest
	longest time.Duration
}

var bucketRetry = retry{attempt: 15 * time.Second, total: 5 * time.Minute, wait: 100 * time.Millisecond, longest: 15 * time.Second}

// quietAttempts fail without a word in the log: now and then one does.
const quietAttempts = 2

// do calls what until it succeeds, fails for good, or time is up. What must be
// safe to call twice: an answer may get lost.
func (r retry) do(ctx context.Context, what func(ctx context.Context) error) error {
	began := time.Now()
	var last error // of the attempt before
	for n := 1; ; n++ {
		left := r.total - time.Since(began)
		if left <= 0 { // the machine was busy with something else
			return fmt.Errorf("given up after %d attempts in %s: %w", n-1, time.Since(began).Round(time.Millisecond), last)
		}
		err := once(ctx, min(r.attempt, left), what)
		switch {
		case err == nil, ctx.Err() != nil, !storage.ShouldRetry(err) && !errors.Is(err, errNoAnswer):
			return err
		case time.Since(began)+r.wait >= r.total:
			if last != nil && errors.Is(err, errNoAnswer) && left < r.attempt { // it had little time: the one before says more
				err = fmt.Errorf("%w, and before: %w", err, last)
			}
			return fmt.Errorf("given up after %d attempts in %s: %w", n, time.Since(began).Round(time.Millisecond), err)
		case errors.Is(err, errNoAnswer):
			r.attempt *= 2
		}
		last = err
		if n > quietAttempts {
			slog.Warn("the bucket failed, trying again", "attempt", n, "wait", r.wait, "error", err)
		}
		// At random, lest all that failed at once come back at once.
		timer := time.NewTimer(r.wait/2 + rand.N(r.wait/2+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w, after %w", ctx.Err(), err)
		case <-timer.C:
		}
		r.wait = min(2*r.wait, r.longest)
	}
}

// errNoAnswer is an attempt that took too long.
var errNoAnswer = errors.New("no answer in time")

func once(ctx context.Context, limit time.Duration, what func(ctx context.Context) error) error {
	attempt, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := what(attempt)
	if err != nil && attempt.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w (%s): %w", errNoAnswer, limit, err)
	}
	return err
}
