package pipelines

import (
	"log/slog"
	"os"
	"runtime/debug"
)

// A job may take this much memory, and for each byte that its source may read
// ahead of the sinks so much more: records are held unpacked when they are read
// and written, and packed in between, and garbage needs room too. Measured in
// docs/benchmarks.md.
const (
	memoryBase      = 256 << 20
	memoryPerBudget = 2
)

// LimitMemory sets the soft limit of this process's memory that fits a job's
// flow control, unless the environment sets one (GOMEMLIMIT): without it the
// collector lets the heap grow to twice what is in use.
func LimitMemory(budget int64) {
	if os.Getenv("GOMEMLIMIT") != "" || budget <= 0 {
		return
	}
	limit := memoryBase + memoryPerBudget*budget
	debug.SetMemoryLimit(limit)
	slog.Debug("soft limit of memory", "bytes", limit)
}

// goldMemory is what a run of gold is held to: it reads bounded jobs one after
// another, and without a limit the garbage of a large one doubles it.
const goldMemory = 1400 << 20

// LimitGoldMemory sets the soft limit of this process's memory for a run of
// gold, unless GOMEMLIMIT does.
func LimitGoldMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(goldMemory)
	}
}
