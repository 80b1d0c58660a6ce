package prism

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc"
)

// Prism tells its clients "localhost:" and what follows the last colon of its
// listener's address. dial finds the socket by this name.
const (
	name     = "shopstream-prism"
	endpoint = "localhost:" + name
)

// address is a listener that has an address and nothing else.
type address struct{ net.Listener }

func (address) Addr() net.Addr  { return address{} }
func (address) Network() string { return "unix" }
func (address) String() string  { return ":" + name }

// folders is the pattern of the sockets' folders, in the folder for temporary
// files; longest is what all systems take as a socket's path.
const (
	folders = "shopstream-prism-*"
	socket  = "prism.sock"
	longest = 103
)

// running is the process's server; there is one, as there is one of the flags
// that Beam looks it up in.
var running struct {
	mu     sync.Mutex
	server *server // once started, for the life of the process
	users  int
	folder string // of the socket, while there are users
	listen net.Listener
}

func init() { grpcx.Dial = dial }

// dial is how workers and the runner's clients connect.
func dial(ctx context.Context, url string, timeout time.Duration) (*grpc.ClientConn, error) {
	if url != endpoint {
		return grpcx.DefaultDial(ctx, url, timeout)
	}
	running.mu.Lock()
	path := filepath.Join(running.folder, socket)
	running.mu.Unlock()
	return grpcx.DefaultDial(ctx, "unix:"+path, timeout)
}

// Start lets jobs run on Prism in this process until stop is called, which
// removes the socket; jobs must have ended then. It may be called many times.
//
// If Beam's flag --endpoint names a server of the user's, that one is used, and
// nothing is started.
func Start() (stop func() error, err error) {
	r := &running
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 {
		if *jobopts.Endpoint != "" {
			return func() error { return nil }, nil
		}
		if err := listen(); err != nil {
			return nil, err
		}
	}
	r.users++
	return sync.OnceValue(release), nil
}

// listen opens the socket. The caller holds running.mu.
func listen() error {
	r := &running
	if r.server == nil {
		if err := checkVersion(); err != nil {
			return err
		}
		r.server = newServer(address{})
		fnpb.RegisterBeamFnExternalWorkerPoolServer(r.server.server, &pool{workers: map[string]context.CancelFunc{}})
	}
	removeLeft()
	folder, err := os.MkdirTemp("", folders) // 0700: the socket is this user's alone
	if err != nil {
		return fmt.Errorf("prism: no folder for its socket: %w", err)
	}
	l, err := listenIn(folder)
	if err != nil {
		return errors.Join(fmt.Errorf("prism: cannot listen in %s: %w", folder, err), os.RemoveAll(folder))
	}
	r.folder, r.listen = folder, l
	go func() {
		if err := r.server.server.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
			slog.Error("prism: its socket failed: no job can start, and a running one may not end", "socket", l.Addr(), "error", err)
		}
	}()
	*jobopts.Endpoint = endpoint
	if *jobopts.EnvironmentType == "" {
		*jobopts.EnvironmentType = "external"
		*jobopts.EnvironmentConfig = "unix:" + filepath.Join(folder, socket)
		*jobopts.WorkerBinary = os.DevNull // what would be sent to a worker on another machine
	}
	return nil
}

// listenIn listens on a socket that has its name only once it is listened on,
// as removeLeft takes a socket that nobody answers on for one that was left.
func listenIn(folder string) (net.Listener, error) {
	path := filepath.Join(folder, socket)
	if len(path) > longest {
		return nil, fmt.Errorf("the path %s has more than %d bytes: set TMPDIR to a folder with a shorter name", path, longest)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", path+"~")
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Rename(path+"~", path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// release is stop of one call of Start.
func release() error {
	r := &running
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users--; r.users > 0 {
		return nil
	}
	*jobopts.Endpoint = ""
	if *jobopts.EnvironmentConfig == "unix:"+filepath.Join(r.folder, socket) {
		*jobopts.EnvironmentType, *jobopts.EnvironmentConfig, *jobopts.WorkerBinary = "", "", ""
	}
	return errors.Join(r.listen.Close(), os.RemoveAll(r.folder))
}

// removeLeft removes the sockets of processes that were killed.
func removeLeft() {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), folders))
	if err != nil {
		return // the name of the folder for temporary files is a pattern
	}
	for _, folder := range left {
		conn, err := new(net.Dialer).Dial("unix", filepath.Join(folder, socket))
		switch {
		case err == nil:
			conn.Close() //nolint:errcheck,gosec // it was only a question
		case errors.Is(err, syscall.ECONNREFUSED):
			if err := os.RemoveAll(folder); err != nil {
				slog.Debug("prism: the socket of a process that was killed stays", "folder", folder, "error", err)
			}
		}
	}
}

// Tests runs a package's tests with Prism started, and returns the exit code.
func Tests(m interface{ Run() int }) int {
	stop, err := Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
