package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"example.com/shopstream/internal/lake"
)

// stores are where a registry can be: each opens a new empty one, and returns the
// URI that opens it again.
var stores = map[string]func(t testing.TB) (uri string){
	"folder": func(t testing.TB) string { return filepath.Join(t.TempDir(), "lake") },
	"bucket": func(t testing.TB) string { return startBucket(t) + "/some/prefix" },
}

var bucketServer struct {
	sync.Once
	*fakestorage.Server
	buckets int
	err     error
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
	s.buckets++
	bucket := fmt.Sprintf("models-%d", s.buckets)
	s.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(s.URL(), "http://"))
	return "gs://" + bucket
}

func openStore(t testing.TB, uri string) lake.Store {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), uri)
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

// objects are the names of what is in a store.
func objects(t testing.TB, st lake.Store, prefix string) (names []string) {
	t.Helper()
	for info, err := range st.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

// start is the time of the tests' clocks.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newFolder returns a registry in an empty folder, whose clock goes on by a second
// each time it is asked, and its store.
func newFolder(t testing.TB) (*Registry, lake.Store) {
	t.Helper()
	st := quick{openStore(t, stores["folder"](t))}
	return ticking(st), st
}

// quick does without waiting for the disk.
type quick struct{ lake.Store }

func (quick) Sync(context.Context) error { return nil }

func ticking(st lake.Store) *Registry {
	r := Open(st)
	var mu sync.Mutex
	now := start
	r.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
	return r
}

// failing is what testing and rapid have in common.
type failing interface {
	Helper()
	Fatal(args ...any)
}

// put puts a small version of model m.
func put(t failing, r *Registry, seed uint64) string {
	t.Helper()
	m := Manifest{Name: "m", Kind: "recipe", Seed: seed, CodeVersion: "c", GoVersion: "go"}
	version, err := r.Put(context.Background(), m, map[string][]byte{"forest.json": fmt.Appendf(nil, "model %d", seed)})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

var errKilled = errors.New("killed")

// hooked is a store that calls before a write or a sync, which then fails with the
// error.
type hooked struct {
	lake.Store
	before func(op, name string) error
}

func (h hooked) PutNew(ctx context.Context, name string, data []byte) error {
	if err := h.before("put", name); err != nil {
		return err
	}
	return h.Store.PutNew(ctx, name, data)
}

func (h hooked) Delete(ctx context.Context, name string) error {
	if err := h.before("delete", name); err != nil {
		return err
	}
	return h.Store.Delete(ctx, name)
}

func (h hooked) Sync(context.Context) error { return h.before("sync", "") }

// huge is a store whose objects say that they are huge, and must not be read.
type huge struct {
	lake.Store
	t *testing.T
}

func (h huge) Open(context.Context, string) (lake.Object, error) { return hugeObject{t: h.t}, nil }

type hugeObject struct {
	io.ReaderAt
	t *testing.T
}

func (hugeObject) Size() int64  { return 1 << 50 }
func (hugeObject) Close() error { return nil }
func (o hugeObject) ReadAt([]byte, int64) (int, error) {
	o.t.Error("it was read")
	return 0, io.ErrUnexpectedEOF
}
