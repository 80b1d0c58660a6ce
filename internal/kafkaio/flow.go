package kafkaio

import (
	"sync"
	"sync/atomic"
)

// flow is what a source of this process has read and its sinks have written,
// in bytes of keys and values. It bounds memory where both run in one process.
type flow struct {
	read, written atomic.Int64
	sealed        atomic.Int64 // end of the newest final window, ms
}

var flows sync.Map // Options.ID → *flow

func flowOf(id string) *flow {
	if f, ok := flows.Load(id); ok {
		return f.(*flow)
	}
	fresh := &flow{}
	fresh.sealed.Store(NoTime)
	f, _ := flows.LoadOrStore(id, fresh)
	return f.(*flow)
}

// Written tells the source with this ID that records of so many bytes (keys
// and values) are on disk.
func Written(id string, bytes int64) { flowOf(id).written.Add(bytes) }

// Sealed tells the source with this ID that the base windows up to end (ms)
// are final.
func Sealed(id string, end int64) {
	s := &flowOf(id).sealed
	for old := s.Load(); end > old && !s.CompareAndSwap(old, end); old = s.Load() {
	}
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
