package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakes(t *testing.T) {
	t.Setenv("SHOPSTREAM_CONFIG", "")
	t.Setenv("SHOPSTREAM_LAKE_URI", "")
	lake := "--lake=" + t.TempDir()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string // in what is printed
	}{
		{[]string{"--help"}, 0, "--token-file string"},
		{[]string{}, 2, "lake.uri: found nothing"},
		{[]string{"--lak=x"}, 2, "unknown flag: --lak"},
		{[]string{lake, "extra"}, 2, "unknown command"},
		{[]string{lake, "--listen=:8080"}, 2, "--listen: "},
		{[]string{lake, "--listen=8080"}, 2, "expected host:port"},
		{[]string{lake, "--horizon=0"}, 2, "horizon"},
		{[]string{lake, "--horizon=week"}, 2, "--horizon"},
		{[]string{lake, "--country=XX"}, 2, "--country: "},
		{[]string{lake, "--closed=1.3.2026"}, 2, "--closed: "},
		{[]string{lake, "--token-file=" + tokens}, 2, "--token-file: "},
		{[]string{lake, "--token-file=/none/such"}, 2, "--token-file: "},
		{[]string{lake, "--rate=-1"}, 2, "a second"},
		{[]string{lake, "--reload=-1s"}, 2, "every"},
		{[]string{lake, "--log-level=loud"}, 2, "log.level"},
		{[]string{lake}, 1, "no version has been promoted"},
		{[]string{lake, "--model=../x"}, 1, "name of a model"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, expected %d", code, tt.code)
			}
			if printed := stdout.String() + stderr.String(); !strings.Contains(printed, tt.want) {
				t.Errorf("printed %q, expected %q in it", printed, tt.want)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"--lake=" + t.TempDir()}, &stdout, &stderr); code != interrupted {
		t.Errorf("exit code %d, expected %d: %s", code, interrupted, stderr.String())
	}
}
