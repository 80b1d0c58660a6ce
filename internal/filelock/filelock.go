// Package filelock keeps a folder to one process at a time.
package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// errLocked is what tryLock returns if another process or opener holds the file.
var errLocked = errors.New("locked")

// HeldError says who holds a lock.
type HeldError struct {
	Dir    string
	Holder string // pid
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is in use by process %s", e.Dir, e.Holder)
}

// Lock makes the folder and takes the lock in it: the file of that name. The
// lock belongs to the returned file, so it ends with the process however that
// ends; the file itself stays, and holds the pid of its last holder for the
// message to the next (a *HeldError).
func Lock(dir, name string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		if errors.Is(err, errLocked) {
			holder, _ := io.ReadAll(io.LimitReader(f, 32)) // only for the message
			err = &HeldError{Dir: dir, Holder: strings.TrimSpace(string(holder))}
		}
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
