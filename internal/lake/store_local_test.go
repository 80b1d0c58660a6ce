package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenStoreRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]string{
		"":                  "no lake is given",
		"s3://bucket/lake":  `the scheme "s3://" is not known`,
		"http://host/lake":  "gs://bucket/prefix",
		"gs://":             "no bucket is named",
		"gs:///prefix":      "no bucket is named",
		"gs://bucket/a//b":  "single slashes",
		"gs://bucket/../b":  "starts with a dot",
		"file://host/lake":  "expected file:/// and an absolute path",
		"file://":           "expected file:/// and an absolute path",
		"file:///lake?a=b":  "expected file:/// and an absolute path",
		"file:///lake%zz":   "expected file:/// and an absolute path",
		file:                "expected a folder, found a file",
		"file://" + file:    "expected a folder, found a file",
		file + "/lake":      "is a file",
		"file\x00/no/thing": "invalid argument",
	} {
		st, err := OpenStore(t.Context(), uri)
		if err == nil {
			t.Errorf("OpenStore(%q) = %v, want an error", uri, st.URI())
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("OpenStore(%q): %v, want one line with %q", uri, err, want)
		}
	}
}

func TestOpenStoreLocalURIs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	want := filepath.Join(dir, "my lake")
	for _, uri := range []string{want, want + "/", "my lake", "./my lake", "file://" + (&url.URL{Path: want}).EscapedPath(), "file://localhost" + (&url.URL{Path: want}).EscapedPath()} {
		if got := mustOpen(t, uri).URI(); got != want {
			t.Errorf("OpenStore(%q).URI() = %q, want %q", uri, got, want)
		}
	}
	if _, err := os.Stat(want); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a lake to read makes its folder: %v", err)
	}
}

func newLocal(t testing.TB) *localStore {
	t.Helper()
	return mustOpen(t, filepath.Join(t.TempDir(), "lake")).(*localStore)
}

// everything lists all files below a folder, hidden ones too.
func everything(t testing.TB, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// fullDisk takes some bytes and then fails, as a disk that runs full does.
type fullDisk struct {
	*os.File
	left     int
	closeErr error
}

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) <= f.left {
		return f.File.Write(p)
	}
	n, _ := f.File.Write(p[:f.left])
	return n, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}

func (f *fullDisk) Close() error {
	if err := f.File.Close(); err != nil {
		return err
	}
	return f.closeErr
}

func TestLocalFullDisk(t *testing.T) {
	t.Parallel()
	for test, disk := range map[string]fullDisk{
		"in the middle": {left: 5},
		"at the start":  {left: 0},
		"at close":      {left: 1000, closeErr: &fs.PathError{Op: "close", Path: "x", Err: syscall.ENOSPC}},
	} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			st := newLocal(t)
			put(t, st, "silver/a")
			st.create = func(path string) (tempFile, error) {
				f, err := createTemp(path)
				if err != nil {
					return nil, err
				}
				return &fullDisk{f.(*os.File), disk.left, disk.closeErr}, nil
			}
			for name, call := range map[string]func(name string) error{
				"Put":    func(name string) error { return st.Put(t.Context(), name, []byte("much too much")) },
				"PutNew": func(name string) error { return st.PutNew(t.Context(), name, []byte("much too much")) },
			} {
				for _, object := range []string{"silver/a", "silver/new"} {
					err := call(object)
					if !errors.Is(err, syscall.ENOSPC) {
						t.Fatalf("%s on a full disk: %v, want ENOSPC", name, err)
					}
					want := fmt.Sprintf("lake %s: put %s: no space left on device: free some space or put the lake on another disk", st.root, object)
					if diff := cmp.Diff(want, err.Error()); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
			}
			if got := everything(t, st.root); !slices.Equal(got, []string{"silver/a"}) {
				t.Errorf("files after failed puts: %q, want silver/a alone", got)
			}
			if got, err := st.Get(t.Context(), "silver/a"); err != nil || string(got) != "content of silver/a" {
				t.Errorf("the old object after a failed put: %q, %v", got, err)
			}
		})
	}
}

// syncedFile counts its flushes, of all that was written.
type syncedFile struct {
	*os.File
	synced *atomic.Int32
}

