// Package phase shows people that a program is at work while it has nothing
// else to say.
package phase

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// pause is how long a program may be silent where lines cannot change.
const pause = 5 * time.Second

// Terminal reports whether lines of w can change: it is a terminal, and nobody
// has asked for plain text.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" //nolint:gosec // a file descriptor is small
}

// Doing shows what is being done, and for how long by now, as Show does.
func Doing(w io.Writer, terminal bool, what string) (end func()) {
	return Show(w, terminal, func(took time.Duration) string { return fmt.Sprintf("%s, %s", what, took.Round(time.Second)) })
}

// Show writes text to w until end is called, which takes it away: one line that
// changes on a terminal, else a line every five seconds. text is given the time
// since Show, and is called by one goroutine. Nobody else may write to w
// meanwhile, unless w is made for it. end may be called more than once.
func Show(w io.Writer, terminal bool, text func(took time.Duration) string) (end func()) {
	every, begin, newline := pause, "", "\n"
	if terminal {
		every, begin, newline = pause/25, "\r\x1b[K", ""
	}
	stop, done := make(chan struct{}), make(chan struct{})
	started := time.Now()
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				fmt.Fprint(w, begin)
				return
			case <-tick.C:
				fmt.Fprint(w, begin, text(time.Since(started)), newline)
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-done
	})
}
