package metrics

import (
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
)

// shortest is the length of the shortest metrics window, ms.
const shortest = 300_000

// Kind is a kind of metrics window.
type Kind struct {
	Name string // in file names and rows
	Fn   *window.Fn
}

// Kinds are the metrics windows that are kept.
func Kinds() []Kind {
	return []Kind{
		{"5m", window.NewFixedWindows(5 * time.Minute)},
		{"1h", window.NewFixedWindows(time.Hour)},
		{"sliding-1h", window.NewSlidingWindows(5*time.Minute, time.Hour)},
	}
}

// Period is the length of the stretch whose ended windows share a file and a
// row of the metrics ledger, ms: 5 minutes, or the base window where that is
// longer, since then windows end in batches anyway.
func Period(baseMs int64) int64 { return max(baseMs, shortest) }
