package bigquery

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql/tables"
)

// localLake has a store in a folder, and puts dates of gold there.
type localLake struct{ lake.Store }

func openLocalLake(t *testing.T, folder string) localLake {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return localLake{st}
}

// put publishes a date of the product catalogue whose content is one product,
// and returns the content's hash.
func (l localLake) put(date civil.Date, product string) (hash string, err error) {
	data, err := lake.EncodeGold(nil, []lake.CatalogueRow{{Date: int32(date.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1})), ProductID: product, Category: "toys", Source: "events"}})
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	return lake.Hash(data), lake.PublishTable(ctx, l, "product_catalogue", date, data, 1)
}

func (l localLake) publish(ctx context.Context, w *Warehouse, change func(*Publisher)) (Report, []string, error) {
	return publishFrom(ctx, l, w, change)
}

func publishFrom(ctx context.Context, st lake.Store, w *Warehouse, change func(*Publisher)) (Report, []string, error) {
	content, err := GoldContent(ctx, st, "product_catalogue")
	if err != nil {
		return Report{}, nil, err
	}
	var told []string
	p := Publisher{Warehouse: w, Store: st, Tell: func(d Published) { told = append(told, d.String()) }}
	if change != nil {
		change(&p)
	}
	report, err := p.Publish(ctx, []warehouse.Table{tables.Must("product_catalogue")}, content)
	return report, told, err
}

// bucketLake is the lake gs://lake, in memory, whose gold the fake service reads.
type bucketLake struct {
	lake.Store // nil: what is not here is not called
	f          *fakeService
	mu         sync.Mutex
	objects    map[string][]byte
	dead       bool // the program was killed: it puts nothing more
}

func (l *bucketLake) URI() string { return "gs://lake" }

func (l *bucketLake) Sync(context.Context) error { return nil }

func (l *bucketLake) Put(_ context.Context, name string, data []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errors.New("killed")
	}
	l.objects[name] = data
	return nil
}

func (l *bucketLake) Get(_ context.Context, name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, ok := l.objects[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (l *bucketLake) List(_ context.Context, prefix string) iter.Seq2[lake.Info, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name := range l.objects {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return func(yield func(lake.Info, error) bool) {
		for _, name := range names {
			if !yield(lake.Info{Name: name}, nil) {
				return
			}
		}
	}
}

// put publishes a date of gold with that content.
func (l *bucketLake) put(date civil.Date, content string) error {
	name := lake.GoldName("product_catalogue", date)
	l.f.set("gs://lake/"+name, content, 1)
	return lake.PutPublication(context.Background(), l, lake.Publication{
		Date: date, Tables: map[string]lake.PublishedFile{"product_catalogue": {File: name, Rows: 1, Hash: content}},
	})
}

func TestPublisher(t *testing.T) {
	f := startFake(t)
	w := f.open(t)
	l := openLocalLake(t, t.TempDir())
	hashes := map[string]string{}
	put := func(date civil.Date, product string) {
		t.Helper()
		hash, err := l.put(date, product)
		if err != nil {
			t.Fatal(err)
		}
		hashes[strings.ReplaceAll(date.String(), "-", "")] = hash
	}
	check := func(want ...string) {
		t.Helper()
		_, told, err := l.publish(t.Context(), w, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(hashes, f.tables["product_catalogue"].partitions); diff != "" {
			t.Error(diff)
		}
	}
	for i := range 3 {
		put(day.AddDays(i), "a")
	}
	report, told, err := l.publish(t.Context(), w, func(p *Publisher) { p.DryRun = true })
	if err != nil || report.Published != 3 || report.Rows != 3 || len(told) != 3 || f.jobCount() != 0 || len(f.tables) != 0 {
		t.Errorf("dry run: %+v, %v, %v", report, told, err)
	}
	if report, _, err := l.publish(t.Context(), w, func(p *Publisher) { p.From, p.To = nextDay, nextDay }); err != nil || report.Published != 1 {
		t.Errorf("one day: %+v, %v", report, err)
	}
	check("product_catalogue 2026-03-01: 1 rows", "product_catalogue 2026-03-03: 1 rows")
	check()
	put(day, "b")
	check("product_catalogue 2026-03-01: 1 rows")
	put(day, "a")
	check("product_catalogue 2026-03-01: 1 rows")
	check()

	// A table that was dropped and made again has nothing.
	f.mu.Lock()
	delete(f.tables, "product_catalogue")
	f.now++
	f.mu.Unlock()
	check("product_catalogue 2026-03-01: 1 rows", "product_catalogue 2026-03-02: 1 rows", "product_catalogue 2026-03-03: 1 rows")

	// A journal that is lost: all is loaded again.
	name := filepath.Join(strings.TrimPrefix(l.URI(), "file://"), filepath.FromSlash(journalName(w.URI(), "product_catalogue")))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	check("product_catalogue 2026-03-01: 1 rows", "product_catalogue 2026-03-02: 1 rows", "product_catalogue 2026-03-03: 1 rows")

	// A date that is withdrawn is named, and stands.
	if err := lake.DeletePublication(t.Context(), l, day); err != nil {
		t.Fatal(err)
	}
	if report, _, err := l.publish(t.Context(), w, nil); err != nil || report.Unchanged != 2 || !cmp.Equal(report.Gone, []string{"product_catalogue 2026-03-01"}) {
		t.Errorf("%+v, %v", report, err)
	}

	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.publish(t.Context(), w, nil); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("error %v of a damaged journal", err)
	}
}

// TestPublisherFaults: whatever fails and wherever a run is killed, a run that
// succeeds leaves the warehouse as the lake is.
func TestPublisherFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := startFake(rt)
		w := f.open(rt)
		l := &bucketLake{f: f, objects: map[string][]byte{}}
		f.early = rapid.Bool().Draw(rt, "jobs read early")
		dice := rapid.IntRange(0, 99)
		rate := rapid.IntRange(0, 50).Draw(rt, "percent of requests that fail")
		seed, n := rapid.Uint64().Draw(rt, "seed"), uint64(0)
		next := func() int { n++; return int((seed+n)*0x9e3779b97f4a7c15>>40) % 100 }
		want := map[string]string{}
		for range rapid.IntRange(1, 6).Draw(rt, "runs") {
			for range rapid.IntRange(0, 2).Draw(rt, "changes") {
				date := day.AddDays(rapid.IntRange(0, 1).Draw(rt, "date"))
				content := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "content")
				if err := l.put(date, content); err != nil {
					rt.Fatal(err)
				}
				want[strings.ReplaceAll(date.String(), "-", "")] = content
			}
			ctx, cancel := context.WithCancel(context.Background())
			kill, count := 0, 0
			if dice.Draw(rt, "kill") < 40 {
				kill = rapid.IntRange(1, 25).Draw(rt, "at request")
			}
			f.mu.Lock()
			f.pick = func(string) string {
				if count++; count == kill {
					l.mu.Lock()
					l.dead = true
					l.mu.Unlock()
					cancel()
				}
				if next() >= rate {
					return ""
				}
				return passing[next()%(len(passing)-1)]
			}
			f.jobFails = func() *jobFault {
				job := &jobFault{looks: next() % 5}
				if next() < rate/2 {
					job.reason = []string{"backendError", "internalError", "invalid"}[next()%3]
				}
				return job
			}
			f.mu.Unlock()
			_, _, err := publishFrom(ctx, l, w, nil)
			cancel()
			l.dead = false
			if err == nil {
				f.check(rt, want)
			}
		}
		f.mu.Lock()
		f.pick, f.jobFails = nil, nil
		f.mu.Unlock()
		if _, _, err := publishFrom(context.Background(), l, w, nil); err != nil {
			rt.Fatal(err)
		}
		f.check(rt, want)
		f.finish()
		f.check(rt, want)
		jobs := f.jobCount()
		if report, _, err := publishFrom(context.Background(), l, w, nil); err != nil || report.Published != 0 || f.jobCount() != jobs {
			rt.Fatalf("again: %+v, %v", report, err)
		}
	})
}

