package producer

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/shop"
)

// shopLines are n lines of own events, in the order of the simulated shop, with
// broken and empty ones among them.
func shopLines(t testing.TB, n int) []string {
	t.Helper()
	sim, err := NewSimulator(SimulateOptions{Seed: 3, Start: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Density: 0.1, Invalid: 0.05, Duplicates: 0.05})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for len(lines) < n {
		r, ok := sim.Next()
		if !ok {
			t.Fatal(sim.Err())
		}
		if text := string(r.Value); strings.TrimSpace(text) != "" && !strings.Contains(text, "\n") {
			lines = append(lines, text)
		}
	}
	return lines
}

// inspect reads a file that must be fine.
func inspect(t testing.TB, path string, o InspectOptions) *File {
	t.Helper()
	f, err := Inspect(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func replay(t testing.TB, f *File, o ReplayOptions) []Record {
	t.Helper()
	src, err := f.Replay(o)
	if err != nil {
		t.Fatal(err)
	}
	if src.Total() != f.Records {
		t.Errorf("the source has %d records, the file %d", src.Total(), f.Records)
	}
	return all(t, src)
}

func valuesOf(records []Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}

// TestReplayIsOrdered: lines in any order, of any file, come in that of (event
// time, place in the file); those without a time stay behind the one before
// them. A file that is in order as far as the bound goes comes as it is.
func TestReplayIsOrdered(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	lines := shopLines(t, 400)
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	shuffled := slices.Clone(lines)
	rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	swapped := slices.Clone(lines) // by less than the bound
	for i := 1; i < len(swapped); i += 7 {
		swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
	}
	for name, in := range map[string]struct {
		lines  []string
		bound  time.Duration
		sorted bool
	}{
		"in order":     {lines: lines},
		"newest first": {lines: reversed, sorted: true},
		"shuffled":     {lines: shuffled, sorted: true},
		"swapped":      {lines: swapped, bound: 10 * time.Minute},
		"swapped far":  {lines: swapped, bound: time.Millisecond, sorted: true},
	} {
		for _, file := range []string{"e.jsonl", "e.jsonl.gz"} {
			for _, text := range []string{
				strings.Join(in.lines, "\n") + "\n",
				strings.Join(in.lines, "\r\n\r\n"), // no end of the last line
				"\uFEFF" + strings.Join(in.lines, "\n\n\n"),
			} {
				t.Run(name+" "+file, func(t *testing.T) {
					f := inspect(t, writeFile(t, file, text), InspectOptions{Format: Events, Bound: in.bound})
					if f.Sorted() != in.sorted {
						t.Errorf("sorted: %v, up to %s behind", f.Sorted(), f.Behind)
					}
					want := in.lines
					if in.sorted {
						want = byTime(in.lines)
					}
					if diff := gocmp.Diff(want, valuesOf(replay(t, f, ReplayOptions{Partitions: 3}))); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

// byTime sorts lines the plain way.
func byTime(lines []string) []string {
	type timed struct {
		at   int64
		text string
	}
	var rows []timed
	last := int64(0)
	for _, l := range lines {
		if ms, ok := shop.EventTime([]byte(l), anyTime, lenient); ok {
			last = ms
		}
		rows = append(rows, timed{last, l})
	}
	slices.SortStableFunc(rows, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	var out []string
	for _, r := range rows {
		out = append(out, r.text)
	}
	return out
}

// retailLines are lines of Online Retail in order of time, every fifth twice;
// descriptions have commas, quotes and line ends.
func retailLines(n int) []string {
	var lines []string
	for i := 0; len(lines) < n; i++ {
		at := time.Date(2011, 1, 1+i/40, 9, i/8%40, 0, 0, time.UTC).Format(time.DateTime)
		line := fmt.Sprintf("5%05d,S%d,\"MUG, \"\"%d\"\"\nBLUE\",%d,%s,%d.5,%d,United Kingdom\n", i/8, i%9, i%9, 1+i%4, at, 1+i%5, 12000+i/8)
		lines = append(lines, line)
		if i%5 == 0 {
			lines = append(lines, line)
		}
	}
	return lines[:n]
}

func idsOf(t testing.TB, records []Record) []string { return eventIDs(t, valuesOf(records)) }

func eventIDs(t testing.TB, values []string) (out []string) {
	t.Helper()
	for _, v := range values {
		out = append(out, decode(t, []byte(v)).ID)
	}
	return out
}

// TestRetailOrderDoesNotMatter: the same lines in any order are the same events,
// in order of time.
func TestRetailOrderDoesNotMatter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	lines := retailLines(300)
	want := idsOf(t, replay(t, inspect(t, writeFile(t, "a.csv", retailHead+strings.Join(lines, "")), InspectOptions{}), ReplayOptions{Partitions: 1}))
	for range 5 {
		rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		records := replay(t, inspect(t, writeFile(t, "a.csv.gz", retailHead+strings.Join(lines, "")), InspectOptions{}), ReplayOptions{Partitions: 1})
		if !slices.IsSortedFunc(records, func(a, b Record) int { return cmp.Compare(a.EventTime, b.EventTime) }) {
			t.Error("not in order of time")
		}
		if diff := gocmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(idsOf(t, records)))); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(want)))); n != len(lines) {
		t.Errorf("%d ids of %d lines: the same line twice is two events", n, len(lines))
	}
}

// TestOverlappingExports: what two exports share has the same ids in both, the
// rest has others, wherever it stands.
func TestOverlappingExports(t *testing.T) {
	lines := retailLines(300)
	ids := func(lines []string) []string {
		return idsOf(t, replay(t, inspect(t, writeFile(t, "a.csv", retailHead+strings.Join(lines, "")), InspectOptions{}), ReplayOptions{Partitions: 1}))
	}
	first, second := ids(lines[:200]), ids(lines[100:])
	if diff := gocmp.Diff(first[100:], second[:100]); diff != "" {
		t.Errorf("ids of the same lines (-first +second):\n%s", diff)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(slices.Concat(first, second))))); n != len(lines) {
		t.Errorf("%d ids of %d lines in all", n, len(lines))
	}
}

// TestGrownFile: a file that begins with one that was replayed is replayed from
// where that ended, and both together are what one replay of it gives.
func TestGrownFile(t *testing.T) {
	otto := make([]string, 40)
	for i := range otto {
		otto[i] = fmt.Sprintf(`{"session":%d,"events":[{"aid":%d,"ts":%d,"type":"clicks"},{"aid":5,"ts":%d,"type":"orders"}]}`+"\n", i, i%7, 1e12+i*1000, 2e12-i)
	}
	own := shopLines(t, 300)
	for i := range own {
		own[i] += "\n"
	}
	for name, file := range map[string]struct {
		head  string
		lines []string
	}{"own": {"", own}, "retail": {retailHead, retailLines(300)}, "otto": {"", otto}} {
		for _, order := range []string{"in order", "newest first"} {
			t.Run(name+" "+order, func(t *testing.T) {
				lines := slices.Clone(file.lines)
				if order == "newest first" {
					slices.Reverse(lines)
				}
				text := func(n int) string { return file.head + strings.Join(lines[:n], "") }
				n := len(lines)
				whole := inspect(t, writeFile(t, "f", text(n)), InspectOptions{})
				want := valuesOf(replay(t, whole, ReplayOptions{Partitions: 4}))
				for _, cuts := range [][]int{{1, n}, {n / 3, n / 2, n}, {n - 1, n}, {n / 2, n / 2, n}} {
					var known []Prefix
					var got []string
					for i, cut := range cuts {
						f := inspect(t, writeFile(t, "f", text(cut)), InspectOptions{Known: known})
						if i > 0 && f.From != known[len(known)-1].Bytes {
							t.Fatalf("%d lines: goes on at %d, want %d", cut, f.From, known[len(known)-1].Bytes)
						}
						if again := i > 0 && cut == cuts[i-1]; f.Nothing() != again || again != (f.Records == 0) {
							t.Errorf("%d lines: nothing to replay: %v, %d records", cut, f.Nothing(), f.Records)
						}
						if f.Before != int64(len(got)) {
							t.Errorf("%d lines: %d records before, want %d", cut, f.Before, len(got))
						}
						got = append(got, valuesOf(replay(t, f, ReplayOptions{Partitions: 4}))...)
						known = append(known, f.Content)
					}
					a, b := want, got
					if order == "newest first" || name == "otto" { // each part is sorted by itself
						if name == "retail" { // and lines of an invoice that is cut get other numbers in it
							a, b = eventIDs(t, a), eventIDs(t, b)
						}
						a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
					}
					if diff := gocmp.Diff(a, b); diff != "" {
						t.Errorf("cut at %v (-one replay +parts):\n%s", cuts, diff)
					}
				}
				part := inspect(t, writeFile(t, "f", text(n)), InspectOptions{End: int64(len(text(n / 2)))})
				if diff := gocmp.Diff(valuesOf(replay(t, inspect(t, writeFile(t, "f", text(n/2)), InspectOptions{}), ReplayOptions{Partitions: 4})),
					valuesOf(replay(t, part, ReplayOptions{Partitions: 4}))); diff != "" {
					t.Errorf("read up to the middle (-file that ends there +file read so far):\n%s", diff)
				}
			})
		}
	}
}

// TestKnownPrefixes: only whole lines of the same content count.
func TestKnownPrefixes(t *testing.T) {
	contentOf := func(text string) Prefix {
		return inspect(t, writeFile(t, "f", text), InspectOptions{Format: Events}).Content
	}
	one, two, cut, other := contentOf("{\"a\":1}\n"), contentOf("{\"a\":1}\n{\"b\":1}\n"), contentOf("{\"a\":1}\n{\"b\""), contentOf("{\"c\":1}\n")
	for _, tc := range []struct {
		name, text string
		known      []Prefix
		from       int64
	}{
		{"the longest", "{\"a\":1}\n{\"b\":1}\n{}\n", []Prefix{one, two, other}, two.Bytes},
		{"any order", "{\"a\":1}\n{\"b\":1}\n{}\n", []Prefix{two, one}, two.Bytes},
		{"other content", "{\"a\":1}\n{\"b\":1}\n{}\n", []Prefix{other}, 0},
		{"a line that went on", "{\"a\":1}\n{\"b\":1}\n", []Prefix{cut}, 0},
		{"all of it, whose last line has no end", "{\"a\":1}\n{\"b\"", []Prefix{one, cut}, cut.Bytes},
		{"a shorter file", "{\"a\":1}\n", []Prefix{two}, 0},
	} {
		f := inspect(t, writeFile(t, "f", tc.text), InspectOptions{Format: Events, Known: tc.known})
		if f.From != tc.from {
			t.Errorf("%s: replayed from %d, want %d", tc.name, f.From, tc.from)
		}
	}
}

// TestInspectIsInterrupted: a large file does not hold a program.
func TestInspectIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := writeFile(t, "e.jsonl", strings.Repeat("{}\n", 10_000))
	if f, err := Inspect(ctx, path, InspectOptions{}); err == nil {
		t.Errorf("read %d records after it was told to end", f.Records)
	}
}

// BenchmarkInspect is what knowing a file costs that is in order.
func BenchmarkInspect(b *testing.B) {
	text := []byte(strings.Join(shopLines(b, 5000), "\n"))
	text = bytes.Repeat(append(text, '\n'), 20)
	path := writeFile(b, "e.jsonl", string(text))
	b.ResetTimer()
	for b.Loop() {
		f, err := Inspect(b.Context(), path, InspectOptions{Bound: 1e6 * time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(f.Records), "ns/record")
	}
}
