package demand

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
)

// Usage is a wrong flag: the programs end with 2.
type Usage struct{ error }

// NewUsage wraps an error that is the user's.
func NewUsage(err error) error { return &Usage{err} }

// Unwrap returns the cause.
func (u *Usage) Unwrap() error { return u.error }

// Exit prints the error of a program and returns its exit code: 0, 1 for an
// error, 2 for a wrong flag, 130 for an interruption.
func Exit(program string, err error, stderr io.Writer) int {
	var usage *Usage
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "%s: interrupted\n", program)
		return 130
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v (see --help)\n", program, err)
		return 2
	}
	fmt.Fprintf(stderr, "%s: %v\n", program, strings.ReplaceAll(err.Error(), "\n", "; "))
	return 1
}

// SourceFlags are the flags that say what to forecast from.
type SourceFlags struct {
	name, uri, currency, country string
	closed                       []string
}

// RegisterData adds the flags of a program that reads a lake or a file.
func (s *SourceFlags) RegisterData(f *pflag.FlagSet) {
	s.register(f, "data", "a lake with gold: a folder or gs://bucket/prefix; or a Parquet file of daily_sales")
}

// RegisterLake adds the flags of a program that also writes to the lake.
func (s *SourceFlags) RegisterLake(f *pflag.FlagSet) {
	s.register(f, "lake", "the lake: a folder or gs://bucket/prefix")
}

func (s *SourceFlags) register(f *pflag.FlagSet, name, usage string) {
	s.name = name
	f.StringVar(&s.uri, name, "", usage)
	f.StringVar(&s.currency, "currency", "", "currency of revenue (default: that with the largest revenue)")
	f.StringVar(&s.country, "country", "", "whose public holidays count: "+strings.Join(forecast.Countries(), ", ")+" (default: none)")
	f.StringSliceVar(&s.closed, "closed", nil, "days on which the shop is closed, such as 2026-12-25, separated by commas")
}

// Source reads the flags.
func (s *SourceFlags) Source() (Source, error) {
	out := Source{URI: s.uri, Currency: s.currency, Country: s.country}
	if s.uri == "" {
		return out, NewUsage(fmt.Errorf("--%s is missing", s.name))
	}
	for _, text := range s.closed {
		d, err := forecast.ParseDay(text)
		if err != nil {
			return out, NewUsage(err)
		}
		out.Closed = append(out.Closed, d)
	}
	if _, err := forecast.NewCalendar(s.country, nil); err != nil {
		return out, NewUsage(err)
	}
	return out, nil
}

// Open reads the flags and opens the lake, which the caller closes.
func (s *SourceFlags) Open(ctx context.Context) (lake.Store, Source, error) {
	source, err := s.Source()
	if err != nil {
		return nil, source, err
	}
	st, err := lake.OpenStore(ctx, s.uri)
	return st, source, err
}

// ParseOrigins reads a number of origins, or their days.
func ParseOrigins(text string) (count int, days []forecast.Day, err error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 1000 {
			return 0, nil, fmt.Errorf("there are %d origins: expected 1 to 1000", n)
		}
		return n, nil, nil
	}
	for _, part := range strings.Split(text, ",") {
		d, err := forecast.ParseDay(strings.TrimSpace(part))
		if err != nil {
			return 0, nil, fmt.Errorf("origins are a number, or days: %w", err)
		}
		days = append(days, d)
	}
	return 0, days, nil
}

// WriteFile replaces a file by renaming, so that no reader sees a part of it.
func WriteFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil { //nolint:gosec // a report is for everybody
		return err
	}
	return os.Rename(f.Name(), name)
}

// Progress shows how far a program is: a bar on a terminal, else a line every
// few seconds.
type Progress struct {
	w    io.Writer
	name string
	bar  *progressbar.ProgressBar
	last time.Time
}

// NewProgress shows progress on w.
func NewProgress(w io.Writer, name string) *Progress {
	p := &Progress{w: w, name: name, last: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a file descriptor is small
		p.bar = progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(name), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	}
	return p
}

// Set says that some of all steps are done, and what comes next.
func (p *Progress) Set(done, total int, next string) {
	const pause = 5 * time.Second
	switch {
	case p.bar != nil:
		p.bar.ChangeMax(total)
		p.bar.Describe(p.name + ": " + next)
		_ = p.bar.Set(done) // only a picture
	case time.Since(p.last) > pause:
		p.last = time.Now()
		fmt.Fprintf(p.w, "%s: %d of %d done, now %s\n", p.name, done, total, next)
	}
}

// End clears the bar.
func (p *Progress) End() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
