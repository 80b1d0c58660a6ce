//go:build unix

package ending

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const child = "SHOPSTREAM_ENDING_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(child) {
	case "":
		os.Exit(m.Run())
	case "obeys":
		ctx, stop := Context()
		fmt.Println("up")
		<-ctx.Done()
		stop()
		os.Exit(130)
	case "hangs":
		within = 50 * time.Millisecond
		Context()
		go hangForEver()
		fmt.Println("up")
		hangForEver()
	case "hangs mutely":
		within, said = 50*time.Millisecond, 50*time.Millisecond
		Context()
		fmt.Println("up")
		fill := make([]byte, 1<<20) // more than a pipe holds that nobody reads
		os.Stderr.Write(fill)       //nolint:errcheck,gosec // it blocks
	}
}

//go:noinline
func hangForEver() { select {} }

// start starts this program as another one, and waits until it is up.
func start(t *testing.T, what string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+what)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	if what == "hangs mutely" {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() }) //nolint:errcheck // a test's
		defer w.Close()                 //nolint:errcheck // a test's
		cmd.Stderr = w
	} else {
		cmd.Stderr = new(bytes.Buffer)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd
}

func TestEndsByItself(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := start(t, "obeys")
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("%s: %v", signal, err)
		}
	}
}

// What hangs is ended, and named; also when nobody reads what it says.
func TestForced(t *testing.T) {
	cmd := start(t, "hangs")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if said := cmd.Stderr.(*bytes.Buffer).String(); cmd.ProcessState.ExitCode() != Forced || !strings.Contains(said, "stopped by force") || !strings.Contains(said, "internal/ending.hangForEver × 2") {
		t.Errorf("%v: %s", err, said)
	}
	cmd = start(t, "hangs mutely")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != Forced {
		t.Errorf("with a log that nobody reads: %v", err)
	}
}

// A second signal ends what hangs at once.
func TestSecondSignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := start(t, "hangs")
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for done := false; !done; {
			if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("it ended well, and was to be killed")
				}
				done = true
			case <-time.After(5 * time.Millisecond):
			}
		}
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !status.Signaled() || status.Signal() != signal {
			t.Errorf("%s: %v", signal, cmd.ProcessState)
		}
	}
}
