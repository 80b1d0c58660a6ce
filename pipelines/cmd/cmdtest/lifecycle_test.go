//go:build unix

package cmdtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/producer"
)

// TestInterruptedLocal: Ctrl-C closes the simulated shop; the job reads to the
// end, and the report is that of a run that was over.
func TestInterruptedLocal(t *testing.T) {
	data := t.TempDir()
	p := start(t, program(t, "local", "--data="+data, "--duration=0", "--rate=1000", "--history-days=0"))
	eventually(t, func() error {
		if strings.Contains(p.stdout.String(), "  read ") {
			return nil
		}
		return fmt.Errorf("nothing was read:\n%s%s", p.stdout.String(), p.stderr.String())
	})
	r, _ := p.interrupt()
	if r.code != 0 || r.stderr != "" {
		t.Errorf("exit code %d, want 0 and nothing on standard error:\n%s", r.code, r.stderr)
	}
	m := regexp.MustCompile(`\nThe ledger: ([0-9,]+) records read = .* late\. The identity holds\.\n`).FindStringSubmatch(r.stdout)
	if m == nil || !strings.Contains(r.stdout, "\ntop_selling_products: ") || !strings.Contains(r.stdout, "\nThe lake is "+data+"/lake\n") {
		t.Fatalf("no report:\n%s", r.stdout)
	}
	read, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
	if err != nil || read < 1000 {
		t.Errorf("%d records read (%v)", read, err)
	}
	wantClosed(t, filepath.Join(data, "lake"), read)
}

// TestStreamingLives interrupts the streaming job under load, lets it catch
// up while it is watched, interrupts it again, and finishes the lake with a
// bounded run.
func TestStreamingLives(t *testing.T) {
	const count = 24_000
	cluster := startBroker(t, 3)
	// A minute of the shop a second, from two hours ago to about now.
	shop := simulator(t, producer.SimulateOptions{
		Seed: 3, Start: time.Now().UTC().Add(-2 * time.Hour), Partitions: 3, Rate: 3000, Speedup: 60, Flat: true, Count: count,
		Duplicates: 0.02, Invalid: 0.01, Late: 0.001, OutOfOrder: 0.1, MaxDelay: 25 * time.Second,
	})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		deliver(t, cluster, shop, producer.DeliverOptions{Speedup: 60})
	}()
	t.Cleanup(func() { <-sent })

	lake := filepath.Join(t.TempDir(), "lake")
	streaming := func() *process {
		return start(t, program(t, "streaming", brokers(cluster), "--lake="+lake, "--idle-after=1s", "--log-format=json"))
	}
	interrupt := func(p *process) {
		t.Helper()
		r, took := p.interrupt()
		if r.code != 130 || took > 5*time.Second {
			t.Errorf("exit code %d after %s, want 130 within 5 s:\n%s", r.code, took, r.stderr)
		}
		if !strings.Contains(r.stderr, `"stopped; the next run goes on where the ledger ends"`) {
			t.Errorf("it does not say that it can go on:\n%s", r.stderr)
		}
	}

	p := streaming()
	watch := watchOf(t, p)
	eventually(t, func() error { return watch.atLeast(`shopstream_committed_window_seconds`, 1) })
	select {
	case <-sent:
		t.Error("the shop had closed before the job was interrupted: not under load")
	default:
	}
	interrupt(p)

	p = streaming()
	watch = watchOf(t, p)
	if status, body := watch.get("/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	eventually(t, func() error {
		if status, body := watch.get("/readyz"); status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %q", status, body)
		}
		return nil
	})
	<-sent
	eventually(t, watch.caughtUp)
	eventually(t, func() error { return watch.atLeast("shopstream_sealed_window_seconds", 1) })
	watch.hasAll()
	interrupt(p)

	bounded := must(t, "streaming", brokers(cluster), "--lake="+lake, "--bounded", "--log-format=json")
	want := fmt.Sprintf(`"msg":"done: the ledger's identity holds","lake":%q,"read":%d,`, lake, count)
	if !strings.Contains(bounded.stderr, want) {
		t.Errorf("expected %s in\n%s", want, bounded.stderr)
	}
	wantClosed(t, lake, count)
}

