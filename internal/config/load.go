package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// defaultFile is read if it exists and no other file is named.
const defaultFile = "config.yaml"

// Loader gathers a configuration: Bind, then parse the flags, then Load.
type Loader struct {
	file     string // --config
	flags    []*flagValue
	defaults []text
	origins  map[string]setting // by key, after Load
	loaded   Config
}

// text is an unchecked value from a flag, the environment or a program.
type text struct{ key, value, origin string }

// Bind registers --config and the flags of the configuration on set. With only,
// it registers the flags of those sections ("kafka") and keys ("log.level").
// The flags may also be parsed by another library through set.
func Bind(set *flag.FlagSet, only ...string) *Loader {
	l := &Loader{}
	set.StringVar(&l.file, "config", "", "configuration `file` (default config.yaml, if there is one)")
	for _, f := range fields {
		wanted := len(only) == 0 || slices.Contains(only, f.section) || slices.Contains(only, f.key())
		if f.flag == "" || !wanted {
			continue
		}
		v := &flagValue{field: f, text: f.def}
		l.flags = append(l.flags, v)
		set.Var(v, f.flag, f.help)
	}
	return l
}

// flagValue keeps a flag's text: Load checks it together with all other values.
// It notes by itself that it was set, because flag.FlagSet.Visit does not know
// it when another library did the parsing.
type flagValue struct {
	field field
	text  string
	given bool
}

func (v *flagValue) String() string { return v.text }
func (v *flagValue) IsBoolFlag() bool {
	return v.field.typ != nil && v.field.typ.Kind() == reflect.Bool
}

func (v *flagValue) Set(s string) error {
	v.text, v.given = s, true
	return nil
}

// Default gives a key another default in this program, before Load. origin is
// how Show and errors call it, such as "flag --data".
func (l *Loader) Default(key, value, origin string) {
	l.defaults = append(l.defaults, text{key, value, origin})
}

// Load resolves each key: flag over environment over file over default. Keys in
// required must not be empty. The error holds every mistake, one a line; each is
// an *Error. Only a file that --config or SHOPSTREAM_CONFIG names must exist.
func (l *Loader) Load(required ...string) (Config, error) {
	return l.load(os.Environ(), required)
}

func (l *Loader) load(environ []string, required []string) (Config, error) {
	settings, errs, err := l.readFile(environ)
	if err != nil {
		return Config{}, err
	}

	// The sources in rising precedence; a later setting replaces an earlier one,
	// but a mistake counts in each.
	var cfg Config
	l.origins = map[string]setting{}
	apply := func(s setting) {
		s.field.of(&cfg).Set(s.value)
		l.origins[s.field.key()] = s
	}
	applyText := func(t text) {
		s, err := t.check()
		if err != nil {
			errs = append(errs, err)
			return
		}
		apply(s)
	}
	for _, f := range fields {
		apply(setting{field: f, value: mustParse(f.typ, f.def), origin: "default", where: "default"})
	}
	for _, t := range l.defaults {
		applyText(t)
	}
	for _, s := range settings {
		apply(s)
	}
	fromEnv, envErrs := readEnv(environ)
	errs = append(errs, envErrs...)
	for _, t := range fromEnv {
		applyText(t)
	}
	for _, f := range l.flags {
		if f.given {
			applyText(text{f.field.key(), f.text, "flag --" + f.field.flag})
		}
	}
	l.deriveMaxDelay(&cfg)

	if len(errs) == 0 { // rules between keys make sense only for valid values
		errs = validate(&cfg, func(key string) string { return l.origins[key].where })
		errs = append(errs, l.missing(&cfg, required)...)
	}
	if err := joinErrors(errs); err != nil {
		return Config{}, err
	}
	l.loaded = cfg
	return cfg, nil
}

