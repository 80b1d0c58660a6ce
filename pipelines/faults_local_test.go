package pipelines

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

// TestKilledLocalContinues kills `local` (what `make run` runs), with its
// embedded broker, its shop and its job, at random moments, and runs it again
// in the same folder. At the end the lake is what a recount of the broker's log
// says, row for row. SHOPSTREAM_KILLS sets how often (2).
func TestKilledLocalContinues(t *testing.T) {
	kills := setting(t, "SHOPSTREAM_KILLS", 2)
	rnd := randomly(t, t.Name())
	program, data := build(t, "./cmd/local"), t.TempDir()
	local := func(duration time.Duration) *job {
		// No partition is idle for so long: a raise is not in the log, so that no recount could find it.
		return startJob(t, program, nil, "--data="+data, fmt.Sprintf("--duration=%s", duration), "--rate=2000", "--idle-after=1m", "--metrics-listen=", "--history-days=0", "--forecast=false")
	}
	for n := range kills {
		j := local(0)
		if !j.killAfter(between(rnd, 500*time.Millisecond, 6*time.Second)) {
			t.Fatalf("run %d ended by itself: %v\n%.3000s", n, j.err, j.output())
		}
	}
	if err := local(3*time.Second).wait(t, time.Minute); err != nil {
		t.Fatal(err)
	}

	b, err := broker.Start(broker.Options{Dir: filepath.Join(data, "broker")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	uri := filepath.Join(data, "lake")
	_, ledger := openLake(t, uri)
	for _, r := range ledger.Rows {
		if r.Mark == nil {
			continue
		}
		for _, p := range r.Mark.Partitions {
			if len(p.Raises) > 0 {
				t.Fatalf("partition %d was idle, so that a recount cannot know its clock", p.Partition)
			}
		}
	}
	dead := deadLetters(t, uri)
	ref := refer(t, kafkaio.Cluster{Brokers: b.Addrs()}, time.Minute, 30*time.Second, func(m *sarama.ConsumerMessage) (lake.DeadRow, bool) {
		row, ok := dead[place{m.Partition, m.Offset}]
		row.BronzeRow = bronzeRow(m)
		return row, ok
	})
	got := read(t, uri)
	if err := got.totals.Check(); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, %d records", kills, got.totals.Read)
	same(t, ref.want, got)
	onlyNamed(t, uri)
}
