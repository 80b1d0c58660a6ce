//go:build integration && unix

package pipelines

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/producer"
)

// TestSoak runs the streaming program live, as fast as the clock, and watches
// its memory, file handles, goroutines, CPU time and freshness; at the end the
// ledger and the metrics must be what the simulator counted.
//
// SHOPSTREAM_SOAK_MINUTES (1) says how long, SHOPSTREAM_SOAK_RATE (10,000) how
// many events a second. From 20 minutes on, the last third must be as the
// minutes 5 to 10 were. SHOPSTREAM_TEST_BROKERS names a Kafka to use instead of
// the embedded broker.
func TestSoak(t *testing.T) {
	const base, bound = 10 * time.Second, 30 * time.Second
	minutes := time.Duration(setting(t, "SHOPSTREAM_SOAK_MINUTES", 1)) * time.Minute
	rate := setting(t, "SHOPSTREAM_SOAK_RATE", 10_000)
	cluster := soakCluster(t)
	topic := fmt.Sprintf("soak-%d", time.Now().UnixNano())
	if _, err := kafkaio.EnsureTopic(t.Context(), cluster, topic, 4); err != nil {
		t.Fatal(err)
	}
	program, dir := build(t, "./cmd/streaming"), t.TempDir()
	args := []string{
		"--brokers=" + strings.Join(cluster.Brokers, ","), "--topic=" + topic, "--lake=" + dir,
		"--base-window=" + base.String(), "--out-of-orderness=" + bound.String(), "--log-format=text",
	}
	job := startSoak(t, program, append(args, "--metrics-listen=127.0.0.1:0"))
	// The first event is at a window's start: the first window is whole.
	start := time.Now().Truncate(base).Add(base)
	time.Sleep(time.Until(start))
	sim, err := producer.NewSimulator(producer.SimulateOptions{
		Seed: 5, Start: start, Partitions: 4, Density: float64(rate), Flat: true, Count: int64(minutes.Seconds()) * rate,
		Duplicates: 0.02, Invalid: 0.01, Late: 0.001, OutOfOrder: 0.2, Bound: bound,
	})
	if err != nil {
		t.Fatal(err)
	}
	watched := make(chan []sample)
	ctx, stop := context.WithCancel(t.Context())
	go func() { watched <- job.watch(ctx) }()
	_, err = producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{
		Speedup: 1, ProgressEvery: 30 * time.Second,
		Progress: func(p producer.Progress) {
			t.Logf("%s: %d events, %.0f a second", p.Elapsed.Round(time.Second), p.Records, p.Rate)
		},
	})
	stop()
	samples := <-watched
	if err != nil {
		t.Fatal(err)
	}
	job.interrupt(t)
	soakReport(t, samples, start, base, bound, float64(rate))

	out, err := exec.CommandContext(t.Context(), program, append(args, "--bounded", "--metrics-listen=")...).CombinedOutput()
	if err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	sameAsTruth(t, sim.Truth(), dir)
}

func soakCluster(t *testing.T) kafkaio.Cluster {
	if brokers := os.Getenv("SHOPSTREAM_TEST_BROKERS"); brokers != "" {
		return kafkaio.Cluster{Brokers: strings.Split(brokers, ",")}
	}
	return brokerProcess(t)
}

// soakJob is a streaming program that runs until it is interrupted.
type soakJob struct {
	cmd     *exec.Cmd
	metrics string // address
	log     bytes.Buffer
	logged  chan struct{} // closed when log is whole
}

func startSoak(t *testing.T, program string, args []string) *soakJob {
	t.Helper()
	j := &soakJob{cmd: exec.Command(program, args...), logged: make(chan struct{})}
	stderr, err := j.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if j.cmd.ProcessState != nil {
			return
		}
		if err := j.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = j.cmd.Wait() // it was killed
	})
	found := make(chan string, 1)
	go func() {
		defer close(j.logged)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&j.log, lines.Text())
			if _, address, ok := strings.Cut(lines.Text(), "address=http"); ok {
				found <- "http" + address
			}
		}
		close(found)
	}()
	var ok bool
	if j.metrics, ok = <-found; !ok {
		t.Fatalf("the program ended:\n%s", j.log.String())
	}
	return j
}

func (j *soakJob) interrupt(t *testing.T) {
	t.Helper()
	if err := j.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-j.logged
	_ = j.cmd.Wait() // the exit code says it
	if code := j.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130:\n%s", code, j.log.String())
	}
	usage := j.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if strings.Contains(j.log.String(), "started again") {
		t.Errorf("the job has failed meanwhile:\n%s", j.log.String())
	}
	t.Logf("peak memory %d MB, CPU %s", usage.Maxrss/1000, (j.cmd.ProcessState.UserTime() + j.cmd.ProcessState.SystemTime()).Round(time.Millisecond))
}

// sample is what a job says of itself at a time.
type sample struct {
	at                             time.Time
	memory, files, goroutines, cpu float64
	sealed                         time.Time
}

// watch samples every 100 ms until ctx ends.
func (j *soakJob) watch(ctx context.Context) []sample {
	var out []sample
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return out
		case <-tick.C:
		}
		s := sample{at: time.Now()}
		resp, err := http.Get(j.metrics)
		if err != nil {
			continue // shows as a gap
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(body), "\n") {
			name, text, _ := strings.Cut(line, " ")
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				continue
			}
			switch name {
			case "process_resident_memory_bytes":
				s.memory = v / 1e6
			case "process_open_fds":
				s.files = v
			case "go_goroutines":
				s.goroutines = v
			case "process_cpu_seconds_total":
				s.cpu = v
			case "shopstream_sealed_window_seconds":
				s.sealed = time.UnixMilli(int64(v * 1000))
			}
		}
		out = append(out, s)
	}
}