// deriveMaxDelay makes the default of simulate.max_delay follow the bound it
// must stay below, so that changing the bound alone is no contradiction.
func (l *Loader) deriveMaxDelay(cfg *Config) {
	const key = "simulate.max_delay"
	s := l.origins[key]
	if s.origin != "default" || cfg.Stream.OutOfOrderness == Default().Stream.OutOfOrderness {
		return
	}
	cfg.Simulate.MaxDelay = (cfg.Stream.OutOfOrderness * 5 / 6).Truncate(time.Millisecond)
	s.origin = "default (5/6 of stream.out_of_orderness)"
	l.origins[key] = s
}

func (l *Loader) missing(cfg *Config, required []string) []*Error {
	var errs []*Error
	for _, key := range required {
		f, ok := fieldByKey(key)
		if ok && formatValue(f.of(cfg)) != "" {
			continue
		}
		if !ok {
			errs = append(errs, unknownKey("this program", key))
			continue
		}
		ways := fmt.Sprintf("%s; set %s in %s, or %s", f.allowed(), key, defaultFile, f.env())
		if f.flag != "" {
			ways += ", or --" + f.flag
		}
		errs = append(errs, &Error{Where: l.origins[key].where, Key: key, Found: "nothing", Allowed: ways})
	}
	return errs
}

// check turns a text into a setting.
func (t text) check() (setting, *Error) {
	f, ok := fieldByKey(t.key)
	if !ok {
		return setting{}, unknownKey(t.origin, t.key)
	}
	v, ok := f.parse(t.value)
	if !ok {
		return setting{}, &Error{Where: t.origin, Key: t.key, Found: shorten(t.value), Allowed: f.allowed()}
	}
	return setting{field: f, value: v, origin: t.origin, where: t.origin}, nil
}

func unknownKey(where, key string) *Error {
	section, name, _ := strings.Cut(key, ".")
	return &Error{Where: where, Key: key, Found: "an unknown key", Allowed: suggestKey(section, name)}
}

// readFile reads the configuration file. Its error, unlike the Errors, means
// that the file could not be read at all.
func (l *Loader) readFile(environ []string) ([]setting, []*Error, error) {
	name, from := l.file, "--config"
	if name == "" {
		name, from = lookup(environ, envConfig), envConfig
	}
	optional := name == ""
	if optional {
		name = defaultFile
	}
	data, err := os.ReadFile(name)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		if optional {
			return nil, nil, fmt.Errorf("config: %w; make %s readable, or name another file with --config", err, name)
		}
		return nil, nil, fmt.Errorf("config: %w; %s must name a file that can be read", err, from)
	}
	settings, errs := readYAML(name, data)
	return settings, errs, nil
}

const envConfig = envPrefix + "CONFIG"

func lookup(environ []string, name string) string {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// readEnv picks the variables of keys, and reports likely misspellings. Others
// that start with SHOPSTREAM_ are let pass: Kubernetes, for one, sets
// SHOPSTREAM_KAFKA_PORT beside a service called shopstream-kafka.
func readEnv(environ []string) ([]text, []*Error) {
	names := make([]string, len(fields))
	values := map[string]string{}
	for i, f := range fields {
		names[i] = f.env()
	}
	var errs []*Error
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if slices.Contains(names, name) {
			values[name] = value
			continue
		}
		for _, known := range names {
			if editDistance(name, known) <= 2 {
				errs = append(errs, &Error{
					Where: "env " + name, Found: "an unknown variable",
					Allowed: known + " (is it meant?); unset " + name,
				})
				break
			}
		}
	}
	var texts []text
	for _, f := range fields { // in the order of keys, not of the environment
		if value, ok := values[f.env()]; ok {
			texts = append(texts, text{f.key(), value, "env " + f.env()})
		}
	}
	return texts, errs
}

// Origin says where a key's value comes from: "default", "config.yaml:12",
// "env SHOPSTREAM_KAFKA_BROKERS", "flag --brokers"; "" before Load and for an
// unknown key.
func (l *Loader) Origin(key string) string { return l.origins[key].origin }
