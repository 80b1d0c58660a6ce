package scoring

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// loaded are the batches of this process by their options, the newest last: DoFn
// instances come and go with bundles, and a version is never changed.
var loaded struct {
	sync.Mutex
	batches []loadedBatch
}

type loadedBatch struct {
	options string
	batch   *forecast.Batch
}

// keptBatches are more than one for processes that run jobs side by side.
const keptBatches = 4

// batch returns the model, ready to forecast, reading it at the first call.
func (o Options) batch(ctx context.Context) (*forecast.Batch, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	loaded.Lock() // also while it is read: others want the same
	defer loaded.Unlock()
	if at := slices.IndexFunc(loaded.batches, func(l loadedBatch) bool { return l.options == string(text) }); at >= 0 {
		return loaded.batches[at].batch, nil
	}
	b, err := o.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("scoring with the model %s, version %s, of %s: %w", o.Model, o.Version, o.Lake, err)
	}
	if len(loaded.batches) == keptBatches {
		loaded.batches = slices.Delete(loaded.batches, 0, 1)
	}
	loaded.batches = append(loaded.batches, loadedBatch{string(text), b})
	return b, nil
}

func (o Options) load(ctx context.Context) (*forecast.Batch, error) {
	shop, err := o.Axis.panel()
	if err != nil {
		return nil, err
	}
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return nil, err
	}
	reg := registry.Open(lake.Root(st))
	m, err := reg.Get(ctx, o.Model, o.Version)
	if err != nil {
		return nil, err
	}
	f, err := forecast.Load(func(file string) ([]byte, error) { return reg.File(ctx, m, file) })
	if err != nil {
		return nil, err
	}
	return forecast.NewBatch(f, shop, o.Horizon)
}