func (f *fakeService) check(t *rapid.T, want map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.tables["product_catalogue"].partitions); diff != "" {
		t.Fatal(diff)
	}
}

// metricsLake writes the ledger of a closed lake whose metrics have a row for
// each of these windows, of five minutes.
func metricsLake(t *testing.T, l localLake, windows ...time.Time) {
	t.Helper()
	if err := lake.Init(t.Context(), l, lake.Settings{Topic: "events", BaseWindowMs: 60_000}); err != nil {
		t.Fatal(err)
	}
	for _, at := range windows {
		start := at.UnixMilli()
		row := lake.MetricsRow{Window: start, End: start + 300_000}
		for _, kind := range []string{"5m", "1h"} {
			data, err := lake.EncodeMetrics(nil, []lake.MetricRow{{WindowStart: start * 1000, WindowEnd: start*1000 + 300_000_000, Level: lake.LevelShop, Views: start % 1000}})
			if err != nil {
				t.Fatal(err)
			}
			file := lake.File{Name: lake.MetricsName(kind, start), Rows: 1, Bytes: int64(len(data))}
			if err := l.Put(t.Context(), file.Name, data); err != nil {
				t.Fatal(err)
			}
			row.Files = append(row.Files, file)
		}
		if err := lake.PutMetricsRow(t.Context(), l, row); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lake.Close(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}

func TestMetrics(t *testing.T) {
	f := startFake(t)
	w := f.open(t)
	l := openLocalLake(t, t.TempDir())
	if _, err := MetricsContent(t.Context(), l, "metrics_5m"); err == nil {
		t.Error("expected an error: there is no lake")
	}
	at := time.Date(2026, 3, 1, 23, 50, 0, 0, time.UTC)
	metricsLake(t, l, at, at.Add(5*time.Minute), at.Add(10*time.Minute))
	publish := func() []string {
		t.Helper()
		content, err := MetricsContent(t.Context(), l, "metrics_5m")
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		_, err = Publisher{Warehouse: w, Store: l, Tell: func(p Published) { told = append(told, p.String()) }}.Publish(t.Context(), []warehouse.Table{tables.Must("metrics_5m")}, content)
		if err != nil {
			t.Fatal(err)
		}
		return told
	}
	if diff := cmp.Diff([]string{"metrics_5m 2026-03-01: 2 rows from 2 files", "metrics_5m 2026-03-02: 1 rows"}, publish()); diff != "" {
		t.Error(diff)
	}
	if told := publish(); told != nil {
		t.Errorf("nothing changed, but %v was loaded", told)
	}
	metricsLake(t, l, at.Add(15*time.Minute))
	if diff := cmp.Diff([]string{"metrics_5m 2026-03-02: 2 rows from 2 files"}, publish()); diff != "" {
		t.Error(diff)
	}
	if f.jobCount() != 3 {
		t.Errorf("%d jobs, expected one a date that changed", f.jobCount())
	}
}
