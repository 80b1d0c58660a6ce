package config

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// load runs a program's steps: bind, parse, load.
func load(t testing.TB, args, environ []string, required ...string) (*Loader, Config, error) {
	t.Helper()
	set := flag.NewFlagSet("program", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	l := Bind(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	cfg, err := l.load(environ, required)
	return l, cfg, err
}

// inFolder makes an empty folder the working directory and writes config.yaml
// there, if content is not empty.
func inFolder(t *testing.T, content string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if content != "" {
		if err := os.WriteFile("config.yaml", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs from %s (-want +got); if it is meant, run with -update:\n%s", name, diff)
	}
}

func TestBadFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(names) < 20 {
		t.Fatalf("found %d bad files (%v), expected at least 20", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, _, err := load(t, []string{"--config", name}, nil)
			if err == nil {
				t.Fatal("the file was accepted")
			}
			golden(t, strings.TrimSuffix(name, "yaml")+"txt", []byte(err.Error()+"\n"))
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("%T holds no *Error", err)
			}
		})
	}
}

func TestGoodFile(t *testing.T) {
	_, got, err := load(t, []string{"--config", "testdata/good.yaml"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Kafka = Kafka{
		Brokers: []string{"broker-1:9092", "[::1]:9093"}, Topic: "shop.events", Partitions: 12,
		TLS: true, CAFile: "/etc/kafka/ca.pem",
		SASL: "SCRAM-SHA-512", User: "shop", PasswordFile: "/run/secrets/kafka",
		Group: "shop one", Start: "2026-03-01T10:00:00+01:00", IdleAfter: 0, UnreadyAfter: 30 * time.Second, MaxBatchBytes: 128 << 20, Undecodable: "dead-letter",
	}
	want.Stream.BaseWindow = 10 * time.Second
	want.Stream.OutOfOrderness = 90 * time.Second
	want.Stream.Shards = 4
	want.Stream.MaxEventBytes = 4096
	want.Stream.Budget = 1e9
	want.Lake.URI = "gs://bucket/lake"
	want.Metrics.Listen = ""
	want.Simulate.Rate = 0
	want.Simulate.Seed = -7
	want.Simulate.Speedup = 250
	want.Simulate.Late = 0.25
	want.Simulate.MaxDelay = 75 * time.Second // follows out_of_orderness
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
	at, ok := got.Kafka.StartTime()
	if want := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("StartTime() = %v, %v; expected %v", at, ok, want)
	}
}

func TestPrecedence(t *testing.T) {
	const (
		file = "stream:\n  shards: 2\n"
		env  = "SHOPSTREAM_STREAM_SHARDS=3"
		arg  = "--shards=4"
	)
	tests := []struct {
		name       string
		file       string
		env, args  []string
		program    string // a program's own default
		want       int
		wantOrigin string
	}{
		{name: "default", want: 1, wantOrigin: "default"},
		{name: "program", program: "5", want: 5, wantOrigin: "this program"},
		{name: "file", file: file, program: "5", want: 2, wantOrigin: "config.yaml:2"},
		{name: "env over file", file: file, env: []string{env}, want: 3, wantOrigin: "env SHOPSTREAM_STREAM_SHARDS"},
		{name: "flag over env", file: file, env: []string{env}, args: []string{arg}, want: 4, wantOrigin: "flag --shards"},
		{name: "flag over file", file: file, args: []string{arg}, want: 4, wantOrigin: "flag --shards"},
		{name: "flag equal to the default", file: file, args: []string{"--shards=1"}, want: 1, wantOrigin: "flag --shards"},
		{name: "env alone", env: []string{env}, want: 3, wantOrigin: "env SHOPSTREAM_STREAM_SHARDS"},
		{name: "last flag wins", args: []string{"--shards=9", arg}, want: 4, wantOrigin: "flag --shards"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inFolder(t, test.file)
			set := flag.NewFlagSet("program", flag.ContinueOnError)
			l := Bind(set)
			if err := set.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			if test.program != "" {
				l.Default("stream.shards", test.program, "this program")
			}
			cfg, err := l.load(test.env, nil)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Stream.Shards != test.want || l.Origin("stream.shards") != test.wantOrigin {
				t.Errorf("got %d from %q, expected %d from %q",
					cfg.Stream.Shards, l.Origin("stream.shards"), test.want, test.wantOrigin)
			}
		})
	}
}

