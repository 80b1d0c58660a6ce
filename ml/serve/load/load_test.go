package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server is one that stalls once, for as long as it is told.
func server(t *testing.T, stall time.Duration, status int) string {
	t.Helper()
	var asked atomic.Int64
	gate := make(chan struct{}, 1) // one request at a time
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metrics":
			_, _ = fmt.Fprintf(w, "process_cpu_seconds_total %d\n", asked.Load())
		case r.URL.Query().Has("limit"):
			_, _ = w.Write([]byte(`{"total":2,"predictions":[{"series":"a/b"},{"series":"never","fallback":"no_history"}]}`))
		default:
			gate <- struct{}{}
			defer func() { <-gate }()
			if asked.Add(1) == 50 {
				time.Sleep(stall)
			}
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestStallIsCharged: a stall of 300 ms under 200 requests a second makes more
// than one in a hundred late; a closed loop of one connection would not see it.
func TestStallIsCharged(t *testing.T) {
	l := load{url: server(t, 300*time.Millisecond, http.StatusOK), rate: 200, duration: time.Second, connections: 1, whatIf: 0.1}
	if err := l.validate(); err != nil {
		t.Fatal(err)
	}
	r, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 200 || r.Failed != 0 || r.Due.P99 < 200 || r.Due.Max < 290 || r.Sent.P99 > r.Due.P99 || r.CPUMicros != 1e6 {
		t.Errorf("%+v", r)
	}
}

func TestFailuresAreCounted(t *testing.T) {
	var out, problems strings.Builder
	code := run(t.Context(), []string{"--url", server(t, 0, http.StatusTeapot), "--rate", "100", "--duration", "100ms", "--format", "json"}, &out, &problems)
	var r result
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || code != 1 || r.Failed != 10 || !strings.Contains(r.FirstError, "418") {
		t.Errorf("exit code %d: %s%s", code, out.String(), problems.String())
	}
}

func TestQuantiles(t *testing.T) {
	var of []time.Duration
	for i := range 1000 {
		of = append(of, time.Duration(1000-i)*time.Millisecond)
	}
	if got := quantiles(of); got != (latencies{500, 990, 999, 1000}) {
		t.Errorf("%+v", got)
	}
	if got := quantiles(of[:1]); got != (latencies{1, 1, 1, 1}) {
		t.Errorf("%+v", got)
	}
	if r := summarise([]measured{{err: errors.New("x")}, {}}); r.Failed != 1 || r.FirstError != "x" {
		t.Errorf("%+v", r)
	}
}

func TestWrongFlags(t *testing.T) {
	for _, args := range []string{"--url=ftp://x", "--rate=0", "--duration=1h", "--connections=0", "--what-if=2", "--format=xml", "--nonsense", "--token-file=/none/such"} {
		var out, problems strings.Builder
		if code := run(t.Context(), []string{args}, &out, &problems); code != 2 || problems.Len() == 0 {
			t.Errorf("%s: exit code %d, %q", args, code, problems.String())
		}
	}
}
