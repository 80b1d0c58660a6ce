package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/config"
	"example.com/shopstream/producer"
)

func TestMain(m *testing.M) {
	// sarama's metrics library keeps one goroutine for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// output may be read while a command writes it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

type result struct {
	code           int
	stdout, stderr string
}

func runFor(ctx context.Context, args ...string) result {
	var stdout, stderr output
	code := run(ctx, args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func mustRun(t *testing.T, args ...string) result {
	t.Helper()
	r := runFor(t.Context(), args...)
	if r.code != 0 {
		t.Fatalf("%q: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r
}

func startBroker(t *testing.T) string {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return "--brokers=" + b.Addrs()[0]
}

func TestSimulateLedgerAndConsume(t *testing.T) {
	brokers, ledger := startBroker(t), filepath.Join(t.TempDir(), "truth.json")
	args := []string{
		"simulate", brokers, "--rate=0", "--density=500", "--count=4000", "--partitions=3",
		"--start=2026-03-02T10:00:00Z", "--skew=48h", "--skew-partition=1", "--ledger=" + ledger,
	}
	r := mustRun(t, args...)
	if !strings.Contains(r.stderr, "3 partitions: --seed 1 --start 2026-03-02T10:00:00Z") || !strings.Contains(r.stderr, "done: 4,000 records delivered") {
		t.Errorf("got %s", r.stderr)
	}
	truth, err := producer.ReadTruth(ledger)
	if err != nil {
		t.Fatal(err)
	}
	r = mustRun(t, "consume", brokers, "--until-end", "--count")
	want := fmt.Sprintf("%12s records\n", "4,000")
	for p, n := range truth.Records {
		want += fmt.Sprintf("%12s partition %d\n", grouped(n), p)
	}
	if !strings.HasPrefix(r.stdout, want) {
		t.Errorf("got\n%swant it to begin with\n%s", r.stdout, want)
	}

	t.Run("resume", func(t *testing.T) {
		longer := append(args, "--count=5000", "--resume", "--ledger=")
		r := mustRun(t, longer...)
		if !strings.Contains(r.stderr, "done: 1,000 records delivered") || !strings.Contains(r.stderr, "4,000 were there already") {
			t.Errorf("got %s", r.stderr)
		}
	})
	t.Run("filters", func(t *testing.T) {
		r := mustRun(t, "consume", brokers, "--until-end", "--format=raw", "--type=order_created", "--match=country=Germany", "--match=currency=EUR", "--max=3")
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		for _, l := range lines {
			if !strings.Contains(l, `"order_created"`) || !strings.Contains(l, `"country":"Germany"`) {
				t.Errorf("got %s", l)
			}
		}
		if len(lines) != 3 {
			t.Errorf("%d lines, want 3", len(lines))
		}
	})
	t.Run("table", func(t *testing.T) {
		r := mustRun(t, "consume", brokers, "--until-end", "--format=table", "--partition=2", "--from=5", "--max=2")
		lines := strings.Split(r.stdout, "\n")
		if lines[0] != producer.TableHeader || len(lines) != 4 || !strings.HasPrefix(lines[1], "   2          5  ") {
			t.Errorf("got\n%s", r.stdout)
		}
	})
}

func TestReplay(t *testing.T) {
	brokers := startBroker(t)
	file := filepath.Join(t.TempDir(), "r.csv")
	text := "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n" +
		"1,A,RED MUG,2,2010-12-01 08:26:00,2.5,1.0,UK\nC2,A,RED MUG,-1,2010-12-01 09:26:00,2.5,1.0,UK\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := mustRun(t, "replay", brokers, file)
	if !strings.Contains(r.stderr, "r.csv (online-retail) into topic ecommerce_events, 4 partitions") || !strings.Contains(r.stderr, "done: 2 records") {
		t.Errorf("got %s", r.stderr)
	}
	if r = mustRun(t, "replay", brokers, file, "--resume"); !strings.Contains(r.stderr, "2 were there already") {
		t.Errorf("got %s", r.stderr)
	}
	r = mustRun(t, "consume", brokers, "--until-end", "--count")
	if diff := cmp.Diff("           2 records\n           2 partition 0\n           1 order_cancelled\n           1 order_created\n", r.stdout); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInterruptedSimulation(t *testing.T) {
	brokers, ledger := startBroker(t), filepath.Join(t.TempDir(), "truth.json")
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	signal, interrupt := context.WithCancel(t.Context()) // as from Ctrl-C
	context.AfterFunc(ctx, interrupt)
	r := runFor(signal, "simulate", brokers, "--rate=3000", "--flat", "--ledger="+ledger)
	if r.code != interrupted || !strings.Contains(r.stderr, "interrupted: ") || strings.Contains(r.stderr, "producer: ") {
		t.Fatalf("exit code %d, want %d:\n%s", r.code, interrupted, r.stderr)
	}
	truth, err := producer.ReadTruth(ledger)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, n := range truth.Records {
		sum += n
	}
	if sum < 500 || sum > 3000 {
		t.Errorf("%d records in 0.7 s at 3000/s", sum)
	}
	if r = mustRun(t, "consume", brokers, "--until-end", "--count"); !strings.HasPrefix(r.stdout, fmt.Sprintf("%12s records\n", grouped(sum))) {
		t.Errorf("the ledger counts %d, the topic:\n%s", sum, r.stdout)
	}
}

func TestBrokerCommand(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out output
	code := make(chan int, 1)
	dir := t.TempDir()
	go func() { code <- run(ctx, []string{"broker", "--data", dir, "--port=0"}, &out, &out) }()
	for range 100 {
		if strings.Contains(out.String(), "listening on 127.0.0.1:") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if r := runFor(t.Context(), "broker", "--data", dir, "--port=0"); r.code != 1 || !strings.Contains(r.stderr, fmt.Sprint("is in use by process ", os.Getpid())) {
		t.Errorf("second broker: exit code %d, %s", r.code, r.stderr)
	}
	stop()
	if c := <-code; c != 0 || !strings.Contains(out.String(), "for trying shopstream out, not for production data") {
		t.Errorf("exit code %d: %s", c, out.String())
	}
}

func TestMistakesAreOneLine(t *testing.T) {
	none := "--brokers=127.0.0.1:1"
	text := filepath.Join(t.TempDir(), "x.txt")
	if err := os.WriteFile(text, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"simulate", none}, 1, "producer: no broker answers at 127.0.0.1:1: start one, or name yours with --brokers"},
		{[]string{"simulate", none + ",127.0.0.1:2"}, 1, "producer: no broker answers at 127.0.0.1:1, 127.0.0.1:2: start one"},
		{[]string{"consume", none}, 1, "producer: no broker answers at 127.0.0.1:1: start one"},
		{[]string{"replay", none, "nowhere.csv"}, 2, "producer: replay: open nowhere.csv: no such file"},
		{[]string{"replay", none, text}, 2, "producer: replay: cannot tell what " + text + " holds"},
		{[]string{"replay", none, text, "--format=xml"}, 2, `producer: unknown format "xml": expected auto or one of`},
		{[]string{"replay"}, 2, "producer: accepts 1 arg(s), received 0"},
		{[]string{"simulate", none, "--start=today"}, 2, `producer: --start "today": expected a time such as`},
		{[]string{"simulate", none, "--resume"}, 2, "producer: --resume needs the --start"},
		{[]string{"simulate", none, "--skew=1h", "--skew-partition=9"}, 2, "producer: simulate: skewed partition is 9: expected 0 to 3"},
		{[]string{"simulate", none, "--fast-clocks=2"}, 2, "producer: simulate: share of fast clocks is 2: expected 0 to 1"},
		{[]string{"simulate", "--rate=fast"}, 2, "rate"},
		{[]string{"consume", none, "--from=then"}, 2, `producer: start "then": expected earliest, latest`},
		{[]string{"consume", none, "--format=xml"}, 2, `producer: format "xml": expected json, raw or table`},
		{[]string{"consume", none, "--match=x"}, 2, `producer: match "x": expected field=value`},
		{[]string{"broker", "--port=99999"}, 2, "producer: embedded broker: port 99999: expected 0"},
		{[]string{"sing"}, 2, `producer: unknown command "sing" for "producer"`},
		{[]string{"simulate", "--loud"}, 2, "producer: unknown flag: --loud"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			r := runFor(t.Context(), tc.args...)
			if r.code != tc.code || !strings.Contains(r.stderr, tc.want) || strings.Count(r.stderr, "\n") != 1 || r.stdout != "" {
				t.Errorf("exit code %d:\n%s%s\nwant %d and one line with %s", r.code, r.stdout, r.stderr, tc.code, tc.want)
			}
		})
	}
}

func TestHelpHasExamples(t *testing.T) {
	for _, args := range [][]string{{}, {"simulate"}, {"replay"}, {"consume"}, {"broker"}} {
		r := mustRun(t, append(args, "--help")...)
		if !strings.Contains(r.stdout, "Examples:\n  producer ") {
			t.Errorf("%q: no examples:\n%s", args, r.stdout)
		}
	}
}

// Without --start the events end about now, so that none is in the future.
func TestDefaultStart(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 5, time.UTC)
	at := now.Truncate(time.Second)
	for _, tc := range []struct {
		name          string
		rate, speedup float64
		f             simulateFlags
		want          time.Time
	}{
		{"live", 100, 1, simulateFlags{}, at},
		{"live with an end", 100, 1, simulateFlags{duration: time.Hour}, at},
		{"fast forward", 100, 60, simulateFlags{duration: time.Minute}, at.Add(-time.Hour)},
		{"fast forward without end", 100, 60, simulateFlags{}, at.AddDate(-1, 0, 0)},
		{"at once", 0, 1, simulateFlags{count: 7200, density: 2}, at.Add(-time.Hour)},
		{"given", 0, 1, simulateFlags{count: 7200, density: 2, start: "2025-01-01T01:00:00+01:00"}, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		cfg := config.Default()
		cfg.Simulate.Rate, cfg.Simulate.Speedup = tc.rate, tc.speedup
		o, err := simulateOptions(cfg, tc.f, now)
		if err != nil || !o.Start.Equal(tc.want) {
			t.Errorf("%s: got %s, %v, want %s", tc.name, o.Start, err, tc.want)
		}
	}
}

func TestProgressLines(t *testing.T) {
	for _, tc := range []struct {
		p    producer.Progress
		want string
	}{
		{producer.Progress{Records: 1234567, Total: 2000000, Rate: 100000, Left: 8 * time.Second}, "1,234,567 of 2,000,000 records (61 %), 100,000 a second, 8s left"},
		{producer.Progress{Records: 999, Total: -1, Rate: 12.7, Left: -1}, "999 records, 12 a second"},
	} {
		if got := line(tc.p); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
