//go:build integration

package pipelines

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/producer"
)

// Transactions that commit and that do not, one after the other and at the
// same time, and one that is open when a bounded read begins.
func testTransactions(t *testing.T, _ *realKafka, j kafkaJob) {
	j.make(t, 4, nil)
	transactional := func(id string) sarama.SyncProducer {
		return j.producer(t, func(cfg *sarama.Config) { cfg.Producer.Transaction.ID = j.topic + id })
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records := shopRecords(t, producer.SimulateOptions{Seed: 31, Density: 100, Count: 8000})
	next := func(n int) (out []producer.Record) {
		out, records = records[:n], records[n:]
		return out
	}
	a, b := transactional("a"), transactional("b")
	committed := 0
	for i := range 6 { // b's transactions are open over the ends of a's
		must(a.BeginTxn())
		j.sendWith(t, a, next(300))
		if i%2 == 0 {
			must(b.BeginTxn())
		}
		j.sendWith(t, b, next(200))
		j.send(t, next(100), nil)
		committed += 100
		if i%3 == 1 {
			must(a.AbortTxn())
		} else {
			must(a.CommitTxn())
			committed += 300
		}
		if i%4 == 1 {
			must(b.AbortTxn())
		} else if i%2 == 1 {
			must(b.CommitTxn())
			committed += 400
		}
	}
	dir := t.TempDir()
	got := j.bounded(t, dir) // the last offsets are markers
	diff(t, "bronze and the topic", j.bronze(t), got.bronze)
	if len(got.bronze) != committed {
		t.Errorf("%d records, want the %d of committed transactions", len(got.bronze), committed)
	}

	must(a.BeginTxn())
	j.sendWith(t, a, next(300))
	j.send(t, next(100), nil) // behind an open transaction
	got = j.bounded(t, dir)
	diff(t, "bronze with an open transaction", j.bronze(t), got.bronze)
	if len(got.bronze) >= committed+100 {
		t.Errorf("%d records, want those before the open transaction", len(got.bronze))
	}
	must(a.CommitTxn())
	committed += 400
	got = j.bounded(t, dir)
	if len(got.bronze) != committed {
		t.Errorf("%d records after the commit, want %d", len(got.bronze), committed)
	}
	diff(t, "bronze and the topic", j.bronze(t), got.bronze)
	same(t, j.bounded(t, t.TempDir()), got)
	must(a.Close())
	must(b.Close())
}

// A compacted topic has gaps, and at its end nothing but the marker of a
// transaction that was aborted.
func testCompacted(t *testing.T, _ *realKafka, j kafkaJob) {
	j.make(t, 4, map[string]string{
		"cleanup.policy": "compact", "segment.bytes": "60000", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0",
	})
	records := shopRecords(t, producer.SimulateOptions{Seed: 32, Density: 100, Count: 10_000})
	for i := range records {
		records[i].Key = strconv.AppendInt(nil, int64(i)%300, 10)
		if i%7 == 0 {
			records[i].Value = nil
		}
	}
	j.send(t, records, nil)
	p := j.producer(t, func(cfg *sarama.Config) { cfg.Producer.Transaction.ID = j.topic })
	defer p.Close()
	if err := p.BeginTxn(); err != nil {
		t.Fatal(err)
	}
	j.sendWith(t, p, records[:40])
	if err := p.AbortTxn(); err != nil {
		t.Fatal(err)
	}
	// Compaction goes on for a while, and would change what two reads see.
	last := -1
	soon(t, time.Minute, "the topic is compacted", func() bool {
		n := len(j.bronze(t))
		done := n < len(records)/2 && n == last
		last = n
		return done
	})
	const anyShare = "--max-dead-share=1" // events that are broken on purpose may be most of what is left
	got := j.bounded(t, t.TempDir(), anyShare)
	diff(t, "bronze and the topic", j.bronze(t), got.bronze)
	t.Logf("%d of %d records are left", len(got.bronze), len(records))
	same(t, got, j.bounded(t, t.TempDir(), anyShare))
}

// Retention deletes records that the lake has not got yet: between two runs,
// and while a run is held up.
func testRetention(t *testing.T, k *realKafka, j kafkaJob) {
	j.make(t, 4, nil)
	records := shopRecords(t, producer.SimulateOptions{Seed: 33, Density: 100, Count: 30_000})
	j.send(t, records[:10_000], nil)
	forget := func() map[int32]int64 {
		upTo := j.ends(t)
		for id := range upTo {
			upTo[id] -= 10
		}
		if err := k.admin(t).DeleteRecords(j.topic, upTo); err != nil {
			t.Fatal(err)
		}
		return upTo
	}
	dir := t.TempDir()
	before := j.bounded(t, dir)
	j.send(t, records[10_000:20_000], nil)
	forget()
	j.start(t, dir, "--bounded").fails(t, "is not in the log, which starts at", "retention has deleted records that were not read yet", "--start=earliest into a new lake")
	j.start(t, dir).fails(t, "is not in the log, which starts at", "--start=earliest into a new lake")
	same(t, before, read(t, dir))

	fresh := t.TempDir()
	got := j.bounded(t, fresh, "--start=earliest") // as the message says
	diff(t, "bronze and the topic", j.bronze(t), got.bronze)
	if len(got.bronze) != 40 {
		t.Errorf("%d records, want the 40 that are left", len(got.bronze))
	}

	running := t.TempDir()
	p := j.start(t, running, "--start=earliest")
	j.caughtUp(t, p)
	p.signal(t, syscall.SIGSTOP)
	j.send(t, records[20_000:], nil)
	forget()
	p.signal(t, syscall.SIGCONT)
	p.fails(t, "is not in the log, which starts at", "--start=earliest into a new lake")
}

// A topic is deleted and created again: between two runs, during a run, during
// a run that is held up and notices nothing of it, and it is not created again.
func testTopicMadeAgain(t *testing.T, k *realKafka, j kafkaJob) {
	records := shopRecords(t, producer.SimulateOptions{Seed: 34, Density: 100, Count: 20_000})
	name := j.topic
	for what, again := range map[string]func(t *testing.T, j kafkaJob, dir string){
		"between": func(t *testing.T, j kafkaJob, dir string) {
			j.send(t, records[10_000:], nil) // enough for windows that are final
			j.bounded(t, dir)
			j.remove(t, k)
			j.make(t, 4, nil)
			j.send(t, records, nil)
			j.start(t, dir, "--bounded").fails(t, "was deleted and created again (its id was", "Read it into a new lake")
		},
		"between, nothing final": func(t *testing.T, j kafkaJob, dir string) {
			j.bounded(t, dir)
			j.remove(t, k)
			j.make(t, 4, nil)
			j.send(t, records, nil)
			j.start(t, dir, "--bounded").fails(t, "was deleted and created again (its id was", "Read it into a new lake")
		},
		"during": func(t *testing.T, j kafkaJob, dir string) {
			p := j.start(t, dir)
			j.caughtUp(t, p)
			j.remove(t, k)
			j.make(t, 4, nil)
			j.send(t, records, nil)
			p.fails(t, "was deleted and created again (its id was", "Read it into a new lake")
		},
		"held-up": func(t *testing.T, j kafkaJob, dir string) {
			p := j.start(t, dir)
			j.caughtUp(t, p)
			p.signal(t, syscall.SIGSTOP)
			j.remove(t, k)
			j.make(t, 4, nil)
			j.send(t, records, nil) // its offsets are in this log too
			p.signal(t, syscall.SIGCONT)
			p.fails(t, "was deleted and created again (its id was", "Read it into a new lake")
		},
		"gone": func(t *testing.T, j kafkaJob, dir string) {
			p := j.start(t, dir)
			j.caughtUp(t, p)
			j.remove(t, k)
			p.fails(t, "is gone: it was deleted while it was read", "new lake")
			j.start(t, dir).fails(t, "there is no topic")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			j := j
			j.topic = name + "-" + strings.ReplaceAll(strings.ReplaceAll(what, ",", ""), " ", "-")
			j.make(t, 4, nil)
			j.send(t, records[:10_000], nil)
			first := j.ends(t)
			if what == "between" {
				first = map[int32]int64{0: 10_000, 1: 10_000, 2: 10_000, 3: 10_000}
			}
			dir := t.TempDir()
			again(t, j, dir)
			for at := range read(t, dir).bronze {
				if at.offset >= first[at.partition] {
					t.Errorf("%+v is in the lake: it is not of the topic that was read", at)
					break
				}
			}
		})
	}
}

func (j kafkaJob) remove(t testing.TB, k *realKafka) {
	t.Helper()
	if err := k.admin(t).DeleteTopic(j.topic); err != nil {
		t.Fatal(err)
	}
}

func (p *program) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Every codec that producers use, in one topic.
func testCodecs(t *testing.T, _ *realKafka, j kafkaJob) {
	j.make(t, 4, nil)
	records := shopRecords(t, producer.SimulateOptions{Seed: 35, Density: 100, Count: 10_000})
	for i, codec := range []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD,
	} {
		j.send(t, records[2000*i:2000*(i+1)], func(cfg *sarama.Config) { cfg.Producer.Compression = codec })
	}
	got := j.bounded(t, t.TempDir())
	diff(t, "bronze and the topic", j.bronze(t), got.bronze)
	if len(got.bronze) != len(records) {
		t.Errorf("%d records, want %d", len(got.bronze), len(records))
	}
}
