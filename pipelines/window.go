package pipelines

import "time"

// baseWindows are the base windows that BaseWindowFor chooses from.
var baseWindows = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

const (
	// fewWindows cost nothing worth mentioning, however few events they have.
	fewWindows = 100
	// windowRecords is how many records a window should have in the mean: below, the
	// files of a window cost more than its events.
	windowRecords = 1000
)

// BaseWindowFor is the base window for so many records over a time: the shortest
// one of a minute or more whose windows have enough records to be worth their
// files, else a day.
func BaseWindowFor(records int64, span time.Duration) time.Duration {
	for _, w := range baseWindows {
		if int64(span/w) <= fewWindows+records/windowRecords {
			return w
		}
	}
	return baseWindows[len(baseWindows)-1]
}
