package lake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"
)

// sweep removes the hidden files of puts that were killed in the folder dir
// ("" is the root), and below it too if deep, there only in folders whose names
// are from or later. Without the lease it does nothing: the files may be those
// of a writer that lives. It returns how many it removed.
func (s *localStore) sweep(ctx context.Context, dir, from string, deep bool) (removed int, err error) {
	locked := s.locked.Load()
	if locked == nil {
		return 0, nil
	}
	return s.sweepBefore(ctx, dir, from, deep, *locked)
}

// sweepBefore is sweep for files that are older than locked, when the sole right
// to write the folder was taken.
func (s *localStore) sweepBefore(ctx context.Context, dir, from string, deep bool, locked time.Time) (removed int, err error) {
	entries, err := os.ReadDir(s.path(dir))
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, explainDisk(s.root, "list", dir, err)
	}
	for _, e := range entries {
		name := e.Name()
		if dir != "" {
			name = dir + "/" + name
		}
		switch {
		case e.IsDir() && deep && (name >= from || strings.HasPrefix(from, name+"/")):
			n, err := s.sweepBefore(ctx, name, from, deep, locked)
			removed += n
			if err != nil {
				return removed, err
			}
		case e.Type().IsRegular() && strings.HasPrefix(e.Name(), tempPrefix) && !strings.HasPrefix(e.Name(), tempPrefix+s.nonce):
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(locked) {
				continue // of a process that does not ask for the lease
			}
			if err == nil {
				err = os.Remove(s.path(name))
			}
			if err != nil {
				return removed, explainDisk(s.root, "delete", name, err)
			}
			removed++
		}
	}
	return removed, nil
}
