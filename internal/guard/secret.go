package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// ReadSecret reads a file that holds a password or tokens, and refuses one that
// every user of the machine can read or change. Its group may: that is how
// secrets are mounted in Kubernetes (fsGroup, with defaultMode 0440).
func ReadSecret(file string) (data []byte, err error) {
	f, err := os.Open(file) //nolint:gosec // the file that the user named
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat() // of the file that is read, not of what has its name now
	if err != nil {
		return nil, err
	}
	// A pipe (of a shell's <(…)) has no readers but its own; Windows has no such bits.
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o006 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s holds a secret and has mode %04o: every user of this machine can read or change it. Run `chmod 600 %s` (its group may read it: 640; in Kubernetes set defaultMode: 0440 and an fsGroup)", file, mode.Perm(), file)
	}
	return io.ReadAll(f)
}
