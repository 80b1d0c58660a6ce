package config

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestNewLogger(t *testing.T) {
	tests := []struct {
		cfg      Log
		json     bool
		hasDebug bool
	}{
		{Log{Level: "info", Format: "auto"}, true, false}, // a buffer is no terminal
		{Log{Level: "info", Format: "json"}, true, false},
		{Log{Level: "debug", Format: "text"}, false, true},
	}
	for _, test := range tests {
		var out bytes.Buffer
		log, err := NewLogger(test.cfg, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("quiet")
		log.Info("sealed", slog.Int("rows", 3))
		if got := strings.Contains(out.String(), "quiet"); got != test.hasDebug {
			t.Errorf("%+v: debug line written: %v, expected %v", test.cfg, got, test.hasDebug)
		}
		last := out.Bytes()[bytes.LastIndexByte(bytes.TrimSpace(out.Bytes()), '\n')+1:]
		if got := json.Valid(last); got != test.json {
			t.Errorf("%+v: JSON %v, expected %v: %s", test.cfg, got, test.json, last)
		}
	}
}

func TestNewLoggerRefuses(t *testing.T) {
	for _, cfg := range []Log{{Level: "loud", Format: "text"}, {Level: "info", Format: "xml"}} {
		if _, err := NewLogger(cfg, &bytes.Buffer{}); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
