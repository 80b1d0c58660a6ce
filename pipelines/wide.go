package pipelines

import (
	"fmt"

	"example.com/shopstream/internal/telemetry"
)

// WideWindows is how many categories the base windows have that were committed in
// a while. Each category of a window is a file of its own (shards, several).
type WideWindows struct {
	Windows, Files int64 // base windows with events, and their files of silver
	Shards         int64
	Bound          int64 // stream.max_categories; 0: never told
}

// wideBetween finds the categories of what was committed in between.
func wideBetween(bound, shards int) func(before, now telemetry.Progress) *WideWindows {
	return func(before, now telemetry.Progress) *WideWindows {
		return &WideWindows{Windows: now.Windows - before.Windows, Files: now.SilverFiles - before.SilverFiles, Shards: int64(max(1, shards)), Bound: int64(bound)}
	}
}

// mean is the number of categories a window has, at least.
func (w *WideWindows) mean() int64 { return w.Files / max(1, w.Windows) / w.Shards }

func (w *WideWindows) tell() bool { return w.Bound > 0 && w.mean() > w.Bound }

// Error says how many there are, and what to do.
func (w *WideWindows) Error() string {
	return fmt.Sprintf("%d windows have %d categories each in the mean, expected at most %d (stream.max_categories): each category of a window is a file, and files cost more than their events. "+
		"Nothing is lost. See whether a producer writes something else into category, such as an id or a search; for a shop that has so many, a longer --base-window with a new lake makes fewer files", w.Windows, w.mean(), w.Bound)
}

// note keeps what a period had for /readyz.
func (w *WideWindows) note(tell bool) {
	text := ""
	if tell {
		text = w.Error()
	}
	telemetry.ObserveWidth(text)
}
