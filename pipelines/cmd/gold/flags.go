package main

import (
	"errors"
	"flag"
	"fmt"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/pipelines"
)

// flags are the program's own.
type flags struct {
	date, from, to                            string
	includeOpen, rebuild, quarantine, compact bool
	dropHistory, dropCatalogue                bool
	format                                    string
}

var flagNames = []string{"date", "from", "to", "include-open", "rebuild", "quarantine", "compact", "drop-history", "drop-catalogue", "format"}

func (f *flags) register(set *flag.FlagSet) {
	set.StringVar(&f.date, "date", "", "one business `day`, such as 2026-03-01")
	set.StringVar(&f.from, "from", "", "first business `day`")
	set.StringVar(&f.to, "to", "", "last business `day`, included")
	set.BoolVar(&f.includeOpen, "include-open", false, "days too of which events may still come, marked complete = false")
	set.BoolVar(&f.rebuild, "rebuild", false, "make every day again; needed after a change of the time zone")
	set.BoolVar(&f.quarantine, "quarantine", false, "set files aside that cannot be read, and count them, in place of an error")
	set.BoolVar(&f.compact, "compact", false, "afterwards, rewrite the silver files of finished days into few; those they replace go an hour later")
	set.BoolVar(&f.dropHistory, "drop-history", false, "let go of the history that the lake keeps; with --history, before taking that")
	set.BoolVar(&f.dropCatalogue, "drop-catalogue", false, "let go of the catalogue that the lake keeps")
	set.StringVar(&f.format, "format", "text", "form of the report: text or json")
}

func (f *flags) options(cfg config.Config) (o pipelines.GoldOptions, err error) {
	if o, err = pipelines.GoldFrom(cfg); err != nil {
		return o, err
	}
	o.IncludeOpen, o.Rebuild, o.Quarantine, o.Compact = f.includeOpen, f.rebuild, f.quarantine, f.compact
	o.DropHistory, o.DropCatalogue = f.dropHistory, f.dropCatalogue
	if f.format != "text" && f.format != "json" {
		return o, fmt.Errorf("--format=%s: expected text or json", f.format)
	}
	if f.date != "" {
		if f.from != "" || f.to != "" {
			return o, errors.New("--date names one day, --from and --to several: use one or the other")
		}
		f.from, f.to = f.date, f.date
	}
	if o.From, err = day(f.from, "from"); err != nil {
		return o, err
	}
	if o.To, err = day(f.to, "to"); err != nil {
		return o, err
	}
	if o.From.IsValid() && o.To.IsValid() && o.To.Before(o.From) {
		return o, fmt.Errorf("--to=%s is before --from=%s", f.to, f.from)
	}
	return o, nil
}

func day(s, name string) (civil.Date, error) {
	if s == "" {
		return civil.Date{}, nil
	}
	d, err := civil.ParseDate(s)
	if err != nil {
		return d, fmt.Errorf("--%s=%s: expected a day such as 2026-03-01", name, s)
	}
	return d, nil
}