func (f syncedFile) Sync() error {
	f.synced.Add(1)
	return f.File.Sync()
}

// TestLocalFlushesLedger: an object of the ledger gets its name only when its
// content is on the disk; data files are left to Sync.
func TestLocalFlushesLedger(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	var synced atomic.Int32
	st.create = func(path string) (tempFile, error) {
		f, err := createTemp(path)
		if err != nil {
			return nil, err
		}
		return syncedFile{f.(*os.File), &synced}, nil
	}
	for name, want := range map[string]int32{
		settingsName: 1, sealName: 1, windowName(rowsDir, w(0), ".json"): 1, "silver/a": 0, "lake.json.txt": 0, "metrics/5m/a": 0,
	} {
		for call, put := range map[string]func(context.Context, string, []byte) error{"PutNew": st.PutNew, "Put": st.Put} {
			synced.Store(0)
			if err := st.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if err := put(t.Context(), name, []byte("x")); err != nil || synced.Load() != want {
				t.Errorf("%s of %s: %v after %d flushes, want %d", call, name, err, synced.Load(), want)
			}
		}
	}
}

// TestLocalKilled leaves a lake as a process does that is killed while it
// writes: no reader may see the part.
func TestLocalKilled(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	put(t, st, "silver/a")
	if _, err := st.writeTemp(filepath.Join(st.root, "silver"), []byte("a par"), false); err != nil {
		t.Fatal(err)
	}
	if got := everything(t, st.root); len(got) != 2 || !strings.HasPrefix(got[0], "silver/"+tempPrefix) || strings.HasSuffix(got[0], extension) {
		t.Fatalf("expected a hidden file without %s beside the object, found %q", extension, got)
	}
	if got := list(t, st, ""); !slices.Equal(got, []string{"silver/a"}) {
		t.Errorf("List shows %q, want silver/a", got)
	}
	put(t, mustOpen(t, st.root), "silver/a", "silver/b") // another process goes on
}

func TestLocalIgnoresForeignFiles(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	put(t, st, "silver/a")
	for _, name := range []string{".DS_Store", "silver/.hidden", ".git/config"} {
		path := filepath.Join(st.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(st.root, filepath.Join(st.root, "circle")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, st, ""); !slices.Equal(got, []string{"silver/a"}) {
		t.Errorf("List shows %q, want silver/a", got)
	}
}

func TestLocalFolderRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	put(t, st, "silver/date=2026-03-01/a")
	if err := os.RemoveAll(st.root); err != nil {
		t.Fatal(err)
	}
	if err := st.Sync(t.Context()); err != nil {
		t.Errorf("Sync of a lake that was removed: %v", err)
	}
	put(t, st, "silver/date=2026-03-01/b")
	if got := list(t, st, ""); !slices.Equal(got, []string{"silver/date=2026-03-01/b"}) {
		t.Errorf("List shows %q", got)
	}
}

func TestLocalFileInTheWay(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	put(t, st, "silver")
	err := st.Put(t.Context(), "silver/a", nil)
	if !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), "a part of the path is a file: move it away") {
		t.Errorf("Put below a file: %v", err)
	}
	put(t, st, "bronze/a")
	if err := st.Put(t.Context(), "bronze", nil); err == nil || !strings.Contains(err.Error(), "lake "+st.root+": put bronze: ") {
		t.Errorf("Put of a folder's name: %v", err)
	}
	if err := st.Delete(t.Context(), "bronze"); err != nil {
		t.Errorf("Delete of a folder's name, which is no object: %v", err)
	}
	if got := everything(t, st.root); !slices.Equal(got, []string{"bronze/a", "silver"}) {
		t.Errorf("files: %q", got)
	}
	long := "silver-" + strings.Repeat("x", 300)
	if err := st.Put(t.Context(), long, nil); !errors.Is(err, syscall.ENAMETOOLONG) || !strings.Contains(err.Error(), "shorten the category") {
		t.Errorf("Put of a long name: %v", err)
	}
}

