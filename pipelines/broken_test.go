package pipelines

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/shop/shoptest"
)

// TestBrokenRecords sends the corpus of broken records through the job, good
// ones between them: each broken one is a dead letter with its reason and its
// bytes, the good ones are in silver, bronze has all.
//
// The corpus is about a fixed record time. The embedded broker would give
// records its own clock, so this one is kfake as it is: it keeps the
// producer's timestamps, like a topic with CreateTime.
func TestBrokenRecords(t *testing.T) {
	const partitions = 4
	broken, good := shoptest.Broken(), shoptest.Good()
	if len(broken) < 60 {
		t.Fatalf("%d broken records, expected at least 60", len(broken))
	}
	cluster := startKfake(t, partitions)
	send := newSender(t, cluster)
	cases := map[place]shoptest.Case{}
	events := map[place][]byte{}
	for i := range max(len(broken), len(good)) {
		p := int32(i % partitions)
		if i < len(broken) {
			cases[send.record(p, broken[i].Value, broken[i].RecordTime)] = broken[i]
		}
		if i < len(good) {
			events[send.record(p, good[i], shoptest.RecordTime)] = good[i]
		}
	}

	o := options(cluster, t.TempDir())
	// The good events are of any time since 2000, in no order: none is late here.
	o.Source.OutOfOrderness = 100 * 365 * 24 * time.Hour
	totals := run(t, o)
	if totals.Read != int64(len(broken)+len(good)) || totals.DeadCount() != int64(len(broken)) || totals.Silver != int64(len(good)) {
		t.Errorf("%+v, expected %d broken records and %d good ones", totals, len(broken), len(good))
	}

	dead := deadLetters(t, o.Lake)
	for at, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			row, ok := dead[at]
			if !ok {
				t.Fatalf("%+v is no dead letter", at)
			}
			if row.Reason != string(c.Want) || row.Detail == "" {
				t.Errorf("reason %q (%q), want %q", row.Reason, row.Detail, c.Want)
			}
			sameBytes(t, row.Value, c.Value)
		})
	}
	for at := range dead {
		if value, ok := events[at]; ok {
			t.Errorf("%+v is a good event and a dead letter (%s): %.200s", at, dead[at].Reason, value)
		}
	}

	bronze := laneRows[lake.BronzeRow](t, o.Lake, lake.Bronze)
	if len(bronze) != len(broken)+len(good) {
		t.Errorf("bronze has %d rows, want %d", len(bronze), len(broken)+len(good))
	}
	for _, row := range bronze {
		at := place{row.KafkaPartition, row.KafkaOffset}
		c, isBroken := cases[at]
		if !isBroken {
			c = shoptest.Case{Value: events[at], RecordTime: shoptest.RecordTime}
		}
		sameBytes(t, row.Value, c.Value)
		if row.KafkaTimestamp != c.RecordTime*1000 {
			t.Errorf("%+v: timestamp %d in bronze, want %d", at, row.KafkaTimestamp, c.RecordTime*1000)
		}
	}

	silverRows := map[place]lake.SilverRow{}
	for _, row := range laneRows[lake.SilverRow](t, o.Lake, lake.Silver) {
		silverRows[place{row.KafkaPartition, row.KafkaOffset}] = row
	}
	parser := shop.NewParser(shop.DefaultLimits)
	for at, value := range events {
		e, invalid := parser.Parse(value, shoptest.RecordTime)
		if invalid != nil {
			t.Fatalf("the corpus has a good record that is not: %s: %.200s", invalid.Reason, value)
		}
		want := lake.SilverRow{
			EventID: e.ID.String(), EventType: e.Type.String(), EventTime: e.Time * 1000, ProductID: e.ProductID, ProductName: e.ProductName,
			UserID: e.UserID, SessionID: e.SessionID, Country: e.Country, OrderID: e.OrderID, Line: e.Line, Quantity: e.Quantity,
			UnitPrice: e.UnitPrice, Currency: e.Currency, SchemaVersion: int32(e.Version), KafkaPartition: at.partition, KafkaOffset: at.offset, Category: e.Category,
		}
		if diff := cmp.Diff(want, silverRows[at]); diff != "" {
			t.Errorf("%+v in silver (-want +got):\n%.2000s", at, diff)
		}
	}
}

// sameBytes tells null from empty.
func sameBytes(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("value of %d bytes (null: %t) %.100q, want %d bytes (null: %t) %.100q", len(got), got == nil, got, len(want), want == nil, want)
	}
}

// laneRows reads all rows of a lane that the ledger names.
func laneRows[T any](t testing.TB, uri string, lane lake.Lane) []T {
	t.Helper()
	st, ledger := openLake(t, uri)
	var out []T
	for _, f := range laneFiles(ledger, lane) {
		rows, err := lake.ReadAll[T](context.Background(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rows...)
	}
	return out
}

func openLake(t testing.TB, uri string) (lake.Store, *lake.Ledger) {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return st, ledger
}

func laneFiles(ledger *lake.Ledger, lane lake.Lane) []lake.File {
	var files []lake.File
	for _, r := range ledger.Visible() {
		for _, f := range r.Files {
			if f.Lane == lane {
				files = append(files, f)
			}
		}
	}
	return files
}

// startKfake starts a broker that keeps the producer's timestamps.
func startKfake(t testing.TB, partitions int) kafkaio.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.BrokerConfigs(map[string]string{"message.max.bytes": "16777216"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cluster := kafkaio.Cluster{Brokers: c.ListenAddrs()[:1]}
	if _, err := kafkaio.EnsureTopic(t.Context(), cluster, topic, partitions); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// sender writes record batches of its own making: a client library would not
// send a record without a timestamp.
type sender struct {
	t      testing.TB
	client sarama.Client
}

func newSender(t testing.TB, cluster kafkaio.Cluster) *sender {
	t.Helper()
	client, err := cluster.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return &sender{t, client}
}

// record appends one record and returns its place. A time below 0 is none.
func (s *sender) record(partition int32, value []byte, ms int64) place {
	s.t.Helper()
	leader, err := s.client.Leader(topic, partition)
	if err != nil {
		s.t.Fatal(err)
	}
	var at time.Time // in Kafka's protocol, the zero time is −1
	if ms >= 0 {
		at = time.UnixMilli(ms)
	}
	req := &sarama.ProduceRequest{Version: 3, RequiredAcks: sarama.WaitForAll, Timeout: 10_000}
	req.AddBatch(topic, partition, &sarama.RecordBatch{
		Version: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, FirstTimestamp: at, MaxTimestamp: at,
		Records: []*sarama.Record{{Value: value}},
	})
	resp, err := leader.Produce(req)
	if err != nil {
		s.t.Fatal(err)
	}
	block := resp.GetBlock(topic, partition)
	if block == nil || block.Err != sarama.ErrNoError {
		s.t.Fatalf("a record of %d bytes was not taken: %+v", len(value), block)
	}
	return place{partition, block.Offset}
}
