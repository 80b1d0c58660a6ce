package lake

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 10, 15, 0, 0, time.UTC).UnixMilli()
	for want, key := range map[string]Key{
		"bronze/date=2026-03-01/hour=10/3-20260301T101500Z.parquet":                       {Lane: Bronze, WindowStart: start, Partition: 3},
		"late/date=2026-03-01/hour=10/0-20260301T101500.250Z.parquet":                     {Lane: Late, WindowStart: start + 250},
		"dead_letters/date=2026-03-01/hour=09/12-20260301T095959.999Z.parquet":            {Lane: Dead, WindowStart: start - 900_001, Partition: 12},
		"dead_letters/date=1970-01-01/hour=00/12-19700101T000000Z.parquet":                {Lane: Dead, Partition: 12},
		"bronze/date=1969-12-31/hour=23/0-19691231T235959.999Z.parquet":                   {Lane: Bronze, WindowStart: -1},
		"silver/date=2026-03-01/category-toys/20260301T101500Z-0.parquet":                 {Lane: Silver, WindowStart: start, Category: "toys"},
		"silver/date=2026-03-01/category-home%20%26%20garden/20260301T101500Z-15.parquet": {Lane: Silver, WindowStart: start, Category: "home & garden", Shard: 15},
		"silver/date=2026-03-01/category-%C3%BC%2F%25~_-./20260301T101500Z-0.parquet":     {Lane: Silver, WindowStart: start, Category: "ü/%~_-."},
		"silver/date=2026-03-01/category-%6Eull/20260301T101500Z-0.parquet":               {Lane: Silver, WindowStart: start, Category: "null"},
		"silver/date=2026-03-01/category-../20260301T101500Z-0.parquet":                   {Lane: Silver, WindowStart: start, Category: ".."},
		"silver/date=2026-03-01/category-/20260301T101500Z-0.parquet":                     {Lane: Silver, WindowStart: start},
		"silver/date=2026-03-01/category=toys/20260301T101500Z-0.parquet":                 {Lane: Silver, WindowStart: start, Category: "toys", Old: true},
		"silver/date=2026-03-01/category=/20260301T101500Z-0.parquet":                     {Lane: Silver, WindowStart: start, Old: true},
		"metrics/window=5m/date=2026-03-01/20260301T101500Z.parquet":                      {Kind: "5m", WindowStart: start},
		"metrics/window=sliding-1h/date=2026-03-01/20260301T101500Z.parquet":              {Kind: "sliding-1h", WindowStart: start},
	} {
		if got := key.Name(); got != want {
			t.Errorf("%+v.Name() = %q, want %q", key, got, want)
		}
		if got, err := ParseName(want); err != nil || got != key {
			t.Errorf("ParseName(%q) = %+v, %v, want %+v", want, got, err, key)
		}
		if err := checkName(want); err != nil {
			t.Errorf("a store would refuse %q: %v", want, err)
		}
		if got, err := windowOf(want); err != nil || got != key.WindowStart {
			t.Errorf("windowOf(%q) = %d, %v, want %d", want, got, err, key.WindowStart)
		}
	}
	if got, err := windowOf(windowName("ledger/rows", start, ".json")); err != nil || got != start {
		t.Errorf("windowOf a ledger's row = %d, %v, want %d", got, err, start)
	}
}

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"",
		"lake.json",
		"ledger/rows/date=2026-03-01/20260301T101500Z.json",
		"bronze/date=2026-03-01/hour=10/3-20260301T101500Z",
		"bronze/date=2026-03-01/hour=11/3-20260301T101500Z.parquet",    // another hour
		"bronze/date=2026-03-02/hour=10/3-20260301T101500Z.parquet",    // another date
		"bronze/date=2026-03-01/hour=10/03-20260301T101500Z.parquet",   // another spelling
		"bronze/date=2026-03-01/hour=10/3-20260301T101500.0Z.parquet",  // another spelling
		"bronze/date=2026-03-01/hour=10/3-20260301T101500.25Z.parquet", // a part of the milliseconds
		"bronze/date=2026-03-01/hour=10/-1-20260301T101500Z.parquet",
		"bronze/date=2026-03-01/hour=10/3-20260231T101500Z.parquet",
		"silver/date=2026-03-01/category-t%6Fys/20260301T101500Z-0.parquet", // another spelling
		"silver/date=2026-03-01/category-home%2fgarden/20260301T101500Z-0.parquet",
		"silver/date=2026-03-01/category-toys%/20260301T101500Z-0.parquet",
		"silver/date=2026-03-01/category-toys/20260301T101500Z.parquet",
		"silver/date=2026-03-01/toys/20260301T101500Z-0.parquet",
		"silver/date=2026-03-01/category-toys/20260301T101500Z--1.parquet",
		"gold/date=2026-03-01/category=toys/20260301T101500Z-0.parquet",
		"metrics/window=/date=2026-03-01/20260301T101500Z.parquet",
	} {
		if k, err := ParseName(name); err == nil {
			t.Errorf("ParseName(%q) = %+v, want an error", name, k)
		}
	}
	if ms, err := windowOf("silver/README.md"); err == nil {
		t.Errorf("windowOf a file without a window = %d, want an error", ms)
	}
}

// anyKey draws the key of a data file.
func anyKey(t *rapid.T) Key {
	ms := func(d time.Time) int64 { return d.UnixMilli() }
	k := Key{
		Lane:        rapid.SampledFrom([]Lane{Bronze, Silver, Late, Dead, ""}).Draw(t, "lane"),
		WindowStart: rapid.Int64Range(ms(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)), ms(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))).Draw(t, "window"),
	}
	if rapid.Bool().Draw(t, "whole seconds") {
		k.WindowStart -= k.WindowStart % 1000
	}
	switch k.Lane {
	case "":
		k.Kind = rapid.SampledFrom([]string{"5m", "1h", "sliding-1h"}).Draw(t, "kind")
	case Silver:
		k.Category = rapid.String().Draw(t, "category")
		k.Shard = rapid.IntRange(0, 1000).Draw(t, "shard")
		k.Old = rapid.Bool().Draw(t, "old")
	default:
		k.Partition = rapid.Int32Range(0, 1<<31-1).Draw(t, "partition")
	}
	return k
}

func TestNamesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := anyKey(t)
		name := k.Name()
		if got, err := ParseName(name); err != nil || got != k {
			t.Fatalf("ParseName(%q) = %+v, %v, want %+v", name, got, err, k)
		}
		if err := checkName(name); err != nil {
			t.Fatalf("a store would refuse %q: %v", name, err)
		}
	})
}

func TestCategoryFitsAFolder(t *testing.T) {
	t.Parallel()
	name := SilverName(0, strings.Repeat("/", MaxCategory), 0)
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 255 {
			t.Errorf("a category of MaxCategory bytes makes a folder name of %d bytes, disks allow 255", len(part))
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(LaneName(Bronze, 0, 3))
	f.Add(SilverName(1_772_359_200_250, "home & garden", 1))
	f.Add(MetricsName("5m", 0))
	f.Fuzz(func(t *testing.T, name string) {
		k, err := ParseName(name)
		if err == nil && k.Name() != name {
			t.Errorf("ParseName(%q) = %+v, whose name is %q", name, k, k.Name())
		}
	})
}
