package lake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// throughProxy opens a lake in a new bucket behind a handler that may answer in
// the service's place. It has the bucket itself, too, without the handler.
func throughProxy(t *testing.T, handle func(service http.Handler, w http.ResponseWriter, r *http.Request)) (proxied, direct Store) {
	t.Helper()
	uri := startBucket(t) + "/lake"
	direct = mustOpen(t, uri)
	target, err := url.Parse(bucketServer.URL())
	if err != nil {
		t.Fatal(err)
	}
	service := httputil.NewSingleHostReverseProxy(target)
	service.ModifyResponse = func(r *http.Response) error {
		// Where an upload goes on: here, too.
		if location, err := r.Location(); err == nil {
			location.Host = r.Request.Header.Get("X-Proxy")
			r.Header.Set("Location", location.String())
		}
		return nil
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Proxy", r.Host)
		handle(service, w, r)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(proxy.URL, "http://"))
	return mustOpenRoot(t, uri), direct // OpenStore would be its first request
}

func TestBucketRetries(t *testing.T) {
	var failures atomic.Int32
	st, _ := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
		if failures.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		service.ServeHTTP(w, r)
	})
	data := bytes.Repeat([]byte("x"), 300_000)
	var got []byte
	for name, call := range map[string]func() error{
		"Put":    func() error { return st.Put(t.Context(), "a", data) },
		"PutNew": func() error { return st.PutNew(t.Context(), "b", data) },
		"Delete": func() error { return st.Delete(t.Context(), "c") },
		"Get": func() (err error) {
			got, err = st.Get(t.Context(), "a")
			return err
		},
		"List": func() error {
			for _, err := range st.List(t.Context(), "") {
				return err
			}
			return nil
		},
	} {
		if name == "Get" {
			if err := st.Put(t.Context(), "a", data); err != nil {
				t.Fatal(err)
			}
		}
		failures.Store(2)
		if err := call(); err != nil {
			t.Errorf("%s after two answers 503: %v", name, err)
		}
		if failures.Load() > 0 {
			t.Errorf("%s did not reach the service", name)
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, want the %d that were put", len(got), len(data))
	}
}

// TestBucketPutNewAnswerLost: the service makes the object, but its answer does
// not arrive; sent again, the put finds the name taken, by itself.
func TestBucketPutNewAnswerLost(t *testing.T) {
	var lost atomic.Bool
	st, direct := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && lost.CompareAndSwap(false, true) {
			service.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		service.ServeHTTP(w, r)
	})
	if err := st.PutNew(t.Context(), "lease", []byte("mine")); err != nil {
		t.Errorf("PutNew whose first answer got lost: %v, want success", err)
	}
	if !lost.Load() {
		t.Fatal("no answer was lost")
	}
	if got, err := direct.Get(t.Context(), "lease"); err != nil || string(got) != "mine" {
		t.Errorf("the object is %q, %v", got, err)
	}
	if err := st.PutNew(t.Context(), "lease", []byte("mine")); !errors.Is(err, ErrExists) {
		t.Errorf("another PutNew: %v, want ErrExists", err)
	}
}

// TestBucketInterruptedPut cuts an upload in its middle: the part must not
// become an object.
func TestBucketInterruptedPut(t *testing.T) {
	for name, size := range map[string]int{"one request": 1 << 20, "several chunks": maxChunk + 1<<20} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var uploads atomic.Int32
			st, direct := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
				// The last request of an upload is the one that makes the object.
				upload := r.Method == http.MethodPost
				if upload && (size <= maxChunk || uploads.Add(1) == 3) { // 3: start, first chunk, second chunk
					_, _ = io.CopyN(io.Discard, r.Body, 1<<19)
					cancel()
					panic(http.ErrAbortHandler) // cuts the connection
				}
				service.ServeHTTP(w, r)
			})
			put(t, direct, "a")
			if err := st.Put(ctx, "a", make([]byte, size)); !errors.Is(err, context.Canceled) {
				t.Errorf("Put: %v, want context.Canceled", err)
			}
			if got, err := direct.Get(t.Context(), "a"); err != nil || string(got) != "content of a" {
				t.Errorf("the object after a put that was cut: %d bytes, %v, want what it was", len(got), err)
			}
			if got := list(t, direct, ""); !slices.Equal(got, []string{"a"}) {
				t.Errorf("objects: %q", got)
			}
		})
	}
}

