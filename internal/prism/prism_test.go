package prism

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/passert"
)

func init() { register.Function1x1(double) }

func double(n int) int { return 2 * n }

func TestMain(m *testing.M) {
	beam.Init()
	os.Exit(m.Run())
}

// Jobs run, one after another and again after a stop; the socket's folder is
// this user's alone, and goes with the last user.
func TestJobsRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for range 2 {
		stop, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			p, s := beam.NewPipelineWithRoot()
			passert.EqualsList(s, beam.ParDo(s, double, beam.Create(s, 1, 2, 3)), []int{2, 4, 6})
			if _, err := beam.Run(context.Background(), "prism", p); err != nil {
				t.Fatal(err)
			}
		}
		if info, err := os.Stat(sockets(t)[0]); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the socket's folder: %v, %v", info, err)
		}
		if err := errors.Join(again(), again()); err != nil {
			t.Error(err)
		}
		if *jobopts.Endpoint != endpoint {
			t.Error("stopped by one of two")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if left := sockets(t); len(left) > 0 || *jobopts.Endpoint != "" {
			t.Errorf("left: %v, endpoint %q", left, *jobopts.Endpoint)
		}
	}
}

// sockets are the folders of sockets that there are.
func sockets(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.TempDir(), folders))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What a killed process left is removed, and nothing of one that runs.
func TestSocketsOfTheKilledAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	folder := func() string {
		f, err := os.MkdirTemp("", folders)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	left, alive, beginning := folder(), folder(), folder()
	l, err := listenIn(left)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = listenIn(alive); err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's
	early, err := net.Listen("unix", filepath.Join(beginning, socket+"~"))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close() //nolint:errcheck // a test's
	removeLeft()
	for f, want := range map[string]bool{left: false, alive: true, beginning: true} {
		if _, err := os.Stat(f); (err == nil) != want {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// A server that the user names is not replaced.
func TestEndpointOfTheUser(t *testing.T) {
	*jobopts.Endpoint = "localhost:1"
	defer func() { *jobopts.Endpoint = "" }()
	stop, err := Start()
	if err != nil || *jobopts.Endpoint != "localhost:1" || running.users != 0 {
		t.Fatal(err, *jobopts.Endpoint, running.users)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
