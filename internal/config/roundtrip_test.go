package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawValue draws an allowed value of a key.
func drawValue(t *rapid.T, f field) reflect.Value {
	v := reflect.New(f.typ).Elem()
	low, high := int64(-1<<63), int64(1<<63-1)
	if f.min != "" && f.typ.Kind() != reflect.Float64 {
		low, high = mustParse(f.typ, f.min).Int(), mustParse(f.typ, f.max).Int()
	}
	word := rapid.StringMatching(`[a-z0-9._-]{1,12}`)
	switch f.check {
	case "brokers":
		hosts := rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9.-]{0,9}:[1-9][0-9]{0,3}`), 1, 4)
		v.Set(reflect.ValueOf(hosts.Draw(t, f.key())))
		return v
	case "days":
		days := rapid.SliceOfN(rapid.SampledFrom([]string{"2026-12-28", "1999-01-31"}), 0, 3)
		v.Set(reflect.ValueOf(days.Draw(t, f.key())))
		return v
	case "window":
		windows := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour})
		v.SetInt(int64(windows.Draw(t, f.key())))
		return v
	case "start":
		v.SetString(rapid.SampledFrom([]string{"ledger", "earliest", "latest", "2026-03-01T10:00:00Z"}).Draw(t, f.key()))
		return v
	case "listen":
		v.SetString(rapid.SampledFrom([]string{"", ":0", "127.0.0.1:9464", "[::1]:80"}).Draw(t, f.key()))
		return v
	case "zone":
		v.SetString(rapid.SampledFrom([]string{"UTC", "Europe/London", "Asia/Kolkata", "America/New_York"}).Draw(t, f.key()))
		return v
	case "lake":
		v.SetString(rapid.SampledFrom([]string{"", "data", "/data/lake", "file:///x", "gs://bucket/a b"}).Draw(t, f.key()))
		return v
	case "topic", "name":
		v.SetString("t" + word.Draw(t, f.key()))
		return v
	}
	if f.oneOf != nil {
		v.SetString(rapid.SampledFrom(f.oneOf).Draw(t, f.key()))
		return v
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, f.key()))
	case reflect.Float64:
		v.SetFloat(rapid.Float64Range(mustParse(f.typ, f.min).Float(), mustParse(f.typ, f.max).Float()).Draw(t, f.key()))
	case reflect.String:
		v.SetString(rapid.String().Draw(t, f.key()))
	default:
		v.SetInt(rapid.Int64Range(low, high).Draw(t, f.key()))
	}
	return v
}

// drawConfig draws a valid configuration.
func drawConfig(t *rapid.T) Config {
	var cfg Config
	for _, f := range fields {
		f.of(&cfg).Set(drawValue(t, f))
	}
	// What the rules between keys demand.
	cfg.Kafka.TLS = cfg.Kafka.TLS || cfg.Kafka.CAFile != ""
	if cfg.Kafka.User == "" || cfg.Kafka.PasswordFile == "" || cfg.Kafka.SASL == "" {
		cfg.Kafka.User, cfg.Kafka.PasswordFile, cfg.Kafka.SASL = "", "", ""
	}
	cfg.Stream.Budget = max(cfg.Stream.Budget, cfg.Stream.MaxEventBytes)
	if cfg.Simulate.MaxDelay >= cfg.Stream.OutOfOrderness {
		cfg.Simulate.MaxDelay = 0
	}
	return cfg
}

// marshal writes a configuration as a file.
func marshal(cfg Config) string {
	var b strings.Builder
	section := ""
	for _, f := range fields {
		if f.section != section {
			section = f.section
			fmt.Fprintf(&b, "%s:\n", section)
		}
		fmt.Fprintf(&b, "  %s: %s\n", f.name, yamlText(f, &cfg))
	}
	return b.String()
}

// yamlText is the value of a key in YAML.
func yamlText(f field, cfg *Config) string {
	v := f.of(cfg)
	switch x := v.Interface().(type) {
	case string:
		if f.oneOf == nil || x == "" {
			return strconv.QuoteToASCII(x) // Go's escapes are YAML's
		}
		return x
	case []string:
		return "[" + strings.Join(x, ", ") + "]"
	default:
		return formatValue(v)
	}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := drawConfig(t)
		name := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(name, []byte(marshal(want)), 0o600); err != nil {
			t.Fatal(err)
		}
		l := Bind(flag.NewFlagSet("program", flag.ContinueOnError))
		l.file = name
		got, err := l.load(nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, marshal(want))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differs (-want +got):\n%s\n%s", diff, marshal(want))
		}
	})
}

// The same values survive as environment variables and, where a key has one, as
// flags.
func TestRoundTripEnvAndFlags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawConfig(t)
		var environ, args []string
		for _, f := range fields {
			text := formatValue(f.of(&want))
			if f.flag != "" {
				args = append(args, "--"+f.flag+"="+text)
			} else {
				environ = append(environ, f.env()+"="+text)
			}
		}
		set := flag.NewFlagSet("program", flag.ContinueOnError)
		l := Bind(set)
		if err := set.Parse(args); err != nil {
			t.Fatal(err)
		}
		l.file = os.DevNull
		got, err := l.load(environ, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differs (-want +got):\n%s", diff)
		}
	})
}

func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(marshal(Default())))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, errs := readYAML("config.yaml", data)
		for _, e := range errs {
			if !strings.HasPrefix(e.Error(), "config.yaml") || e.Found == "" || e.Allowed == "" {
				t.Errorf("an incomplete message: %q", e.Error())
			}
		}
		// What is accepted is a value of its key, and its text reads the same.
		for _, s := range settings {
			again, ok := s.field.parse(formatValue(s.value))
			if !ok || !reflect.DeepEqual(again.Interface(), s.value.Interface()) {
				t.Errorf("%s: %v is %v again", s.where, s.value, again)
			}
		}
	})
}
