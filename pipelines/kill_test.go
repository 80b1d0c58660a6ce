package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
// moments, again and again, until a run gets to the end, and compares the lake
// with that of an undisturbed run, row for row. SHOPSTREAM_KILLS sets how often
// (3, and then without the long replay of Online Retail), SHOPSTREAM_SEED how.
func TestKilledJobResumes(t *testing.T) {
	kills, seed := setting(t, "SHOPSTREAM_KILLS", 3), setting(t, "SHOPSTREAM_SEED", time.Now().UnixNano())
	t.Logf("SHOPSTREAM_KILLS=%d SHOPSTREAM_SEED=%d", kills, seed)
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
			cluster := startBroker(t, 4)
			src := source(t)
			defer src.Close()
			if _, err := producer.Deliver(t.Context(), cluster, topic, src, producer.DeliverOptions{}); err != nil {
				t.Fatal(err)
			}
			o := options(cluster, t.TempDir())
			if name == "Online Retail" {
				o.Source.BaseWindow = 24 * time.Hour
			}
			began := time.Now()
			run(t, o)
			took := time.Since(began)
			want := read(t, o.Lake)

			dir := t.TempDir()
			rnd := rand.New(rand.NewPCG(uint64(seed), uint64(len(name))))
			killed := 0
			for killed < int(kills) {
				after := time.Duration(float64(took) * (0.05 + 0.6*rnd.Float64()))
				if stream(t, program, cluster, dir, o.Source.BaseWindow, after) {
					killed++
					if _, err := os.Stat(filepath.Join(dir, "lake.json")); err != nil {
						continue // killed before there was a lake
					}
					partial := read(t, dir) // what readers see between a crash and the restart
					within(t, want.silver, partial.silver)
					within(t, want.bronze, partial.bronze)
					within(t, want.metrics, partial.metrics)
					continue
				}
				break // it was done before it was killed
			}
			t.Logf("undisturbed %s, killed %d times", took.Round(time.Millisecond), killed)
			if killed == 0 {
				t.Error("the job was never killed: it is too short for this test")
			}
			if stream(t, program, cluster, dir, o.Source.BaseWindow, 0) {
				t.Fatal("the last run did not end by itself")
			}
			same(t, want, read(t, dir))
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

// build compiles a program as it is built for clusters.
func build(t testing.TB, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
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
