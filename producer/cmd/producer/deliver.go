package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// deliver is producer.Deliver with progress and a closing line.
func deliver(ctx context.Context, cluster kafkaio.Cluster, topic string, src producer.Source, o producer.DeliverOptions, stderr io.Writer) error {
	o.Progress, o.ProgressEvery = progress(stderr, src.Total(), o.Limit)
	stats, err := producer.Deliver(ctx, cluster, topic, src, o)
	switch {
	case err == nil:
		fmt.Fprintf(stderr, "done: %s\n", summary(stats))
	case errors.Is(err, context.Canceled) && stats.Failed == 0:
		fmt.Fprintf(stderr, "interrupted: %s; all that was read from the source is in the topic\n", summary(stats))
	}
	return err
}

func summary(s producer.Stats) string {
	rate := int64(0)
	if sec := s.Elapsed.Seconds(); sec > 0 {
		rate = int64(float64(s.Delivered) / sec)
	}
	text := fmt.Sprintf("%s records delivered in %s (%s a second)", grouped(s.Delivered), s.Elapsed.Round(10*time.Millisecond), grouped(rate))
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %s were there already", grouped(s.Skipped))
	}
	return text
}

// plainEvery is how often a line is printed where no terminal is.
const plainEvery = 5 * time.Second

// progress gives a bar on a terminal, else a line now and then.
func progress(w io.Writer, total, limit int64) (func(producer.Progress), time.Duration) {
	if limit > 0 && (total < 0 || limit < total) {
		total = limit
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("NO_COLOR") != "" {
		return func(p producer.Progress) {
			if !p.Done { // the closing line says the rest
				fmt.Fprintln(w, line(p))
			}
		}, plainEvery
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"),
		progressbar.OptionSetPredictTime(true), progressbar.OptionUseANSICodes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(0))
	return func(p producer.Progress) {
		// Only a terminal that went away makes these fail; the delivery goes on.
		_ = bar.Set64(p.Records)
		if p.Done {
			_ = bar.Clear()
		}
	}, 200 * time.Millisecond
}

func line(p producer.Progress) string {
	text := fmt.Sprintf("%s records, %s a second", grouped(p.Records), grouped(int64(p.Rate)))
	if p.Total > 0 {
		text = fmt.Sprintf("%s of %s records (%d %%), %s a second", grouped(p.Records), grouped(p.Total), p.Records*100/p.Total, grouped(int64(p.Rate)))
	}
	if p.Left >= 0 {
		text += ", " + p.Left.Round(time.Second).String() + " left"
	}
	return text
}

// grouped writes a number with commas: 541,909.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
