// Package laketest has a bucket for tests whose network and service fail.
package laketest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// Fault is what can happen to a request.
type Fault string

// The faults.
const (
	TooMany     Fault = "429"
	Internal    Fault = "500"
	Unavailable Fault = "503"
	ResetBefore Fault = "reset before the service has seen the request"
	ResetAfter  Fault = "reset after the service has done it"
	LostAnswer  Fault = "503 after the service has done it"
	Truncated   Fault = "answer cut in its middle"
	HangBefore  Fault = "no answer, nothing done"
	HangAfter   Fault = "no answer, all done"
)

// Quick are the faults that cost no waiting.
var Quick = []Fault{TooMany, Internal, Unavailable, ResetBefore, ResetAfter, LostAnswer, Truncated}

// Faults decides for each request, in the order in which they come, whether
// and how it fails. It may be used from many goroutines.
type Faults struct {
	mu    sync.Mutex
	rnd   *rand.Rand
	rate  float64
	kinds []Fault
	next  []Fault // come first
	count map[Fault]int
}

// NewFaults lets that part of all requests fail, in one of these ways.
func NewFaults(seed uint64, rate float64, kinds ...Fault) *Faults {
	return &Faults{rnd: rand.New(rand.NewPCG(seed, 1)), rate: rate, kinds: kinds, count: map[Fault]int{}}
}

// Next lets the next requests fail in these ways, one each.
func (f *Faults) Next(kinds ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, kinds...)
}

// Counts says how often each fault happened.
func (f *Faults) Counts() map[Fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.count)
}

// Missing are the faults of these kinds that have not happened yet.
func (f *Faults) Missing(kinds ...Fault) []Fault {
	counts := f.Counts()
	return slices.DeleteFunc(slices.Clone(kinds), func(k Fault) bool { return counts[k] > 0 })
}

func (f *Faults) pick() (fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(f.next) > 0:
		fault, f.next = f.next[0], f.next[1:]
	case len(f.kinds) > 0 && f.rnd.Float64() < f.rate:
		fault = f.kinds[f.rnd.IntN(len(f.kinds))]
	default:
		return ""
	}
	f.count[fault]++
	return fault
}

// StartBucket starts a server with an empty bucket of that name, and before it
// a proxy that fails as told. Both values are for STORAGE_EMULATOR_HOST: the
// one through the proxy, and the one that is always well.
func StartBucket(t testing.TB, bucket string, faults *Faults) (faulty, direct string) {
	t.Helper()
	gcs, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gcs.Stop)
	gcs.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	target, err := url.Parse(gcs.URL())
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
		fail(faults.pick(), service, w, r)
	}))
	t.Cleanup(proxy.Close)
	t.Cleanup(proxy.CloseClientConnections) // before Close, which waits for what hangs
	return strings.TrimPrefix(proxy.URL, "http://"), strings.TrimPrefix(gcs.URL(), "http://")
}

// fail answers a request with a fault, or well.
func fail(fault Fault, service http.Handler, w http.ResponseWriter, r *http.Request) {
	done := func() *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		service.ServeHTTP(answer, r)
		return answer
	}
	switch fault {
	case "":
		service.ServeHTTP(w, r)
	case TooMany:
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	case Internal:
		http.Error(w, "internal error", http.StatusInternalServerError)
	case Unavailable:
		http.Error(w, "not available", http.StatusServiceUnavailable)
	case LostAnswer:
		done()
		http.Error(w, "not available", http.StatusServiceUnavailable)
	case ResetBefore:
		reset(w)
	case ResetAfter:
		done()
		reset(w)
	case Truncated:
		answer := done()
		body := answer.Body.Bytes()
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+1)) // one more than comes, also of an empty one
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2]) // the client may be gone
		panic(http.ErrAbortHandler)
	case HangBefore:
		drain(r)
		<-r.Context().Done()
	case HangAfter:
		done()
		drain(r)
		<-r.Context().Done()
	default:
		panic("unknown fault " + string(fault))
	}
}

// drain reads the rest of a request: only then does the server see that the
// client hangs up.
func drain(r *http.Request) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := r.Body.Read(buf); err != nil {
			return
		}
	}
}

// reset ends the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a close is then a reset
	}
	_ = conn.Close()
}
