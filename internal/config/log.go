package config

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// NewLogger returns a logger that writes to w as cfg says: with format auto,
// text if w is a terminal, else JSON. Records of the packages whose paths start
// with one of quiet are left out, except at level debug: libraries that log
// what they return as an error too. The error names an unknown level or format,
// which a Config from Load does not hold.
func NewLogger(cfg Log, w io.Writer, quiet ...string) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, fmt.Errorf("log.level: found %q; allowed: debug, info, warn or error: %w", cfg.Level, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch {
	case cfg.Format == "text", cfg.Format == "auto" && isTerminal(w):
		handler = slog.NewTextHandler(w, opts)
	case cfg.Format == "json", cfg.Format == "auto":
		handler = slog.NewJSONHandler(w, opts)
	default:
		return nil, fmt.Errorf("log.format: found %q; allowed: auto, text or json", cfg.Format)
	}
	if len(quiet) > 0 && level > slog.LevelDebug {
		handler = quietHandler{handler, quiet}
	}
	return slog.New(handler), nil
}

// quietHandler drops the records of some packages.
type quietHandler struct {
	slog.Handler
	packages []string
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	if f := runtime.FuncForPC(r.PC); f != nil {
		for _, p := range h.packages {
			if strings.HasPrefix(f.Name(), p) {
				return nil
			}
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.packages}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.packages}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
