package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/transforms/sales"
)

// flags are the program's own.
type flags struct {
	date, from, to                   string
	includeOpen, rebuild, quarantine bool
	format                           string
}

var flagNames = []string{"date", "from", "to", "include-open", "rebuild", "quarantine", "format"}

func (f *flags) register(set *flag.FlagSet) {
	set.StringVar(&f.date, "date", "", "one business `day`, such as 2026-03-01")
	set.StringVar(&f.from, "from", "", "first business `day`")
	set.StringVar(&f.to, "to", "", "last business `day`, included")
	set.BoolVar(&f.includeOpen, "include-open", false, "days too of which events may still come, marked complete = false")
	set.BoolVar(&f.rebuild, "rebuild", false, "make every day again; needed after a change of the time zone")
	set.BoolVar(&f.quarantine, "quarantine", false, "set files aside that cannot be read, and count them, in place of an error")
	set.StringVar(&f.format, "format", "text", "form of the report: text or json")
}

func (f *flags) options(cfg config.Config) (o pipelines.GoldOptions, err error) {
	o = pipelines.GoldOptions{
		Lake: cfg.Lake.URI, TimeZone: cfg.Gold.TimeZone, IncludeOpen: f.includeOpen, Rebuild: f.rebuild, Quarantine: f.quarantine,
	}
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
	if cfg.Gold.History != "" {
		data, err := os.ReadFile(cfg.Gold.History)
		if err != nil {
			return o, fmt.Errorf("history: %w", err)
		}
		if o.History, err = sales.ParseHistory(data); err != nil {
			return o, fmt.Errorf("%s: %w", cfg.Gold.History, err)
		}
	}
	if cfg.Gold.Catalogue != "" {
		data, err := os.ReadFile(cfg.Gold.Catalogue)
		if err != nil {
			return o, fmt.Errorf("catalogue: %w", err)
		}
		if o.Catalogue, err = sales.ParseCatalogue(data); err != nil {
			return o, fmt.Errorf("%s: %w", cfg.Gold.Catalogue, err)
		}
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
