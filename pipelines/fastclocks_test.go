package pipelines

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/producer"
)

// TestFastClocksLive runs a live shop some of whose customers' clocks are four
// minutes fast, beside the streaming job, on a topic that the broker stamps and
// on one that believes its producers. Live revenue is within 1 % of gold's, and
// the topic read again makes the same lake. SHOPSTREAM_CLOCK_SECONDS sets for how
// long each shop is open (6, and 1 % of clocks alone; from 30 on there are more shares:
// the table of docs/design.md).
func TestFastClocksLive(t *testing.T) {
	seconds := setting(t, "SHOPSTREAM_CLOCK_SECONDS", 6)
	shares := []float64{0.01}
	if seconds >= 30 {
		shares = []float64{0, 0.001, 0.01, 0.05}
	}
	for _, stamps := range []kafkaio.Stamps{kafkaio.LogAppendTime, kafkaio.CreateTime} {
		for _, share := range shares {
			t.Run(fmt.Sprintf("%s, %g %% fast", stamps, 100*share), func(t *testing.T) {
				t.Parallel()
				testFastClocks(t, stamps, share, time.Duration(seconds)*time.Second)
			})
		}
	}
}

func testFastClocks(t *testing.T, stamps kafkaio.Stamps, share float64, open time.Duration) {
	cluster, topic := stampedBy(t, stamps)
	live := fastClockOptions(cluster, topic, t.TempDir())
	live.Source.Bounded = false
	if err := live.For(Prism); err != nil {
		t.Fatal(err)
	}
	if err := live.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := producer.SimulateOptions{
		Seed: 12, Start: time.Now().UTC().Add(-warmUp).Truncate(time.Millisecond), Partitions: 4, Rate: 500, Speedup: 1, Duration: warmUp + open, Flat: true,
		OutOfOrder: 0.1, MaxDelay: 5 * time.Second, FastClocks: share,
	}
	source := newBusyShop(t, o)
	sent := make(chan error, 1)
	go func() {
		_, err := producer.Deliver(context.WithoutCancel(t.Context()), cluster, topic, source, producer.DeliverOptions{Speedup: 1})
		kafkaio.Finish(live.Source.ID)
		sent <- err
	}()
	_, closed, err := live.Run(t.Context(), Prism)
	if sendErr := <-sent; sendErr != nil {
		t.Fatal(sendErr)
	}
	if err != nil || !closed {
		t.Fatalf("closed: %t, %v", closed, err)
	}

	got := read(t, live.Lake)
	if err := got.totals.Check(); err != nil || got.totals.DeadCount() != 0 {
		t.Errorf("%v, dead letters %v, want none", err, got.totals.Dead)
	}
	revenue, gold := liveRevenue(t, live.Lake), goldRevenue(t, live.Lake)
	valid := got.totals.Silver + got.totals.Late
	t.Logf("%d events, %.2f %% fast, %.3f %% late; revenue live %s, gold %s (%.3f %%)", valid, 100*float64(source.fast)/float64(source.all),
		100*float64(got.totals.Late)/float64(valid), revenue, gold, 100*float64(revenue)/float64(gold))
	if gold <= 0 || revenue > gold || float64(revenue) < 0.99*float64(gold) {
		t.Errorf("live revenue %s, gold's %s: want at least 99 %% of it", revenue, gold)
	}

	again := fastClockOptions(cluster, topic, t.TempDir())
	run(t, again)
	same(t, got, read(t, again.Lake))
}

func fastClockOptions(cluster kafkaio.Cluster, topic, dir string) StreamingOptions {
	o := options(cluster, dir)
	o.Source.Topic, o.Source.ID, o.Source.BaseWindow = topic, uuid.NewString(), 10*time.Second
	o.Source.IdleAfter = time.Hour // a pause of a busy machine is not the shop's
	o.MaxDeadShare, o.MaxLateShare = 1, 1
	return o
}

// stampedBy gives a new topic of four partitions whose records are stamped by whom
// the test wants: in the brokers that SHOPSTREAM_TEST_BROKERS names, else in one of
// its own.
func stampedBy(t *testing.T, stamps kafkaio.Stamps) (c kafkaio.Cluster, name string) {
	t.Helper()
	name = "fast-clocks-" + uuid.NewString()
	if brokers := os.Getenv("SHOPSTREAM_TEST_BROKERS"); brokers != "" {
		c.Brokers = strings.Split(brokers, ",")
	} else if stamps == kafkaio.LogAppendTime {
		c = startBroker(t, 4) // it stamps
	} else {
		k, err := kfake.NewCluster(kfake.NumBrokers(1)) // it leaves the producers' stamps
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		c.Brokers = k.ListenAddrs()
	}
	cfg, err := c.SaramaConfig()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdmin(c.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	setting := string(stamps)
	if err := admin.CreateTopic(name, &sarama.TopicDetail{
		NumPartitions: 4, ReplicationFactor: 1, ConfigEntries: map[string]*string{"message.timestamp.type": &setting},
	}, false); err != nil {
		t.Fatal(err)
	}
	// A leader for each partition may take a moment; a producer waits for them, too.
	if n, err := kafkaio.EnsureTopic(t.Context(), c, name, 4); err != nil || n != 4 {
		t.Fatalf("%d partitions, %v", n, err)
	}
	if s, err := kafkaio.AskStamps(c, name); err != nil || s != stamps {
		t.Fatalf("the topic is %s, %v", s, err)
	}
	return c, name
}

// busyShop is a simulated shop from the moment on when many sessions have come to
// their orders.
type busyShop struct {
	*producer.Simulator
	from      int64 // ms
	all, fast int
}

const warmUp = 2 * time.Minute

func newBusyShop(t *testing.T, o producer.SimulateOptions) *busyShop {
	t.Helper()
	sim, err := producer.NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	return &busyShop{Simulator: sim, from: o.Start.Add(warmUp).UnixMilli()}
}

func (s *busyShop) Next() (producer.Record, bool) {
	for {
		rec, ok := s.Simulator.Next()
		if ok && rec.At < s.from {
			continue
		}
		if s.all++; rec.Ahead > 0 {
			s.fast++
		}
		return rec, ok
	}
}

// liveRevenue is the shop's revenue in all five-minute windows of the live metrics.
func liveRevenue(t *testing.T, uri string) (sum shop.Money) {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range ledger.VisibleMetrics() {
		for _, f := range row.Files {
			if key, err := lake.ParseName(f.Name); err != nil || key.Kind != "5m" {
				continue
			}
			rows, err := lake.ReadAll[lake.MetricRow](t.Context(), st, f.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r.Level == lake.LevelShop && r.Revenue != nil {
					sum += *r.Revenue
				}
			}
		}
	}
	return sum
}

// goldRevenue makes gold of a lake, and sums the revenue of its days.
func goldRevenue(t *testing.T, uri string) (sum shop.Money) {
	t.Helper()
	view := NewGoldView(io.Discard, false)
	defer view.Stop()
	report, err := GoldOptions{Lake: uri, TimeZone: "UTC", IncludeOpen: true}.RunGold(t.Context(), Direct, view)
	if err != nil || len(report.Failed) > 0 {
		t.Fatalf("gold: %s, %v", report.brief(), err)
	}
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	for date := range published(t, st) {
		rows, err := lake.ReadAll[lake.DailySalesRow](t.Context(), st, lake.GoldName("daily_sales", date))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			sum += r.Revenue
		}
	}
	return sum
}
