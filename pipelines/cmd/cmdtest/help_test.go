//go:build unix

package cmdtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata from what the programs print")

// TestHelp holds the help of every program to a file, and to what a person
// sees on one screen: none of Beam's flags is in it.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{"local"},
		{"streaming"},
		{"gold"},
		{"rebuild"},
		{"verify"},
		{"warehouse"},
		{"warehouse", "publish"},
		{"sql"},
		{"sql", "run"},
		{"producer"},
		{"producer", "simulate"},
		{"producer", "replay"},
		{"producer", "consume"},
		{"producer", "broker"},
		{"producer", "history"},
		{"backtest"},
		{"train"},
		{"train", "list"},
		{"train", "show"},
		{"train", "diff"},
		{"train", "promote"},
		{"train", "rollback"},
		{"train", "challenge"},
		{"predict"},
		{"serve"},
	} {
		name := strings.Join(args, "-")
		t.Run(name, func(t *testing.T) {
			r := must(t, args[0], append(args[1:], "--help")...)
			if r.stderr != "" {
				t.Errorf("help is what was asked for, and belongs on standard output; on standard error: %s", r.stderr)
			}
			_, flags, _ := strings.Cut(r.stdout, "Flags:\n")
			for _, beam := range []string{"--endpoint", "--staging_location", "--experiments", "--worker", "--dry_run"} {
				if strings.Contains(flags, beam) {
					t.Errorf("it lists Beam's %s", beam)
				}
			}
			golden(t, "help-"+name+".txt", r.stdout)
		})
	}
}

func TestHelpBeam(t *testing.T) {
	r := must(t, "streaming", "--help-beam")
	for _, want := range []string{"-bounded", "-staging_location", "-dry_run"} {
		if !strings.Contains(r.stdout, "  "+want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-%s +got; go test -update writes it anew):\n%s", path, diff)
	}
}

// TestConfigShow: each value with where it comes from.
func TestConfigShow(t *testing.T) {
	file := writeFile(t, "shop.yaml", []byte("kafka:\n  topic: from_file\n  partitions: 7\nlake:\n  uri: /from/file\nstream:\n  shards: 3\n"))
	for _, name := range []string{"local", "streaming"} {
		t.Run(name, func(t *testing.T) {
			cmd := program(t, name, "config", "show", "--config="+file, "--brokers=flag:9092,other:9092", "--lake=/from/flag")
			cmd.Env = append(cmd.Env, "SHOPSTREAM_KAFKA_PARTITIONS=5", "SHOPSTREAM_LAKE_URI=/from/env")
			r := run(t, cmd)
			if r.code != 0 || r.stderr != "" {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			origins := map[string][2]string{}
			for line := range strings.Lines(r.stdout) {
				fields := strings.Fields(line)
				if len(fields) < 3 {
					t.Fatalf("a line without key, value and origin: %q", line)
				}
				origins[fields[0]] = [2]string{fields[1], strings.Join(fields[2:], " ")}
			}
			for key, want := range map[string][2]string{
				"KEY":              {"VALUE", "ORIGIN"},
				"kafka.brokers":    {"flag:9092,other:9092", "flag --brokers"},
				"kafka.topic":      {"from_file", file + ":2"},
				"kafka.partitions": {"5", "env SHOPSTREAM_KAFKA_PARTITIONS"},
				"lake.uri":         {"/from/flag", "flag --lake"},
				"stream.shards":    {"3", file + ":7"},
				"kafka.sasl":       {`""`, "default"},
				"log.level":        {map[string]string{"local": "warn", "streaming": "info"}[name], map[string]string{"local": "local", "streaming": "default"}[name]},
			} {
				if got := origins[key]; got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
		})
	}
}
