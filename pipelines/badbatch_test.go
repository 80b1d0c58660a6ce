package pipelines

import (
	"bytes"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/shop"
)

// sendBomb sends a record batch of a few KB that decompresses to many MB.
func sendBomb(t testing.TB, cluster kafkaio.Cluster, partition int32) {
	t.Helper()
	client, err := cluster.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	leader, err := client.Leader(topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	b := &sarama.RecordBatch{
		Version: 2, Codec: sarama.CompressionZSTD, CompressionLevel: sarama.CompressionLevelDefault, LastOffsetDelta: 1,
		FirstTimestamp: time.Now(), MaxTimestamp: time.Now(), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		Records: []*sarama.Record{{Value: []byte("small")}, {OffsetDelta: 1, Value: bytes.Repeat([]byte("bomb"), 8<<20)}},
	}
	req := &sarama.ProduceRequest{Version: 7, RequiredAcks: sarama.WaitForAll, Timeout: 10_000}
	req.AddBatch(topic, partition, b)
	resp, err := leader.Produce(req)
	if err != nil {
		t.Fatal(err)
	}
	if block := resp.GetBlock(topic, partition); block == nil || block.Err != sarama.ErrNoError {
		t.Fatalf("the broker refuses the batch: %+v", block)
	}
}

// A batch that decompresses to too much is one record read and one dead letter,
// in every run, in one that goes on, and in a rebuild; the job goes on behind it.
func TestBadBatchIsOneDeadLetter(t *testing.T) {
	cluster := startBroker(t, 4)
	src := troubled(t, 41, 6000)
	deliver(t, cluster, src, 2000)
	sendBomb(t, cluster, 0)
	deliver(t, cluster, src, 2000)
	o := options(cluster, t.TempDir())
	o.Source.BatchBytes = 4 << 20
	run(t, o)
	want := read(t, o.Lake)
	again := o
	again.Lake = t.TempDir()
	run(t, again)
	same(t, want, read(t, again.Lake))
	rebuild(t, o, Prism)
	same(t, want, read(t, o.Lake))

	sendBomb(t, cluster, 1)
	deliver(t, cluster, src, 0)
	totals := run(t, o)
	if n := totals.Dead[string(shop.BatchTooLarge)]; n != 2 || totals.Read != totals.Silver+totals.Duplicates+totals.Late+totals.DeadCount() {
		t.Errorf("%d dead letters of batches, want 2; totals %+v", n, totals)
	}
}
