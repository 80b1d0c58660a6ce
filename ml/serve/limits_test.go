package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/shopstream/internal/guard"
)

const secret = "correct-horse-battery-staple"

func tokens(t testing.TB, texts ...string) guard.Tokens {
	t.Helper()
	out, err := guard.ParseTokens([]byte(strings.Join(texts, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokens(t *testing.T) {
	l := commonLake(t)
	h := l.server(t, func(o *Options) { o.Tokens = tokens(t, "# old and new", secret, "another-token-of-ours") }).Handler()
	open := map[string]bool{"/healthz": true, "/readyz": true, "/docs": true, "/openapi.json": true, "/openapi.yaml": true}
	for _, path := range []string{"/v1/predictions", "/v1/predictions/product/p1", "/v1/models", "/v1/models/" + l.champion, "/v1/experiment", "/v1/experiment/results", "/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/openapi.yaml"} {
		for header, right := range map[string]bool{
			"Bearer " + secret: true, "bearer " + secret: true, "Bearer another-token-of-ours": true,
			"": false, "Bearer": false, "Bearer ": false, "Bearer " + secret + "x": false, "Bearer " + secret[1:]: false, "Basic " + secret: false, secret: false,
			"Bearer " + strings.Repeat("x", len(secret)): false, "Bearer # old and new": false,
		} {
			want := http.StatusUnauthorized
			if right || open[path] {
				want = http.StatusOK
			}
			w := get(t, h, path, "Authorization", header)
			if w.Code != want || (want == http.StatusUnauthorized) != (w.Header().Get("WWW-Authenticate") == "Bearer") {
				t.Errorf("%s with %q: status %d, expected %d", path, header, w.Code, want)
			}
		}
	}
	if w := ask(t, h, http.MethodPost, "/v1/what-if", `{"product":"p0","price":2}`, "Content-Type", jsonType); w.Code != http.StatusUnauthorized {
		t.Errorf("what-if without a token: status %d", w.Code)
	}
	metrics := l.server(t, func(o *Options) { o.Tokens, o.OpenMetrics = tokens(t, secret), true }).Handler()
	if w := get(t, metrics, "/metrics"); w.Code != http.StatusOK {
		t.Errorf("open metrics: status %d", w.Code)
	}
	if w := get(t, metrics, "/v1/models"); w.Code != http.StatusUnauthorized {
		t.Errorf("open metrics open the rest: status %d", w.Code)
	}
}

// A page whose name points to this machine is not answered (DNS rebinding).
func TestHost(t *testing.T) {
	l := commonLake(t)
	h := l.server(t, func(o *Options) { o.Hosts = guard.NewHosts("127.0.0.1:8080", []string{"shop.example"}, nil) }).Handler()
	for _, path := range []string{"/v1/models", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"} {
		for host, want := range map[string]int{
			"localhost:8080": http.StatusOK, "127.0.0.1:8080": http.StatusOK, "[::1]:8080": http.StatusOK, "shop.example": http.StatusOK,
			"evil.example": http.StatusMisdirectedRequest, "evil.example:8080": http.StatusMisdirectedRequest, "shop.example.evil.example": http.StatusMisdirectedRequest,
		} {
			if w := get(t, h, path, "Host", host); w.Code != want {
				t.Errorf("%s at %s: status %d, expected %d: %s", path, host, w.Code, want, w.Body)
			}
		}
	}
	if w := get(t, h, "/v1/models", "Host", "evil.example"); !strings.Contains(w.Body.String(), "evil.example") || !strings.Contains(w.Body.String(), "--allow-host") {
		t.Errorf("it does not say what was found and what to do: %s", w.Body)
	}
}

func TestRate(t *testing.T) {
	h := commonLake(t).server(t, func(o *Options) { o.Rate = 5 }).Handler()
	statuses := map[int]int{}
	for range 20 {
		w := get(t, h, "/v1/models")
		statuses[w.Code]++
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "1" {
			t.Errorf("come again after %q", w.Header().Get("Retry-After"))
		}
	}
	if statuses[http.StatusOK] < 4 || statuses[http.StatusTooManyRequests] < 1 {
		t.Errorf("the statuses are %v", statuses)
	}
	if w := get(t, h, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("whoever watches is turned away: status %d", w.Code)
	}
	if w := get(t, h, "/metrics"); !strings.Contains(w.Body.String(), `shopstream_api_rejected_total{reason="rate"}`) {
		t.Error("the metrics do not count them")
	}
}

// started is a server that listens; stop ends it, and returns what Serve did.
func started(t *testing.T, s *Server) (address string, stop func() error) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return l.Addr().String(), stop
}

// hold sends the header of a request whose body is yet to come, and waits until
// the server has it.
func hold(t *testing.T, s *Server, address string) net.Conn {
	t.Helper()
	before := s.inFlight.Load()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := fmt.Fprintf(c, "POST /v1/what-if HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(question)); err != nil {
		t.Fatal(err)
	}
	for s.inFlight.Load() == before {
		time.Sleep(time.Millisecond)
	}
	return c
}

const question = `{"product":"p0","price":"1.9"}`

// finishHeld sends the body, and returns the status.
func finishHeld(t *testing.T, c net.Conn) int {
	t.Helper()
	if _, err := io.WriteString(c, question); err != nil {
		t.Fatal(err)
	}
	return readStatus(t, c)
}

func readStatus(t *testing.T, c net.Conn) int {
	t.Helper()
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/what-if", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", jsonType)
	keep(t, r, []byte(question), w.StatusCode, w.Header, body)
	return w.StatusCode
}

// fetch asks a server that listens.
func fetch(t *testing.T, address, path string) (int, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, r, nil, w.StatusCode, w.Header, body)
	return w.StatusCode, w.Header
}

func TestTooManyAtOnce(t *testing.T) {
	s := commonLake(t).server(t, func(o *Options) { o.MaxInFlight = 2 })
	address, _ := started(t, s)
	first, second := hold(t, s, address), hold(t, s, address)
	if status, header := fetch(t, address, "/v1/models"); status != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" {
		t.Errorf("a third request: status %d", status)
	}
	if status, _ := fetch(t, address, "/healthz"); status != http.StatusOK {
		t.Errorf("whoever watches is turned away: status %d", status)
	}
	if a, b := finishHeld(t, first), finishHeld(t, second); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("those before it: status %d and %d", a, b)
	}
	if status, _ := fetch(t, address, "/v1/models"); status != http.StatusOK {
		t.Errorf("after them: status %d", status)
	}
}

