//go:build unix

package cmdtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// asNobody makes the program run as a user who owns nothing, because nothing
// is forbidden to root. dir, and the folder that the program starts in, are
// made passable for it.
func asNobody(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return // the test's own user will do
	}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	for _, d := range []string{dir, cmd.Dir} {
		// The folders of a test are in one of the package, both only for their owner.
		for _, d := range []string{d, filepath.Dir(d)} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}
