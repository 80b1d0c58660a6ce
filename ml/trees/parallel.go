package trees

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workerCount resolves Params.Workers.
func workerCount(workers int) int {
	if workers <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return workers
}

// parallel calls do for 0 … n-1 from at most workers goroutines (0: all
// cores), in no particular order, and returns when all calls have.
func parallel(n, workers int, do func(i int)) {
	workers = min(workerCount(workers), n)
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// part is the i-th of n nearly equal parts of [0, size).
func part(i, n, size int) (from, to int) {
	return i * size / n, (i + 1) * size / n
}
