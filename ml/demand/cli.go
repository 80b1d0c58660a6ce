package demand

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/phase"
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

// Settings are those of a program's configuration.
type Settings struct {
	loader *config.Loader
	Config config.Config
}

// Bind adds the flags of sections of the configuration to a command.
func Bind(c *cobra.Command, sections ...string) *Settings {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	s := &Settings{loader: config.Bind(set, sections...)}
	c.PersistentFlags().AddGoFlagSet(set)
	return s
}

// Source reads the configuration, of which these keys have to be given, and
// returns what to forecast from.
func (s *Settings) Source(stderr io.Writer, required ...string) (source Source, err error) {
	if s.Config, err = s.loader.Load(required...); err != nil {
		return source, NewUsage(err)
	}
	logger, err := config.NewLogger(s.Config.Log, stderr)
	if err != nil {
		return source, NewUsage(err)
	}
	slog.SetDefault(logger)
	return SourceOf(s.Config)
}

// SourceOf returns what a configuration says to forecast from.
func SourceOf(c config.Config) (Source, error) {
	f := c.Forecast
	source := Source{URI: c.Lake.URI, Currency: f.Currency, Country: f.Country}
	for _, text := range f.Closed {
		d, err := forecast.ParseDay(text)
		if err != nil {
			return source, NewUsage(err)
		}
		source.Closed = append(source.Closed, d)
	}
	return source, nil
}

// Open is Source for a program that writes to the lake, which the caller closes.
func (s *Settings) Open(ctx context.Context, stderr io.Writer) (lake.Store, Source, error) {
	source, err := s.Source(stderr, "lake.uri")
	if err != nil {
		return nil, source, err
	}
	st, err := lake.OpenStore(ctx, source.URI)
	return st, source, err
}

// Arguments is a rule for a command's arguments whose error is the user's.
func Arguments(rule cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := rule(c, args); err != nil {
			return NewUsage(err)
		}
		return nil
	}
}

// CheckFolder is an error if a file cannot be put there because its folder is not
// there: to be said before long work.
func CheckFolder(name string) error {
	info, err := os.Stat(filepath.Dir(name))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", filepath.Dir(name))
	}
	if err != nil {
		return NewUsage(fmt.Errorf("%s cannot be written: %w", name, err))
	}
	return nil
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

// WriteFile replaces a file by renaming, so that no reader sees a part of it. What
// is no regular file, such as a pipe or /dev/stdout, is written to as it is.
func WriteFile(name string, data []byte) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, data, 0o600)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o640); err != nil { //nolint:gosec // as the lake: its group may read it
		return err
	}
	return os.Rename(f.Name(), name)
}

// Progress shows how far a program is: a line that changes on a terminal, else a
// line every few seconds.
type Progress struct {
	mu   sync.Mutex
	text string
	end  func()
}

// NewProgress shows progress on w, until End.
func NewProgress(w io.Writer, name string) *Progress {
	p := &Progress{text: "reading the days"}
	p.end = phase.Show(w, phase.Terminal(w), func(took time.Duration) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Sprintf("%s: %s, %s", name, p.text, took.Round(time.Second))
	})
	return p
}

// Set says that some of all steps are done, and what is next.
func (p *Progress) Set(done, total int, next string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf("%d of %d done, now %s", done, total, next)
}

// End ends what is shown.
func (p *Progress) End() { p.end() }
