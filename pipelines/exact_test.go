package pipelines

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// TestSimulatedShopIsExact runs a simulated shop with every kind of trouble
// through the pipeline, and compares the lake, row for row, with the
// simulator's own ledger and with the reference; then again, and with other
// batches and shards. SHOPSTREAM_EVENTS sets how many events (200,000).
func TestSimulatedShopIsExact(t *testing.T) {
	count := setting(t, "SHOPSTREAM_EVENTS", 200_000)
	cluster := startBroker(t, 4)
	sim, err := producer.NewSimulator(producer.SimulateOptions{
		Seed: 7, Start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Partitions: 4, Density: 200, Flat: true, Count: count,
		Duplicates: 0.02, Invalid: 0.01, Late: 0.001, OutOfOrder: 0.2, MaxDelay: 25 * time.Second,
		SkewPartition: 3, Skew: 720 * time.Hour, Foreign: 0.1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Deliver(context.Background(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	truth := sim.Truth()

	o := options(cluster, t.TempDir())
	run(t, o)
	got := read(t, o.Lake)

	if err := got.totals.Check(); err != nil {
		t.Error(err)
	}
	if got.totals.Read != count || got.totals.Silver != truth.Silver || got.totals.Duplicates != truth.Duplicates || got.totals.Late != truth.Late {
		t.Errorf("totals %+v, the simulator's ledger: silver %d, duplicates %d, late %d", got.totals, truth.Silver, truth.Duplicates, truth.Late)
	}
	for reason, n := range truth.Dead {
		if got.totals.Dead[string(reason)] != n {
			t.Errorf("dead letters %s: %d, the simulator's ledger says %d", reason, got.totals.Dead[string(reason)], n)
		}
	}
	if len(got.totals.Dead) != len(truth.Dead) {
		t.Errorf("dead letters %v, the simulator's ledger %v", got.totals.Dead, truth.Dead)
	}

	deadRows := deadLetters(t, o.Lake)
	ref := refer(t, cluster, o.Source.BaseWindow, o.Source.OutOfOrderness, func(m *sarama.ConsumerMessage) (lake.DeadRow, bool) {
		row, ok := deadRows[place{m.Partition, m.Offset}]
		row.BronzeRow = bronzeRow(m) // the bytes of the topic, not those of the lake
		return row, ok
	})
	same(t, ref.want, got)
	checkCells(t, truth, ref)

	t.Run("again", func(t *testing.T) {
		o := options(cluster, t.TempDir())
		run(t, o)
		same(t, got, read(t, o.Lake))
	})
	t.Run("other batches and shards", func(t *testing.T) {
		o := options(cluster, t.TempDir())
		o.Source.BundleRecords, o.Source.Bundle, o.Source.FetchBytes, o.Shards = 3000, 40*time.Millisecond, 100_000, 3
		run(t, o)
		same(t, got, read(t, o.Lake))
	})
}

// deadLetters reads the dead letters of a lake.
func deadLetters(t testing.TB, uri string) map[place]lake.DeadRow {
	t.Helper()
	ctx := context.Background()
	st, err := lake.OpenStore(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	out := map[place]lake.DeadRow{}
	for _, r := range ledger.Visible() {
		for _, f := range r.Files {
			if f.Lane != lake.Dead {
				continue
			}
			rows, err := lake.ReadAll[lake.DeadRow](ctx, st, f.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				out[place{row.KafkaPartition, row.KafkaOffset}] = row
			}
		}
	}
	return out
}

// checkCells compares the reference with the sums that the simulator kept
// while it made the events.
func checkCells(t testing.TB, truth producer.Truth, ref *reference) {
	t.Helper()
	if len(truth.Cells) != len(ref.cells) {
		t.Errorf("the simulator's ledger has %d cells, the reference %d", len(truth.Cells), len(ref.cells))
	}
	for _, c := range truth.Cells {
		r := ref.cells[cell{c.Window.Unix(), c.Product, c.Category, c.Currency}]
		if r == nil {
			t.Errorf("the reference lacks %+v", c.Cell)
			continue
		}
		if c.OrderLines != r.lines || c.Units != r.units || int64(c.Revenue) != micros(&r.revenue) ||
			c.CancelledLines != r.cancelledLines || c.CancelledUnits != r.cancelledUnits || int64(c.CancelledRevenue) != micros(&r.cancelled) ||
			c.Views != r.views || c.Carts != r.carts {
			t.Errorf("%+v: the simulator's ledger %+v, the reference %+v", c.Cell, c.Sums, r)
		}
	}
}
