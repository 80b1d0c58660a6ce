package kafkaio

import (
	"strings"
	"testing"
	"time"
)

// still is a fetcher without a connection, as if a leader had answered.
func still(pos, high int64, chunks ...chunk) *fetcher {
	f := &fetcher{told: newTold(), chunks: make(chan chunk, len(chunks)), pos: pos}
	for _, c := range chunks {
		f.chunks <- c
	}
	f.told.ends(high, high, pos)
	f.told.since.Store(int64(uptime() - time.Hour))
	f.told.answered.Store(int64(uptime()))
	return f
}

// open is a fetcher that has read up to pos, where a transaction is open; the
// log ends at high.
func open(pos, high int64) *fetcher {
	f := still(pos, pos)
	f.told.ends(high, pos, pos)
	return f
}

func stillReader(o Options, fetchers ...*fetcher) *reader {
	r := newReader(nil, &o, nil, "")
	for p, f := range fetchers {
		r.fetchers[int32(p)] = f
	}
	return r
}

func one(offset int64) chunk { return chunk{records: []Record{{Offset: offset}}, next: offset + 1} }

func TestTurn(t *testing.T) {
	silent := func(f *fetcher) *fetcher { f.told.since.Store(0); return f }
	hung := func(f *fetcher) *fetcher { f.told.answered.Store(int64(uptime() - time.Minute)); return f }
	for _, c := range []struct {
		name  string
		highs []int64
		fs    []*fetcher
		want  int32 // −1: nobody
	}{
		{"nothing to read", []int64{100, 200}, []*fetcher{still(0, 0), still(0, 0)}, -1},
		{"the one behind first", []int64{200, 100}, []*fetcher{still(0, 1, one(0)), still(0, 1, one(0))}, 1},
		{"one without a time yet first", []int64{200, NoTime}, []*fetcher{still(0, 1, one(0)), still(0, 1, one(0))}, 1},
		{"the one ahead, the other has nothing", []int64{9000, 100}, []*fetcher{still(0, 1, one(0)), still(5, 5)}, 0},
		{"a little ahead of one that has more", []int64{1000, 100}, []*fetcher{still(0, 1, one(0)), still(0, 1)}, 0},
		{"far ahead of one that has more", []int64{9000, 100}, []*fetcher{still(0, 1, one(0)), still(0, 1)}, -1},
		{"ahead of one that has more and no time yet", []int64{100, NoTime}, []*fetcher{still(0, 1, one(0)), still(0, 1)}, -1},
		{"far ahead of one whose leader has not answered yet", []int64{9000, 100}, []*fetcher{still(0, 1, one(0)), silent(still(0, -1))}, -1},
		{"far ahead of one whose leader is away", []int64{9000, 100}, []*fetcher{still(0, 1, one(0)), silent(still(5, 5))}, -1},
		{"far ahead of one whose leader hangs", []int64{9000, 100}, []*fetcher{still(0, 1, one(0)), hung(still(5, 5))}, -1},
		{"far ahead of one that waits for a transaction", []int64{9000, 100}, []*fetcher{still(0, 1, one(0)), open(5, 6)}, -1},
		{"a little ahead of one that waits for a transaction", []int64{1000, 100}, []*fetcher{still(0, 1, one(0)), open(5, 6)}, 0},
		{"a little ahead of one whose leader hangs", []int64{1000, 100}, []*fetcher{still(0, 1, one(0)), hung(still(5, 5))}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := stillReader(Options{Align: time.Second}, c.fs...)
			st := &restriction{}
			for p, high := range c.highs {
				st.Parts = append(st.Parts, partState{ID: int32(p), Next: c.fs[p].pos, End: noEnd, High: high})
			}
			got, err := r.turn(st)
			if err != nil {
				t.Fatal(err)
			}
			id := int32(-1)
			if got.part != nil {
				id = got.part.ID
			}
			if id != c.want {
				t.Errorf("partition %d has the turn, want %d", id, c.want)
			}
		})
	}
}

// A bounded read stops at its end within a chunk, and a gap before it counts.
func TestTurnEnds(t *testing.T) {
	c := chunk{records: []Record{{Offset: 3}, {Offset: 4}, {Offset: 7}}, next: 9}
	for end, want := range map[int64]struct {
		n    int
		next int64
	}{4: {1, 4}, 5: {2, 5}, 6: {2, 6}, 8: {3, 8}, 9: {3, 9}, 12: {3, 9}} {
		st := &restriction{Parts: []partState{{Next: 3, End: end, High: NoTime}}}
		got, err := stillReader(Options{}, still(3, 9, c)).turn(st)
		if err != nil || len(got.records) != want.n || got.next != want.next {
			t.Errorf("end %d: %d records, next %d, %v", end, len(got.records), got.next, err)
		}
	}
}

