package pipelines

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/sales"
)

// randomly returns the seed of a test with faults, which SHOPSTREAM_SEED
// repeats, and its source of numbers; name tells the tests of one seed apart.
func randomly(t testing.TB, name string) *rand.Rand {
	t.Helper()
	seed := setting(t, "SHOPSTREAM_SEED", time.Now().UnixNano())
	t.Logf("SHOPSTREAM_SEED=%d", seed)
	return rand.New(rand.NewPCG(uint64(seed), uint64(len(name))))
}

// between is a random duration.
func between(rnd *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rnd.Int64N(int64(to-from)))
}

// job is a program that runs beside the test and whose output is watched.
type job struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed at its end
	err   error         // of its end

	mu  sync.Mutex
	out bytes.Buffer
}

func (j *job) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(p)
}

func (j *job) output() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.String()
}

// startJob starts a program; it is killed with the test.
func startJob(t testing.TB, program string, env []string, args ...string) *job {
	t.Helper()
	j := &job{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	j.cmd.Env = append(j.cmd.Environ(), env...)
	j.cmd.Stdout, j.cmd.Stderr = j, j
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(j.ended)
		j.err = j.cmd.Wait()
	}()
	t.Cleanup(j.kill)
	return j
}

func (j *job) kill() {
	_ = j.cmd.Process.Kill() // it may have ended
	<-j.ended
}

// killAfter kills the job, and reports whether it still ran.
func (j *job) killAfter(d time.Duration) bool {
	select {
	case <-j.ended:
		return false
	case <-time.After(d):
	}
	j.kill()
	return j.cmd.ProcessState.ExitCode() == -1
}

// wait waits until the job ends, and fails the test if that takes too long.
func (j *job) wait(t testing.TB, limit time.Duration) error {
	t.Helper()
	select {
	case <-j.ended:
		return j.err
	case <-time.After(limit):
		t.Fatalf("the job has not ended after %s:\n%.3000s", limit, j.output())
		return nil
	}
}

// streaming are the arguments of a bounded run of the streaming program.
func streaming(cluster kafkaio.Cluster, uri string, more ...string) []string {
	return append([]string{
		"--bounded", "--brokers=" + strings.Join(cluster.Brokers, ","), "--lake=" + uri, "--metrics-listen=", "--log-format=text", "--log-level=info",
	}, more...)
}

// sealWatch finds out when the first window after its start gets final.
type sealWatch struct {
	stop  context.CancelFunc
	after chan time.Duration // 0: none did
}

func watchSeals(t testing.TB, uri string) *sealWatch {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	st := mustStore(t, uri)
	sealed := func() int64 {
		ledger, err := lake.ReadLedger(ctx, st)
		if err != nil {
			return kafkaio.NoTime // no lake yet
		}
		if row, ok := ledger.Sealed(); ok {
			return row.Window
		}
		return kafkaio.NoTime
	}
	w := &sealWatch{stop: cancel, after: make(chan time.Duration, 1)}
	before, began := sealed(), time.Now()
	go func() {
		for ctx.Err() == nil {
			if sealed() > before && ctx.Err() == nil {
				w.after <- time.Since(began)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		w.after <- 0
	}()
	return w
}

// end ends the watch and returns how long it took, or 0.
func (w *sealWatch) end() time.Duration {
	w.stop()
	return <-w.after
}

// onlyNamed fails the test if the lake in a folder has a file that its ledger
// does not name, or lacks one that it names.
func onlyNamed(t testing.TB, dir string) {
	t.Helper()
	st, ledger := openLake(t, dir)
	named := map[string]bool{
		".lock": true, "lake.json": true, "ledger/closed.json": true, "ledger/seal.json": true, "ledger/metrics-seal.json": true,
		"lake.json.was": true, "ledger/closed.json.was": true, "ledger/seal.json.was": true, "ledger/metrics-seal.json.was": true, "ledger/gold.json.was": true,
	}
	gold, err := lake.ReadPublications(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if len(gold) > 0 {
		named[".gold.lock"], named["ledger/gold.json"] = true, true
	}
	add := func(name string) { named[name] = false } // until it is found
	for _, r := range ledger.Visible() {
		for _, f := range r.Files {
			add(f.Name)
		}
		if r.Increments != "" {
			add(r.Increments)
		}
	}
	for _, r := range ledger.VisibleMetrics() {
		for _, f := range r.Files {
			add(f.Name)
		}
	}
	if len(gold) > 0 {
		named[sales.TwinsName] = true
	}
	settings, _, err := lake.ReadGoldSettings(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []*lake.GoldInput{settings.History, settings.Catalogue} {
		if in != nil {
			add(in.File)
		}
	}
	for date, p := range gold {
		if p.IDs != nil {
			add(p.IDs.File)
		}
		add("ledger/gold/date=" + date.String() + ".json")
		for _, f := range p.Tables {
			add(f.File)
		}
	}
	rows := 0
	for _, name := range filesOf(t, dir) {
		_, ok := named[name]
		switch {
		case ok:
			named[name] = true
		case strings.HasPrefix(name, "ledger/rows/"), strings.HasPrefix(name, "ledger/metrics/"):
			rows++
		default:
			t.Errorf("%s is a leftover: the ledger does not name it", name)
		}
	}
	for name, found := range named {
		if !found {
			t.Errorf("%s is named by the ledger, but missing", name)
		}
	}
	if want := len(ledger.Visible()) + len(ledger.VisibleMetrics()); rows != want {
		t.Errorf("%d files of rows, %d rows are visible", rows, want)
	}
}

// filesOf returns the names of all files in a folder, hidden ones too.
func filesOf(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
