package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// TestKilledJobResumes kills the streaming program with SIGKILL at random
// moments, again and again, and compares the lake with that of an undisturbed
// run, row for row. SHOPSTREAM_KILLS sets how often for each stream (3, and then
// without the long replay of Online Retail), SHOPSTREAM_SEED how. A run that
// ends before it is killed ends a round; the next one has a new lake.
func TestKilledJobResumes(t *testing.T) {
	kills := setting(t, "SHOPSTREAM_KILLS", 3)
	program := build(t, "./cmd/streaming")
	for name, source := range map[string]func(t *testing.T) producer.Source{
		"dense": func(t *testing.T) producer.Source {
			return simulate(t, producer.SimulateOptions{Seed: 11, Density: 1000, Count: 400_000})
		},
		"skewed": func(t *testing.T) producer.Source {
			return simulate(t, producer.SimulateOptions{Seed: 12, Density: 300, Count: 200_000, SkewPartition: 2, Skew: 720 * time.Hour})
		},
		"Online Retail": func(t *testing.T) producer.Source {
			src, err := producer.Open(shopData(t, "online_retail.csv.gz"), producer.ReplayOptions{Partitions: 4})
			if err != nil {
				t.Fatal(err)
			}
			return src
		},
	} {
		if name == "Online Retail" && os.Getenv("SHOPSTREAM_KILLS") == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			rnd := randomly(t, name)
			cluster := brokerProcess(t)
			if _, err := kafkaio.EnsureTopic(t.Context(), cluster, topic, 4); err != nil {
				t.Fatal(err)
			}
			src := source(t)
			defer src.Close()
			if _, err := producer.Deliver(t.Context(), cluster, topic, src, producer.DeliverOptions{}); err != nil {
				t.Fatal(err)
			}
			o := options(cluster, t.TempDir())
			if name == "Online Retail" {
				o.Source.BaseWindow = 24 * time.Hour
			}
			base := o.Source.BaseWindow
			began := time.Now()
			if stream(t, program, cluster, o.Lake, base, 0) {
				t.Fatal("the undisturbed run did not end by itself")
			}
			took := time.Since(began)
			want := read(t, o.Lake)
			onlyNamed(t, o.Lake)

			killed, rounds, slowest := 0, 0, time.Duration(0)
			for killed < int(kills) {
				if rounds++; rounds > 10+2*int(kills) {
					t.Fatalf("%d kills in %d rounds: the job is too short for this test", killed, rounds)
				}
				dir := t.TempDir()
				for again := false; ; again = true {
					after := time.Duration(0) // until its end
					if killed < int(kills) {
						after = between(rnd, took/20, took)
					}
					w := watchSeals(t, dir)
					ended := !stream(t, program, cluster, dir, base, after)
					if first := w.end(); again {
						slowest = max(slowest, first)
					}
					if ended {
						break
					}
					killed++
					if _, err := os.Stat(filepath.Join(dir, "lake.json")); err != nil {
						continue // killed before there was a lake
					}
					partial := read(t, dir) // what readers see between a crash and the restart
					within(t, want.silver, partial.silver)
					within(t, want.bronze, partial.bronze)
					within(t, want.metrics, partial.metrics)
				}
				same(t, want, read(t, dir))
				onlyNamed(t, dir)
			}
			t.Logf("undisturbed %s, killed %d times in %d rounds, restart to first new final window at most %s",
				took.Round(time.Millisecond), killed, rounds, slowest.Round(time.Millisecond))
			// What is read again takes no longer than an undisturbed run.
			if limit := 10*time.Second + took; slowest > limit {
				t.Errorf("restart to first new final window took %s, expected at most %s", slowest, limit)
			}
		})
	}
}

func setting(t testing.TB, name string, def int64) int64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func simulate(t testing.TB, o producer.SimulateOptions) *producer.Simulator {
	t.Helper()
	o.Start, o.Partitions, o.Flat = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), 4, true
	o.Duplicates, o.Invalid, o.Late, o.OutOfOrder = 0.02, 0.01, 0.001, 0.2
	sim, err := producer.NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// build compiles a program as it is built for clusters; but local, which links
// DuckDB, for this machine.
func build(t testing.TB, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", out, pkg)
	if pkg != "./cmd/local" {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// stream runs the program over the topic and reports whether it was killed,
// after the given time if that is not 0.
func stream(t testing.TB, program string, cluster kafkaio.Cluster, dir string, base, after time.Duration) (killed bool) {
	t.Helper()
	ctx := context.Background()
	if after > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, after)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, program, "--bounded", "--brokers="+strings.Join(cluster.Brokers, ","), "--lake="+dir,
		"--base-window="+base.String(), "--metrics-listen=", "--log-format=text", "--log-level=info")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && ctx.Err() == nil {
		t.Fatalf("streaming: %v\n%s", err, out.String())
	}
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == -1
}

// within fails the test where a part of a lake has rows that the whole has not.
func within[K comparable](t testing.TB, whole, part map[K]uint64) {
	t.Helper()
	bad := 0
	var example string
	for k, v := range part {
		if w, ok := whole[k]; !ok || w != v {
			bad++
			example = fmt.Sprint(k)
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d visible rows are not those of an undisturbed run, for example %s", bad, len(part), example)
	}
}
