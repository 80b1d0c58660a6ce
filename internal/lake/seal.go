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
}

// sealing keeps bundles of one process, which seal in any order, from replacing
// a newer seal by an older one.
var sealing sync.Mutex

// PutSeal records that the rows of all windows up to this one are written. An
// older seal than the one that is there changes nothing.
func PutSeal(ctx context.Context, st Store, window int64) error {
	return raiseSeal(ctx, st, sealName, window)
}

// PutMetricsSeal is PutSeal for metrics.
func PutMetricsSeal(ctx context.Context, st Store, period int64) error {
	return raiseSeal(ctx, st, metricsSealName, period)
}

func raiseSeal(ctx context.Context, st Store, name string, window int64) error {
	sealing.Lock()
	defer sealing.Unlock()
	// Read each time: on a cluster the next seal may be another worker's.
	have, err := readSeal(ctx, st, name)
	if err != nil || (have != kafkaio.NoTime && have >= window) {
		return err
	}
	return putDurably(ctx, st, name, seal{&window})
}

// lowerMetricsSeal takes the seal of metrics back to the period to, or away
// with NoTime. The other one is never lowered: a run goes on from it.
func lowerMetricsSeal(ctx context.Context, st Store, to int64) error {
	sealing.Lock()
	defer sealing.Unlock()
	have, err := readSeal(ctx, st, metricsSealName)
	switch {
	case err != nil, have == kafkaio.NoTime:
		return err
	case to == kafkaio.NoTime:
		return st.Delete(ctx, metricsSealName)
	case have <= to:
		return nil
	}
	return putDurably(ctx, st, metricsSealName, seal{&to})
}

// readSeal returns NoTime where nothing is sealed.
func readSeal(ctx context.Context, st Store, name string) (int64, error) {
	var s seal
	switch err := getJSON(ctx, st, name, &s); {
	case errors.Is(err, fs.ErrNotExist):
		return kafkaio.NoTime, nil
	case err != nil:
		return 0, err
	case s.Window == nil:
		return 0, damaged(st, name, fmt.Errorf("expected a window, found none"))
	}
	return *s.Window, nil
}