func TestMistakesOutsideTheFile(t *testing.T) {
	tests := []struct {
		name      string
		env, args []string
		required  []string
		want      string // each line of the error
	}{
		{
			name: "flag",
			args: []string{"--shards=none"},
			want: `flag --shards: stream.shards: found "none"; allowed: a whole number in decimal digits from 1 to 64`,
		},
		{
			name: "environment",
			env:  []string{"SHOPSTREAM_LOG_LEVEL=loud"},
			want: `env SHOPSTREAM_LOG_LEVEL: log.level: found "loud"; allowed: one of "debug", "info", "warn", "error"`,
		},
		{
			name: "misspelt variable",
			env:  []string{"SHOPSTREAM_KAFKA_BROKER=x:1", "SHOPSTREAM_DATA=d", "SHOPSTREAM_KAFKA_PORT=tcp://10.0.0.1:9092", "SHOPSTREAM_LAKE_PORT=1"},
			want: `env SHOPSTREAM_KAFKA_BROKER: found an unknown variable; allowed: SHOPSTREAM_KAFKA_BROKERS (is it meant?); unset SHOPSTREAM_KAFKA_BROKER`,
		},
		{
			name: "both, and a mistake that a flag covers",
			env:  []string{"SHOPSTREAM_STREAM_SHARDS=0"},
			args: []string{"--shards=2", "--budget=lots"},
			want: `env SHOPSTREAM_STREAM_SHARDS: stream.shards: found "0"; allowed: a whole number in decimal digits from 1 to 64` + "\n" +
				`flag --budget: stream.budget: found "lots"; allowed: a size with its unit from 1MiB to 1TiB, such as 256MiB`,
		},
		{
			name: "two sources that contradict each other",
			env:  []string{"SHOPSTREAM_STREAM_OUT_OF_ORDERNESS=10s"},
			args: []string{"--max-delay=25s"},
			want: `flag --max-delay: simulate.max_delay: found 25s; allowed: less than stream.out_of_orderness, which is 10s, or 0s`,
		},
		{
			name:     "required",
			required: []string{"lake.uri"},
			want: `default: lake.uri: found nothing; allowed: a folder, file:///folder or gs://bucket/prefix;` +
				` set lake.uri in config.yaml, or SHOPSTREAM_LAKE_URI, or --lake`,
		},
		{
			name: "file that is named and missing",
			args: []string{"--config=nowhere.yaml"},
			want: `config: open nowhere.yaml: no such file or directory; --config must name a file that can be read`,
		},
		{
			name: "file that the environment names and is missing",
			env:  []string{"SHOPSTREAM_CONFIG=nowhere.yaml"},
			want: `config: open nowhere.yaml: no such file or directory; SHOPSTREAM_CONFIG must name a file that can be read`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inFolder(t, "")
			_, cfg, err := load(t, test.args, test.env, test.required...)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Config{}, cfg); diff != "" {
				t.Errorf("a configuration with a mistake came back:\n%s", diff)
			}
		})
	}
}

func TestRequiredIsGiven(t *testing.T) {
	inFolder(t, "")
	_, cfg, err := load(t, []string{"--lake=/data"}, nil, "lake.uri", "kafka.brokers")
	if err != nil || cfg.Lake.URI != "/data" {
		t.Errorf("got %q, %v; expected /data", cfg.Lake.URI, err)
	}
}

