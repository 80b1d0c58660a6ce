package lake

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// syncer makes puts durable: with one call that flushes the whole file system
// that holds the lake, where there is such a call, else file by file. Measured
// on ext4 while other processes wrote, milliseconds a sync:
//
//	files         1       2      10     100    10,000
//	file system   1–11    1–5    2      4–6    500
//	each file     0.4–14  2–16   6–14   35–240 17,000
//
// Each file waits for the journal, a file system once for all. A lake is on one
// file system: a folder of it that is a mount of its own is not flushed.
type syncer struct {
	root     string
	flushAll func() error // nil where no system call does it

	mu    sync.Mutex
	dirty bool                // something was put and is not known durable; guarded by mu
	paths map[string]struct{} // what it was, without flushAll; guarded by mu

	flushing sync.Mutex // one sync at a time: who waits often finds its work done
}

// put notes that a file was put.
func (s *syncer) put(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = true
	if s.flushAll != nil {
		return
	}
	if s.paths == nil {
		s.paths = map[string]struct{}{}
	}
	s.paths[path] = struct{}{}
}

// sync flushes what was put before the call.
func (s *syncer) sync() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	dirty, paths := s.dirty, s.paths
	s.dirty, s.paths = false, nil
	s.mu.Unlock()

	var err error
	switch {
	case !dirty:
	case s.flushAll != nil:
		err = s.flushAll()
	default:
		err = flushFiles(s.root, paths)
	}
	if err != nil { // the next sync has to try again
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
		for path := range paths {
			s.put(path)
		}
	}
	return err
}

// flushFiles makes files below root durable, and their names.
func flushFiles(root string, paths map[string]struct{}) error {
	dirs := map[string]struct{}{}
	for path := range paths {
		if err := flushPath(path); err != nil {
			return err
		}
		// A name is in its folder, whose name is in the next, up to the one that
		// holds the root: any of them may be new.
		for dir := filepath.Dir(path); len(dir) >= len(filepath.Dir(root)); dir = filepath.Dir(dir) {
			if _, ok := dirs[dir]; ok || dir == filepath.Dir(dir) {
				break
			}
			dirs[dir] = struct{}{}
		}
	}
	for dir := range dirs {
		if err := flushPath(dir); err != nil {
			return err
		}
	}
	return nil
}

// flushPath makes one file or folder durable; one that was deleted needs none.
func flushPath(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
