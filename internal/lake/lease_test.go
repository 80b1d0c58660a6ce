package lake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// shortTTL is a lease of these tests, long enough for two busy cores.
const shortTTL = 1500 * time.Millisecond

func lockFor(t testing.TB, st Store, ttl time.Duration) *Lease {
	t.Helper()
	l, err := st.(*bucketStore).lock(t.Context(), ttl, leaseName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// TestLeaseOfBucket: a second writer is refused while the first one renews, and
// gets the lease at once when it is released.
func TestLeaseOfBucket(t *testing.T) {
	uri := startBucket(t) + "/lake"
	first, second := mustOpen(t, uri), mustOpen(t, uri)
	l := lockFor(t, first, shortTTL)
	_, err := second.(*bucketStore).lock(t.Context(), shortTTL, leaseName)
	host, _ := os.Hostname()
	for _, want := range []string{uri + " is in use by process ", " on host " + host, "stop that one, or use another lake"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a second writer: %v, want an error with %q", err, want)
		}
	}
	if Temporary(err) {
		t.Error("a lake of somebody else is taken for one that is away")
	}
	if err := PutSeal(t.Context(), first, w(0)); err != nil {
		t.Errorf("the holder writes: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	lockFor(t, second, shortTTL)
	if took := time.Since(began); took > shortTTL/2 {
		t.Errorf("a lease that was released was taken after %s, want at once", took)
	}
}

// TestLeaseOfTheDead: the holder ended without a word. On this host that is
// known, on another one only that it renews no more.
func TestLeaseOfTheDead(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	dead, live := ended.Process.Pid, os.Getpid()
	for name, c := range map[string]struct {
		content any
		wait    bool
	}{
		"of this host":                   {holder{ID: "x", PID: dead, Machine: machine()}, machine() == ""},
		"of another host, the same pid":  {holder{ID: "x", PID: dead, Machine: "another"}, true},
		"of a system that does not tell": {holder{ID: "x", PID: dead}, true},
		"its pid lives":                  {holder{ID: "x", PID: live, Machine: machine()}, true},
		"damaged":                        {"x", true},
	} {
		t.Run(name, func(t *testing.T) {
			st := mustOpen(t, startBucket(t)+"/lake")
			data, err := json.Marshal(c.content)
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Put(t.Context(), leaseName, data); err != nil {
				t.Fatal(err)
			}
			const ttl = shortTTL / 2
			began := time.Now()
			lockFor(t, st, ttl)
			if took := time.Since(began); (took >= ttl) != c.wait {
				t.Errorf("taken after %s, want a wait of %s: %v", took, ttl, c.wait)
			}
		})
	}
}

// TestLeaseTakenByOne: of many that find a lease of the dead, one gets it.
func TestLeaseTakenByOne(t *testing.T) {
	uri := startBucket(t) + "/lake"
	if err := mustOpen(t, uri).Put(t.Context(), leaseName, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	for range 4 {
		st := mustOpen(t, uri)
		go func() {
			l, err := st.(*bucketStore).lock(context.Background(), shortTTL, leaseName)
			results <- err
			if err == nil {
				<-t.Context().Done()
				_ = l.Release() // the server may be gone
			}
		}()
	}
	got := 0
	for range 4 {
		switch err := <-results; {
		case err == nil:
			got++
		case !strings.Contains(err.Error(), "is in use by process"):
			t.Error(err)
		}
	}
	if got != 1 {
		t.Errorf("%d writers have the lease, want 1", got)
	}
}

// TestLeaseLost: a holder that cannot renew must stop before another may start;
// its context says why, and nothing is written any more.
func TestLeaseLost(t *testing.T) {
	var away atomic.Bool
	st, direct := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		service.ServeHTTP(w, r)
	})
	l := lockFor(t, st, shortTTL)
	ctx, cancel := l.Bind(t.Context())
	defer cancel()
	time.Sleep(shortTTL)
	if ctx.Err() != nil {
		t.Fatalf("lost although the service is there: %v", context.Cause(ctx))
	}
	away.Store(true)
	began := time.Now()
	err := PutRow(t.Context(), st, Row{Window: w(0)}) // is trying when the lease is lost
	if took := time.Since(began); !errors.Is(err, ErrLeaseLost) || took > shortTTL {
		t.Errorf("a put into a service that is away: %v after %s, want ErrLeaseLost within %s", err, took, shortTTL)
	}
	select {
	case <-ctx.Done():
	case <-time.After(shortTTL):
		t.Fatal("the context of the holder goes on")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, ErrLeaseLost) || !Temporary(cause) || !strings.Contains(cause.Error(), st.URI()) {
		t.Errorf("cause %v, want ErrLeaseLost with the lake", cause)
	}
	away.Store(false)
	for name, call := range map[string]func() error{
		"PutRow":  func() error { return PutRow(t.Context(), st, Row{Window: w(0)}) },
		"PutSeal": func() error { return PutSeal(t.Context(), st, w(0)) },
		"Delete":  func() error { return st.Delete(t.Context(), "a") },
	} {
		if err := call(); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s after the loss: %v, want ErrLeaseLost", name, err)
		}
	}
	if err := l.Release(); err != nil {
		t.Errorf("release after the loss: %v", err)
	}
	if err := PutSeal(t.Context(), st, w(0)); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("PutSeal after the release: %v, want ErrLeaseLost", err)
	}
	if got := list(t, direct, "ledger/rows"); len(got) > 0 {
		t.Errorf("written after the loss: %q", got)
	}
	// A job that goes on locks first.
	if err := Init(t.Context(), st, anySettings); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("Init after the release: %v, want ErrLeaseLost", err)
	}
	lockFor(t, st, shortTTL)
	if err := errors.Join(Init(t.Context(), st, anySettings), PutSeal(t.Context(), st, w(0))); err != nil {
		t.Errorf("Init and PutSeal after locking again: %v", err)
	}
}