// TestSlowClients are cut off, in the header and in the body.
func TestSlowClients(t *testing.T) {
	s := commonLake(t).server(t, func(o *Options) {
		o.Timeouts = Timeouts{ReadHeader: 150 * time.Millisecond, Read: 300 * time.Millisecond, Write: 5 * time.Second, Idle: 150 * time.Millisecond, Drain: time.Second}
	})
	address, _ := started(t, s)
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /v1/models HTTP/1.1\r\nHost: lo"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("a slow header: %v: expected the connection to be closed", err)
	}
	if status := readStatus(t, hold(t, s, address)); status != http.StatusRequestTimeout {
		t.Errorf("a slow body: status %d", status)
	}
}

// TestShutdown answers what has begun, takes nothing more, and leaves nothing.
func TestShutdown(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := commonLake(t).server(t)
	address, stop := started(t, s)
	if status, _ := fetch(t, address, "/readyz"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	held := hold(t, s, address)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if w := get(t, s.Handler(), "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "draining") {
		t.Errorf("while it ends: status %d", w.Code)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still takes connections")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before the answer: %v", err)
	default:
	}
	if status := finishHeld(t, held); status != http.StatusOK {
		t.Errorf("what had begun: status %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	_ = held.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

// TestShutdownCutsOff what takes too long.
func TestShutdownCutsOff(t *testing.T) {
	s := commonLake(t).server(t, func(o *Options) { o.Timeouts.Drain = 50 * time.Millisecond })
	address, stop := started(t, s)
	hold(t, s, address)
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestAccessLog has a record a request, without tokens and what was asked.
func TestAccessLog(t *testing.T) {
	var log *lines
	s := commonLake(t).server(t, func(o *Options) {
		log = logOf(o)
		o.AccessLog, o.Tokens = true, tokens(t, secret)
	})
	get(t, s.Handler(), "/v1/predictions/product/p1?unit=somebody", "Authorization", "Bearer "+secret)
	get(t, s.Handler(), "/v1/predictions/product/p1?unit=somebody", "Authorization", "Bearer wrong-wrong-wrong-wrong")
	get(t, s.Handler(), "/healthz")
	if !log.has("msg=request", "method=GET", "route=/v1/predictions/{level}/{series}", "status=200", "arm=champion") || !log.has("status=401") {
		t.Errorf("the log is %v", log.text)
	}
	if log.has(secret) || log.has("wrong-wrong") || log.has("somebody") || log.has("healthz") {
		t.Errorf("the log says too much: %v", log.text)
	}
}

// TestPanic: an endpoint that fails is an answer, and a record.
func TestPanic(t *testing.T) {
	var log *lines
	s := commonLake(t).server(t, func(o *Options) { log = logOf(o) })
	h := s.guard(route{method: http.MethodGet, path: "/v1/models", answer: func(*snapshot, *http.Request) (answer, *problem) { panic("out of luck") }})
	if w := get(t, h, "/v1/models"); w.Code != http.StatusInternalServerError || bytes.Contains(w.Body.Bytes(), []byte("luck")) || !log.has("out of luck") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