// watch is a client of a program's monitoring.
type watch struct {
	t    testing.TB
	base string
	p    *process
}

// watchOf finds in the log where the program is watched.
func watchOf(t testing.TB, p *process) *watch {
	t.Helper()
	w := &watch{t: t, p: p}
	eventually(t, func() error {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "metrics" {
				w.base = strings.TrimSuffix(entry.Address, "/metrics")
				return nil
			}
		}
		return fmt.Errorf("the address of the metrics is not logged:\n%s", p.stderr.String())
	})
	return w
}

func (w *watch) get(path string) (status int, body string) {
	w.t.Helper()
	resp, err := http.Get(w.base + path)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.p.stderr.String())
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// metrics returns the samples by name and labels, as they are written.
func (w *watch) metrics() map[string]float64 {
	w.t.Helper()
	status, body := w.get("/metrics")
	if status != http.StatusOK {
		w.t.Fatalf("/metrics: %d", status)
	}
	out := map[string]float64{}
	for line := range bytes.Lines([]byte(body)) {
		text := strings.TrimSuffix(string(line), "\n")
		if strings.HasPrefix(text, "#") {
			continue
		}
		i := strings.LastIndexByte(text, ' ')
		v, err := strconv.ParseFloat(text[i+1:], 64)
		if err != nil {
			w.t.Fatalf("/metrics: %q: %v", text, err)
		}
		out[text[:i]] = v
	}
	return out
}

func (w *watch) atLeast(name string, least float64) error {
	if v := w.metrics()[name]; v < least {
		return fmt.Errorf("%s is %g, want at least %g", name, v, least)
	}
	return nil
}

// caughtUp returns an error while any of the three partitions has lag.
func (w *watch) caughtUp() error {
	m := w.metrics()
	for p := range 3 {
		name := fmt.Sprintf(`shopstream_kafka_lag_records{partition="%d"}`, p)
		if lag, ok := m[name]; !ok || lag != 0 {
			return fmt.Errorf("%s is %g (there: %t)", name, lag, ok)
		}
	}
	return nil
}

// hasAll wants every metric that dashboards and alerts may use.
func (w *watch) hasAll() {
	w.t.Helper()
	m := w.metrics()
	for _, name := range []string{
		"shopstream_watermark_seconds", `shopstream_kafka_next_offset{partition="2"}`, `shopstream_kafka_high_event_time_seconds{partition="0"}`,
		"shopstream_commit_age_seconds", "shopstream_records_read_total",
		`shopstream_records_total{lane="silver"}`, `shopstream_records_total{lane="duplicates"}`, `shopstream_records_total{lane="late"}`, `shopstream_records_total{lane="dead_letters"}`,
		`shopstream_dead_letters_total{reason="bad_price"}`,
		`shopstream_files_total{lane="bronze"}`, `shopstream_files_total{lane="silver"}`, `shopstream_file_bytes_total{lane="silver"}`,
		"shopstream_committed_window_seconds", "shopstream_last_commit_timestamp_seconds", "shopstream_sealed_window_seconds",
		"go_goroutines", "process_cpu_seconds_total",
	} {
		if _, ok := m[name]; !ok {
			w.t.Errorf("/metrics lacks %s", name)
		}
	}
	if read := m["shopstream_records_read_total"]; read < 1 {
		w.t.Errorf("%g records read", read)
	}
	if now, wm := float64(time.Now().Unix()), m["shopstream_watermark_seconds"]; wm > now+60 || wm < now-3*3600 {
		w.t.Errorf("the watermark is %g, now is %g", wm, now)
	}
}