// TestBucketCaches: what is overwritten or deleted must not be cached on its way.
func TestBucketCaches(t *testing.T) {
	st := mustOpen(t, startBucket(t)+"/lake").(*bucketStore)
	lockFor(t, st, shortTTL)
	if err := Init(t.Context(), st, anySettings); err != nil {
		t.Fatal(err)
	}
	put(t, st, sealName, "silver/a")
	for name, want := range map[string]string{settingsName: noStore, sealName: noStore, leaseName: noStore, "silver/a": ""} {
		attrs, err := st.attrs(t.Context(), name)
		if err != nil || attrs.CacheControl != want {
			t.Errorf("%s: %+v, %v, want the cache control %q", name, attrs, err, want)
		}
	}
}

func TestBucketErrors(t *testing.T) {
	for name, test := range map[string]struct {
		code int
		want string
	}{
		"forbidden": {http.StatusForbidden, "give this account roles/storage.objectUser on the bucket lake-"},
		"login":     {http.StatusUnauthorized, "run 'gcloud auth application-default login'"},
		"no bucket": {http.StatusNotFound, "the bucket does not exist: create it"},
	} {
		t.Run(name, func(t *testing.T) {
			st, _ := throughProxy(t, func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(test.code) })
			err := st.Put(t.Context(), "silver/a", []byte("x"))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "lake "+st.URI()+": put silver/a: ") {
				t.Errorf("Put: %v, want the lake, the object and %q", err, test.want)
			}
		})
	}
}

// TestBlockReader counts requests: reading an object in small steps must not
// make one each, and several columns at once must not fetch a block twice.
func TestBlockReader(t *testing.T) {
	t.Parallel()
	const size = 5*blockSize + 100
	var requests, fail int
	r := newBlockReader(size, func(p []byte, off int64) error {
		requests++
		if fail > 0 {
			fail--
			return errors.New("cut")
		}
		for i := range p {
			p[i] = byte((off + int64(i)) >> 8)
		}
		return nil
	})
	read := func(off int64, n int) {
		t.Helper()
		p := make([]byte, n)
		if _, err := r.ReadAt(p, off); err != nil {
			t.Fatal(err)
		}
		for i, b := range p {
			if want := byte((off + int64(i)) >> 8); b != want {
				t.Fatalf("byte %d: %d, want %d", off+int64(i), b, want)
			}
		}
	}
	for step := range int64(blockSize / 4096) {
		for column := range int64(5) { // five places in turn
			read(column*blockSize+step*4096, 4096)
		}
	}
	read(size-100, 100)
	if requests != 6 {
		t.Errorf("%d requests for 6 blocks, want 6", requests)
	}
	fail = 1
	again := newBlockReader(size, r.fetch)
	if _, err := again.ReadAt(make([]byte, 10), 0); err == nil || err.Error() != "cut" {
		t.Errorf("ReadAt of a request that fails: %v", err)
	}
	if n, err := again.ReadAt(make([]byte, 10), 0); n != 10 || err != nil {
		t.Errorf("ReadAt after a request that failed: %d, %v, want it to try again", n, err)
	}
	for i := range int64(100) { // more blocks than are kept
		again.size = 1 << 40
		if _, err := again.ReadAt(make([]byte, 1), i*blockSize); err != nil {
			t.Fatal(err)
		}
	}
	if len(again.blocks) > maxBlocks {
		t.Errorf("%d blocks are kept, want at most %d", len(again.blocks), maxBlocks)
	}
}
