package kafkaio

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// logs are partitions' records by offset, with gaps. Some clocks are fast, of
// devices or of the producers that stamp, and some stamps are the broker's.
type logs [][]Record

func drawLogs(t *rapid.T) logs {
	out := make(logs, rapid.IntRange(1, 4).Draw(t, "partitions"))
	for p := range out {
		offset, now := int64(0), rapid.Int64Range(0, 400).Draw(t, "first")
		for range rapid.IntRange(0, 30).Draw(t, "records") {
			offset += rapid.SampledFrom([]int64{0, 0, 0, 3}).Draw(t, "gap")
			now += rapid.Int64Range(0, 20).Draw(t, "step")
			r := Record{Offset: offset, Timestamp: now, Time: max(0, now-rapid.SampledFrom([]int64{0, 0, 5, 20, 60}).Draw(t, "delay"))}
			r.CreateTime = rapid.Bool().Draw(t, "create time")
			if fast := rapid.SampledFrom([]int64{0, 0, 0, 0, 30, 200}).Draw(t, "fast"); fast > 0 {
				r.Time += fast
				if r.CreateTime && rapid.Bool().Draw(t, "producer too") {
					r.Timestamp += fast
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "invalid") == 0 {
				r.Time = NoTime
			}
			out[p] = append(out[p], r)
			offset++
		}
	}
	return out
}

// seen is what was derived for one record.
type seen struct {
	High, Arrival int64
	Late          bool
}

// run is a simulated read: turns of any size, idle partitions at any time.
type run struct {
	st    restriction
	from  int64           // the watermark it went on from: what is before it is final, and its records are read again
	seen  map[string]seen // by "partition/offset"
	marks []*Mark
	order []string // keys of seen as they came
	upTo  []int    // by mark: how many had come before it
	began map[int32]int64
	old   bool // see newOldRun
}

func newRun(l logs) *run {
	r := &run{st: restriction{Groups: 1, Watermark: NoTime}, from: NoTime, seen: map[string]seen{}, began: map[int32]int64{}}
	for p := range l {
		r.st.Parts = append(r.st.Parts, partState{ID: int32(p), End: noEnd, High: NoTime})
	}
	return r
}

// newOldRun is a run of a program that took the highest event time for the
// clock, and whose marks say nothing about it.
func newOldRun(l logs) *run {
	r := newRun(l)
	r.old = true
	for i := range r.st.Parts {
		r.st.Parts[i].MaxUntil = math.MaxInt64
	}
	return r
}

// step is one turn or one report.
func (r *run) step(t *rapid.T, w Windowing, l logs, idling bool) {
	if rapid.IntRange(0, 3).Draw(t, "report") == 0 {
		idle := map[int32]bool{}
		for i := range r.st.Parts {
			p := &r.st.Parts[i]
			// What the reader asks of an idle partition: it is read up to its (present) end, so past p.Read.
			idle[p.ID] = idling && p.Next >= p.Read && rapid.Bool().Draw(t, "idle")
		}
		wm := r.st.watermark(w, func(p *partState) bool { return idle[p.ID] })
		if wm < r.st.Watermark {
			t.Fatalf("the watermark goes back from %d to %d", r.st.Watermark, wm)
		}
		if wm == r.st.Watermark {
			return
		}
		m := r.st.mark(w, wm)
		if r.old {
			m.Clock = 0
			for i := range m.Partitions {
				m.Partitions[i].MaxUntil = 0
			}
		}
		r.marks = append(r.marks, m)
		r.upTo = append(r.upTo, len(r.order))
		r.st.Watermark = wm
		return
	}
	p := &r.st.Parts[rapid.IntRange(0, len(l)-1).Draw(t, "partition")]
	r.take(t, w, l, p, rapid.IntRange(1, 7).Draw(t, "n"))
}

func (r *run) take(t *rapid.T, w Windowing, l logs, p *partState, n int) {
	from := slices.IndexFunc(l[p.ID], func(rec Record) bool { return rec.Offset >= p.Next })
	if from < 0 {
		return
	}
	records := slices.Clone(l[p.ID][from:min(from+n, len(l[p.ID]))])
	next := records[len(records)-1].Offset + 1
	count := 0
	for _, b := range r.st.take(w, "t", p, records, next) {
		count += len(b.Records)
		for _, rec := range b.Records {
			if b.Arrival != w.Arrival(rec.High) || b.Partition != p.ID {
				t.Fatalf("record with high %d is in a batch of arrival window %d of partition %d", rec.High, b.Arrival, b.Partition)
			}
			// What a runner would drop: elements and on-time events behind the watermark.
			final := rec.Offset < p.Read && w.Start(rec.Time) < r.from
			if b.Arrival < r.st.Watermark || (rec.Time != NoTime && !rec.Late && !final && w.Start(rec.Time) < r.st.Watermark) {
				t.Fatalf("record %+v in arrival window %d is behind the watermark %d", rec, b.Arrival, r.st.Watermark)
			}
			key := fmt.Sprintf("%d/%d", p.ID, rec.Offset)
			if _, ok := r.seen[key]; ok {
				t.Fatalf("%s was emitted twice", key)
			}
			r.seen[key] = seen{rec.High, b.Arrival, rec.Late}
			r.order = append(r.order, key)
		}
	}
	if count != len(records) || p.Next != next {
		t.Fatalf("%d of %d records came out, next is %d, want %d", count, len(records), p.Next, next)
	}
}

func (r *run) finish(t *rapid.T, w Windowing, l logs) {
	for i := range r.st.Parts {
		r.take(t, w, l, &r.st.Parts[i], 1000)
	}
}

func drawWindowing(t *rapid.T) Windowing {
	w := Windowing{Base: rapid.SampledFrom([]int64{1, 10, 50}).Draw(t, "base"), Bound: rapid.SampledFrom([]int64{0, 7, 40}).Draw(t, "bound")}
	w.Skew = rapid.SampledFrom([]int64{0, 10, 250}).Draw(t, "skew")
	w.Clock = rapid.SampledFrom([]ClockRule{{1, 1, 1}, {3, 2, 2}, {5, 2, 1}, {8, 4, 2}, {}}).Draw(t, "clock")
	return w
}

// plainClock is the clock of a partition, as its rule says it: from the
// records so far, each time from the beginning.
func plainClock(w Windowing, records []Record) int64 {
	rule := w.Clock.orDefault()
	high := NoTime
	var values []int64
	for _, r := range records {
		if r.Time == NoTime {
			continue
		}
		v := min(r.Time, r.Timestamp)
		values = append(values, v)
		if !r.CreateTime && r.Timestamp-r.Time <= w.Skew {
			high = max(high, v)
		}
		last := slices.Clone(values[max(0, len(values)-rule.Last):])
		slices.SortFunc(last, func(a, b int64) int { return int(b - a) })
		switch {
		case len(last) >= rule.Rank:
			high = max(high, last[rule.Rank-1])
		case len(last) >= rule.First && high == NoTime:
			high = last[len(last)-1]
		}
	}
	return high
}

// Without idle partitions everything is a function of the log.
func TestDerivedIsAFunctionOfTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, l := drawWindowing(t), drawLogs(t)
		r := newRun(l)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			r.step(t, w, l, false)
		}
		r.finish(t, w, l)
		want := map[string]seen{}
		for p, records := range l {
			for i, rec := range records {
				high, arrival := plainClock(w, records[:i+1]), int64(0)
				if high != NoTime {
					arrival = high / w.Base * w.Base
				}
				late := rec.Time != NoTime && high != NoTime && rec.Time/w.Base*w.Base+w.Base <= high-w.Bound
				want[fmt.Sprintf("%d/%d", p, rec.Offset)] = seen{high, arrival, late}
			}
		}
		if diff := cmp.Diff(want, r.seen); diff != "" {
			t.Fatalf("derived (-want +got):\n%s", diff)
		}
		for _, m := range r.marks {
			for _, p := range m.Partitions {
				if len(p.Raises) > 0 {
					t.Fatalf("a raise without an idle partition: %+v", p)
				}
			}
		}
	})
}

