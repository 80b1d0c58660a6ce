package broker

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

const lockName = "broker.lock"

// lockDir makes the folder and takes its lock. The lock belongs to the open
// file, so it ends with the process however that ends; the file itself stays,
// and holds the pid of its last holder for the message to the next.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("embedded broker: cannot make its data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: cannot open the lock of its data folder: %w", err)
	}
	if err := tryLock(f); err != nil {
		defer f.Close() // nothing was written
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("embedded broker: cannot lock %s: %w", f.Name(), err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 32)) // only for the message
		return nil, fmt.Errorf("embedded broker: data folder %s is in use by process %s: stop that one, or choose another folder",
			dir, strings.TrimSpace(string(holder)))
	}
	pid := fmt.Appendf(nil, "%d\n", os.Getpid())
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: cannot write %s: %w", f.Name(), err), f.Close())
	}
	if _, err := f.WriteAt(pid, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded broker: cannot write %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}
