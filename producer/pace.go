package producer

import (
	"context"
	"time"
)

// pacer holds records back so that they keep to a rate or to the source's
// clock. It corrects itself: time lost once is made up for.
type pacer struct {
	rate, speedup float64
	start         time.Time
	n             int64
	first         int64 // Record.At of the first, ms
	timer         *time.Timer
}

// minSleep keeps sleeps longer than what timers resolve: records that are due
// within it go at once.
const minSleep = 2 * time.Millisecond

func newPacer(rate, speedup float64) *pacer {
	return &pacer{rate: rate, speedup: speedup}
}

func (p *pacer) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// wait returns when the record is due or ctx has ended.
func (p *pacer) wait(ctx context.Context, at int64) {
	if p.rate == 0 && p.speedup == 0 {
		return
	}
	if p.n == 0 {
		p.start, p.first = time.Now(), at
	}
	var due time.Duration
	if p.rate > 0 {
		due = time.Duration(float64(p.n) / p.rate * float64(time.Second))
	} else {
		due = time.Duration(float64(at-p.first) / p.speedup * float64(time.Millisecond))
	}
	p.n++
	early := due - time.Since(p.start)
	if early < minSleep {
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(early)
	} else {
		p.timer.Reset(early)
	}
	select {
	case <-p.timer.C:
	case <-ctx.Done():
	}
}
