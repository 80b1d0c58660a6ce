package phase

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestShow: nothing of what is short, a line every five seconds of what is not,
// and on a terminal one line that is taken away.
func TestShow(t *testing.T) {
	for _, tc := range []struct {
		name     string
		terminal bool
		took     time.Duration
		want     string
		lines    int
	}{
		{"short", false, 4 * time.Second, "", 0},
		{"long", false, 16 * time.Second, "reading, 5s\nreading, 10s\nreading, 15s\n", 3},
		{"terminal", true, 450 * time.Millisecond, "\r\x1b[Kreading, 0s\r\x1b[Kreading, 0s\r\x1b[K", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b strings.Builder
				end := Doing(&b, tc.terminal, "reading")
				time.Sleep(tc.took)
				end()
				end()
				time.Sleep(time.Minute) // nothing is left that writes
				if b.String() != tc.want || strings.Count(b.String(), "\n") != tc.lines {
					t.Errorf("in %s: %q, expected %q", tc.took, b.String(), tc.want)
				}
			})
		})
	}
}
