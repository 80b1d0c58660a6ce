package ingest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

func init() {
	register.DoFn2x1[context.Context, int64, error](&promiseFn{})
}

func TestFold(t *testing.T) {
	t.Parallel()
	file := func(lane lake.Lane, name string, rows int64) *lake.File {
		return &lake.File{Lane: lane, Name: name, Rows: rows, Bytes: 10 * rows}
	}
	mark := &kafkaio.Mark{Watermark: logStart + 60_000}
	parts := []ack{
		{File: file(lake.Bronze, "bronze/0", 7), Partition: 0, From: 99, Next: 107},
		{File: file(lake.Bronze, "bronze/3", 2), Partition: 3, From: 3, Next: 5},
		{File: file(lake.Dead, "dead/0", 3), Dead: map[string]int64{"bad_price": 2, "bad_utf8": 1}},
		{File: file(lake.Dead, "dead/3", 1), Dead: map[string]int64{"bad_price": 1}},
		{File: file(lake.Late, "late/0", 1), LateDates: map[string]int64{"2026-03-01": 1}},
		{File: file(lake.Late, "late/3", 2), LateDates: map[string]int64{"2026-03-01": 1, "2026-02-28": 1}},
		{File: file(lake.Silver, "silver/a", 4), Duplicates: 2, Conflicts: 1, Increments: map[int64][]byte{1: []byte("a1"), 2: []byte("a2")}, Revenue: map[string]int64{"GBP": 5}},
		{File: file(lake.Silver, "silver/b", 5), Duplicates: 1, Increments: map[int64][]byte{1: []byte("b1")}, Revenue: map[string]int64{"GBP": 6, "EUR": 1}},
		{Mark: mark},
	}
	want := lake.Row{
		Window: logStart, End: logStart + 60_000, Read: 9, Silver: 9, Duplicates: 3, Conflicts: 1, Late: 3,
		Dead: map[string]int64{"bad_price": 3, "bad_utf8": 1}, LateDates: map[string]int64{"2026-03-01": 2, "2026-02-28": 1},
		From: map[int32]int64{0: 99, 3: 3}, Next: map[int32]int64{0: 107, 3: 5}, Mark: mark,
	}
	for _, p := range parts[:8] {
		want.Files = append(want.Files, *p.File)
	}
	rapid.Check(t, func(t *rapid.T) {
		row, increments, revenue := fold(logStart, logStart+60_000, slices.Clone(rapid.Permutation(parts).Draw(t, "order")))
		if diff := cmp.Diff(want, row); diff != "" {
			t.Fatalf("row (-want +got):\n%s", diff)
		}
		got := fmt.Sprintf("%s %s %v", increments[1], increments[2], revenue)
		if want := "a1b1 a2 map[EUR:1 GBP:11]"; got != want {
			t.Fatalf("increments and revenue %s, want %s", got, want)
		}
	})
	for _, p := range parts {
		if string(p.Increments[1]) != "" && len(p.Increments[1]) != 2 {
			t.Error("folding has changed what it was given")
		}
	}
}

// promiseFn checks at the moment of each seal what it promises: the rows of
// all windows up to it are on disk, and there is a mark.
type promiseFn struct {
	Lake string
	Held int64 // the windows of all rows, and the seals seen
}

type promises struct {
	windows []int64
	seals   chan int64
}

func (fn *promiseFn) ProcessElement(ctx context.Context, seal int64) error {
	v, _ := held.Load(fn.Held)
	p, ok := v.(*promises)
	if !ok {
		return fmt.Errorf("nothing is held as %d", fn.Held)
	}
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	l, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	for _, w := range p.windows {
		i := slices.IndexFunc(l.Rows, func(r lake.Row) bool { return r.Window == w })
		if w <= seal && i < 0 {
			return fmt.Errorf("window %d is sealed, but %d has no row", seal, w)
		}
		if w == seal && l.Rows[i].Mark == nil {
			return fmt.Errorf("window %d is sealed without a mark", seal)
		}
	}
	p.seals <- seal
	return nil
}

func TestSeals(t *testing.T) {
	t.Parallel()
	l := randomLog(5, 3, 150, 20_000)
	batches := l.read(1, testWindows, nil)
	rows := referenceOf(batches, testRules).Rows
	var want []int64
	p := &promises{seals: make(chan int64, len(rows))}
	for w, r := range rows {
		p.windows = append(p.windows, w)
		if r.Mark != nil {
			want = append(want, w)
		}
	}
	if len(want) < 5 || len(want) == len(rows) {
		t.Fatalf("%d of %d windows have a mark: the log is too plain", len(want), len(rows))
	}
	st := openLake(t)
	initLake(t, st, testRules)
	rules := testRules
	rules.Source = t.Name()
	pipeline, s := beam.NewPipelineWithRoot()
	acks := Write(s, Split(s, replay(t, s, prism, batches), rules), st.URI(), topic, rules)
	increments, seals := Commit(s, acks, st.URI(), rules.Source)
	beam.ParDo0(s, &promiseFn{Lake: st.URI(), Held: hold(t, p)}, seals)
	beam.ParDo0(s, &endFn{}, beam.Reshuffle(s, seals))
	beam.ParDo0(s, &endFn{}, beam.Reshuffle(s, beam.DropValue(s, increments)))
	if _, err := beam.Run(context.WithoutCancel(t.Context()), prism, pipeline); err != nil {
		t.Fatal(err)
	}
	close(p.seals)
	var got []int64
	for seal := range p.seals {
		got = append(got, seal)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seals (-windows with a mark +got):\n%s", diff)
	}
}

// TestJoinMarks: groups of partitions that are read on their own each mark.
func TestJoinMarks(t *testing.T) {
	t.Parallel()
	a := []byte(`{"watermark":60000,"topic_id":"x","partitions":[{"partition":1,"start":0,"next":9}]}`)
	b := []byte(`{"watermark":60000,"topic_id":"x","partitions":[{"partition":0,"start":4,"next":7},{"partition":2,"start":0,"next":1}]}`)
	want := &kafkaio.Mark{Watermark: 60_000, TopicID: "x", Partitions: []kafkaio.Position{
		{Partition: 0, Start: 4, Next: 7}, {Partition: 1, Next: 9}, {Partition: 2, Next: 1},
	}}
	for _, order := range [][][]byte{{a, b}, {b, a}} {
		got, err := joinMarks(order)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if _, err := joinMarks([][]byte{a, []byte("{")}); err == nil {
		t.Error("a damaged mark is no error")
	}
}
