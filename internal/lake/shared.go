package lake

import (
	"context"
	"errors"
	"sync"
)

// shared are the stores of this process by URI, for DoFns, whose instances
// come and go with the runner's bundles.
var shared = struct {
	sync.Mutex
	stores map[string]Store
}{stores: map[string]Store{}}

// Shared returns this process's store at a URI, opening it at first. It is
// never closed.
func Shared(ctx context.Context, uri string) (Store, error) {
	shared.Lock()
	defer shared.Unlock()
	if st := shared.stores[uri]; st != nil {
		return st, nil
	}
	return openShared(ctx, uri)
}

// SharedNow is Shared for a job that begins: where the lake has a new
// generation since it was opened, it is opened again.
func SharedNow(ctx context.Context, uri string) (Store, error) {
	shared.Lock()
	defer shared.Unlock()
	if st := shared.stores[uri]; st != nil {
		err := checkCurrent(ctx, st)
		if !errors.Is(err, ErrOldGeneration) {
			return st, err
		}
	}
	return openShared(ctx, uri)
}

func openShared(ctx context.Context, uri string) (Store, error) {
	// A store outlives the bundle that happened to open it.
	st, err := OpenStore(context.WithoutCancel(ctx), uri)
	if err != nil {
		return nil, err
	}
	shared.stores[uri] = st
	return st, nil
}
