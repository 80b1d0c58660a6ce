package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestMistakes(t *testing.T) {
	t.Setenv("SHOPSTREAM_CONFIG", "")
	t.Setenv("BIGQUERY_EMULATOR_HOST", "127.0.0.1:1") // nothing is to be asked
	lake := t.TempDir()
	const where = "--warehouse=bigquery://my-project/shop"
	for _, tt := range []struct {
		args []string
		code int
		want string // in what is printed
	}{
		{[]string{"--help"}, 0, "warehouse publish --lake="},
		{[]string{"publish", "--help"}, 0, "--from string"},
		{[]string{"tables", "--help"}, 0, "daily_sales"},
		{[]string{"publsh"}, 2, `unknown command "publsh"`},
		{[]string{"publish", "--lak=x"}, 2, "unknown flag: --lak"},
		{[]string{"publish", where}, 2, "lake.uri: found nothing"},
		{[]string{"publish", "--lake=" + lake}, 2, "--warehouse: "},
		{[]string{"publish", "--lake=" + lake, "--warehouse=bigquery://shop"}, 2, "expected bigquery://project/dataset"},
		{[]string{"publish", "--lake=" + lake, where, "--from=1.3.2026"}, 2, "--from: expected a date such as 2026-03-01"},
		{[]string{"publish", "--lake=" + lake, where, "--table=sales"}, 2, `there is no table "sales"`},
		{[]string{"publish", "--lake=" + lake, where, "extra"}, 2, "unknown command"},
		{[]string{"publish", "--lake=" + lake, where}, 1, "make gold first"},
		{[]string{"metrics", "--lake=" + lake, where}, 1, "there is no lake"},
		{[]string{"bucket", "copy", "gs://a"}, 2, "accepts 2 arg(s)"},
		{[]string{"bucket", "copy", "a", "gs://b"}, 2, "expected gs://bucket"},
		{[]string{"bucket", "lifecycle", "gs://a", "--set=x"}, 2, "expected PREFIX=ACTION@DAYS"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(context.Background(), tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, expected %d", code, tt.code)
			}
			if printed := stdout.String() + stderr.String(); !strings.Contains(printed, tt.want) {
				t.Errorf("printed %q, expected %q in it", printed, tt.want)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Setenv("BIGQUERY_EMULATOR_HOST", "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"tables", "--warehouse=bigquery://my-project/shop"}, &stdout, &stderr)
	if code != interrupted || !strings.Contains(stderr.String(), "run it again") {
		t.Errorf("exit code %d, printed %q", code, stderr.String())
	}
}
