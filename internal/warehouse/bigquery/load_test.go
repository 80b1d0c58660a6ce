package bigquery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

var (
	day     = civil.Date{Year: 2026, Month: 3, Day: 1}
	nextDay = day.AddDays(1)
)

// gold puts content in the bucket and describes it.
func gold(f *fakeService, date civil.Date, content string) warehouse.File {
	name := "gold/daily_sales/" + date.String() + ".parquet"
	f.set("gs://lake/"+name, content, 3)
	return warehouse.File{Lake: "gs://lake", Name: name, Rows: 3, Bytes: 100, Hash: content}
}

func TestPublish(t *testing.T) {
	f := startFake(t)
	w := f.open(t)
	sales := tables.Must("daily_sales")
	if err := w.EnsureDataset(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"A", "B", "A", "A"} {
		if err := w.Publish(t.Context(), sales, day, gold(f, day, content)); err != nil {
			t.Fatal(err)
		}
		if got := f.partition("daily_sales", "20260301"); got != content {
			t.Fatalf("after %s the partition has %q", content, got)
		}
	}
	if err := w.Publish(t.Context(), sales, nextDay, gold(f, nextDay, "C")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"20260301": "A", "20260302": "C"}, f.tables["daily_sales"].partitions); diff != "" {
		t.Error(diff)
	}
}

// TestFaults lets requests and jobs fail in each way; the partition must have
// the new content where Publish says so, and else one of the two, whole.
func TestFaults(t *testing.T) {
	tests := []struct {
		name     string
		faults   map[string][]string // by operation
		jobs     []*jobFault
		wantErr  []string // parts of the message; nil: it succeeds
		isErr    error
		wantJobs int    // of the second publication
		inserts  int    // requests that start it, at most
		want     string // content; "" is B
	}{
		{name: "none", wantJobs: 1, inserts: 1},
		{name: "429, 500, 503", faults: map[string][]string{"POST jobs": {tooMany, internal, unavailable}}, wantJobs: 1, inserts: 4},
		{name: "resets", faults: map[string][]string{"POST jobs": {reset, reset}, "GET jobs/": {reset, resetAfter}}, wantJobs: 1, inserts: 3},
		{name: "the answer is lost, the job exists", faults: map[string][]string{"POST jobs": {lostAnswer}}, wantJobs: 1, inserts: 2},
		{name: "the answer is reset, the job exists", faults: map[string][]string{"POST jobs": {resetAfter}}, wantJobs: 1, inserts: 2},
		{name: "answers are cut", faults: map[string][]string{"POST jobs": {cutAnswer}, "GET jobs/": {cutAnswer}, "GET jobs": {cutAnswer}, "GET tables/": {cutAnswer}}, wantJobs: 1, inserts: 2},
		{name: "no answer", faults: map[string][]string{"POST jobs": {hang}, "GET jobs/": {hang}}, wantJobs: 1, inserts: 2},
		{name: "rate limit", faults: map[string][]string{"POST jobs": {rateLimit}, "GET jobs": {rateLimit}}, wantJobs: 1, inserts: 2},
		{name: "a slow job", jobs: []*jobFault{{looks: 30}}, wantJobs: 1, inserts: 1},
		{name: "a job fails half-way", jobs: []*jobFault{{reason: "backendError"}, {reason: "internalError", looks: 3}}, wantJobs: 3, inserts: 3},
		{name: "a job fails half-way and its answer is lost", faults: map[string][]string{"POST jobs": {lostAnswer}}, jobs: []*jobFault{{reason: "backendError"}}, wantJobs: 2, inserts: 3},
		{
			name: "jobs fail always", wantJobs: 5, inserts: 5, want: "A",
			jobs:    []*jobFault{{reason: "backendError"}, {reason: "backendError"}, {reason: "backendError"}, {reason: "backendError"}, {reason: "backendError"}},
			wantErr: []string{"load 2026-03-01 of daily_sales", "given up after 5 jobs", "backendError", "half of it was read"},
		},
		{
			name: "the service stays away", faults: map[string][]string{"POST jobs": {unavailable, unavailable, unavailable, unavailable, unavailable}}, inserts: 5, want: "A",
			wantErr: []string{"bigquery://project/shop", "given up after 5 attempts", "503"},
		},
		{
			name: "the job may run, but its answers are lost", faults: map[string][]string{"POST jobs": {lostAnswer}, "GET jobs/": {unavailable, unavailable, unavailable, unavailable, unavailable}},
			wantJobs: 1, inserts: 2, want: "A", wantErr: []string{"given up after 5 attempts"},
		},
		{
			name: "quota, as an answer", faults: map[string][]string{"POST jobs": {quota}}, inserts: 1, want: "A", isErr: ErrQuota,
			wantErr: []string{"quota exceeded", "1,500 load jobs", "tomorrow"},
		},
		{
			name: "quota, of a job", jobs: []*jobFault{{reason: "quotaExceeded"}}, wantJobs: 1, inserts: 1, want: "A", isErr: ErrQuota,
			wantErr: []string{"job shopstream_daily_sales_20260301_", "tomorrow"},
		},
		{name: "a wrong file", jobs: []*jobFault{{reason: "invalid"}}, wantJobs: 1, inserts: 1, want: "A", wantErr: []string{"invalid", "half of it was read"}},
		{name: "no right", faults: map[string][]string{"POST jobs": {denied}}, inserts: 1, want: "A", wantErr: []string{"roles/bigquery.jobUser"}},
		{name: "a wrong request", faults: map[string][]string{"POST jobs": {invalid}}, inserts: 1, want: "A", wantErr: []string{"not like this"}},
		{name: "rows are missing", jobs: []*jobFault{{rows: 1}}, wantJobs: 1, inserts: 1, wantErr: []string{"expected 3 rows, the job loaded 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFake(t)
			w := f.open(t)
			sales := tables.Must("daily_sales")
			if err := w.Publish(t.Context(), sales, day, gold(f, day, "A")); err != nil {
				t.Fatal(err)
			}
			jobs, inserts := f.jobCount(), f.requests("POST jobs")
			for op, kinds := range tt.faults {
				f.fail(op, kinds...)
			}
			f.jobsGo(tt.jobs...)
			err := w.Publish(t.Context(), sales, day, gold(f, day, "B"))
			if (err == nil) != (tt.wantErr == nil) || (tt.isErr != nil && !errors.Is(err, tt.isErr)) {
				t.Fatalf("error %v, expected one with %q", err, tt.wantErr)
			}
			for _, part := range tt.wantErr {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, expected one with %q", err, part)
				}
			}
			if strings.Count(fmt.Sprint(err), "\n") > 0 {
				t.Errorf("the error has several lines: %v", err)
			}
			want := tt.want
			if want == "" {
				want = "B"
			}
			if got := f.partition("daily_sales", "20260301"); got != want {
				t.Errorf("the partition has %q, expected %q", got, want)
			}
			if got := f.jobCount() - jobs; got != tt.wantJobs {
				t.Errorf("%d jobs, expected %d", got, tt.wantJobs)
			}
			if got := f.requests("POST jobs") - inserts; got > tt.inserts {
				t.Errorf("%d requests to start a job, expected %d at most", got, tt.inserts)
			}
			// What failed is made good by the next publication.
			f.jobsGo()
			if err := w.Publish(t.Context(), sales, day, gold(f, day, "C")); err != nil {
				t.Fatal(err)
			}
			f.finish()
			if got := f.partition("daily_sales", "20260301"); got != "C" {
				t.Errorf("after the next publication and the end of all jobs the partition has %q, expected C", got)
			}
		})
	}
}

