package lake

import (
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// machine names this boot of the kernel and the space of process ids that this
// process sees: the same pid in another container is another process.
var machine = sync.OnceValue(func() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
})

func alive(pid int) bool {
	return pid < 1 || !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
