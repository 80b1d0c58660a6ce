//go:build unix

package cmdtest

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// viewsFrom are n views, one each half a minute, with ids from first on.
func viewsFrom(start time.Time, first, n int) (values []string) {
	for i := range n {
		values = append(values, fmt.Sprintf(
			`{"schema_version":1,"event_id":"00000000-0000-4000-8000-%012d","event_type":"product_viewed","event_time":%q,"product_id":"p"}`,
			first+i, start.Add(time.Duration(i)*30*time.Second).Format(time.RFC3339)))
	}
	return values
}

var (
	shopOpens = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	onTime    = viewsFrom(shopOpens, 0, 200)
	longLate  = viewsFrom(shopOpens.Add(-2*time.Hour), 200, 100)
)

const tooLate = `100 of 300 valid events (33.3 %) are late, expected at most 5 % (stream.max_late_share): 100 of 300 in partition 0. They count in gold, but not in the live metrics`

// TestLateEventsAreTold: a job tells of too many late events in its log, its
// readiness, which they do not change, and its metrics; a bounded one in its log.
func TestLateEventsAreTold(t *testing.T) {
	cluster := startBroker(t, 1)
	send(t, cluster, onTime...)
	send(t, cluster, longLate...)
	const warns = `"level":"WARN","msg":"too many events are late","found":"` + tooLate
	args := func(more ...string) []string {
		return append(more, brokers(cluster), "--lake="+filepath.Join(t.TempDir(), "lake"), "--log-format=json")
	}
	p := start(t, program(t, "streaming", args()...))
	watch := watchOf(t, p)
	eventually(t, func() error {
		if !strings.Contains(p.stderr.String(), warns) {
			return fmt.Errorf("it does not say so:\n%s", p.stderr.String())
		}
		return nil
	})
	if status, body := watch.get("/readyz"); status != http.StatusOK || !strings.Contains(body, "\nlate: "+tooLate+"\n") {
		t.Errorf("/readyz: %d %q", status, body)
	}
	m := watch.metrics()
	for name, want := range map[string]float64{
		"shopstream_late_share": 1. / 3, `shopstream_late_events_total{partition="0"}`: 100, `shopstream_valid_events_total{partition="0"}`: 300,
		"shopstream_window_silver_files": 1, // they have no category
	} {
		if m[name] != want {
			t.Errorf("%s is %g, want %g", name, m[name], want)
		}
	}
	p.interrupt()

	if r := must(t, "streaming", args("--bounded")...); strings.Count(r.stderr, warns) != 1 {
		t.Errorf("expected once %s in\n%s", warns, r.stderr)
	}
	if r := must(t, "streaming", args("--bounded", "--max-late-share=0.34")...); strings.Contains(r.stderr, "too many events are late") {
		t.Errorf("a third is allowed, and it says\n%s", r.stderr)
	}
}

// TestLateEventsOfAFile: local says so beside the revenue that lacks them, and
// gold's report has a rule that does not hold.
func TestLateEventsOfAFile(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	local := func(values []string) result {
		t.Helper()
		file := writeFile(t, "events.jsonl", []byte(strings.Join(values, "\n")+"\n"))
		return must(t, "local", "--source="+file, "--format=events", "--data="+data, "--forecast=false", "--base-window=1m", "--partitions=1")
	}
	if r := local(onTime); strings.Contains(r.stdout+r.stderr, "late: ") {
		t.Errorf("nothing is late:\n%s%s", r.stdout, r.stderr)
	}
	const says = `([0-9]+) of ([0-9]+) valid events \([0-9.]+ %\) are late, expected at most 5 %`
	r := local(longLate)
	wantMatches(t, r.stdout, `\n[0-9]+s  read .*  late: `+says)
	if !regexp.MustCompile(`"level":"WARN","msg":"too many events are late","found":"` + says).MatchString(r.stderr) {
		t.Errorf("no warning in\n%s", r.stderr)
	}
	report := must(t, "sql", "run", "quality_report", "--lake="+filepath.Join(data, "lake"), "--format=csv").stdout
	if !strings.Contains(report, "late_events") || !strings.Contains(report, "100 of 300 events of the day came late: they count here, and are missing from the live metrics") {
		t.Errorf("quality_report:\n%s", report)
	}
}
