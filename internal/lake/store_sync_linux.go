package lake

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func newSyncer(root string) *syncer {
	return &syncer{root: root, flushAll: func() error {
		dir, err := os.Open(root)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the lake was removed
		}
		if err != nil {
			return err
		}
		// It tells of failed background writes, too (Linux 5.8).
		return errors.Join(os.NewSyscallError("syncfs", unix.Syncfs(int(dir.Fd()))), dir.Close())
	}}
}
