package pipelines

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
	"example.com/shopstream/producer"
	"example.com/shopstream/transforms/sales"
)

// campaignLake makes a lake that has something of everything: a shop with every kind
// of trouble over the end of a day, gold with a history and a catalogue that it keeps,
// a compacted date, two versions of a model, predictions.
func campaignLake(t testing.TB, dir string) kafkaio.Cluster {
	t.Helper()
	cluster := startBroker(t, 2)
	sim, err := producer.NewSimulator(producer.SimulateOptions{
		Seed: 11, Start: time.Date(2026, 3, 1, 22, 30, 0, 0, time.UTC), Partitions: 2, Density: 40, Flat: true, Count: 12_000,
		Duplicates: 0.05, Invalid: 0.05, Late: 0.01, OutOfOrder: 0.3, MaxDelay: 25 * time.Second,
		Foreign: 0.2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	run(t, campaignOptions(cluster, dir))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const days = 42
	first := civil.Date{Year: 2026, Month: 3, Day: 1}.AddDays(-days)
	var history []lake.DailySalesRow
	for day := range days {
		for product := range 3 {
			units := int64(20 + day%7 + 3*product + day%2) // steady: a rule of volume looks at it
			price := shop.Money(2_500_000)
			revenue := price * shop.Money(units)
			history = append(history, lake.DailySalesRow{
				Date: sales.DayOf(first.AddDays(day)), ProductID: fmt.Sprintf("p%d", product), Category: "toys", Currency: "EUR",
				OrderLines: units, Units: units, Revenue: revenue, NetRevenue: revenue, AveragePrice: &price, Complete: true, Source: "history",
			})
		}
	}
	o := campaignGold(dir)
	o.History = history
	o.Catalogue = map[string]sales.CatalogueProduct{"p0": {Name: "a bear", Category: "toys"}}
	report, err := o.RunGold(t.Context(), Direct, NewGoldView(io.Discard, false))
	must(err)
	if len(report.Failed) > 0 {
		t.Fatalf("a rule stopped a day: %v", report.Failed)
	}
	st := mustStore(t, dir)
	ledger, err := lake.ReadLedger(t.Context(), st)
	must(err)
	_, err = lake.Compact(t.Context(), st, ledger, civil.Date{Year: 2026, Month: 3, Day: 1})
	must(err)
	for seed := range uint64(2) {
		must(campaignTrain(t.Context(), st, seed, demand.Always))
	}
	_, err = demand.Predict(t.Context(), demand.PredictOptions{Store: st, Horizon: 7})
	must(err)
	return cluster
}

func campaignOptions(cluster kafkaio.Cluster, dir string) StreamingOptions {
	o := options(cluster, dir)
	o.Source.BaseWindow = time.Minute
	o.Source.BundleRecords = 200 // windows get final before the end
	return o
}

func campaignGold(dir string) GoldOptions { return GoldOptions{Lake: dir, TimeZone: "UTC"} }

func campaignTrain(ctx context.Context, st lake.Store, seed uint64, promote demand.Promotion) error {
	r := forecast.Recipe()
	size := forecast.TreeSize{Leaves: 4, Trees: 5, Rate: 0.2, ColumnShare: 0.5}
	r.Small, r.Big, r.Seed, r.Horizon = size, size, seed, 7
	_, err := demand.Train(ctx, demand.TrainOptions{Store: st, Recipe: r, Count: 1, Promote: promote, Now: time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)})
	return err
}

// verified is what verify says of a lake.
func verified(ctx context.Context, dir string) (found []lake.Finding, err error) {
	st, err := lake.OpenStore(ctx, dir)
	if f, ok := lake.FindingOf(err); ok {
		return []lake.Finding{f}, nil
	}
	if err != nil {
		return nil, err
	}
	tell := func(f lake.Finding) { found = append(found, f) }
	if _, err := lake.Verify(ctx, st, lake.VerifyOptions{Found: tell}); err != nil && len(found) == 0 {
		return nil, err
	}
	_, err = registry.Open(lake.Root(st)).Check(ctx, tell)
	return found, err
}

// objectsOf are the objects of a lake in a folder.
func objectsOf(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err == nil && !e.IsDir() && filepath.Base(name)[0] != '.' {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

var (
	kindOfModel = regexp.MustCompile(`[0-9]{8}T[0-9]{6}(\.[0-9]+)?Z-[0-9a-f]{8}/`)
	kindOfName  = regexp.MustCompile(`(date|hour|category)[=-][^/]*/?|[0-9a-f]{16}|[0-9]{8}T[0-9]{6}Z|[0-9]+`)
)

// kindOf is what names of the same kind have in common.
func kindOf(name string) string {
	return kindOfName.ReplaceAllString(kindOfModel.ReplaceAllString(name, "VERSION/"), "#")
}

// linkLake is a copy of a lake in a folder that shares the files' content: all that
// writes lakes replaces files whole.
func linkLake(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o750)
		case filepath.Base(name)[0] == '.': // locks
			return nil
		}
		return os.Link(path, filepath.Join(to, name))
	})
}
