// Command load puts a steady load on a server of the prediction API, and says
// how long answers took and what they cost the server.
//
// Requests are sent at fixed times, whether or not those before were answered,
// and a latency counts from the time at which its request was due. So a server
// that stalls is charged for all requests that waited meanwhile.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: its exit code is 0, 1 for an error or a request that
// failed, 2 for a wrong flag.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("load", flag.ContinueOnError)
	set.SetOutput(stderr)
	var l load
	set.StringVar(&l.url, "url", "http://127.0.0.1:8080", "server")
	set.IntVar(&l.rate, "rate", 1000, "requests a second")
	set.DurationVar(&l.duration, "duration", 10*time.Second, "how long, at most 10 minutes")
	set.IntVar(&l.connections, "connections", 64, "connections that are kept open, at most 1000")
	set.Float64Var(&l.whatIf, "what-if", 0.02, "share of questions about another price; the others are for a product's forecast")
	tokenFile := set.String("token-file", "", "file whose first line is the bearer token")
	format := set.String("format", "table", "table or json")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	err := l.validate()
	if *format != "table" && *format != "json" {
		err = errors.Join(err, fmt.Errorf("--format: expected table or json, found %q", *format))
	}
	if err != nil {
		fmt.Fprintln(stderr, "load:", err)
		return 2
	}
	if *tokenFile != "" {
		text, err := os.ReadFile(*tokenFile)
		if err != nil {
			fmt.Fprintln(stderr, "load:", err)
			return 2
		}
		l.token, _, _ = strings.Cut(string(text), "\n")
	}
	r, err := l.run(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "load:", err)
		return 1
	}
	if err := r.print(stdout, *format); err != nil {
		fmt.Fprintln(stderr, "load:", err)
		return 1
	}
	if r.Failed > 0 {
		return 1
	}
	return 0
}

// print writes the result.
func (r *result) print(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := fmt.Fprintf(w, `requests                  %d in %.1f s (%.0f/s), %d failed%s
latency from due time     p50 %.3f ms   p99 %.3f ms   p99.9 %.3f ms   max %.3f ms
latency from sending      p50 %.3f ms   p99 %.3f ms   p99.9 %.3f ms
server's CPU              %.1f µs a request
`, r.Requests, r.Seconds, r.PerSecond, r.Failed, r.firstError(), r.Due.P50, r.Due.P99, r.Due.P999, r.Due.Max, r.Sent.P50, r.Sent.P99, r.Sent.P999, r.CPUMicros)
	return err
}

func (r *result) firstError() string {
	if r.FirstError == "" {
		return ""
	}
	return ": " + r.FirstError
}
