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
// /readyz (200 if ready returns nil, else 503 with its error) until ctx ends.
// It returns the address it listens on.
func Serve(ctx context.Context, listen string, ready func() error) (addr string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return "", fmt.Errorf("metrics: cannot listen on %s: %w. Choose another with --metrics-listen (port 0: any free one)", listen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { reply(w, ready()) })
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

func reply(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok\n"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error() + "\n"
	}
	if _, err := w.Write([]byte(text)); err != nil {
		slog.Warn("metrics: reply", "error", err)
	}
}
