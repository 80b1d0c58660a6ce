package telemetry

import (
	"context"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestProgress is the only test that observes: counters are of the process.
func TestProgress(t *testing.T) {
	if diff := cmp.Diff(empty(), Snapshot()); diff != "" {
		t.Fatalf("before anything (-want +got):\n%s", diff)
	}
	before := time.Now()
	var wg sync.WaitGroup
	for i := range int64(10) {
		wg.Go(func() {
			ObserveRead(5, map[string]int64{"GBP": 7})
			ObserveRefused(map[string]int64{"bad_price": 1, "bad_utf8": 2}, DeadLetter{Reason: "bad_utf8", Partition: 3, Offset: 17})
			ObserveValid(map[int32]Valid{2: {Events: 4, Late: 1, Producer: 1}, 3: {Events: 1}}, LateEvent{Partition: 2, Offset: 9})
			ObserveValid(map[int32]Valid{3: {Events: 1}}, LateEvent{})
			ObserveCommit(Commit{
				End: 1000 * (i + 1), Silver: 2, Duplicates: 1, Late: 1, Dead: map[string]int64{"bad_price": 1},
				Revenue: map[string]int64{"GBP": 3, "EUR": 1},
			})
			ObserveSeal(1000 * (10 - i))
			Snapshot().Final["GBP"] = -1 // a copy
			Snapshot().Refused["bad_price"] = -1
			Snapshot().Valid[2] = Valid{}
		})
	}
	wg.Wait()
	ObserveLateShare(0.25, "too late")
	got := Snapshot()
	want := Progress{
		Read: 50, Silver: 20, Duplicates: 10, Late: 10, Dead: map[string]int64{"bad_price": 10},
		Provisional: map[string]int64{"GBP": 70}, Final: map[string]int64{"GBP": 30, "EUR": 10}, Committed: 10_000, Sealed: 10_000,
		Refused: map[string]int64{"bad_price": 10, "bad_utf8": 20}, LastRefused: DeadLetter{Reason: "bad_utf8", Partition: 3, Offset: 17},
		Valid: map[int32]Valid{2: {Events: 40, Late: 10, Producer: 10}, 3: {Events: 20}}, LastLate: LateEvent{Partition: 2, Offset: 9}, TooLate: "too late",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Progress{}, "LastCommit")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.LastCommit.Before(before) {
		t.Errorf("the last commit was at %s, before the test", got.LastCommit)
	}

	text := scrape(t, nil, http.StatusOK, "ok\n")
	for _, want := range []string{
		"shopstream_records_read_total 50\n", `shopstream_records_total{lane="silver"} 20` + "\n", `shopstream_records_total{lane="duplicates"} 10` + "\n",
		`shopstream_records_total{lane="late"} 10` + "\n", `shopstream_records_total{lane="dead_letters"} 10` + "\n", `shopstream_dead_letters_total{reason="bad_price"} 10` + "\n",
		"shopstream_committed_window_seconds 10\n", "shopstream_sealed_window_seconds 10\n", `shopstream_valid_events_total{partition="2"} 40` + "\n", `shopstream_late_events_total{partition="2"} 10` + "\n", "shopstream_late_share 0.25\n", "go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics has no %q", want)
		}
	}
}

func scrape(t *testing.T, conditions []Condition, wantStatus int, wantText string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	addr, err := Serve(ctx, "127.0.0.1:0", nil, func() []Condition { return conditions })
	if err != nil {
		t.Fatal(err)
	}
	status, text := fetch(t, addr, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: status %d", status)
	}
	if status, _ := fetch(t, addr, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: status %d", status)
	}
	if status, text := fetch(t, addr, "/readyz"); status != wantStatus || text != wantText {
		t.Errorf("/readyz: status %d, %q, want %d, %q", status, text, wantStatus, wantText)
	}
	return text
}

func fetch(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestNotReady(t *testing.T) {
	scrape(t, []Condition{{"commits", true, ""}, {"late", true, "7 % of events"}}, http.StatusOK, "ok\nlate: 7 % of events\n")
	scrape(t, []Condition{{"late", true, "7 % of events"}, {"kafka", false, "no answer"}, {"commits", false, "40 records behind"}},
		http.StatusServiceUnavailable, "not ready\nkafka: no answer\ncommits: 40 records behind\nlate: 7 % of events\n")
}

func TestServeRefuses(t *testing.T) {
	addr, err := Serve(t.Context(), "127.0.0.1:0", nil, func() []Condition { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(t.Context(), addr, nil, nil); err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "--metrics-listen") {
		t.Errorf("error %v, want one that names the address and the flag", err)
	}
}

func TestAddRevenue(t *testing.T) {
	t.Parallel()
	sums := map[string]int64{}
	for range 12 {
		AddRevenue(sums, "JPY", 1e18-1)
		AddRevenue(sums, "GBP", 1)
	}
	if diff := cmp.Diff(map[string]int64{"JPY": math.MaxInt64, "GBP": 12}, sums); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