// TestEarlierRun: a run that goes on after a crash finds the job that runs or
// ran, and never starts a second one; one that failed is followed by another.
func TestEarlierRun(t *testing.T) {
	for _, tt := range []struct {
		name     string
		first    *jobFault
		finished bool
		wantJobs int
	}{
		{name: "runs", first: &jobFault{looks: 20}, wantJobs: 1},
		{name: "has ended", first: &jobFault{looks: 20}, finished: true, wantJobs: 1},
		{name: "has failed", first: &jobFault{looks: 20, reason: "invalid"}, finished: true, wantJobs: 2},
		{name: "fails", first: &jobFault{looks: 20, reason: "invalid"}, wantJobs: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startFake(t)
			w := f.open(t)
			sales := tables.Must("daily_sales")
			if _, err := w.EnsureTable(t.Context(), sales); err != nil {
				t.Fatal(err)
			}
			f.jobsGo(tt.first)
			load := Load{Table: sales, Date: day, Files: []warehouse.File{gold(f, day, "A")}, Publication: "1"}
			ctx, cancel := context.WithCancelCause(t.Context())
			killed := errors.New("killed")
			f.pick = func(op string) string {
				if op == "GET jobs/" {
					cancel(killed)
				}
				return ""
			}
			if _, err := w.Load(ctx, load); !errors.Is(err, killed) && !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, expected that of the context", err)
			}
			f.mu.Lock()
			f.pick = nil
			f.mu.Unlock()
			if tt.finished {
				f.finish()
			}
			got, err := w.Load(t.Context(), load)
			if err != nil {
				t.Fatal(err)
			}
			if got.Found != (tt.first.reason == "") || got.Rows != 3 {
				t.Errorf("%+v", got)
			}
			if f.jobCount() != tt.wantJobs || f.partition("daily_sales", "20260301") != "A" {
				t.Errorf("%d jobs, expected %d; the partition has %q", f.jobCount(), tt.wantJobs, f.partition("daily_sales", "20260301"))
			}
		})
	}
}

