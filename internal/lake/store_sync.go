package lake

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// fewFiles is the number of files up to which flushing each of them is cheaper
// than flushing the file system that holds the lake. On an ext4 disk, per sync,
// put included:
//
//	files     each     file system
//	    1   0.4 ms   0.9 to 11 ms   the more, the more others write
//	   10   6   ms   1.6 ms
//	  100  35   ms   4   ms
//	1,000   0.3 s    54  ms
//
// Each file waits for the journal, a file system once for all of them.
const fewFiles = 3

// syncer makes puts durable. A lake is on one file system: folders of it that
// are mounts of their own are flushed only by the file.
type syncer struct {
	root     string
	flushAll func() error // flushes the root's file system; nil where no system call does

	mu      sync.Mutex
	pending map[string]struct{} // put and not known durable; guarded by mu
	more    bool                // there are more than pending says; guarded by mu

	flushing sync.Mutex // one sync at a time: who waits often finds its work done
}

// put notes that a file was put.
func (s *syncer) put(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(path)
}

func (s *syncer) add(path string) {
	if s.flushAll != nil && len(s.pending) > fewFiles {
		s.more = true // their names do not matter any more
		return
	}
	if s.pending == nil {
		s.pending = map[string]struct{}{}
	}
	s.pending[path] = struct{}{}
}

// sync flushes what was put before the call.
func (s *syncer) sync() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	paths, more := s.pending, s.more
	s.pending, s.more = nil, false
	s.mu.Unlock()

	err := s.flush(paths, more)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.more = s.more || more
		for path := range paths {
			s.add(path)
		}
	}
	return err
}

func (s *syncer) flush(paths map[string]struct{}, more bool) error {
	if s.flushAll != nil && (more || len(paths) > fewFiles) {
		return s.flushAll()
	}
	dirs := map[string]struct{}{}
	for path := range paths {
		if err := flushPath(path); err != nil {
			return err
		}
		// A name is in its folder, whose name is in the next, up to the one that
		// holds the root: any of them may be new.
		for dir := filepath.Dir(path); len(dir) >= len(filepath.Dir(s.root)); dir = filepath.Dir(dir) {
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
