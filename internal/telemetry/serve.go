package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/shopstream/internal/guard"
)

// mostWaiting is how many connections may wait for a request at once.
const mostWaiting = 32

// Serve serves /metrics (Prometheus), /healthz (the process answers) and
// /readyz (200 if all conditions hold, else 503; the details are the text) until
// ctx ends. It returns the address it listens on. /metrics needs one of the
// tokens, where there are any, and an address that other machines reach needs tokens.
func Serve(ctx context.Context, listen string, tokens guard.Tokens, conditions func() []Condition) (addr string, err error) {
	if err := guard.CheckListen(listen, tokens, false); err != nil {
		return "", fmt.Errorf("metrics.listen: %w (metrics.token_file)", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return "", fmt.Errorf("metrics: cannot listen on %s: %w. Choose another with --metrics-listen (port 0: any free one)", listen, err)
	}
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(Registry, promhttp.HandlerOpts{})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, q *http.Request) {
		if len(tokens) > 0 && !tokens.Admit(q.Header.Get("Authorization")) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			reply(w, http.StatusUnauthorized, "expected the header Authorization: Bearer and a token of metrics.token_file\n")
			return
		}
		metrics.ServeHTTP(w, q)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ok, text := ready(conditions())
		status := http.StatusOK
		if !ok {
			status = http.StatusServiceUnavailable
		}
		reply(w, status, text)
	})
	server := &http.Server{
		Handler:           named(mux, guard.NewHosts(listen, nil, tokens)),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug), // what clients do wrong
	}
	bounded := guard.Bound(server, l, mostWaiting)
	context.AfterFunc(ctx, func() {
		if err := server.Close(); err != nil {
			slog.Warn("metrics: close", "error", err)
		}
	})
	go func() {
		if err := server.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
			slog.Warn("metrics: serve", "error", err)
		}
	}()
	return l.Addr().String(), nil
}

// named turns away requests that call the server by a name that is not its own.
func named(next http.Handler, hosts guard.Hosts) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !hosts.Allow(q.Host) {
			reply(w, http.StatusMisdirectedRequest, "the header Host names "+strconv.Quote(q.Host)+": expected an address, localhost or the host of metrics.listen\n")
			return
		}
		next.ServeHTTP(w, q)
	})
}

func reply(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(text)); err != nil { //nolint:gosec // plain text, and said to be
		slog.Warn("metrics: reply", "error", err)
	}
}
