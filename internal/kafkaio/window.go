package kafkaio

import "math"

// NoTime is the event time of a record that has none, and the clock of a
// partition that has seen too few (ClockRule).
const NoTime int64 = math.MinInt64

// Windowing holds what decides, from the log alone, which window a record
// belongs to and whether it is late. Times are milliseconds
// since the epoch; event times are not before it.
type Windowing struct {
	Base  int64 // length of the base window, ms
	Bound int64 // out-of-orderness bound D, ms
	Skew  int64 // how old an event may be for its broker's clock to vouch for it, ms (ClockRule)
	Clock ClockRule
}

// Start is the start of the base window that holds t.
func (w Windowing) Start(t int64) int64 {
	r := t % w.Base
	if r < 0 {
		r += w.Base
	}
	return t - r
}

// Arrival is the start of the arrival window of a record whose partition had
// the clock high when it was read: monotone in the offset. While a partition has
// no clock the arrival window is the epoch's. An event that is ahead of its
// partition's clock has its own window after its arrival window.
func (w Windowing) Arrival(high int64) int64 {
	if high == NoTime {
		return 0
	}
	return w.Start(high)
}

// Late reports whether a record of event time t is late in a partition whose
// clock, this record included, is high: iff its base window ends at
// or before high − Bound. It is a function of the log: the same on every run,
// every runner and after every restart.
func (w Windowing) Late(t, high int64) bool {
	return high != NoTime && w.Start(t)+w.Base <= high-w.Bound
}

// Watermark is the watermark that a clock allows, floored to the
// base window (a runner touches every pending element at each step of its
// watermark, so steps are as coarse as they may be). There is none before the
// epoch: it would let records be raised to arrival windows before the first.
func (w Windowing) Watermark(high int64) int64 {
	if high == NoTime || high < w.Bound {
		return NoTime
	}
	return w.Start(high - w.Bound)
}