// soakReport logs what was seen, and from 20 minutes on fails where the last
// third is not as the minutes 5 to 10 were.
func soakReport(t *testing.T, samples []sample, start time.Time, base, bound time.Duration, rate float64) {
	t.Helper()
	if len(samples) < 2 {
		t.Fatal("the job was not seen")
	}
	first, last := samples[0], samples[len(samples)-1]
	took := last.at.Sub(first.at)
	cores := (last.cpu - first.cpu) / took.Seconds()
	t.Logf("%.0f events a second for %s: %.2f cores, %.1f µs CPU an event", rate, took.Round(time.Second), cores, cores*1e6/rate)
	all := lags(samples, start, base, bound)
	if len(all) == 0 {
		t.Fatal("no window became final")
	}
	t.Logf("final after window end + bound: p50 %s, p99 %s, longest %s, %d windows", quantile(all, 0.5), quantile(all, 0.99), quantile(all, 1), len(all))
	part := func(from, to time.Duration) []sample {
		return slices.DeleteFunc(slices.Clone(samples), func(s sample) bool {
			d := s.at.Sub(start)
			return d < from || d >= to
		})
	}
	mean := func(s []sample, of func(sample) float64) float64 {
		sum := 0.0
		for i := range s {
			sum += of(s[i])
		}
		return sum / float64(len(s))
	}
	run := last.at.Sub(start)
	early, late := part(run/6, run/3), part(run*2/3, run)
	if run >= 20*time.Minute {
		early = part(5*time.Minute, 10*time.Minute)
	}
	for name, of := range map[string]func(sample) float64{
		"memory, MB":   func(s sample) float64 { return s.memory },
		"file handles": func(s sample) float64 { return s.files },
		"goroutines":   func(s sample) float64 { return s.goroutines },
	} {
		a, b := mean(early, of), mean(late, of)
		t.Logf("%s: %.1f early, %.1f in the last third", name, a, b)
		if run >= 20*time.Minute && b > 1.2*a {
			t.Errorf("%s grew by more than a fifth: %.1f, then %.1f", name, a, b)
		}
	}
	if n, most := len(lags(late, start, base, bound)), int(run/3/base); n < most-1 {
		t.Errorf("in the last third %d of %d windows became final: the job stood still", n, most)
	}
	a, b := quantile(lags(early, start, base, bound), 0.5), quantile(lags(late, start, base, bound), 0.5)
	t.Logf("median lag: %s early, %s in the last third", a, b)
	if run >= 20*time.Minute && b > a*6/5+100*time.Millisecond {
		t.Errorf("results come later and later: %s, then %s", a, b)
	}
}

// lags are, for every window that became final between the samples, how long
// after its end and the bound that was; up to the time between two samples
// too much.
func lags(samples []sample, start time.Time, base, bound time.Duration) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(samples); i++ {
		was, is := samples[i-1].sealed, samples[i].sealed
		if was.Before(start) {
			was = start
		}
		for end := was.Truncate(base).Add(base); !end.After(is); end = end.Add(base) {
			out = append(out, samples[i].at.Sub(end.Add(bound)))
		}
	}
	return out
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[int(q*float64(len(d)-1))].Round(time.Millisecond)
}

// sameAsTruth compares a lake's ledger and its 5-minute metrics with what the
// simulator counted.
func sameAsTruth(t *testing.T, truth producer.Truth, dir string) {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	totals := lake.Total(ledger.Visible())
	if err := totals.Check(); err != nil {
		t.Error(err)
	}
	var records, dead int64
	for _, n := range truth.Records {
		records += n
	}
	for _, n := range truth.Dead {
		dead += n
	}
	if totals.Read != records || totals.Silver != truth.Silver || totals.Duplicates != truth.Duplicates || totals.Late != truth.Late || totals.DeadCount() != dead {
		t.Errorf("the lake has %+v, the simulator made %d records: silver %d, duplicates %d, late %d, dead %d",
			totals, records, truth.Silver, truth.Duplicates, truth.Late, dead)
	}
	want := map[producer.Cell]producer.Sums{}
	for _, c := range truth.Cells {
		c.Window = c.Window.UTC()
		want[c.Cell] = c.Sums
	}
	amount := func(m *shop.Money) shop.Money {
		if m == nil {
			t.Error("a sum is NULL")
			return 0
		}
		return *m
	}
	cells := 0
	for _, row := range ledger.VisibleMetrics() {
		for _, f := range row.Files {
			if k, err := lake.ParseName(f.Name); err != nil || k.Kind != "5m" {
				continue
			}
			rows, err := lake.ReadAll[lake.MetricRow](t.Context(), st, f.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r.Level != lake.LevelProduct {
					continue
				}
				cells++
				c := producer.Cell{Window: time.UnixMicro(r.WindowStart).UTC(), Product: r.ProductID, Category: r.Category, Currency: r.Currency}
				got := producer.Sums{
					OrderLines: r.OrderLines, Units: r.Units, Revenue: amount(r.Revenue),
					CancelledLines: r.CancelledLines, CancelledUnits: r.CancelledUnits, CancelledRevenue: amount(r.CancelledRevenue),
					Views: r.Views, Carts: r.Carts,
				}
				if w, ok := want[c]; !ok || w != got {
					t.Errorf("%+v: the lake has %+v, the simulator made %+v", c, got, w)
				}
			}
		}
	}
	if cells != len(want) {
		t.Errorf("the lake has %d sums, the simulator made %d", cells, len(want))
	}
	t.Logf("%d records, %d sums: as the simulator counted", totals.Read, cells)
}
