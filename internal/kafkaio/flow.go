package kafkaio

import "sync/atomic"

// flow is what a source of this process has read and its sinks have written,
// in bytes of keys and values. It bounds memory where both run in one process.
type flow struct {
	read, written atomic.Int64
	sealed        atomic.Int64 // end of the newest final window, ms, or NoTime
}

// Written tells the source with this ID that records of so many bytes (keys
// and values) are on disk.
func Written(id string, bytes int64) { sourceOf(id).flow.written.Add(bytes) }

// Sealed tells the source with this ID that the base windows up to end (ms)
// are final.
func Sealed(id string, end int64) { sourceOf(id).flow.seal(end) }

func (f *flow) seal(end int64) {
	for old := f.sealed.Load(); end > old && !f.sealed.CompareAndSwap(old, end); old = f.sealed.Load() {
	}
}

func (f *flow) reset() {
	f.read.Store(0)
	f.written.Store(0)
	f.sealed.Store(NoTime)
}

// full reports whether reading has to pause: more than budget is read and not
// written, and there is something that can be written without more input.
//
// It cannot deadlock. Everything before the reported watermark gets written
// and sealed by itself; once it is, reading goes on whatever the budget says,
// because only more input can move the watermark.
func (f *flow) full(budget, reported int64) bool {
	return budget > 0 && f.read.Load()-f.written.Load() > budget && f.sealed.Load() < reported
}
