package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// Some objects say something by not being there: without generation.json the lake
// is generation 0, without a seal nothing is final. So that a lost one is not
// taken for one that never was, each has a witness beside it, NAME.was, from after
// it was put until before it is taken away: its copy, or, of seals, which change
// all the time, the first one.
const witnessSuffix = ".was"

func witnessOf(name string) string { return name + witnessSuffix }

// putWitnessed writes an object, and its witness.
func putWitnessed(ctx context.Context, st Store, name string, v any) error {
	data, _, err := encodeObject(name, v)
	if err != nil {
		return err
	}
	if err := st.Sync(ctx); err != nil {
		return err
	}
	if err := st.Put(ctx, name, data); err != nil {
		return err
	}
	return st.Put(ctx, witnessOf(name), data)
}

// deleteWitnessed takes an object away for good.
func deleteWitnessed(ctx context.Context, st Store, name string) error {
	witnessedSeals.Delete(st.URI() + " " + name)
	if err := st.Delete(ctx, witnessOf(name)); err != nil {
		return err
	}
	return st.Delete(ctx, name)
}

// witnessedSeals are those of which this process knows that they have a witness.
var witnessedSeals sync.Map

// witnessSeal writes a seal's witness unless it is there.
func witnessSeal(ctx context.Context, st Store, name string) error {
	key := st.URI() + " " + name
	if _, ok := witnessedSeals.Load(key); ok {
		return nil
	}
	_, err := st.Get(ctx, witnessOf(name))
	if errors.Is(err, fs.ErrNotExist) {
		err = putDurably(ctx, st, witnessOf(name), struct {
			Was string `json:"was"`
		}{name})
	}
	if err == nil {
		witnessedSeals.Store(key, true)
	}
	return err
}

// getWitnessed reads an object that need not be there: then the error is
// fs.ErrNotExist. One that was lost is another.
func getWitnessed(ctx context.Context, st Store, name string, v any) error {
	err := getJSON(ctx, st, name, v)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := st.Get(ctx, witnessOf(name)); err != nil {
		return err
	}
	// It may have been put between the two looks.
	if err = getJSON(ctx, st, name, v); errors.Is(err, fs.ErrNotExist) {
		return lost(st, name)
	}
	return err
}

// lost is the error of an object whose witness is there.
func lost(st Store, name string) error {
	what := fmt.Sprintf("Copy %s to it", witnessOf(name))
	switch name {
	case sealName, metricsSealName:
		what = "Restore it from a copy, or read the topic into a new lake"
	case closedName:
		what += fmt.Sprintf(", or, if the lake is not at its end any more, delete %s", witnessOf(name))
	}
	return fault(st, name, fmt.Errorf("%w, but %s says that it was", ErrMissing, witnessOf(name)), what)
}