// A read that is stopped at any time and goes on from any of its marks derives
// the same for every record that the mark had seen, and a second stop does
// not change that.
func TestResumeDerivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, l := drawWindowing(t), drawLogs(t)
		before := rapid.SampledFrom([]func(logs) *run{newRun, newOldRun}).Draw(t, "program")(l)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			before.step(t, w, l, true)
		}
		for range 2 {
			if len(before.marks) == 0 {
				return
			}
			m := before.marks[rapid.IntRange(0, len(before.marks)-1).Draw(t, "mark")]
			after := resumeFrom(before, l, m)
			for range rapid.IntRange(0, 60).Draw(t, "steps") {
				after.step(t, w, l, true)
			}
			after.finish(t, w, l)
			for _, p := range m.Partitions {
				for _, rec := range l[p.Partition] {
					key := fmt.Sprintf("%d/%d", p.Partition, rec.Offset)
					old, new := before.seen[key], after.seen[key]
					switch {
					case rec.Offset >= p.Next: // the mark had not seen it: it may be raised otherwise
					case old.Arrival < m.Watermark:
						if _, again := after.seen[key]; again {
							t.Fatalf("%s of finished arrival window %d was read again", key, old.Arrival)
						}
					case old != new:
						t.Fatalf("%s: %+v at first, %+v after going on from %+v", key, old, new, m)
					}
				}
			}
			before = after
		}
	})
}

