package cmdtest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/producer"
)

// TestOnlyLoopbackIsListenedOn lists the listening sockets of each program for
// as long as it runs.
func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	data := t.TempDir()
	lake := filepath.Join(data, "lake")

	t.Run("local", func(t *testing.T) {
		open := watchSockets(t, start(t, programWithin(t, 3*time.Minute, "local", "--data="+data, "--history-days=63", "--rate=300", "--duration=4s", "--time-zone="+midday())))
		open.wantPrism()
		open.wantLoopback(1) // its broker
	})
	t.Run("gold", func(t *testing.T) {
		open := watchSockets(t, start(t, program(t, "gold", "--lake="+lake, "--time-zone="+midday(), "--include-open", "--rebuild")))
		open.wantPrism()
		open.wantLoopback(0)
	})
	t.Run("serve", func(t *testing.T) {
		p := start(t, program(t, "serve", "--lake="+lake, "--listen=127.0.0.1:0"))
		open := onceListening(t, p)
		open.wantLoopback(1)
		p.interrupt()
	})
	t.Run("rebuild", func(t *testing.T) {
		open := watchSockets(t, start(t, program(t, "rebuild", "--lake="+lake)))
		open.wantPrism()
		open.wantLoopback(0)
	})
	t.Run("producer broker", func(t *testing.T) {
		p := start(t, program(t, "producer", "broker", "--port=0"))
		open := onceListening(t, p)
		open.wantLoopback(1)
		p.interrupt()
	})
	t.Run("streaming", func(t *testing.T) {
		cluster := startBroker(t, 2)
		deliver(t, cluster, simulator(t, producer.SimulateOptions{Seed: 3, Start: time.Now().UTC().Add(-time.Hour), Partitions: 2, Rate: 1000, Flat: true, Count: 2000}), producer.DeliverOptions{})
		p := start(t, program(t, "streaming", brokers(cluster), "--lake="+t.TempDir(), "--log-format=json"))
		watch := watchOf(t, p)
		eventually(t, func() error { return watch.atLeast("shopstream_records_read_total", 1) })
		open := socketsOf(t, p.cmd.Process.Pid)
		open.wantPrism()
		open.wantLoopback(1) // /metrics
		p.interrupt()
	})
}

// sockets are those that a process listens on.
type sockets struct {
	t    testing.TB
	tcp  []netip.AddrPort
	unix []string
	mode map[string]fs.FileMode // of the folders of unix sockets
}

// watchSockets gathers what a program listens on until it ends, which has to be well.
func watchSockets(t testing.TB, p *process) sockets {
	t.Helper()
	all := sockets{t: t, mode: map[string]fs.FileMode{}}
	for {
		select {
		case err := <-p.ended:
			if r := end(t, p.cmd, err, &p.stdout, &p.stderr); r.code != 0 {
				t.Fatalf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
			}
			return all
		case <-time.After(5 * time.Millisecond):
			now := socketsOf(t, p.cmd.Process.Pid)
			for _, a := range now.tcp {
				if !slices.Contains(all.tcp, a) {
					all.tcp = append(all.tcp, a)
				}
			}
			for path, mode := range now.mode {
				all.mode[path] = mode
			}
			all.unix = append(all.unix, now.unix...)
		}
	}
}

// onceListening is what a program listens on when it does.
func onceListening(t testing.TB, p *process) (open sockets) {
	t.Helper()
	eventually(t, func() error {
		if open = socketsOf(t, p.cmd.Process.Pid); len(open.tcp) > 0 {
			return nil
		}
		return fmt.Errorf("%v does not listen:\n%s", p.cmd, p.stderr.String())
	})
	return open
}

// wantPrism: the job's server is there, for this user alone.
func (s sockets) wantPrism() {
	s.t.Helper()
	i := slices.IndexFunc(s.unix, func(path string) bool { return strings.Contains(path, "/shopstream-prism-") })
	if i < 0 {
		s.t.Fatalf("Prism's socket was not seen, so that nothing is proved: %+v", s)
	}
	if folder := filepath.Dir(s.unix[i]); s.mode[folder] != 0o700 {
		s.t.Errorf("%s has mode %o: others can reach the job's server", folder, s.mode[folder])
	}
}

// wantLoopback: other machines can reach none of the sockets of TCP, which are at
// least so many, or none if that is 0.
func (s sockets) wantLoopback(least int) {
	s.t.Helper()
	for _, a := range s.tcp {
		if !a.Addr().Unmap().IsLoopback() {
			s.t.Errorf("it listens on %s: other machines can reach it", a)
		}
	}
	if len(s.tcp) < least || least == 0 && len(s.tcp) > 0 {
		s.t.Errorf("it listens on %v, expected at least %d, or none if that is 0", s.tcp, least)
	}
}

// socketsOf reads in /proc what a process listens on now.
func socketsOf(t testing.TB, pid int) sockets {
	t.Helper()
	s := sockets{t: t, mode: map[string]fs.FileMode{}}
	proc := fmt.Sprintf("/proc/%d", pid)
	own := map[string]bool{} // inodes
	fds, err := os.ReadDir(proc + "/fd")
	if gone(err) {
		return s
	} else if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		link, err := os.Readlink(proc + "/fd/" + fd.Name())
		if inode, ok := strings.CutPrefix(link, "socket:["); err == nil && ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for _, family := range []string{"tcp", "tcp6", "unix"} {
		table, err := os.ReadFile(proc + "/net/" + family)
		if gone(err) {
			return s
		} else if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			const listening, accepts = "0A", "00010000" // a state of TCP, a flag of unix sockets
			switch {
			case family == "unix" && len(f) == 8 && f[3] == accepts && own[f[6]]:
				s.unix = append(s.unix, f[7])
				folder := filepath.Dir(f[7])
				if info, err := os.Stat(folder); err == nil {
					s.mode[folder] = info.Mode().Perm()
				}
			case family != "unix" && len(f) > 9 && f[3] == listening && own[f[9]]:
				s.tcp = append(s.tcp, procAddress(t, f[1]))
			}
		}
	}
	return s
}

// gone reports whether a process had ended before it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process")
}

// procAddress reads an address as /proc/net/tcp writes it: words of four bytes,
// each in the order of the machine, which is the little-endian one here.
func procAddress(t testing.TB, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		t.Fatalf("address %q", text)
	}
	return netip.AddrPortFrom(addr, uint16(number))
}
