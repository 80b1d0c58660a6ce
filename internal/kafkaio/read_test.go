package kafkaio

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
)

// scrambled are n event times that rise by step on average, every third one
// delayed.
func scrambled(from, step int64, n int) []int64 {
	out := steps(from, step, n)
	for i := range out {
		if i%3 == 2 {
			out[i] -= 700
		}
		if i%101 == 100 {
			out[i] -= 60_000
		}
	}
	return out
}

func TestBounded(t *testing.T) {
	c := startBroker(t, 4)
	var want [4][]int64
	for p := range want {
		want[p] = scrambled(1_000_000+int64(p)*90_000, 20, 3000+p*1000)
		produce(t, c, events(int32(p), want[p]...)...)
	}
	for _, o := range []Options{
		{Bounded: true, OutOfOrderness: 2 * time.Second},
		{Bounded: true, OutOfOrderness: 2 * time.Second, FetchBytes: 5000, BundleRecords: 300, Bundle: 5 * time.Millisecond, Align: 10 * time.Second},
		{OneCall: true, OutOfOrderness: 2 * time.Second},
	} {
		t.Run(fmt.Sprintf("fetch=%d,onecall=%t", o.FetchBytes, o.OneCall), func(t *testing.T) {
			o.Cluster = c
			j := startJob(t, o)
			j.wait(t)
			got := j.records()
			for p, times := range want {
				var high int64
				var expect []Record
				for offset, ms := range times {
					high = max(high, ms)
					expect = append(expect, Record{
						Offset: int64(offset), Time: ms, High: high, Late: ms/1000*1000+1000 <= high-2000, Value: fmt.Append(nil, ms),
					})
				}
				for i := range got[int32(p)] {
					got[int32(p)][i].Timestamp = 0 // the broker's clock
				}
				if diff := cmp.Diff(expect, got[int32(p)]); diff != "" {
					t.Fatalf("partition %d (-want +got):\n%.2000s", p, diff)
				}
			}
		})
	}
}

func TestBoundedEmpty(t *testing.T) {
	j := startJob(t, Options{Cluster: startBroker(t, 2), Bounded: true})
	j.wait(t)
	if n := j.out.count(); n != 0 {
		t.Errorf("%d records from an empty topic", n)
	}
}

