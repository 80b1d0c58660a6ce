package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Serve serves /metrics (Prometheus), /healthz (the process answers) and
// /readyz (200 if all conditions hold, else 503; the details are the text) until
// ctx ends. It returns the address it listens on.
func Serve(ctx context.Context, listen string, conditions func() []Condition) (addr string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return "", fmt.Errorf("metrics: cannot listen on %s: %w. Choose another with --metrics-listen (port 0: any free one)", listen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, true, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ok, text := ready(conditions())
		reply(w, ok, text)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() {
		if err := server.Close(); err != nil {
			slog.Warn("metrics: close", "error", err)
		}
	})
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			slog.Warn("metrics: serve", "error", err)
		}
	}()
	return l.Addr().String(), nil
}

func reply(w http.ResponseWriter, ok bool, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		slog.Warn("metrics: reply", "error", err)
	}
}
