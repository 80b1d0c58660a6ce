package pipelines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// buggy changes a lake into what a wrong parser would have made of the same
// log: it took a part of the valid events for dead letters, misread the prices
// of the others, and never saw a late one. Bronze, and how far the log was read,
// are not the parser's.
func buggy(t testing.TB, uri string) {
	t.Helper()
	ctx := t.Context()
	st := mustStore(t, uri)
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	closed := ledger.Closed != nil
	if err := lake.Reopen(ctx, st); err != nil {
		t.Fatal(err)
	}
	asFormat2(t, st.URI())
	for _, r := range ledger.Rows {
		var unread []lake.DeadRow
		r.Dead = maps.Clone(r.Dead)
		if r.Dead == nil {
			r.Dead = map[string]int64{}
		}
		var files []lake.File
		for _, f := range r.Files {
			key, err := lake.ParseName(f.Name)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case f.Lane == lake.Late || f.Lane == lake.Silver && len(key.Category)%2 == 0:
				r.Dead["missing_field:order_id"] += f.Rows
				unread = append(unread, notParsed(t, st, f)...)
				if err := st.Delete(ctx, f.Name); err != nil {
					t.Fatal(err)
				}
				continue
			case f.Lane == lake.Silver:
				rows, err := lake.ReadAll[lake.SilverRow](ctx, st, f.Name)
				if err != nil {
					t.Fatal(err)
				}
				for i := range rows {
					rows[i].UnitPrice /= 100
				}
				data, err := lake.EncodeSilver(nil, rows)
				if err == nil {
					err = st.Put(ctx, f.Name, data)
				}
				if err != nil {
					t.Fatal(err)
				}
				f.Bytes, f.CRC = int64(len(data)), 0
			}
			files = append(files, f)
		}
		if len(unread) > 0 {
			f := lake.File{Lane: lake.Dead, Name: lake.LaneName(lake.Dead, r.Window, 999), Rows: int64(len(unread))}
			data, err := lake.EncodeDead(nil, unread)
			if err == nil {
				err = st.Put(ctx, f.Name, data)
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Bytes = int64(len(data))
			files = append(files, f)
		}
		r.Silver, r.Late, r.LateDates, r.Files = 0, 0, nil, files
		for _, f := range files {
			if f.Lane == lake.Silver {
				r.Silver += f.Rows
			}
		}
		data, err := json.Marshal(r)
		if err == nil {
			at := time.UnixMilli(r.Window).UTC()
			err = st.Put(ctx, at.Format("ledger/rows/date=2006-01-02/20060102T150405Z.json"), data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if _, err := lake.Close(ctx, st); err != nil {
			t.Fatal(err)
		}
	}
}

func rebuild(t testing.TB, o StreamingOptions, runner string) RebuildReport {
	t.Helper()
	report, err := RebuildOptions{Lake: o.Lake, Cluster: o.Source.Cluster}.RunRebuild(t.Context(), runner, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// troubled is a shop with every kind of trouble, a partition a month behind.
func troubled(t testing.TB, seed uint64, count int64) producer.Source {
	t.Helper()
	return simulate(t, producer.SimulateOptions{Seed: seed, Density: 100, Count: count, SkewPartition: 3, Skew: 720 * time.Hour})
}

func deliver(t testing.TB, cluster kafkaio.Cluster, src producer.Source, limit int64) {
	t.Helper()
	if _, err := producer.Deliver(t.Context(), cluster, topic, src, producer.DeliverOptions{Limit: limit}); err != nil {
		t.Fatal(err)
	}
}

// TestRebuildFromBronze builds lakes again that a wrong parser has written, and
// expects what the right one had: then, and when the streaming job goes on.
func TestRebuildFromBronze(t *testing.T) {
	for _, runner := range []string{Prism, Direct} {
		t.Run(runner, func(t *testing.T) {
			cluster := startBroker(t, 4)
			src := troubled(t, 21, 30_000)
			deliver(t, cluster, src, 20_000)
			o := options(cluster, t.TempDir())
			run(t, o)
			want, undisturbed := read(t, o.Lake), copyLake(t, o.Lake)

			buggy(t, o.Lake)
			wrong := read(t, o.Lake)
			if wrong.totals.Silver >= want.totals.Silver || want.totals.Late == 0 || want.totals.Duplicates == 0 {
				t.Fatalf("totals %+v and wrong %+v show little", want.totals, wrong.totals)
			}
			report := rebuild(t, o, runner)
			same(t, want, read(t, o.Lake))
			if report.Generation != 1 || report.Plan.Tail != 0 || report.Plan.Totals.Silver != wrong.totals.Silver {
				t.Errorf("report %+v", report)
			}
			if diff := cmp.Diff(want.totals, report.Totals); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			onlyNamed(t, report.Lake)

			if runner == Direct {
				return // the rest is not the runner's
			}

			// The partition that is behind may be raised in a second read.
			deliver(t, cluster, src, 0)
			run(t, o)
			other := o
			other.Lake = undisturbed
			run(t, other)
			want = read(t, undisturbed)
			same(t, want, read(t, o.Lake))
			rebuild(t, o, runner)
			same(t, want, read(t, o.Lake))

			removed, err := PruneGenerations(t.Context(), o.Lake)
			if err != nil || fmt.Sprint(removed) != "[0 1]" {
				t.Errorf("removed %v (%v), want 0 and 1", removed, err)
			}
			same(t, want, read(t, o.Lake))
		})
	}
}

// TestRebuildOfALakeThatGoesOn is about one that was never closed: final
// windows have events whose records are not in bronze, and a partition that was
// idle came back behind the watermark.
func TestRebuildOfALakeThatGoesOn(t *testing.T) {
	cluster := startBroker(t, 4)
	all := records(t, simulate(t, producer.SimulateOptions{Seed: 22, Density: 100, Count: 45_000}))
	idle := func(r producer.Record) bool { return r.Partition == 3 }
	first, held, more := slices.DeleteFunc(slices.Clone(all[:30_000]), idle), slices.Clone(all[:30_000]), all[30_000:]
	held = slices.DeleteFunc(held, func(r producer.Record) bool { return !idle(r) })
	deliver(t, cluster, &list{records: first}, 0)
	o := options(cluster, t.TempDir())
	o.Source.ID, o.Source.Bounded, o.Source.IdleAfter = "rebuild of a lake that goes on", false, 300*time.Millisecond
	if err := o.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, _, err := o.Run(ctx, Prism)
		ended <- err
	}()
	sealed := func(after int64) int64 {
		t.Helper()
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
			ledger, err := lake.ReadLedger(t.Context(), mustStore(t, o.Lake))
			if err != nil {
				t.Fatal(err)
			}
			if row, ok := ledger.Sealed(); ok && row.Window > after {
				return row.Window
			}
		}
		t.Fatal("no new final window")
		return 0
	}
	w := sealed(kafkaio.NoTime)
	deliver(t, cluster, &list{records: held}, 0)
	deliver(t, cluster, &list{records: more[:8_000]}, 0)
	for countRaises(t, o.Lake) == 0 {
		w = sealed(w)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}

	want, undisturbed := read(t, o.Lake), copyLake(t, o.Lake)
	gone := copyLake(t, o.Lake)
	buggy(t, o.Lake)
	if report := rebuild(t, o, Prism); report.Plan.Tail == 0 {
		t.Error("nothing was read from Kafka: the test shows too little")
	}
	got := read(t, o.Lake)
	within(t, got.metrics, want.metrics) // more of them may be final now: their seal comes after that of events
	metrics := got.metrics
	got.metrics = want.metrics
	same(t, want, got)

	deliver(t, cluster, &list{records: more[8_000:]}, 0)
	o.Source.Bounded = true
	run(t, o)
	other := o
	other.Lake = undisturbed
	run(t, other)
	final := read(t, undisturbed)
	same(t, final, read(t, o.Lake))
	within(t, final.metrics, metrics)

	t.Run("Kafka has lost what bronze lacks", func(t *testing.T) {
		other := startBroker(t, 4)
		deliver(t, other, &list{records: all[:38_000]}, 0)
		_, err := RebuildOptions{Lake: gone, Cluster: other}.RunRebuild(t.Context(), Prism, nil)
		if err == nil || !strings.Contains(err.Error(), "deleted and created again") {
			t.Errorf("%v, want a refusal", err)
		}
		same(t, want, read(t, gone))
	})
}

// list is a source of some records.
type list struct{ records []producer.Record }

func (l *list) Next() (r producer.Record, ok bool) {
	if len(l.records) == 0 {
		return r, false
	}
	r, l.records = l.records[0], l.records[1:]
	return r, true
}
func (l *list) Err() error   { return nil }
func (l *list) Total() int64 { return int64(len(l.records)) }
func (l *list) Close() error { return nil }

// records takes all records of a source.
func records(t testing.TB, src producer.Source) (all []producer.Record) {
	t.Helper()
	for r, ok := src.Next(); ok; r, ok = src.Next() {
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		all = append(all, r)
	}
	if err := src.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func copyLake(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// countRaises counts the raises in a lake's marks.
func countRaises(t testing.TB, uri string) (n int) {
	t.Helper()
	ledger, err := lake.ReadLedger(t.Context(), mustStore(t, uri))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range ledger.Visible() {
		if r.Mark != nil {
			for _, p := range r.Mark.Partitions {
				n += len(p.Raises)
			}
		}
	}
	return n
}

// TestKilledRebuild kills the program with SIGKILL at random moments, while
// somebody reads the lake: it is the old one or the new one, whole.
func TestKilledRebuild(t *testing.T) {
	kills := setting(t, "SHOPSTREAM_KILLS", 3)
	rnd := randomly(t, t.Name())
	cluster := startBroker(t, 4)
	deliver(t, cluster, simulate(t, producer.SimulateOptions{Seed: 24, Density: 300, Count: 60_000}), 0)
	o := options(cluster, t.TempDir())
	run(t, o)
	want := read(t, o.Lake)
	buggy(t, o.Lake)
	wrong := read(t, o.Lake)
	program := build(t, "./cmd/rebuild")
	args := []string{"--lake=" + o.Lake, "--brokers=" + cluster.Brokers[0]}

	if err := startJob(t, program, nil, append(args, "--dry-run")...).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	same(t, wrong, read(t, o.Lake))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := map[int]int{} // looks by generation
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil && !t.Failed() {
			st := mustStore(t, o.Lake)
			ledger, err := lake.ReadLedger(context.Background(), st)
			if err != nil {
				t.Error(err)
				return
			}
			now, expect := lake.Total(ledger.Visible()), wrong.totals
			if lake.Generation(st) > 0 {
				expect = want.totals
			}
			if diff := cmp.Diff(expect, now); diff != "" {
				t.Errorf("generation %d (-want +got):\n%s", lake.Generation(st), diff)
			}
			seen[lake.Generation(st)]++
			time.Sleep(20 * time.Millisecond)
		}
	}()
	killed := int64(0)
	for {
		j := startJob(t, program, nil, args...)
		began := time.Now()
		if killed < kills && j.killAfter(between(rnd, 50*time.Millisecond, 500*time.Millisecond)) {
			killed++
			if lake.Generation(mustStore(t, o.Lake)) > 0 {
				break // after its last put
			}
			same(t, wrong, read(t, o.Lake))
			continue
		}
		if err := j.wait(t, time.Minute); err != nil {
			t.Fatalf("%v\n%.3000s", err, j.output())
		}
		t.Logf("%d kills; undisturbed it took %s:\n%s", killed, time.Since(began).Round(time.Millisecond), j.output())
		break
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	<-watched
	same(t, want, read(t, o.Lake))
	if killed == 0 {
		t.Error("it was never killed: the job is too short for this test")
	}
	if len(seen) != 2 {
		t.Errorf("looks by generation: %v, want two generations", seen)
	}
	if err := startJob(t, program, nil, append(args, "--prune")...).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	same(t, want, read(t, o.Lake))
	for _, gone := range []string{"bronze", "silver", "ledger", "lake.json"} {
		if _, err := os.Stat(filepath.Join(o.Lake, gone)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s of generation 0 is there after --prune (%v)", gone, err)
		}
	}
	if n := len(lakeFolders(t, o.Lake)); n != 1 {
		t.Errorf("%d generations are left, want 1", n)
	}
	if err := startJob(t, program, nil, "--lake="+o.Lake, "--shards=99").wait(t, time.Minute); err == nil {
		t.Error("--shards=99: no error")
	}
}

func lakeFolders(t testing.TB, dir string) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(filepath.Join(dir, "generations"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRebuildAlone is about who else wants to write the lake.
func TestRebuildAlone(t *testing.T) {
	cluster := startBroker(t, 4)
	deliver(t, cluster, simulate(t, producer.SimulateOptions{Seed: 25, Density: 50, Count: 5_000}), 0)
	o := options(cluster, t.TempDir())
	run(t, o)
	want := read(t, o.Lake)

	old := mustStore(t, o.Lake)
	lease, err := lake.Lock(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	_, err = RebuildOptions{Lake: o.Lake}.RunRebuild(t.Context(), Prism, nil)
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("beside a writer: %v, want a refusal", err)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	_, err = RebuildOptions{Lake: o.Lake}.RunRebuild(t.Context(), Prism, func(*RebuildPlan) {
		for name, second := range map[string]func() error{
			"rebuild": func() error {
				_, err := RebuildOptions{Lake: o.Lake}.RunRebuild(t.Context(), Prism, nil)
				return err
			},
			"streaming job": func() error {
				other := o
				return other.Resume(t.Context())
			},
		} {
			if err := second(); err == nil || !strings.Contains(err.Error(), "in use by process") {
				t.Errorf("a second %s: %v, want a refusal", name, err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lake.Lock(t.Context(), old); !errors.Is(err, lake.ErrOldGeneration) {
		t.Errorf("a writer of the old generation: %v, want ErrOldGeneration", err)
	}
	same(t, want, read(t, o.Lake))
	same(t, want, read(t, old.URI()+"/generations/1"))

	t.Run("a runner's own state", func(t *testing.T) {
		o := o
		o.Lake = t.TempDir()
		if err := o.New(t.Context()); err != nil {
			t.Fatal(err)
		}
		st := mustStore(t, o.Lake)
		if err := lake.PutRow(t.Context(), st, lake.Row{Window: 0, End: time.Minute.Milliseconds()}); err != nil {
			t.Fatal(err)
		}
		if _, err := lake.Close(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if _, err := (RebuildOptions{Lake: o.Lake}).Plan(t.Context()); err == nil || !strings.Contains(err.Error(), "Flink") {
			t.Errorf("%v, want a refusal", err)
		}
	})
	t.Run("nothing is final", func(t *testing.T) {
		dir := t.TempDir()
		if err := lake.Init(t.Context(), mustStore(t, dir), o.Settings()); err != nil {
			t.Fatal(err)
		}
		if _, err := (RebuildOptions{Lake: dir}).Plan(t.Context()); !errors.Is(err, ErrNothingToRebuild) {
			t.Errorf("%v, want ErrNothingToRebuild", err)
		}
	})
}

// TestRebuildWithOtherEventTimes is about a fix that changes which event times
// count: the wrong lake believed times far ahead, and ended all windows at the
// first. Nothing is lost, but what came after its last mark stays late.
func TestRebuildWithOtherEventTimes(t *testing.T) {
	cluster := startBroker(t, 4)
	deliver(t, cluster, simulate(t, producer.SimulateOptions{Seed: 26, Density: 50, Count: 15_000}), 0)
	right := options(cluster, t.TempDir())
	run(t, right)
	o := options(cluster, t.TempDir())
	o.Source.Skew, o.Source.BundleRecords, o.Source.FetchBytes = 100*365*24*time.Hour, 500, 20_000
	run(t, o)
	if read(t, o.Lake).totals.Dead["event_time_in_future"] > 0 {
		t.Fatal("times ahead were not believed: the test shows too little")
	}
	data, err := mustStore(t, right.Lake).Get(t.Context(), "lake.json")
	if err == nil {
		err = mustStore(t, o.Lake).Put(t.Context(), "lake.json", data)
	}
	if err != nil {
		t.Fatal(err)
	}
	rebuild(t, o, Prism)
	want, got := read(t, right.Lake), read(t, o.Lake)
	diff(t, "bronze", want.bronze, got.bronze)
	diff(t, "dead letters", want.dead, got.dead)
	within(t, want.silver, got.silver)
	if err := got.totals.Check(); err != nil || got.totals.Read != want.totals.Read {
		t.Errorf("totals %+v (%v), want as many read as in %+v", got.totals, err, want.totals)
	}
	t.Logf("right %+v, rebuilt %+v", want.totals, got.totals)
}

// asFormat2 makes the ledger of a lake what a program of format 2 had written:
// without checksums, chains and witnesses.
func asFormat2(t testing.TB, dir string) {
	t.Helper()
	for _, name := range filesOf(t, dir) {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, ".was") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if name != "lake.json" && !strings.HasPrefix(name, "ledger/") || !strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"sum", "chain", "metrics_chain", "from"} {
			delete(v, key)
		}
		if name == "lake.json" {
			v["format"] = 2
		}
		if data, err = json.Marshal(v); err == nil {
			err = os.WriteFile(path, append(data, '\n'), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// notParsed are the events of a file as dead letters.
func notParsed(t testing.TB, st lake.Store, f lake.File) (out []lake.DeadRow) {
	t.Helper()
	for e, err := range lake.ScanEvents(t.Context(), st, []lake.File{f}, lake.ReadOptions{Columns: lake.ColKafkaPartition | lake.ColKafkaOffset}) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range e.N {
			out = append(out, lake.DeadRow{BronzeRow: lake.BronzeRow{KafkaPartition: e.KafkaPartition[i], KafkaOffset: e.KafkaOffset[i]}, Reason: "missing_field:order_id"})
		}
	}
	return out
}
