package pipelines

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"example.com/shopstream/internal/telemetry"
)

// leastTold is how many records say something by their share.
const leastTold = 10

// finding is what is found among the records of a while. It is worth telling,
// or is not.
type finding interface {
	tell() bool
	Error() string
}

// watch decides when a running job tells of what it finds: as soon as it is
// worth telling among the records of a period, and at most once in one.
type watch[F finding] struct {
	between func(before, now telemetry.Progress) F
	period  time.Duration

	since  time.Time // what was read before is not looked at again
	before telemetry.Progress
	quiet  time.Time // until then nothing is told
}

// observe takes what the process has read by now, and returns what was found,
// whether to tell it, and whether it is all that a period had: the next one begins.
func (w *watch[F]) observe(now time.Time, p telemetry.Progress) (found F, tell, over bool) {
	found = w.between(w.before, p)
	tell = !now.Before(w.quiet) && found.tell()
	if tell {
		w.quiet = now.Add(w.period)
	}
	over = tell || now.Sub(w.since) >= w.period
	if over {
		w.since, w.before = now, p
	}
	return found, tell, over
}

// watchRecords warns, until the function that it returns has returned, of dead
// letters, late events and the number of categories of a job in this process. The
// last two are looked at once more at the end.
func (o *StreamingOptions) watchRecords(ctx context.Context) (end func()) {
	const look, period = 5 * time.Second, time.Minute
	start, before := time.Now(), telemetry.Snapshot()
	dead := watch[*DeadLetters]{between: deadBetween(o.MaxDeadShare), period: period, since: start, before: before}
	late := watch[*LateEvents]{between: lateBetween(o.MaxLateShare, o.Source.OutOfOrderness), period: period, since: start, before: before}
	wide := watch[*WideWindows]{between: wideBetween(o.MaxCategories, o.Shards), period: period, since: start, before: before}
	lookAgain := func(now time.Time) {
		if found, tell, over := late.observe(now, telemetry.Snapshot()); over {
			if tell {
				slog.Warn("too many events are late", "found", found.Error())
			}
			found.note(tell)
		}
		if found, tell, over := wide.observe(now, telemetry.Snapshot()); over {
			if tell {
				slog.Warn("windows have too many categories", "found", found.Error())
			}
			found.note(tell)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(look)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				lookAgain(time.Now())
				return
			case now := <-tick.C:
				if d, tell, _ := dead.observe(now, telemetry.Snapshot()); tell {
					slog.Warn("too many records are no valid event", "found", d.Error())
				}
				lookAgain(now)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func percent(n, of int64) string { return percentOf(float64(n) / float64(of)) }

// percentOf rounds to what a person reads, but never to a whole that is not one.
func percentOf(share float64) string { return fmt.Sprintf("%.3g %%", min(share, 1)*100) }
