package metrics

import (
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
)

const (
	fiveMinutes = int64(5 * time.Minute / time.Millisecond)
	hour        = int64(time.Hour / time.Millisecond)
)

// kind is a kind of metrics window: one of the given length ends at every
// multiple of every, ms.
type kind struct {
	name          string // in the names of files
	length, every int64
}

// kinds are the metrics windows that are kept. Every one ends at a multiple of
// 5 minutes and is a multiple of 5 minutes long, at most an hour.
var kinds = []kind{
	{"5m", fiveMinutes, fiveMinutes},
	{"1h", hour, hour},
	{"sliding-1h", hour, fiveMinutes},
}

// Bucket is the length of the stretches of event time that sums are kept for,
// ms: the base window, or 5 minutes where that is shorter.
func Bucket(baseMs int64) int64 { return min(baseMs, fiveMinutes) }

// period is the length of the stretch whose ended metrics windows share files
// and a row of the metrics ledger, ms: 5 minutes, or the base window where
// that is longer, since windows end in batches there anyway.
func period(baseMs int64) int64 { return max(baseMs, fiveMinutes) }

// cover is Beam's sliding window that holds the increments of all metrics
// windows that end in one period (its last one): with a base window of up to 5
// minutes it is an hour long and slides by 5 minutes.
func cover(baseMs int64) *window.Fn {
	p := period(baseMs)
	reach := p + hour - fiveMinutes
	size := (reach + p - 1) / p * p
	return window.NewSlidingWindows(time.Duration(p)*time.Millisecond, time.Duration(size)*time.Millisecond)
}