func TestStarts(t *testing.T) {
	c := startBroker(t, 2)
	produce(t, c, append(events(0, steps(5000, 10, 5)...), events(1, steps(5000, 10, 3)...)...)...)
	time.Sleep(20 * time.Millisecond)
	middle := time.Now()
	time.Sleep(20 * time.Millisecond)
	produce(t, c, events(0, steps(6000, 10, 2)...)...)
	for _, tt := range []struct {
		name  string
		start Start
		want  map[int32][]int64
	}{
		{"earliest", Start{}, map[int32][]int64{0: {0, 1, 2, 3, 4, 5, 6}, 1: {0, 1, 2}}},
		{"latest", Start{Latest: true}, map[int32][]int64{}},
		{"time", Start{Time: middle}, map[int32][]int64{0: {5, 6}}},
		{"time ahead of all", Start{Time: time.Now().Add(time.Hour)}, map[int32][]int64{}},
		{"offsets", Start{Offsets: map[int32]int64{0: 6}}, map[int32][]int64{0: {6}, 1: {0, 1, 2}}},
		{"offsets at the end", Start{Offsets: map[int32]int64{0: 7, 1: 3}}, map[int32][]int64{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := startJob(t, Options{Cluster: c, Bounded: true, Start: tt.start})
			j.wait(t)
			if diff := cmp.Diff(tt.want, offsetsOf(j.records())); diff != "" {
				t.Errorf("offsets (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLatestAndFinish(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, 1000, 2000)...)
	j := startJob(t, Options{Cluster: c, Start: Start{Latest: true}})
	j.until(t, "the start", func(*collected) bool { return len(StatusOf(j.id).Partitions) == 1 })
	produce(t, c, events(0, 3000, 9000, 9500)...)
	j.until(t, "the new records", hasCount(3))
	Finish(j.id)
	j.wait(t)
	if diff := cmp.Diff(map[int32][]int64{0: {2, 3, 4}}, offsetsOf(j.records())); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
	if s := StatusOf(j.id); s.Watermark != 9000 || s.Partitions[0].Next != 5 || s.Partitions[0].High != 9500 {
		t.Errorf("status %+v", s)
	}
}

// A read goes on from each mark of an earlier one as if that had not stopped.
func TestResume(t *testing.T) {
	c := startBroker(t, 3)
	for p := range int32(3) {
		produce(t, c, events(p, scrambled(1_000_000+int64(p)*3000, 30, 1500)...)...)
	}
	o := Options{Cluster: c, Bounded: true, OutOfOrderness: 2 * time.Second, BundleRecords: 100, FetchBytes: 500}
	first := startJob(t, o)
	first.wait(t)
	all := first.records()
	marks := first.out.marks()
	if len(marks) < 5 {
		t.Fatalf("only %d marks", len(marks))
	}
	w := Windowing{Base: 1000, Bound: 2000}
	for _, m := range []*Mark{marks[0], marks[len(marks)/2], marks[len(marks)-1]} {
		resume := &ResumePoint{Watermark: m.Watermark, TopicID: m.TopicID}
		want := map[int32][]Record{}
		for _, p := range m.Partitions {
			next := p.Start
			for _, r := range all[p.Partition] {
				if w.Arrival(r.High) < m.Watermark {
					next = r.Offset + 1
				} else {
					want[p.Partition] = append(want[p.Partition], r)
				}
			}
			resume.Partitions = append(resume.Partitions, ResumePosition{Partition: p.Partition, Start: p.Start, Next: next, Read: p.Next, Raises: p.Raises})
		}
		o.Start = Start{Resume: resume}
		o.Budget = 1 // whatever the budget, the read must not wait for windows of the earlier run
		again := startJob(t, o)
		again.wait(t)
		if diff := cmp.Diff(want, again.records()); diff != "" {
			t.Fatalf("going on from %d (-want +got):\n%.2000s", m.Watermark, diff)
		}
	}
}

func TestBudgetHoldsBack(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, steps(1_000_000, 100, 8000)...)...)
	j := startJob(t, Options{Cluster: c, Bounded: true, OutOfOrderness: time.Second, Budget: 2000, BundleRecords: 100, FetchBytes: 2000})
	j.wait(t) // only Sealed is called, never Written: it goes on from seal to seal
	if n := j.out.count(); n != 8000 {
		t.Errorf("%d records", n)
	}
}

// A partition a month behind is read first; the other waits.
func TestAlignment(t *testing.T) {
	const month, align = 30 * 86_400_000, 60_000
	c := startBroker(t, 2)
	produce(t, c, events(0, steps(1_000_000+month, 10_000, 4000)...)...)
	produce(t, c, events(1, steps(1_000_000, month/4000, 4000)...)...)
	j := startJob(t, Options{Cluster: c, Bounded: true, OutOfOrderness: time.Second, Align: align * time.Millisecond, FetchBytes: 4000, BundleRecords: 500})
	j.wait(t)
	high := [2]int64{NoTime, NoTime}
	left := [2]int{4000, 4000}
	for _, b := range j.out.batches {
		for _, r := range b.Records {
			high[b.Partition], left[b.Partition] = r.High, left[b.Partition]-1
		}
		// The first turn of a partition of which nothing is known may be anything; its chunk is one fetch.
		if ahead := high[0] - high[1]; b.Partition == 0 && left[1] > 0 && ahead > align && left[0] < 4000-2*4000/20 {
			t.Fatalf("partition 0 is %s ahead with %d records left in partition 1", time.Duration(ahead)*time.Millisecond, left[1])
		}
	}
	if left != [2]int{} {
		t.Errorf("%v records are missing", left)
	}
}

// A partition without records does not hold the watermark for longer than
// IdleAfter, and when it brings old records they are late, not lost.
func TestIdlePartitionComesBackOld(t *testing.T) {
	c := startBroker(t, 2)
	produce(t, c, events(0, steps(1_000_000, 100, 500)...)...)
	j := startJob(t, Options{Cluster: c, OutOfOrderness: 2 * time.Second, IdleAfter: 300 * time.Millisecond})
	marked := func(n int) func(*collected) bool { return func(c *collected) bool { return len(c.marks()) > n } }
	j.until(t, "a watermark without the empty partition", marked(0))
	j.until(t, "time to pass while all is idle", marked(1))
	if wm := StatusOf(j.id).Watermark; wm < 1_047_000 || wm > 1_080_000 {
		t.Errorf("watermark %d: the newest event is of 1049900, and seconds have passed", wm)
	}
	produce(t, c, events(1, 900_000, 1_040_000, 2_000_000)...)
	j.until(t, "the old records", hasCount(503))
	produce(t, c, events(0, 2_000_000)...)
	Finish(j.id)
	j.wait(t)
	got := j.records()[1]
	if len(got) != 3 || !got[0].Late || !got[1].Late || got[2].Late || got[0].High <= 1_049_000 || got[0].High != got[1].High || got[2].High != 2_000_000 {
		t.Errorf("records %+v", got)
	}
	marks := j.out.marks()
	if r := marks[len(marks)-1].Partitions[1].Raises; len(marks) > 0 && len(r) > 0 && (r[0].Offset != 0 || r[0].High != got[0].High) {
		t.Errorf("raises %+v", r)
	}
}

// All partitions idle before the first watermark: their windows close too, and
// a partition without any time does not send the watermark anywhere.
func TestAllIdle(t *testing.T) {
	c := startBroker(t, 3)
	produce(t, c, events(0, 50_000)...)
	produce(t, c, events(1, 70_000)...)
	j := startJob(t, Options{Cluster: c, OutOfOrderness: 2 * time.Second, IdleAfter: 200 * time.Millisecond})
	j.until(t, "both windows to close", func(c *collected) bool { return c.windows[50_000] == 1 && c.windows[70_000] == 1 })
	if wm := StatusOf(j.id).Watermark; wm > 90_000 {
		t.Errorf("watermark %d is far beyond the newest event, of 70000", wm)
	}
}

func TestPartitionAddedWhileRunning(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, 50_000)...)
	j := startJob(t, Options{Cluster: c, Refresh: 100 * time.Millisecond})
	j.until(t, "the first record", hasCount(1))
	if err := admin(t, c).CreatePartitions(testTopic, 3, nil, false); err != nil {
		t.Fatal(err)
	}
	produce(t, c, append(events(1, 51_000), events(2, 52_000)...)...)
	j.until(t, "the records of the new partitions", hasCount(3))
	Finish(j.id)
	j.wait(t)
	if diff := cmp.Diff(map[int32][]int64{0: {0}, 1: {0}, 2: {0}}, offsetsOf(j.records())); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

// A bounded read ends with the partitions that it began with.
func TestBoundedDoesNotGrow(t *testing.T) {
	c := startBroker(t, 1)
	produce(t, c, events(0, steps(50_000, 1, 5000)...)...)
	j := startJob(t, Options{Cluster: c, Bounded: true, Refresh: time.Nanosecond, BundleRecords: 10, FetchBytes: 1000})
	j.until(t, "the first record", hasCount(1))
	if err := admin(t, c).CreatePartitions(testTopic, 2, nil, false); err != nil {
		t.Fatal(err)
	}
	j.wait(t)
}

func TestNullsHeadersAndLargeValues(t *testing.T) {
	c := startBroker(t, 1)
	large := append([]byte("1000|"), make([]byte, 5<<20)...)
	sent := []message{
		{key: nil, value: nil},
		{key: []byte{}, value: []byte{}},
		{key: []byte("k"), value: []byte("1000"), headers: []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("b")}, {Key: []byte("n"), Value: nil}}},
		{key: []byte{0xff, 0}, value: large},
		{value: []byte("1001")},
	}
	produce(t, c, sent...)
	j := startJob(t, Options{Cluster: c, Bounded: true, FetchBytes: 1000})
	j.wait(t)
	got := j.records()[0]
	if len(got) != len(sent) {
		t.Fatalf("%d records, want %d", len(got), len(sent))
	}
	for i, m := range sent {
		var headers []Header
		for _, h := range m.headers {
			headers = append(headers, Header{string(h.Key), h.Value})
		}
		if diff := cmp.Diff(headers, got[i].Headers); diff != "" {
			t.Errorf("record %d: headers (-want +got):\n%s", i, diff)
		}
		if !cmp.Equal(m.key, got[i].Key) || !cmp.Equal(m.value, got[i].Value) {
			t.Errorf("record %d: key %q, %d bytes of value (null: %t), want %q, %d bytes (null: %t)",
				i, got[i].Key, len(got[i].Value), got[i].Value == nil, m.key, len(m.value), m.value == nil)
		}
	}
}