// A smaller bound alone is no contradiction to a delay that nobody set.
func TestMaxDelayFollowsTheBound(t *testing.T) {
	for bound, want := range map[string]time.Duration{"30s": 25 * time.Second, "6s": 5 * time.Second, "0s": 0} {
		inFolder(t, "")
		_, cfg, err := load(t, []string{"--out-of-orderness=" + bound}, nil)
		if err != nil || cfg.Simulate.MaxDelay != want {
			t.Errorf("bound %s: got %v, %v; expected %v", bound, cfg.Simulate.MaxDelay, err, want)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	for _, content := range []string{"\n", "# nothing\n", "---\n", "kafka:\n  # topic: x\nlake:\n", "{}\n"} {
		inFolder(t, content)
		_, cfg, err := load(t, nil, nil)
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if diff := cmp.Diff(Default(), cfg); diff != "" {
			t.Errorf("%q: differs from the defaults:\n%s", content, diff)
		}
	}
}

// The tags are read at start-up: a mistake in them is found here.
func TestTags(t *testing.T) {
	seen := map[string]string{}
	unique := func(kind, name, key string) {
		if other, ok := seen[kind+name]; ok {
			t.Errorf("%s %s belongs to %s and %s", kind, name, other, key)
		}
		seen[kind+name] = key
	}
	beam := strings.Fields(beamFlags)
	for _, f := range fields {
		if f.name == "" || f.help == "" || strings.ContainsAny(f.help, "\n`") {
			t.Errorf("%s: the name or the one-line description is missing", f.key())
		}
		if _, ok := f.parse(f.def); !ok {
			t.Errorf("%s: the default %q is not allowed: %s", f.key(), f.def, f.allowed())
		}
		if _, ok := checks[f.check]; f.check != "" && !ok {
			t.Errorf("%s: no check is called %q", f.key(), f.check)
		}
		unique("key ", f.key(), f.key())
		unique("variable ", f.env(), f.key())
		if f.flag != "" {
			unique("flag ", f.flag, f.key())
			for _, taken := range beam {
				if f.flag == taken {
					t.Errorf("%s: Beam has a flag --%s", f.key(), taken)
				}
			}
		}
	}
}

// beamFlags are the names that Beam's runners register.
const beamFlags = `async autoscaling_algorithm beam_strict config control_endpoint cpu_profiling dataflow_endpoint
	dataflow_service_options disk_size_gb dot_file dry_run endpoint environment_config environment_type execute_async
	experiments flexrs_goal id job_name labels logging_endpoint machine_type max_num_workers network num_workers options
	parallelism project region runner semi_persist_dir staging_location subnetwork temp_location template_location
	update worker zone`

func TestBindOnly(t *testing.T) {
	set := flag.NewFlagSet("program", flag.ContinueOnError)
	Bind(set, "log", "kafka.topic")
	var names []string
	set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if diff := cmp.Diff([]string{"config", "log-format", "log-level", "topic"}, names); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

// Cobra parses the flags of a program with subcommands; flag.FlagSet.Visit then
// sees none of them.
func TestFlagsParsedByCobra(t *testing.T) {
	inFolder(t, "")
	set := flag.NewFlagSet("program", flag.ContinueOnError)
	l := Bind(set)
	cmd := &cobra.Command{Use: "program", Run: func(*cobra.Command, []string) {}}
	cmd.Flags().AddGoFlagSet(set)
	cmd.SetArgs([]string{"--shards", "3", "--lake=data"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	cfg, err := l.load(nil, nil)
	if err != nil || cfg.Stream.Shards != 3 || cfg.Lake.URI != "data" {
		t.Errorf("got %d, %q, %v; expected 3, data", cfg.Stream.Shards, cfg.Lake.URI, err)
	}
}

func TestHelp(t *testing.T) {
	set := flag.NewFlagSet("program", flag.ContinueOnError)
	var out bytes.Buffer
	set.SetOutput(&out)
	Bind(set)
	set.PrintDefaults()
	golden(t, "testdata/help.txt", out.Bytes())
}

func TestShow(t *testing.T) {
	inFolder(t, "kafka:\n  tls: true\n  brokers: a:1, b:2\nlog: {level: warn}\n")
	l, _, err := load(t, []string{"--lake=gs://b/lake"}, []string{"SHOPSTREAM_STREAM_BUDGET=1GiB"})
	if err != nil {
		t.Fatal(err)
	}
	var plain, asJSON bytes.Buffer
	if err := errors.Join(l.Show(&plain), l.ShowJSON(&asJSON)); err != nil {
		t.Fatal(err)
	}
	// t.Chdir left the folder of the golden files.
	here := filepath.Join(packageFolder, "testdata")
	golden(t, filepath.Join(here, "show.txt"), plain.Bytes())
	golden(t, filepath.Join(here, "show.json"), asJSON.Bytes())
}

var packageFolder, _ = os.Getwd()

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "7B": 7, "16MB": 16e6, "256MiB": 256 << 20, "1KB": 1000, "1KiB": 1024,
		"2GB": 2e9, "2GiB": 2 << 30, "1TB": 1e12, "1TiB": 1 << 40, "-1KiB": -1024,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; expected %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "MiB", "1.5GiB", "1 MiB", "1mib", "1M", "0x10", "010", "1e3", "+1", "9223372036854775808", "9007199254740993TiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, expected an error", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64().Draw(t, "size"))
		if got, err := ParseSize(want.String()); err != nil || got != want {
			t.Fatalf("ParseSize(%q) = %d, %v; expected %d", want.String(), got, err, want)
		}
	})
}

func TestNearest(t *testing.T) {
	keys := []string{"brokers", "topic", "partitions", "tls", "start"}
	for name, want := range map[string]string{
		"broker": "brokers", "Brokers": "brokers", "tpoic": "topic", "partition": "partitions", "tsl": "tls", "colour": "", "x": "",
	} {
		if got, _ := nearest(name, keys); got != want {
			t.Errorf("nearest(%q) = %q, expected %q", name, got, want)
		}
	}
}
