//go:build integration

package pipelines

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/producer"
)

// A topic gets one more partition while it is read.
func testPartitionAdded(t *testing.T, k *realKafka, j kafkaJob) {
	j.make(t, 3, nil)
	records := shopRecords(t, producer.SimulateOptions{Seed: 41, Density: 100, Count: 40_000})
	first := slices.DeleteFunc(slices.Clone(records[:20_000]), func(r producer.Record) bool { return r.Partition == 3 })
	j.send(t, first, nil)
	dir := t.TempDir()
	p := j.start(t, dir, "--idle-after=1m")
	j.caughtUp(t, p)
	if err := k.admin(t).CreatePartitions(j.topic, 4, nil, false); err != nil {
		t.Fatal(err)
	}
	j.known(t, 4)
	j.send(t, records[20_000:30_000], nil)
	j.caughtUp(t, p)
	j.send(t, records[30_000:], nil) // time goes on: there is a mark that records the raise
	got := j.settle(t, p, dir)
	if n := len(first) + 20_000; len(got.bronze) != n {
		t.Errorf("%d records, want %d", len(got.bronze), n)
	}
	j.checkLate(t, got, raises(t, dir))
}

// A partition is silent while the others go on, and then brings events that
// are older than what is final: they are late, not lost, and the ledger says
// from which offset on.
func testIdlePartition(t *testing.T, _ *realKafka, j kafkaJob) {
	j.make(t, 4, nil)
	records := shopRecords(t, producer.SimulateOptions{Seed: 42, Density: 100, Count: 60_000})
	of := func(records []producer.Record, partition int32, is bool) []producer.Record {
		return slices.DeleteFunc(slices.Clone(records), func(r producer.Record) bool { return (r.Partition == partition) != is })
	}
	// Ten minutes of events, of which the last partition has only the first few.
	silent := of(records, 3, true)
	j.send(t, of(records[:40_000], 3, false), nil)
	j.send(t, silent[:50], nil)
	dir := t.TempDir()
	p := j.start(t, dir, "--idle-after=2s")
	soon(t, time.Minute, "windows are final without the silent partition", func() bool {
		_, err := os.Stat(filepath.Join(dir, "lake.json"))
		return err == nil && len(read(t, dir).silver) > 20_000
	})
	j.send(t, silent[50:2000], nil) // old
	recorded := map[int32][]kafkaio.Raise{}
	j.caughtUp(t, p)
	j.send(t, of(records[40_000:50_000], 3, false), nil) // time goes on
	soon(t, time.Minute, "the raise is in the ledger", func() bool {
		recorded = raises(t, dir)
		return len(recorded[3]) > 0
	})
	for i, r := range silent {
		if r.At >= records[50_000].At { // all partitions go on together, so that nothing is idle
			j.send(t, silent[2000:i], nil)
			break
		}
	}
	j.send(t, records[50_000:], nil)
	got := j.settle(t, p, dir)
	for id, later := range raises(t, dir) {
		recorded[id] = append(recorded[id], later...)
	}
	t.Logf("raises %v, %d late", recorded, len(got.late))
	old := 0
	for at := range got.late {
		if at.partition == 3 && at.offset >= 50 && at.offset < 2000 {
			old++
		}
	}
	if old < 1000 {
		t.Errorf("%d of the 1950 old records are late, want most of them", old)
	}
	j.checkLate(t, got, recorded)
}

// checkLate compares which records of the topic are late with what follows
// from the log and the recorded raises alone.
func (j kafkaJob) checkLate(t testing.TB, got contents, raised map[int32][]kafkaio.Raise) {
	t.Helper()
	const base, bound = int64(60_000), int64(30_000)
	clocks := map[int32]*referenceClock{}
	want := map[place]uint64{}
	j.consume(t, func(m *sarama.ConsumerMessage) {
		clock := clocks[m.Partition]
		if clock == nil {
			clock = &referenceClock{}
			clocks[m.Partition] = clock
		}
		for _, r := range raised[m.Partition] {
			if at := time.UnixMilli(r.High); r.Offset <= m.Offset && at.After(clock.now) {
				clock.now = at
			}
		}
		ms, ok := shop.EventTime(m.Value, m.Timestamp.UnixMilli(), shop.DefaultLimits)
		if !ok {
			return
		}
		clock.observe(time.UnixMilli(ms), m.Timestamp)
		at := place{m.Partition, m.Offset}
		if _, dead := got.dead[at]; !dead && ms-ms%base+base <= clock.now.UnixMilli()-bound {
			want[at] = 0
		}
	})
	late := maps.Clone(got.late)
	for at := range late {
		late[at] = 0
	}
	diff(t, "late", want, late)
}
