package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"example.com/shopstream/internal/guard"
)

// maxHeaderBytes holds a request for mostSeries series of usual names.
const maxHeaderBytes = 64 << 10

// Serve answers on a listener, which it closes, until ctx ends. Then it takes no
// more requests, and returns nil once those that have begun are answered, or an
// error if that takes too long.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	t := s.options.Timeouts
	server := &http.Server{
		Handler: s.handler, MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: t.ReadHeader, ReadTimeout: t.Read, WriteTimeout: t.Write, IdleTimeout: t.Idle,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what clients do wrong
	}
	l = guard.Bound(server, l, s.options.MaxInFlight+64) // and whoever watches the server
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	wait, stop := context.WithTimeout(context.WithoutCancel(ctx), t.Drain)
	defer stop()
	if err := server.Shutdown(wait); err != nil {
		return errors.Join(fmt.Errorf("requests were still being answered after %s: they are cut off: %w", t.Drain, err), server.Close())
	}
	s.log.Info("stopped: all requests that had begun are answered")
	return nil
}
