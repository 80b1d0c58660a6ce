//go:build unix && !linux

package cmdtest

import (
	"os/exec"
	"testing"
)

func smallDisk(t *testing.T) string {
	t.Helper()
	t.Skip("a small disk can be mounted on Linux only")
	return ""
}

func withoutNetwork(*exec.Cmd) {}