func TestNextCutsChunks(t *testing.T) {
	f := still(3, 9, chunk{records: []Record{{Offset: 3}, {Offset: 6}, {Offset: 7}}, next: 9})
	for _, want := range []struct {
		n    int
		next int64
	}{{1, 6}, {1, 7}, {1, 9}} {
		if !f.ready() {
			t.Fatal("not ready")
		}
		if records, next := f.next(1); len(records) != want.n || next != want.next || f.pos != next {
			t.Errorf("%d records, next %d, position %d, want %+v", len(records), next, f.pos, want)
		}
	}
	if f.ready() {
		t.Error("ready at the end")
	}
}

func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Options, *fetcher, *partState, *reader)
		want bool
	}{
		{"read up, silent, leader answers", nil, true},
		{"switched off", func(o *Options, _ *fetcher, _ *partState, _ *reader) { o.IdleAfter = 0 }, false},
		{"has more", func(_ *Options, f *fetcher, _ *partState, _ *reader) { f.told.high.Store(6) }, false},
		{"has more behind an open transaction", func(_ *Options, f *fetcher, _ *partState, _ *reader) { f.told.ends(6, 5, 5) }, false},
		{"has an end", func(_ *Options, _ *fetcher, p *partState, _ *reader) { p.End = 7 }, false},
		{"brought records just now", func(_ *Options, _ *fetcher, _ *partState, r *reader) { r.lastData[0] = time.Now() }, false},
		{"no answer yet", func(_ *Options, f *fetcher, _ *partState, _ *reader) { f.told.since.Store(0); f.told.high.Store(-1) }, false},
		{"leader came back just now", func(_ *Options, f *fetcher, _ *partState, _ *reader) { f.told.since.Store(int64(uptime())) }, false},
		{"leader hangs", func(_ *Options, f *fetcher, _ *partState, _ *reader) {
			f.told.answered.Store(int64(uptime() - time.Minute))
		}, false},
	} {
		r := stillReader(Options{IdleAfter: time.Second}, still(5, 5))
		p := &partState{Next: 5, End: noEnd}
		if c.edit != nil {
			c.edit(r.opts, r.fetchers[0], p, r)
		}
		if got := r.idle(p); got != c.want {
			t.Errorf("%s: idle is %t", c.name, got)
		}
	}
}

func TestWatermarkOfIdlePartitions(t *testing.T) {
	o := Options{IdleAfter: time.Second, BaseWindow: 10 * time.Millisecond, OutOfOrderness: 30 * time.Millisecond}
	for _, c := range []struct {
		name     string
		reported int64
		highs    []int64
		want     int64
	}{
		{"the highest time less the bound", NoTime, []int64{50_000, 70_000}, 69_970},
		{"one without a time", NoTime, []int64{50_000, NoTime}, 49_970},
		{"none with a time", NoTime, []int64{NoTime, NoTime}, NoTime},
		{"what was reported", 90_000, []int64{50_000, NoTime}, 90_000},
		{"what was reported, no times since", 90_000, []int64{NoTime, NoTime}, 90_000},
	} {
		r := stillReader(o, still(0, 0), still(0, 0))
		st := &restriction{Watermark: c.reported}
		for p, high := range c.highs {
			st.Parts = append(st.Parts, partState{ID: int32(p), End: noEnd, High: high})
		}
		if got := r.watermark(st); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		r.idleSince = r.idleSince.Add(-5 * time.Second) // as if time had passed
		want := c.want
		if want != NoTime {
			want += 5000
		}
		if got := r.watermark(st); got < want || got > want+100 {
			t.Errorf("%s: %d after 5 s, want %d", c.name, got, want)
		}
	}
}

// A group that has come to its end leaves the others of the source alone.
func TestReleaseOneGroup(t *testing.T) {
	c := startBroker(t, 2)
	s := sourceOf(t.Name())
	s.open()
	o := &Options{Cluster: c, Topic: testTopic}
	first, err := s.reader(o, testTime, &restriction{Group: 0, Groups: 2})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.reader(o, testTime, &restriction{Group: 1, Groups: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.release(0); err != nil {
		t.Fatal(err)
	}
	if again, err := s.reader(o, testTime, &restriction{Group: 1, Groups: 2}); err != nil || again != second || second.client.Closed() || !first.client.Closed() {
		t.Errorf("%v; the first is closed: %t, the second: %t", err, first.client.Closed(), second.client.Closed())
	}
	if err := Close(t.Name()); err != nil {
		t.Fatal(err)
	}
	if !second.client.Closed() {
		t.Error("Close leaves a connection")
	}
	noGoroutines(t)
}

// TestUptimeIsMonotonic: a time that has lost its monotonic reading follows
// whoever sets the clock of the machine.
func TestUptimeIsMonotonic(t *testing.T) {
	if !strings.Contains(started.String(), " m=") {
		t.Errorf("%s has no monotonic reading", started)
	}
	before := uptime()
	time.Sleep(2 * time.Millisecond)
	if d := uptime() - before; d < time.Millisecond || d > time.Minute {
		t.Errorf("2 ms took %s", d)
	}
}
