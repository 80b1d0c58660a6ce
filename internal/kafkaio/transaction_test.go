package kafkaio

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
)

// A producer that commits slowly, beside others that do not: its partition is
// not idle while its records wait, so none of them is late, and a later read
// finds the same.
func TestSlowTransactionsAreNotLate(t *testing.T) {
	const idleAfter = 200 * time.Millisecond
	c := startBroker(t, 3)
	j := startJob(t, Options{Cluster: c, OutOfOrderness: 2 * time.Second, IdleAfter: idleAfter, Align: time.Hour})
	p := newProducer(t, c, func(cfg *sarama.Config) { cfg.Producer.Transaction.ID = "slow" })
	defer p.Close()
	produce(t, c, events(0, 1_000_000)...)
	sent := 1
	j.until(t, "a time of every partition", hasCount(sent)) // the others wait for a partition of which nothing is known
	for round := range int64(4) {
		from := 1_000_000 + round*20_000
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		sendAll(t, p, events(0, steps(from, 1000, 20)...)...)
		j.until(t, "the open transaction to be said", func(*collected) bool {
			s := firstStatus(j)
			return !s.OpenSince.IsZero() && s.OpenAt == 1+round*21 && s.Lag == 20
		})
		for _, other := range []int32{1, 2} {
			produce(t, c, events(other, steps(from, 1000, 20)...)...)
		}
		sent += 40
		j.until(t, "the records that no transaction holds", hasCount(sent))
		time.Sleep(3 * idleAfter) // long enough for a partition that were taken for idle to let the watermark go
		if err := p.CommitTxn(); err != nil {
			t.Fatal(err)
		}
		sent += 20
		j.until(t, "the records of the transaction", hasCount(sent))
	}
	j.until(t, "the end of the wait to be said", func(*collected) bool {
		s := firstStatus(j)
		return s.OpenSince.IsZero() && s.Lag == 0
	})
	Finish(j.id)
	j.wait(t)
	live := j.records()
	for id, records := range live {
		if late := slices.IndexFunc(records, func(r Record) bool { return r.Late }); late >= 0 {
			t.Errorf("partition %d: %+v is late", id, records[late])
		}
	}
	later := startJob(t, Options{Cluster: c, OutOfOrderness: 2 * time.Second, Bounded: true})
	later.wait(t)
	if diff := cmp.Diff(live, later.records()); diff != "" {
		t.Errorf("a later read (-live +later):\n%.2000s", diff)
	}
}

// firstStatus is that of partition 0, or of nothing.
func firstStatus(j *job) PartitionStatus {
	for _, p := range StatusOf(j.id).Partitions {
		return p
	}
	return PartitionStatus{}
}

func TestToldEnds(t *testing.T) {
	told := newTold()
	open := func() int64 {
		if o := told.open.Load(); o != nil {
			return o.offset
		}
		return -1
	}
	for i, c := range []struct{ high, stable, next, want int64 }{
		{10, 10, 10, -1},
		{10, 10, 5, -1}, // more to read, all of it committed
		{20, 12, 10, -1},
		{20, 12, 12, 12},
		{30, 12, 12, 12},
		{40, 35, 12, -1},
		{40, 35, 35, 35}, // the next one
		{41, 41, 41, -1},
	} {
		before := told.open.Load()
		told.ends(c.high, c.stable, c.next)
		if got := open(); got != c.want {
			t.Errorf("step %d: open at %d, want %d", i, got, c.want)
		}
		if now := told.open.Load(); before != nil && now != nil && before.offset == now.offset && before != now {
			t.Errorf("step %d: the same transaction begins again", i)
		}
	}
}

func TestOpenTransactionText(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	open := func(p int32, at int64, age time.Duration) PartitionStatus {
		return PartitionStatus{Partition: p, OpenAt: at, OpenSince: now.Add(-age)}
	}
	for _, c := range []struct {
		parts []PartitionStatus
		want  string
	}{
		{nil, ""},
		{[]PartitionStatus{{Partition: 1}}, ""},
		{[]PartitionStatus{{}, open(1, 77, 45*time.Second)}, "partition 1 waits behind an open transaction (offset 77) since 2026-03-01T11:59:15Z, for 45s"},
		{[]PartitionStatus{open(1, 77, time.Second), open(2, 5, time.Minute)}, "partition 2 waits behind an open transaction (offset 5) since 2026-03-01T11:59:00Z, for 1m0s, and 1 more partitions"},
		{[]PartitionStatus{open(4, 9, 20*time.Minute)}, "partition 4 waits behind an open transaction (offset 9) since 2026-03-01T11:40:00Z, for 20m0s. Its producer seems to be gone, and no broker ends it: " +
			"look with kafka-transactions.sh describe-producers --topic shop --partition 4, and end it with kafka-transactions.sh abort --topic shop --partition 4 --start-offset 9"},
	} {
		s := &Status{Partitions: c.parts}
		if got := s.OpenTransaction("shop", now); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// The warning comes when a transaction has been open for a while, and not
// again before a minute has passed.
func TestOpenTransactionWarning(t *testing.T) {
	said := captureLog(t)
	r := stillReader(Options{Topic: "shop"})
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &Status{Partitions: []PartitionStatus{{Partition: 3, OpenAt: 8, OpenSince: begin}}}
	for second, want := range map[int]int{0: 0, 29: 0} {
		if r.warnOpen(s, begin.Add(time.Duration(second)*time.Second)); len(said()) != want {
			t.Fatalf("%d warnings after %d s, want %d", len(said()), second, want)
		}
	}
	for second := 30; second <= 150; second++ {
		r.warnOpen(s, begin.Add(time.Duration(second)*time.Second))
	}
	if n := len(said()); n != 3 {
		t.Errorf("%d warnings in 2 min, want 3: %q", n, said())
	}
	wantText(t, said()[0], "partition 3 waits behind an open transaction (offset 8)", "for 30s")
}

// captureLog makes a test read what is logged.
func captureLog(t *testing.T) func() []string {
	t.Helper()
	h := &logLines{}
	was := slog.Default()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() { slog.SetDefault(was) })
	return func() []string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.Clone(h.lines)
	}
}

type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (h *logLines) Enabled(context.Context, slog.Level) bool { return true }
func (h *logLines) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *logLines) WithGroup(string) slog.Handler            { return h }
func (h *logLines) Handle(_ context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return nil
	}
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, text)
	return nil
}

// The age of a wait counts while an answer is wanted, not while the reader is
// behind.
func TestToldSilence(t *testing.T) {
	f := still(5, 9)
	f.told.asking.Store(int64(uptime() - time.Minute))
	var p PartitionStatus
	err := errors.New("away")
	f.told.problem.Store(&err)
	if f.told.status(&p); p.Silent < time.Minute || p.Lag != UnknownLag || !errors.Is(p.Problem, err) {
		t.Errorf("silent for a minute: %+v", p)
	}
	f.told.asking.Store(0)
	p.Next = 5
	if f.told.status(&p); p.Silent != 0 || p.Lag != 4 {
		t.Errorf("the reader is behind: %+v", p)
	}
	f.told.answer()
	p = PartitionStatus{Next: 5}
	if f.told.status(&p); p.Silent > time.Second || p.Lag != 4 || p.Problem != nil {
		t.Errorf("an answer: %+v", p)
	}
}
