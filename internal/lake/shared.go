package lake

import (
	"context"
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
	// A store outlives the bundle that happened to open it.
	st, err := OpenStore(context.WithoutCancel(ctx), uri)
	if err != nil {
		return nil, err
	}
	shared.stores[uri] = st
	return st, nil
}