// What the sinks make of it: a run that is stopped keeps the windows before
// its newest mark, and the next one goes on from there. In the end every
// record is in one place, once.
func TestEveryRecordEndsUpOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, l := drawWindowing(t), drawLogs(t)
		times := map[string]int64{}
		for p, records := range l {
			for _, rec := range records {
				times[fmt.Sprintf("%d/%d", p, rec.Offset)] = rec.Time
			}
		}
		place := map[string]string{}
		var ahead []string // on time, in a finished arrival window, and not in a finished window of their own
		// keep files the first n records of a run that belong to windows before end.
		keep := func(r *run, n int, end int64) {
			again := ahead // from where the records of finished arrival windows are kept
			ahead = nil
			for _, key := range again {
				if window := w.Start(times[key]); window < r.from {
					t.Fatalf("%s of window %d was kept, which is final: it is lost", key, window)
				} else if window >= end {
					ahead = append(ahead, key)
				} else {
					place[key] = "on time"
				}
			}
			for _, key := range r.order[:n] {
				lane, window := "on time", w.Start(times[key])
				switch {
				case times[key] == NoTime:
					lane, window = "invalid", r.seen[key].Arrival
				case r.seen[key].Late:
					lane, window = "late", r.seen[key].Arrival
				case window < r.from: // passed over: an earlier run has it
					if place[key] != lane {
						t.Fatalf("%s is passed over, but it is %q", key, place[key])
					}
					continue
				}
				if window >= end {
					if r.seen[key].Arrival < end {
						ahead = append(ahead, key)
					}
					continue
				}
				if place[key] != "" {
					t.Fatalf("%s is %s, and was %s already", key, lane, place[key])
				}
				place[key] = lane
			}
		}
		r := rapid.SampledFrom([]func(logs) *run{newRun, newOldRun}).Draw(t, "program")(l)
		for range rapid.IntRange(0, 4).Draw(t, "kills") {
			for range rapid.IntRange(0, 40).Draw(t, "steps") {
				r.step(t, w, l, true)
			}
			if len(r.marks) == 0 {
				continue
			}
			newest := len(r.marks) - 1
			m := r.marks[newest]
			keep(r, r.upTo[newest], m.Watermark)
			r = resumeFrom(r, l, m)
		}
		r.finish(t, w, l)
		keep(r, len(r.order), math.MaxInt64)
		for key := range times {
			if place[key] == "" {
				t.Fatalf("%s is lost", key)
			}
		}
	})
}

// resumeFrom is what the ledger makes of a mark: each partition goes on at its
// first record whose arrival window is after the mark's watermark.
func resumeFrom(old *run, l logs, m *Mark) *run {
	r := &run{st: restriction{Groups: 1, Watermark: m.Watermark}, from: m.Watermark, seen: map[string]seen{}, began: map[int32]int64{}}
	resume := m.Resume()
	for i := range resume.Partitions {
		q := &resume.Partitions[i]
		q.Next = max(q.Start, old.began[q.Partition])
		for _, rec := range l[q.Partition] {
			if s, ok := old.seen[fmt.Sprintf("%d/%d", q.Partition, rec.Offset)]; ok && s.Arrival < m.Watermark {
				q.Next = rec.Offset + 1
			}
		}
		for _, rec := range l[q.Partition] {
			if rec.Offset < q.Next && rec.Time != NoTime {
				q.Recent = append(q.Recent, ClockValue(rec.Time, rec.Timestamp))
			}
		}
		q.Recent = q.Recent[max(0, len(q.Recent)-ClockMemory):]
		r.began[q.Partition] = q.Next
		p := partState{ID: q.Partition, End: noEnd, High: NoTime}
		q.place(&p)
		r.st.Parts = append(r.st.Parts, p)
	}
	return r
}

