package pipelines

import (
	"log/slog"
	"os"
	"runtime/debug"
)

// memoryPerBudget is how much memory a job may take for each byte that its
// source may read ahead of the sinks: records are held unpacked when they are
// read and written, and packed in between, and garbage needs room too. Measured
// in docs/benchmarks.md.
const memoryPerBudget = 3

// LimitMemory sets the soft limit of this process's memory that fits a job's
// flow control, unless the environment sets one (GOMEMLIMIT): without it the
// collector lets the heap grow to twice what is in use.
func LimitMemory(budget int64) {
	if os.Getenv("GOMEMLIMIT") != "" || budget <= 0 {
		return
	}
	debug.SetMemoryLimit(memoryPerBudget * budget)
	slog.Debug("soft limit of memory", "bytes", memoryPerBudget*budget)
}
