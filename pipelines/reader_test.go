package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/producer"
)

// TestReadersAreNeverMisled looks at a lake every 20 ms while its job runs, is
// killed, and runs again: what readers may see is right each time.
func TestReadersAreNeverMisled(t *testing.T) {
	rnd := randomly(t, t.Name())
	cluster := startBroker(t, 4)
	sim, err := producer.NewSimulator(producer.SimulateOptions{ // no duplicates: the identity can then be checked at each look
		Seed: 61, Density: 300, Count: 300_000, Start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Partitions: 4, Flat: true,
		Invalid: 0.01, Late: 0.001, OutOfOrder: 0.2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	program, dir := build(t, "./cmd/streaming"), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := &reader{t: t, st: mustStore(t, dir), rows: map[string]string{}, files: map[string]*seenFile{}}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil && !t.Failed() {
			r.look()
			time.Sleep(20 * time.Millisecond)
		}
	}()
	killed := 0
	for {
		// Not again after its end: what continues a lake withdraws the end that was declared.
		j := startJob(t, program, nil, streaming(cluster, dir)...)
		if killed < 3 && j.killAfter(between(rnd, 400*time.Millisecond, 1200*time.Millisecond)) {
			killed++
			continue
		}
		if err := j.wait(t, time.Minute); err != nil {
			t.Errorf("%v\n%.3000s", err, j.output())
		}
		break
	}
	stop()
	<-watched
	r.look()
	t.Logf("%d kills, %d looks, of which %d saw something new", killed, r.looks, r.changes)
	if killed == 0 || r.changes < 3 {
		t.Error("nothing happened while it was looked at: the job is too short for this test")
	}
	if r.read != 300_000 {
		t.Errorf("at the end %d records are visible, want 300,000", r.read)
	}
}

// reader is somebody who reads a lake through its ledger.
type reader struct {
	t              *testing.T
	st             lake.Store
	rows           map[string]string // that were visible, as JSON
	files          map[string]*seenFile
	looks, changes int
	read           int64
}

// seenFile is a file that was visible.
type seenFile struct {
	size   int64
	places []place // of silver's rows
	ahead  []int64 // of bronze: own windows of events that are after the arrival window
}

func (r *reader) look() {
	r.t.Helper()
	ctx := context.Background()
	ledger, err := lake.ReadLedger(ctx, r.st)
	if errors.Is(err, lake.ErrNoLake) {
		return
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	r.looks++
	visible := ledger.Visible()
	now := map[string]string{}
	next := map[int32]int64{}
	var files []lake.File
	for _, row := range visible {
		now[fmt.Sprint("row ", row.Window)] = asJSON(r.t, row)
		files = append(files, row.Files...)
		for p, o := range row.Next {
			next[p] = max(next[p], o)
		}
	}
	for _, row := range ledger.VisibleMetrics() {
		now[fmt.Sprint("metrics ", row.Window)] = asJSON(r.t, row)
		files = append(files, row.Files...)
	}
	for name, was := range r.rows {
		if now[name] != was {
			r.t.Errorf("%s was visible as\n%.500s\nand is now\n%.500s", name, was, now[name])
			return
		}
	}
	if len(now) > len(r.rows) {
		r.changes++
	}
	r.rows = now

	after := int64(0) // events of visible windows that arrived after them
	ahead := int64(0) // events that arrived in visible windows, of windows after them
	for _, f := range files {
		seen, err := r.file(ctx, f)
		if err != nil {
			r.t.Errorf("a file that is visible: %v", err)
			return
		}
		for _, window := range seen.ahead {
			if window > visible[len(visible)-1].Window {
				ahead++
			}
		}
		for _, at := range seen.places {
			if at.offset >= next[at.partition] {
				after++
			}
		}
	}
	t := lake.Total(visible)
	r.read = t.Read
	if out := t.Silver + t.Duplicates + t.DeadCount() + t.Late; t.Read+after-ahead != out || ledger.Closed != nil && (after != 0 || ahead != 0) {
		r.t.Errorf("read %d, %d of them ahead, and %d that arrived later, but %d are in the lanes (closed: %v)", t.Read, ahead, after, out, ledger.Closed != nil)
	}
}

// file checks a visible file: read once, it stays as it is.
func (r *reader) file(ctx context.Context, f lake.File) (*seenFile, error) {
	o, err := r.st.Open(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	size := o.Size()
	if err := o.Close(); err != nil {
		return nil, err
	}
	seen := r.files[f.Name]
	if seen != nil {
		if seen.size != size {
			return nil, fmt.Errorf("%s had %d bytes and has %d", f.Name, seen.size, size)
		}
		return seen, nil
	}
	seen = &seenFile{size: size}
	rows := 0
	switch key, err := lake.ParseName(f.Name); {
	case err != nil:
		return nil, err
	case key.Lane == lake.Silver:
		all, err := lake.ReadAll[lake.SilverRow](ctx, r.st, f.Name)
		if err != nil {
			return nil, err
		}
		rows = len(all)
		for i := range all {
			seen.places = append(seen.places, place{all[i].KafkaPartition, all[i].KafkaOffset})
		}
	case key.Lane == lake.Bronze:
		all, err := lake.ReadAll[lake.BronzeRow](ctx, r.st, f.Name)
		if err != nil {
			return nil, err
		}
		rows = len(all)
		base, parser := time.Minute.Milliseconds(), shop.NewParser(shop.DefaultLimits)
		for i := range all {
			if e, invalid := parser.Parse(all[i].Value, all[i].KafkaTimestamp/1000); invalid == nil && e.Time-e.Time%base > key.WindowStart {
				seen.ahead = append(seen.ahead, e.Time-e.Time%base)
			}
		}
	case key.Lane == lake.Late:
		all, err := lake.ReadAll[lake.LateRow](ctx, r.st, f.Name)
		if err != nil {
			return nil, err
		}
		rows = len(all)
	case key.Lane == lake.Dead:
		all, err := lake.ReadAll[lake.DeadRow](ctx, r.st, f.Name)
		if err != nil {
			return nil, err
		}
		rows = len(all)
	default:
		all, err := lake.ReadAll[lake.MetricRow](ctx, r.st, f.Name)
		if err != nil {
			return nil, err
		}
		rows = len(all)
	}
	if int64(rows) != f.Rows {
		return nil, fmt.Errorf("%s has %d rows, the ledger says %d", f.Name, rows, f.Rows)
	}
	r.files[f.Name] = seen
	return seen, nil
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}
