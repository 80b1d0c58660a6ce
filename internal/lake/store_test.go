package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// stores are the implementations, each with a function that opens a new empty
// one.
var stores = map[string]func(t testing.TB) Store{
	"local":  func(t testing.TB) Store { return mustOpen(t, filepath.Join(t.TempDir(), "lake")) },
	"bucket": func(t testing.TB) Store { return mustOpen(t, startBucket(t)+"/some/prefix") },
}

func mustOpen(t testing.TB, uri string) Store {
	t.Helper()
	return opened(t, uri, OpenStore)
}

// mustOpenRoot opens a store without a look at it.
func mustOpenRoot(t testing.TB, uri string) Store {
	t.Helper()
	return opened(t, uri, openRoot)
}

func opened(t testing.TB, uri string, open func(context.Context, string) (Store, error)) Store {
	t.Helper()
	st, err := open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

var bucketServer struct {
	sync.Once
	*fakestorage.Server
	buckets int
	err     error
	sync.Mutex
}

// startBucket makes a bucket on a server in this process and returns its URI.
func startBucket(t testing.TB) string {
	t.Helper()
	s := &bucketServer
	s.Do(func() {
		s.Server, s.err = fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	s.Lock()
	defer s.Unlock()
	s.buckets++
	bucket := fmt.Sprintf("lake-%d", s.buckets)
	s.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(s.URL(), "http://"))
	return "gs://" + bucket
}

func put(t testing.TB, st Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := st.Put(t.Context(), name, []byte("content of "+name)); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t testing.TB, st Store, prefix string) []string {
	t.Helper()
	var names []string
	for info, err := range st.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		names = append(names, info.Name)
	}
	return names
}

// TestStore holds every implementation to the contract of Store.
func TestStore(t *testing.T) {
	contract := map[string]func(t *testing.T, st Store){
		"put, get, replace":       testPut,
		"put new":                 testPutNew,
		"put new once":            testPutNewRace,
		"missing":                 testMissing,
		"list":                    testList,
		"list at random":          testListRandom,
		"delete":                  testDelete,
		"names":                   testNames,
		"read at":                 testReadAt,
		"open keeps its content":  testOpenSnapshot,
		"writers of one name":     testWriters,
		"cancelled":               testCancelled,
		"opened again by its URI": testReopen,
	}
	for name, open := range stores {
		for test, run := range contract {
			t.Run(name+"/"+test, func(t *testing.T) { run(t, open(t)) })
		}
	}
}

func testPut(t *testing.T, st Store) {
	const name = "silver/date=2026-03-01/category=home%20%26%20garden/20260301T101500Z-0.parquet"
	for _, data := range [][]byte{[]byte("first"), {}, bytes.Repeat([]byte("0123456789"), 500_000), []byte("last")} {
		if err := st.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
		got, err := st.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("got %d bytes back, want the %d that were put", len(got), len(data))
		}
	}
	if err := st.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

func testPutNew(t *testing.T, st Store) {
	if err := st.PutNew(t.Context(), "ledger/lease", []byte("first")); err != nil {
		t.Fatal(err)
	}
	// The same content is no excuse: a lease has one holder.
	for _, data := range []string{"first", "second"} {
		err := st.PutNew(t.Context(), "ledger/lease", []byte(data))
		if !errors.Is(err, ErrExists) {
			t.Errorf("PutNew of a name that is taken: %v, want ErrExists", err)
		} else if !strings.Contains(err.Error(), "ledger/lease") {
			t.Errorf("the error does not name the object: %v", err)
		}
	}
	if got, _ := st.Get(t.Context(), "ledger/lease"); string(got) != "first" {
		t.Errorf("content after a refused PutNew: %q, want %q", got, "first")
	}
	if err := st.Delete(t.Context(), "ledger/lease"); err != nil {
		t.Fatal(err)
	}
	if err := st.PutNew(t.Context(), "ledger/lease", nil); err != nil {
		t.Errorf("PutNew of a deleted name: %v", err)
	}
}

func testPutNewRace(t *testing.T, st Store) {
	const writers = 16
	var wins [writers]error
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { wins[i] = st.PutNew(t.Context(), "ledger/lease", fmt.Append(nil, i)) })
	}
	wg.Wait()
	winner := -1
	for i, err := range wins {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("both writer %d and %d made the object", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, ErrExists):
			t.Error(err)
		}
	}
	if got, err := st.Get(t.Context(), "ledger/lease"); err != nil || string(got) != fmt.Sprint(winner) {
		t.Errorf("the object holds %q, %v; writer %d made it", got, err, winner)
	}
}

func testMissing(t *testing.T, st Store) {
	put(t, st, "a/b")
	for _, name := range []string{"nothing", "no/such/folder", "a", "a/b/c"} {
		if _, err := st.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): %v, want fs.ErrNotExist", name, err)
		} else if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), st.URI()) {
			t.Errorf("the error does not name the object and the lake: %v", err)
		}
		if _, err := st.Get(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get(%q): %v, want fs.ErrNotExist", name, err)
		}
		if err := st.Delete(t.Context(), name); err != nil {
			t.Errorf("Delete(%q): %v", name, err)
		}
	}
	if got := list(t, st, ""); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("after deleting what is not there: %q", got)
	}
}

