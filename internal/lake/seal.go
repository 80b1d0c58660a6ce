package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"example.com/shopstream/internal/kafkaio"
)

// seal is the newest window up to which all rows are written. There is one
// object a ledger: a newer seal says all that older ones did.
type seal struct {
	Window *int64 `json:"window"`
	Chain  *Chain `json:"chain,omitempty"` // of the rows up to it; nil where they may be written again
}

// sealing keeps bundles of one process, which seal in any order, from replacing
// a newer seal by an older one.
var sealing sync.Mutex

// PutSeal records that the rows of all windows up to this one are written. An
// older seal than the one that is there changes nothing.
func PutSeal(ctx context.Context, st Store, window int64) error {
	return raiseSeal(ctx, st, sealName, rowsDir, window)
}

// PutMetricsSeal is PutSeal for metrics.
func PutMetricsSeal(ctx context.Context, st Store, period int64) error {
	return raiseSeal(ctx, st, metricsSealName, metricsRowsDir, period)
}

func raiseSeal(ctx context.Context, st Store, name, dir string, window int64) error {
	sealing.Lock()
	defer sealing.Unlock()
	// Read each time: on a cluster the next seal may be another worker's.
	have, chain, err := readSeal(ctx, st, name)
	if err != nil || (have != kafkaio.NoTime && have >= window) {
		return err
	}
	u := unsealedOf(st)
	switch {
	case u == nil:
		chain = nil
	case have == kafkaio.NoTime:
		chain = u.extend(dir, &Chain{}, window)
	default:
		chain = u.extend(dir, chain, window)
	}
	if err := putSeal(ctx, st, name, seal{&window, chain}); err != nil {
		return err
	}
	if u != nil {
		u.forget(dir, window)
	}
	return nil
}

func putSeal(ctx context.Context, st Store, name string, s seal) error {
	if err := putDurably(ctx, st, name, s); err != nil {
		return err
	}
	return witnessSeal(ctx, st, name)
}

// lowerMetricsSeal takes the seal of metrics back to the period to, or away
// with NoTime. The other one is never lowered: a run goes on from it.
func lowerMetricsSeal(ctx context.Context, st Store, to int64, chain *Chain) error {
	sealing.Lock()
	defer sealing.Unlock()
	have, has, err := readSeal(ctx, st, metricsSealName)
	switch {
	case err != nil, have == kafkaio.NoTime:
		return err
	case to == kafkaio.NoTime:
		return deleteWitnessed(ctx, st, metricsSealName)
	case have < to, have == to && (has != nil || chain == nil):
		return nil
	}
	return putSeal(ctx, st, metricsSealName, seal{&to, chain})
}

// readSeal returns NoTime where nothing is sealed, and the chain of the rows up
// to the seal where it has one.
func readSeal(ctx context.Context, st Store, name string) (int64, *Chain, error) {
	var s seal
	switch err := getWitnessed(ctx, st, name, &s); {
	case errors.Is(err, fs.ErrNotExist):
		return kafkaio.NoTime, nil, nil
	case err != nil:
		return kafkaio.NoTime, nil, err
	case s.Window == nil:
		return kafkaio.NoTime, nil, damaged(st, name, fmt.Errorf("expected a window, found none"))
	}
	return *s.Window, s.Chain, nil
}
