// Package ending ends a program on a signal, in bounded time whatever hangs.
//
// The first SIGINT or SIGTERM ends the context, and a second one the process. A
// program that is still there some seconds after SIGTERM, as whoever stops
// services sends it before SIGKILL, says what hangs and exits with [Forced]:
// what is on disk is consistent at any time, as after a kill.
package ending

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Forced is the exit code of a program that did not end by itself after SIGTERM.
const Forced = 5

// within is how long a program has to end by itself, and said how long it may
// take to say that it did not (whoever reads its log may hang, too). Together
// they are less than the 10 s that Docker waits.
var within, said = 8 * time.Second, time.Second

// Context returns the context of a program.
func Context() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal has its default effect
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		signal.Stop(term)
		time.Sleep(within)
		done := make(chan struct{})
		go func() {
			defer close(done)
			slog.Error("stopped by force: it has not ended by itself; what is on disk is as consistent as after a kill, and the next run goes on from it",
				"after", within, "still_running", strings.Join(running(), ", "))
		}()
		select {
		case <-done:
		case <-time.After(said):
		}
		os.Exit(Forced)
	}()
	return ctx, stop
}

// module is the prefix of our functions' names.
const module = "example.com/shopstream/"

// running names the functions of ours that goroutines are in, the most first,
// each with the one that it waits in: "lake.(*bucket).Put (net.(*conn).Read) × 3".
func running() []string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	count := map[string]int{}
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if name := place(string(stack)); name != "" {
			count[name]++
		}
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], strings.Compare(a, b)) })
	for i, name := range names {
		if n := count[name]; n > 1 {
			names[i] = fmt.Sprintf("%s × %d", name, n)
		}
	}
	return names
}

// place is where a goroutine's stack is: our function that is nearest to its
// top, and the function at the top; "" if none is ours, or it is this package's.
func place(stack string) string {
	top := ""
	for i, line := range strings.Split(stack, "\n") {
		if i == 0 || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "created by ") {
			continue
		}
		name := line
		if end := strings.LastIndexByte(line, '('); end > 0 {
			name = line[:end]
		}
		if top == "" {
			top = name
		}
		if !strings.HasPrefix(name, module) {
			continue
		}
		if strings.HasPrefix(name, module+"internal/ending.Context") {
			return ""
		}
		if name == top {
			return strings.TrimPrefix(name, module)
		}
		return fmt.Sprintf("%s (%s)", strings.TrimPrefix(name, module), top)
	}
	return ""
}
