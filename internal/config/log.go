package config

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// NewLogger returns a logger that writes to w as cfg says: with format auto,
// text if w is a terminal, else JSON. The error names an unknown level or
// format, which a Config from Load does not hold.
func NewLogger(cfg Log, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		return nil, fmt.Errorf("log.level: found %q; allowed: debug, info, warn or error: %w", cfg.Level, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch {
	case cfg.Format == "text", cfg.Format == "auto" && isTerminal(w):
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case cfg.Format == "json", cfg.Format == "auto":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("log.format: found %q; allowed: auto, text or json", cfg.Format)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