func TestRaise(t *testing.T) {
	w := Windowing{Base: 10, Bound: 30, Clock: ClockRule{1, 1, 1}}
	st := restriction{Watermark: 200, Parts: []partState{{ID: 0, High: 100, End: noEnd, Clock: newClock(nil)}}}
	p := &st.Parts[0]
	for i, c := range []struct {
		time, high int64
		late       bool
	}{
		{110, 230, true}, {205, 230, false}, {NoTime, 230, false}, {300, 300, false},
	} {
		if high, late := st.observe(&w, p, &Record{Offset: int64(i), Time: c.time, Timestamp: c.time}); high != c.high || late != c.late {
			t.Errorf("record %d: high %d, late %t, want %d, %t", i, high, late, c.high, c.late)
		}
	}
	if diff := cmp.Diff([]Raise{{Offset: 0, High: 230}}, p.Raises); diff != "" {
		t.Errorf("raises (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		wm    int64
		count int
	}{
		{400, 1}, // its arrival window is [230, 240), long over, but no mark had it yet
		{410, 0},
	} {
		if m := st.mark(w, c.wm); len(m.Partitions[0].Raises) != c.count {
			t.Errorf("mark at %d: %+v, want %d raises", c.wm, m, c.count)
		}
		st.Watermark = c.wm
	}
}

func TestTracker(t *testing.T) {
	at := func(next int64) restriction {
		return restriction{Groups: 1, Parts: []partState{{Next: next, End: 10}}}
	}
	tr := &tracker{state: at(0)}
	if !tr.IsBounded() || tr.IsDone() {
		t.Errorf("bounded %t, done %t", tr.IsBounded(), tr.IsDone())
	}
	if !tr.TryClaim(at(4)) {
		t.Fatal("a claim was refused")
	}
	if done, left := tr.GetProgress(); done != 4 || left != 6 {
		t.Errorf("progress %g done, %g left", done, left)
	}
	if _, residual, err := tr.TrySplit(0.5); residual != nil || err != nil {
		t.Errorf("split in the middle: %v, %v", residual, err)
	}
	primary, residual, err := tr.TrySplit(0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(at(4), residual); diff != "" {
		t.Errorf("residual (-want +got):\n%s", diff)
	}
	if !primary.(restriction).Finished || !tr.IsDone() {
		t.Error("the primary is not done")
	}
	if tr.TryClaim(at(5)) {
		t.Error("a claim after the checkpoint was granted: its records would come twice")
	}
	if _, residual, _ := tr.TrySplit(0); residual != nil {
		t.Error("a second checkpoint handed the rest out again")
	}
	if tr.TryClaim("x") || tr.GetError() == nil {
		t.Error("a claim of another type was granted")
	}
	if (&tracker{state: restriction{Parts: []partState{{End: noEnd}}}}).IsBounded() {
		t.Error("an endless read is called bounded")
	}
}

func TestSplitRestriction(t *testing.T) {
	fn := &reading{Options: Options{Groups: 4}}
	st := restriction{Parts: []partState{{ID: 0}, {ID: 1, Raises: []Raise{{1, 2}}}, {ID: 2}}, TopicID: "x", Watermark: 7}
	var ids []int32
	for g, part := range fn.SplitRestriction(nil, st) {
		if part.Group != g || part.Groups != 3 || len(part.Parts) != 1 || part.TopicID != "x" || part.Watermark != 7 {
			t.Errorf("group %d: %+v", g, part)
		}
		for _, p := range part.Parts {
			ids = append(ids, p.ID)
		}
	}
	if diff := cmp.Diff([]int32{0, 1, 2}, ids); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}

// TestStatusAtTheEnd: a partition that a bounded read has come to the end of has
// no lag, though nobody asks its leader any more; one that is asked in vain has an
// unknown one.
func TestStatusAtTheEnd(t *testing.T) {
	r := &reader{fetchers: map[int32]*fetcher{0: {told: newTold()}, 1: {told: newTold()}}}
	for _, tc := range []struct {
		end  int64
		want int64
	}{{5, 0}, {6, UnknownLag}, {noEnd, UnknownLag}} {
		s := r.status(&restriction{Parts: []partState{{ID: 0, Next: 5, End: 5}, {ID: 1, Next: 5, End: tc.end}}})
		if got := s.Lag(); got != tc.want {
			t.Errorf("read up to 5 of %d: lag %d, expected %d", tc.end, got, tc.want)
		}
	}
}