func testList(t *testing.T, st Store) {
	for _, prefix := range []string{"", "silver/"} {
		if got := list(t, st, prefix); got != nil {
			t.Errorf("list %q of an empty store: %q", prefix, got)
		}
	}
	all := []string{
		"lake.json",
		"silver/date=2026-03-01/category=toys-b/x", "silver/date=2026-03-01/category=toys/x", // '-' < '/'
		"silver/date=2026-03-01/category=toys/y", "silver/date=2026-03-010", "silver/date=2026-03-02/x", "silverware",
	}
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	put(t, st, reversed...)
	for prefix, want := range map[string][]string{
		"":                                       all,
		"lake.json":                              all[:1],
		"silver":                                 all[1:],
		"silver/":                                all[1:6],
		"silver/date=2026-03-01":                 all[1:5],
		"silver/date=2026-03-01/":                all[1:4],
		"silver/date=2026-03-01/c":               all[1:4],
		"silver/date=2026-03-01/category=toys/":  all[2:4],
		"silver/date=2026-03-01/category=toys/x": all[2:3],
		"silver/date=2026-03-01/category=toys/x/": nil,
		"bronze/": nil,
	} {
		if diff := cmp.Diff(want, list(t, st, prefix)); diff != "" {
			t.Errorf("list %q (-want +got):\n%s", prefix, diff)
		}
	}
	for info, err := range st.List(t.Context(), "silverware") {
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(len("content of silverware")); info.Size != want {
			t.Errorf("size %d, want %d", info.Size, want)
		}
		if age := time.Since(info.Modified); age < -time.Minute || age > time.Minute || info.Modified.Location() != time.UTC {
			t.Errorf("modified %v, want about now in UTC", info.Modified)
		}
	}
	for _, err := range st.List(t.Context(), "") {
		if err != nil {
			t.Error(err)
		}
		break // ends early without a fault
	}
}

func testListRandom(t *testing.T, st Store) {
	part := rapid.StringMatching(`[a-c=%~ -]{1,3}`)
	rapid.Check(t, func(rt *rapid.T) {
		dir := rapid.StringMatching(`[a-z]{12}`).Draw(rt, "dir")
		var want []string
		for range rapid.IntRange(0, 6).Draw(rt, "objects") {
			// A leaf's name is no folder's name: a disk cannot have both.
			name := dir + "/" + strings.Join(append(rapid.SliceOfN(part, 0, 3).Draw(rt, "parts"), "f"+part.Draw(rt, "leaf")), "/")
			want = append(want, name)
			put(t, st, name)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		prefix := dir + "/"
		if len(want) > 0 {
			name := rapid.SampledFrom(want).Draw(rt, "name")
			prefix = name[:rapid.IntRange(len(dir), len(name)).Draw(rt, "length")]
		}
		want = slices.DeleteFunc(want, func(name string) bool { return !strings.HasPrefix(name, prefix) })
		if got := list(t, st, prefix); !slices.Equal(got, want) {
			rt.Fatalf("list %q: %q, want %q", prefix, got, want)
		}
		from := dir + "/" + strings.Join(rapid.SliceOfN(part, 0, 3).Draw(rt, "from"), "/")
		if len(want) > 0 && rapid.Bool().Draw(rt, "from a name") {
			from = rapid.SampledFrom(want).Draw(rt, "start")
		}
		want = slices.DeleteFunc(want, func(name string) bool { return name < from })
		var got []string
		for info, err := range st.ListFrom(t.Context(), prefix, from) {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, info.Name)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("list %q from %q: %q, want %q", prefix, from, got, want)
		}
	})
}

func testDelete(t *testing.T, st Store) {
	put(t, st, "a/b", "a/c")
	for range 2 {
		if err := st.Delete(t.Context(), "a/b"); err != nil {
			t.Fatal(err)
		}
		if got := list(t, st, ""); !slices.Equal(got, []string{"a/c"}) {
			t.Errorf("after Delete: %q, want a/c", got)
		}
	}
}

func testNames(t *testing.T, st Store) {
	for _, name := range []string{
		"", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.tmp-1", `a\b`, "a\x00b", "a\nb", "a\xffb",
	} {
		err := st.Put(t.Context(), name, nil)
		if err == nil {
			t.Errorf("Put(%q) is no error", name)
			continue
		}
		if !strings.Contains(err.Error(), st.URI()) {
			t.Errorf("the error does not name the lake: %v", err)
		}
		if st.PutNew(t.Context(), name, nil) == nil || st.Delete(t.Context(), name) == nil {
			t.Errorf("PutNew or Delete of %q is no error", name)
		}
		if _, err := st.Open(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): %v, want an error about the name", name, err)
		}
		if _, err := st.Get(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get(%q): %v, want an error about the name", name, err)
		}
	}
	for _, prefix := range []string{"/", "../", "a//"} {
		for _, err := range st.List(t.Context(), prefix) {
			if err == nil {
				t.Errorf("List(%q) yields an object", prefix)
			}
		}
	}
	put(t, st, "category=../x", "category=%41/x", "a b/ü&=:@+$,;!'()*")
	if got := list(t, st, ""); len(got) != 3 {
		t.Errorf("odd names: %q", got)
	}
}

