package cmdtest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk of 1 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a small disk is needed, and only root may mount one: %v", err)
		}
		t.Skipf("only root may mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// withoutNetwork takes the network away from a program, where the test may do
// that (root may, but not in every container).
func withoutNetwork(cmd *exec.Cmd) {
	noNetwork := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	try := exec.Command("true")
	try.SysProcAttr = noNetwork
	if try.Run() == nil {
		cmd.SysProcAttr = noNetwork
	}
}