// TestLeaseStolen: somebody else's lease is in the place of the holder's, as
// after this process was stopped for long.
func TestLeaseStolen(t *testing.T) {
	st := mustOpen(t, startBucket(t)+"/lake")
	l := lockFor(t, st, shortTTL)
	ctx, cancel := l.Bind(t.Context())
	defer cancel()
	if err := st.Put(t.Context(), leaseName, []byte(`{"holder":"thief","host":"far","pid":7}`)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(shortTTL):
		t.Fatal("the context of the holder goes on")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, ErrLeaseLost) || !strings.Contains(cause.Error(), "process 7 on host far") {
		t.Errorf("cause %v, want one that names the new holder", cause)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if got, err := st.Get(t.Context(), leaseName); err != nil || !strings.Contains(string(got), "thief") {
		t.Errorf("the new holder's lease is now %q, %v", got, err)
	}
}

// TestLeaseAnswerLost: a renewal arrives, but its answer does not.
func TestLeaseAnswerLost(t *testing.T) {
	var lose, lost atomic.Int32
	st, _ := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && lose.Add(-1) >= 0 {
			service.ServeHTTP(discard{http.Header{}}, r)
			lost.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		service.ServeHTTP(w, r)
	})
	lose.Store(1)
	l := lockFor(t, st, shortTTL)
	lose.Store(1)
	time.Sleep(2 * shortTTL)
	if err := l.bucket.check(); err != nil || lost.Load() != 2 {
		t.Errorf("%v after %d answers that got lost, want the lease held after 2", err, lost.Load())
	}
}

// TestLeaseReleasedWhileRenewed: a release does not wait for the answer to a
// renewal, and removes the lease also where that has arrived.
func TestLeaseReleasedWhileRenewed(t *testing.T) {
	var hang atomic.Bool
	renewing := make(chan struct{}, 100)
	st, direct := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && hang.Load() {
			service.ServeHTTP(discard{http.Header{}}, r)
			renewing <- struct{}{}
			<-r.Context().Done()
			return
		}
		service.ServeHTTP(w, r)
	})
	const ttl = 2 * shortTTL
	l := lockFor(t, st, ttl)
	hang.Store(true)
	<-renewing
	began := time.Now()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > ttl/6 { // half of what is left to the deadline
		t.Errorf("released after %s, want at once", took)
	}
	if got := list(t, direct, ""); len(got) > 0 {
		t.Errorf("left after the release: %q", got)
	}
}

// TestLeaseAnswerLostLate: a renewal counts from its first attempt, which may be
// the one that arrived.
func TestLeaseAnswerLostLate(t *testing.T) {
	var attempts atomic.Int32
	st, _ := throughProxy(t, func(service http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if attempts.Add(1) == 1 {
				service.ServeHTTP(discard{http.Header{}}, r)
				time.Sleep(shortTTL / 10)
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		service.ServeHTTP(w, r)
	})
	before := time.Now()
	l := lockFor(t, st, shortTTL)
	if late := l.bucket.deadline().Sub(before.Add(shortTTL * 2 / 3)); late > shortTTL/15 || attempts.Load() < 2 {
		t.Errorf("the deadline is %s later than that of the first of %d attempts", late, attempts.Load())
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// TestLeaseOfFolder ends with its release; without it, a second one is refused.
func TestLeaseOfFolder(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	l, err := Lock(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(t.Context(), mustOpen(t, st.URI())); err == nil || !strings.Contains(err.Error(), "is in use by process") {
		t.Errorf("a second writer: %v, want a refusal", err)
	}
	ctx, cancel := l.Bind(t.Context())
	if ctx.Err() != nil {
		t.Error("its context has ended")
	}
	cancel()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = Lock(t.Context(), st)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}