func testReadAt(t *testing.T, st Store) {
	data := make([]byte, 2*blockSize+12_345)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	if err := st.Put(t.Context(), "big", data); err != nil {
		t.Fatal(err)
	}
	o, err := st.Open(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Size() != int64(len(data)) {
		t.Fatalf("size %d, want %d", o.Size(), len(data))
	}
	want := bytes.NewReader(data)
	for _, r := range []struct {
		off int64
		n   int
	}{
		{0, 4},
		{int64(len(data)) - 8, 8},
		{blockSize - 2, 5},
		{1, blockSize + 3},
		{5, 2 * blockSize},
		{blockSize, blockSize},
		{int64(len(data)) - 3, 8},
		{int64(len(data)), 1},
		{int64(len(data)) + 100, 1},
		{0, len(data)},
		{7, len(data)},
		{0, 0},
		{12, 0},
	} {
		wantBytes, gotBytes := make([]byte, r.n), make([]byte, r.n)
		wantN, wantErr := want.ReadAt(wantBytes, r.off)
		gotN, gotErr := o.ReadAt(gotBytes, r.off)
		if gotN != wantN || (gotErr == nil) != (wantErr == nil && (gotN == r.n)) && !errors.Is(gotErr, io.EOF) || !bytes.Equal(gotBytes, wantBytes) {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v, want %d, %v and the same bytes", r.n, r.off, gotN, gotErr, wantN, wantErr)
		}
	}
	if _, err := o.ReadAt(make([]byte, 1), -1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("ReadAt(-1): %v, want an error", err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			p := make([]byte, 1000)
			for j := range 50 {
				off := (i*7919 + j*104_729) * 31 % (len(data) - len(p))
				if _, err := o.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, data[off:off+len(p)]) {
					t.Errorf("concurrent ReadAt(%d): %v or wrong bytes", off, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func testOpenSnapshot(t *testing.T, st Store) {
	put(t, st, "a")
	o, err := st.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := st.Put(t.Context(), "a", []byte("something new and longer")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, o.Size())
	// A store without old generations may refuse; it must not mix.
	if _, err := o.ReadAt(p, 0); err == nil && string(p) != "content of a" {
		t.Errorf("an object opened before a put reads %q, want what it was", p)
	} else if err != nil {
		t.Log(err)
	}
}

func testWriters(t *testing.T, st Store) {
	contents := make([][]byte, 8)
	for i := range contents {
		contents[i] = bytes.Repeat([]byte{'a' + byte(i)}, 100_000+i)
	}
	var wg sync.WaitGroup
	for _, data := range contents {
		wg.Go(func() {
			for range 5 {
				if err := st.Put(t.Context(), "silver/x", data); err != nil {
					t.Error(err)
				}
			}
		})
	}
	check := func() {
		got, err := st.Get(t.Context(), "silver/x")
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil || !slices.ContainsFunc(contents, func(want []byte) bool { return bytes.Equal(got, want) }) {
			t.Errorf("Get while others put: %v, %d bytes that nobody put", err, len(got))
		}
	}
	for range 20 {
		check()
	}
	wg.Wait()
	check()
	if got := list(t, st, ""); !slices.Equal(got, []string{"silver/x"}) {
		t.Errorf("objects after many puts of one name: %q", got)
	}
}

func testCancelled(t *testing.T, st Store) {
	put(t, st, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, openErr := st.Open(ctx, "a")
	_, getErr := st.Get(ctx, "a")
	var listErr error
	for _, err := range st.List(ctx, "") {
		listErr = err
	}
	for call, err := range map[string]error{
		"Put": st.Put(ctx, "b", []byte("x")), "PutNew": st.PutNew(ctx, "c", []byte("x")), "Delete": st.Delete(ctx, "a"),
		"Open": openErr, "Get": getErr, "List": listErr,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v, want context.Canceled", call, err)
		}
	}
	if got := list(t, st, ""); !slices.Equal(got, []string{"a"}) {
		t.Errorf("objects after cancelled calls: %q, want a", got)
	}
}

func testReopen(t *testing.T, st Store) {
	put(t, st, "a/b")
	again := mustOpen(t, st.URI())
	if got := list(t, again, ""); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("store opened by URI %s: %q, want a/b", st.URI(), got)
	}
	if again.URI() != st.URI() {
		t.Errorf("URI %s, want %s", again.URI(), st.URI())
	}
}
