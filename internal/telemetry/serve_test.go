package telemetry

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"example.com/shopstream/internal/guard"
)

// Clients that connect and ask for nothing keep nobody out, and most of their
// connections are closed at once.
func TestIdleConnections(t *testing.T) {
	addr, err := Serve(t.Context(), "127.0.0.1:0", nil, func() []Condition { return nil })
	if err != nil {
		t.Fatal(err)
	}
	const idle = 600
	conns := make([]net.Conn, idle)
	for i := range conns {
		if conns[i], err = new(net.Dialer).DialContext(t.Context(), "tcp", addr); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close() //nolint:errcheck // a test's
	}
	for range 3 {
		if status, text := fetch(t, addr, "/metrics"); status != http.StatusOK || !strings.Contains(text, "go_goroutines") {
			t.Fatalf("/metrics: %d, %.100s", status, text)
		}
	}
	for i, c := range conns[:idle-mostWaiting] { // blocks for ever if one stays open
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Fatalf("connection %d: %d bytes", i, n)
		}
	}
}

func TestServeNeedsATokenWhereOthersReachIt(t *testing.T) {
	if _, err := Serve(t.Context(), ":0", nil, nil); err == nil || !strings.Contains(err.Error(), "metrics.listen") || !strings.Contains(err.Error(), "metrics.token_file") {
		t.Errorf("error %v, want one that names both settings", err)
	}
	const secret = "correct-horse-battery-staple"
	tokens, err := guard.ParseTokens([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	addr, err := Serve(t.Context(), "127.0.0.1:0", tokens, func() []Condition { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, host, token string
		want              int
	}{
		{"/metrics", "", "", http.StatusUnauthorized},
		{"/metrics", "", "Bearer wrong", http.StatusUnauthorized},
		{"/metrics", "", "Bearer " + secret, http.StatusOK},
		{"/healthz", "", "", http.StatusOK},
		{"/readyz", "", "", http.StatusOK},
		{"/healthz", "evil.example", "", http.StatusMisdirectedRequest},
		{"/metrics", "evil.example", "Bearer " + secret, http.StatusMisdirectedRequest},
	} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = c.host
		q.Header.Set("Authorization", c.token)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close() //nolint:errcheck,gosec // a test's
		if resp.StatusCode != c.want {
			t.Errorf("%+v: status %d", c, resp.StatusCode)
		}
	}
}
