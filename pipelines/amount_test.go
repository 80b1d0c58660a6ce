package pipelines

import (
	"slices"
	"strings"
	"testing"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/producer"
)

// TestMaxAmountOfALake holds order lines to the limit that the lake was made with:
// what is above is a dead letter, in the run that made it, in the one that goes
// on, and in a rebuild, none of which takes another limit.
func TestMaxAmountOfALake(t *testing.T) {
	const limit = 40 // units of each currency: there are amounts on both sides
	cluster := startBroker(t, 4)
	src := simulate(t, producer.SimulateOptions{Seed: 31, Density: 50, Count: 6_000})
	deliver(t, cluster, src, 3_000)
	o := options(cluster, t.TempDir())
	o.MaxAmount = limit
	run(t, o)

	other := o
	other.MaxAmount = 0
	if err := other.For(Prism); err != nil {
		t.Fatal(err)
	}
	if err := other.Resume(t.Context()); err == nil || !strings.Contains(err.Error(), "max_amount is 40, asked for 1000000000000") {
		t.Errorf("no limit on a lake that has one: %v", err)
	}

	deliver(t, cluster, src, 0)
	totals := run(t, o)
	want := totals.Dead[string(shop.AmountTooLarge)]
	if want == 0 || totals.Silver == 0 {
		t.Fatalf("%+v: want lines on both sides of the limit", totals)
	}
	check := func(what string) {
		t.Helper()
		orders := 0
		events := laneRows[lake.SilverRow](t, o.Lake, lake.Silver)
		for _, r := range laneRows[lake.LateRow](t, o.Lake, lake.Late) {
			events = append(events, r.SilverRow)
		}
		for _, r := range events {
			if r.OrderID == "" {
				continue
			}
			orders++
			if amount, ok := r.UnitPrice.Mul(r.Quantity); !ok || amount > shop.Units(limit) {
				t.Errorf("%s: there is a line of %v × %d", what, r.UnitPrice, r.Quantity)
			}
		}
		if orders == 0 {
			t.Errorf("%s: no order line is left", what)
		}
		parser := shop.NewParser(shop.DefaultLimits)
		for at, r := range deadLetters(t, o.Lake) {
			e, invalid := parser.Parse(r.Value, r.KafkaTimestamp/1000)
			if invalid != nil { // of another fault, which may come after the amount
				continue
			}
			if amount, ok := e.UnitPrice.Mul(e.Quantity); r.Reason != string(shop.AmountTooLarge) || !ok || amount <= shop.Units(limit) {
				t.Errorf("%s: %+v was refused for %s, %v × %d", what, at, r.Reason, e.UnitPrice, e.Quantity)
			}
		}
	}
	check("streaming")
	if got := rebuild(t, o, Prism).Totals; got.Dead[string(shop.AmountTooLarge)] != want || got.Silver != totals.Silver {
		t.Errorf("a rebuild has %+v, want %+v", got, totals)
	}
}

// A lake of a program that had no limit has none in lake.json, and goes on with
// the default; so does one that was made with the default.
func TestLakesWithoutMaxAmount(t *testing.T) {
	for units, want := range map[int64]int64{0: 0, config.Default().Stream.MaxAmount: 0, lake.NoMaxAmount - 1: lake.NoMaxAmount - 1, 1: 1} {
		cfg := config.Default()
		cfg.Stream.MaxAmount = units
		o := StreamingFrom(cfg)
		if got := o.Settings().MaxAmount; got != want {
			t.Errorf("max_amount %d: the lake keeps %d, want %d", units, got, want)
		}
	}
	st := mustStore(t, t.TempDir())
	o := StreamingFrom(config.Default())
	if err := lake.Init(t.Context(), st, o.Settings()); err != nil {
		t.Fatal(err)
	}
	if data, err := st.Get(t.Context(), "lake.json"); err != nil || slices.Contains(strings.Split(string(data), "\""), "max_amount") {
		t.Errorf("lake.json (%v) is not what older programs read: %s", err, data)
	}
}