// TestSlowEarlierLoad: a job of an earlier publication that still runs does not
// end after the newer one.
func TestSlowEarlierLoad(t *testing.T) {
	f := startFake(t)
	w := f.open(t)
	sales := tables.Must("daily_sales")
	f.early = true
	f.jobsGo(&jobFault{looks: 50})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.Publish(ctx, sales, day, gold(f, day, "A")); err == nil {
		t.Fatal("expected that the time is over")
	}
	if err := w.Publish(t.Context(), sales, day, gold(f, day, "B")); err != nil {
		t.Fatal(err)
	}
	f.finish()
	if got := f.partition("daily_sales", "20260301"); got != "B" {
		t.Errorf("the partition has %q, expected B", got)
	}
}

// TestRandomFaults: whatever fails, and wherever a run is killed, a partition
// always has one whole content that was published to it, that of the last
// publication which succeeded or a later one that was begun; and at the end the
// last one.
func TestRandomFaults(t *testing.T) {
	sales := tables.Must("daily_sales")
	rapid.Check(t, func(rt *rapid.T) {
		f := startFake(rt)
		w := f.open(rt)
		f.early = rapid.Bool().Draw(rt, "jobs read early")
		rate := rapid.IntRange(0, 60).Draw(rt, "percent of requests that fail")
		random := rapid.Custom(func(rt *rapid.T) int { return rapid.IntRange(0, 99).Draw(rt, "dice") })
		n, seed := 0, rapid.Int64().Draw(rt, "seed")
		dice := func() int { n++; return int(uint64(seed+int64(n))*0x9e3779b97f4a7c15>>40) % 100 }
		f.pick = func(string) string {
			if dice() >= rate {
				return ""
			}
			return passing[dice()%(len(passing)-1)] // not the one that takes 100 ms
		}
		f.jobFails = func() *jobFault {
			job := &jobFault{looks: dice() % 4}
			if dice() < rate/2 {
				job.reason = []string{"backendError", "rateLimitExceeded", "invalid"}[dice()%3]
			}
			return job
		}
		possible := map[string][]string{} // by date
		publish := func(date civil.Date, content string, kill int) {
			key := strings.ReplaceAll(date.String(), "-", "")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if kill > 0 {
				count := 0
				pick := f.pick
				f.mu.Lock()
				f.pick = func(op string) string {
					if count++; count == kill {
						cancel()
					}
					return pick(op)
				}
				f.mu.Unlock()
				defer func() { f.mu.Lock(); f.pick = pick; f.mu.Unlock() }()
			}
			err := w.Publish(ctx, sales, date, gold(f, date, content))
			if err == nil {
				possible[key] = []string{content}
			} else {
				possible[key] = append(possible[key], content)
			}
			for key, allowed := range possible {
				got := f.partition("daily_sales", key)
				if got == "" && len(allowed) > 0 && err == nil && key == strings.ReplaceAll(date.String(), "-", "") || got != "" && !slices.Contains(allowed, got) {
					rt.Fatalf("partition %s has %q, expected one of %v (error %v)", key, got, allowed, err)
				}
			}
		}
		for range rapid.IntRange(1, 6).Draw(rt, "publications") {
			date := day.AddDays(rapid.IntRange(0, 1).Draw(rt, "date"))
			kill := 0
			if random.Draw(rt, "kill") < 30 {
				kill = rapid.IntRange(1, 12).Draw(rt, "at request")
			}
			publish(date, rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "content"), kill)
		}
		f.mu.Lock()
		f.pick, f.jobFails = nil, nil
		f.mu.Unlock()
		last := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "last")
		publish(day, last, 0)
		f.finish()
		if got := f.partition("daily_sales", "20260301"); got != last {
			rt.Fatalf("the last publication was %s, the partition has %q", last, got)
		}
	})
}