func TestLocalNoPermission(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		// Root may write everywhere: the message at least, from the error that
		// others would get.
		err := explainDisk("/lake", "put", "silver/a", &fs.PathError{Op: "open", Path: "/lake/silver/.tmp-1", Err: syscall.EACCES})
		want := "lake /lake: put silver/a: permission denied: give this user the right to read and write the folder, or name another folder"
		if err.Error() != want || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %q, want %q, and fs.ErrPermission", err, want)
		}
		return
	}
	st := newLocal(t)
	if err := os.Mkdir(st.root, 0o500); err != nil {
		t.Fatal(err)
	}
	err := st.Put(t.Context(), "silver/a", nil)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "give this user the right") {
		t.Errorf("Put in a folder of others: %v", err)
	}
}

// TestSyncer counts flushes of the whole file system, with one that can fail.
func TestSyncer(t *testing.T) {
	t.Parallel()
	gone := errors.New("disk is gone")
	var flushes int
	var fail error
	s := &syncer{root: t.TempDir(), flushAll: func() error {
		flushes++
		return fail
	}}
	expect := func(wantFlushes int, wantErr error) {
		t.Helper()
		if err := s.sync(); !errors.Is(err, wantErr) || flushes != wantFlushes {
			t.Errorf("sync: %v, %d flushes so far; want %v, %d", err, flushes, wantErr, wantFlushes)
		}
	}
	puts := func(n int) {
		for i := range n {
			s.put(filepath.Join(s.root, "silver", fmt.Sprint(i)))
		}
	}
	expect(0, nil) // nothing was put
	puts(1000)
	if len(s.paths) > 0 {
		t.Errorf("%d names are kept that nobody needs", len(s.paths))
	}
	expect(1, nil)
	expect(1, nil) // nothing new
	puts(1)
	fail = gone
	expect(2, gone)
	expect(3, gone) // not forgotten
	fail = nil
	expect(4, nil)
	expect(4, nil)
}

// TestSyncerFileByFile is a system that cannot flush a file system.
func TestSyncerFileByFile(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	st.syncer = &syncer{root: st.root}
	put(t, st, "a/b/c", "a/b/d", "a/e", "f", "g")
	if len(st.syncer.paths) != 5 {
		t.Fatalf("%d files wait to be flushed, want 5", len(st.syncer.paths))
	}
	if err := st.Delete(t.Context(), "a/e"); err != nil { // needs no flush any more
		t.Fatal(err)
	}
	for range 2 {
		if err := st.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(st.syncer.paths) != 0 {
			t.Errorf("%d files wait after Sync", len(st.syncer.paths))
		}
	}
	put(t, st, "broken")
	path := st.path("broken")
	if err := errors.Join(os.Remove(path), os.Symlink(path, path)); err != nil { // cannot be opened
		t.Fatal(err)
	}
	for range 2 {
		if err := st.Sync(t.Context()); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("Sync of a file that cannot be opened: %v, want ELOOP each time", err)
		}
	}
}

// TestSyncCoversEveryPut has many writers and syncs at once: a sync that
// returns must have flushed after every put that came before it.
func TestSyncCoversEveryPut(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var written, flushed int
	s := &syncer{root: t.TempDir(), flushAll: func() error {
		mu.Lock()
		defer mu.Unlock()
		flushed = written
		return nil
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				mu.Lock()
				written++
				mine := written
				mu.Unlock()
				s.put(filepath.Join(s.root, fmt.Sprint(mine)))
				if err := s.sync(); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if flushed < mine {
					t.Errorf("sync returned with %d writes flushed; write %d came before it", flushed, mine)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// BenchmarkDurable compares the ways to make small files durable: the figures
// in syncer's comment.
func BenchmarkDurable(b *testing.B) {
	for _, files := range []int{1, 2, 10, 100, 10_000} {
		for name, set := range map[string]func(s *syncer){
			"not at all":   func(s *syncer) { s.flushAll = func() error { return nil } },
			"file system":  func(*syncer) {},
			"file by file": func(s *syncer) { s.flushAll = nil },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, files), func(b *testing.B) {
				st := newLocal(b)
				set(st.syncer)
				data := bytes.Repeat([]byte("0123456789"), 600)
				for i := 0; b.Loop(); i++ {
					for j := range files {
						if err := st.Put(b.Context(), fmt.Sprintf("silver/category=%d/%d-%d", j%20, i, j), data); err != nil {
							b.Fatal(err)
						}
					}
					if err := st.Sync(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(files), "µs/file")
			})
		}
	}
}