// Records of aborted transactions, and markers, are passed over; a transaction
// that is open does not hold up the end.
func TestTransactions(t *testing.T) {
	c := startBroker(t, 1)
	transactional := func(id string) sarama.SyncProducer {
		p := newProducer(t, c, func(cfg *sarama.Config) { cfg.Producer.Transaction.ID = id })
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	var want []string
	for i := range 6 {
		p := transactional("a")
		sendAll(t, p, message{value: fmt.Appendf(nil, "%d|a", 1000+i)})
		produce(t, c, message{value: fmt.Appendf(nil, "%d|plain", 1000+i)})
		sendAll(t, p, message{value: fmt.Appendf(nil, "%d|a again", 1000+i)})
		if i%2 == 0 {
			want = append(want, fmt.Sprintf("%d|a", 1000+i), fmt.Sprintf("%d|plain", 1000+i), fmt.Sprintf("%d|a again", 1000+i))
			if err := p.CommitTxn(); err != nil {
				t.Fatal(err)
			}
		} else {
			want = append(want, fmt.Sprintf("%d|plain", 1000+i))
			if err := p.AbortTxn(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (got []string) {
		j := startJob(t, Options{Cluster: c, Bounded: true})
		j.wait(t)
		for _, r := range j.records()[0] {
			got = append(got, string(r.Value))
		}
		return got
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	open := transactional("b")
	defer open.Close()
	sendAll(t, open, message{value: []byte("2000|open")})
	produce(t, c, message{value: []byte("2001|behind it")})
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("values with an open transaction (-want +got):\n%s", diff)
	}
	if err := open.CommitTxn(); err != nil {
		t.Fatal(err)
	}
	if got := read(); strings.Join(got[len(want):], ",") != "2000|open,2001|behind it" {
		t.Errorf("after the commit: %q", got[len(want):])
	}
}
