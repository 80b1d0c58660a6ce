package lake

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// TestPlanParts lays out windows of any size: each file once, in the order of
// windows, and no part larger than it must be.
func TestPlanParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var rows []Row
		want := map[string]bool{}
		for i := range rapid.IntRange(1, 24).Draw(rt, "windows") {
			r := Row{Window: noon + int64(i)*hour}
			for _, category := range []string{"a", "b"} {
				for shard := range rapid.IntRange(0, 2).Draw(rt, "shards") {
					f := File{Lane: Silver, Name: SilverName(r.Window, category, shard), Rows: rapid.Int64Range(1, 700_000).Draw(rt, "rows"), Bytes: rapid.Int64Range(1, 80<<20).Draw(rt, "bytes")}
					r.Files = append(r.Files, f)
					want[f.Name] = true
				}
			}
			rows = append(rows, r)
		}
		got := map[string]bool{}
		last := map[string]int64{}
		number := map[string]int{}
		for _, p := range planParts(rows, nil) {
			if p.number != number[p.category] || len(p.sources) == 0 {
				rt.Fatalf("part %+v", p)
			}
			number[p.category]++
			var n, bytes int64
			for _, s := range p.sources {
				if s.from <= last[p.category] || s.from != s.to {
					rt.Fatalf("source %+v after window %d", s, last[p.category])
				}
				last[p.category] = s.to
				n += s.rows()
				bytes += s.bytes()
				for _, f := range s.files {
					if c, _ := silverCategory(f.Name); c != p.category || got[f.Name] {
						rt.Fatalf("file %s in %s", f.Name, p.category)
					}
					got[f.Name] = true
				}
			}
			if len(p.sources) > 1 && (n > maxCompactedRows || bytes > maxCompactedBytes) {
				rt.Fatalf("part of %d rows, %d bytes", n, bytes)
			}
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("%d files, want %d", len(got), len(want))
		}
	})
}

func TestSilverNames(t *testing.T) {
	name := compactedName("2026-03-01", "home & garden", 1, 2)
	if want := "silver/date=2026-03-01/category-home%20%26%20garden/compacted-1-2.parquet"; name != want {
		t.Errorf("%s, want %s", name, want)
	}
	for _, c := range []string{name, SilverName(noon, "home & garden", 3)} {
		if category, ok := silverCategory(c); category != "home & garden" || !ok {
			t.Errorf("%s: category %q, %t", c, category, ok)
		}
	}
	if !isCompacted(name) || isCompacted(SilverName(noon, compactedPrefix, 0)) {
		t.Error("compacted files are not told from others")
	}
	if _, err := windowOf(name); err == nil {
		t.Error("a compacted file has a window")
	}
	day := noon*1000 - 12*hour*1000
	for _, c := range []struct {
		name     string
		from, to int64
		ok       bool
	}{
		{name, day, day + 25*hour*1000, true},
		{SilverName(noon, "toys", 0), noon * 1000, (noon + hour) * 1000, true},
		{LaneName(Late, noon, 0)[:10], 0, 0, false},
		{"silver/date=yesterday/category-toys/compacted-0-0.parquet", 0, 0, false},
	} {
		if from, to, ok := silverSpan(c.name, hour); from != c.from || to != c.to || ok != c.ok {
			t.Errorf("%s: %d to %d, %t, want %d to %d", c.name, from, to, ok, c.from, c.to)
		}
	}
}
