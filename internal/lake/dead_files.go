package lake

import (
	"context"
	"errors"
	"io/fs"
	"sync"
)

// DeadFiles finds the files of dead letters that are final, and holds them to the
// ledger. The zero value is ready.
type DeadFiles struct {
	mu    sync.Mutex
	files heldFiles
}

// Of returns the files of dead letters that readers take. One that is missing, or
// not what was written, is an error. Where there is no lake there are none.
func (d *DeadFiles) Of(ctx context.Context, st Store) ([]Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := 1; ; n++ {
		files, err := d.of(ctx, st)
		// A run may have gone on with the lake meanwhile and removed what was read.
		if err == nil || n == closedReads || !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
	}
}

func (d *DeadFiles) of(ctx context.Context, st Store) ([]Info, error) {
	l, err := ReadLedger(ctx, st)
	if errors.Is(err, ErrNoLake) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var want []File
	for _, r := range l.Visible() {
		for _, f := range r.Files {
			if f.Lane == Dead {
				want = append(want, f)
			}
		}
	}
	return d.files.hold(ctx, st, string(Dead)+"/", want, remadeFromBronze)
}
