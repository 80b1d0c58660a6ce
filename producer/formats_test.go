package producer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/shop"
)

func TestOTTOCounts(t *testing.T) {
	path := dataFile(t, "otto_sessions.jsonl")
	recs := all(t, open(t, path, ReplayOptions{Partitions: 4}))
	got, want := map[string]int{}, ottoCounts(t, path)
	ids := map[string]bool{}
	parser := shop.NewParser(shop.DefaultLimits)
	var at int64
	for _, r := range recs {
		e, invalid := parser.Parse(r.Value, anyTime)
		if invalid != nil {
			t.Fatalf("%+v: %s", invalid, r.Value)
		}
		got[e.Type.String()]++
		ids[e.ID.String()] = true
		if string(r.Key) != e.SessionID || r.At < at {
			t.Fatalf("key %q at %d after %d: %s", r.Key, r.At, at, r.Value)
		}
		at = r.At
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(ids) != len(recs) {
		t.Errorf("%d ids for %d events", len(ids), len(recs))
	}
	t.Logf("%d events: %v", len(recs), got)
}

// ottoCounts counts the types by their text in the file.
func ottoCounts(t *testing.T, path string) map[string]int {
	t.Helper()
	out := map[string]int{}
	file, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := lineReader{path: path, file: file}
	for {
		line, err := lines.next()
		if err != nil {
			return out
		}
		for theirs, ours := range map[string]string{"clicks": "product_viewed", "carts": "add_to_cart", "orders": "order_created"} {
			out[ours] += strings.Count(string(line), `"type":"`+theirs+`"`)
		}
	}
}

func TestOTTOIsSortedByTimeAndGroupsOrders(t *testing.T) {
	text := `{"session":7,"events":[{"aid":1,"ts":1000,"type":"clicks"},{"aid":2,"ts":3000,"type":"orders"},{"aid":3,"ts":3000,"type":"orders"},{"aid":3,"ts":4000,"type":"orders"}]}
{"session":8,"events":[{"aid":1,"ts":2000,"type":"carts"}]}
`
	type row struct {
		Session, Product, Order string
		Line                    int64
	}
	var got []row
	for _, r := range all(t, open(t, writeFile(t, "o.jsonl", text), ReplayOptions{Partitions: 1})) {
		w := decode(t, r.Value)
		got = append(got, row{w.Session, w.Product, w.Order, w.Line})
	}
	want := []row{{"7", "1", "", 0}, {"8", "1", "", 0}, {"7", "2", "7-3000", 1}, {"7", "3", "7-3000", 2}, {"7", "3", "7-4000", 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOwnEventsPassAsTheyAre(t *testing.T) {
	lines := []string{
		` {"user_id":"u","event_time":"2026-03-01T00:00:00Z"}`,
		`{"session_id":"s"`,
		`{"session_id":"s","order_id":"o","quantity":"x"}`,
		`{"user_id":4,"order_id":"o"}`,
		`not json`,
		`{"user_id":"` + strings.Repeat("x", 600<<10) + `"}`,
	}
	text := lines[0] + "\r\n" + lines[1] + "\n\n" + strings.Join(lines[2:], "\n") // no end of the last line
	recs := all(t, open(t, writeFile(t, "e.jsonl.gz", text), ReplayOptions{Partitions: 5}))
	var got, keys []string
	for _, r := range recs {
		got = append(got, string(r.Value))
		keys = append(keys, string(r.Key[:min(4, len(r.Key))]))
		want := PartitionOf(r.Key, 5)
		if r.Key == nil {
			want = PartitionOf(r.Value, 5)
		}
		if r.Partition != want {
			t.Errorf("partition %d, want %d: %s", r.Partition, want, r.Value)
		}
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"u", "", "s", "o", "", "xxxx"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if recs[0].EventTime != 1772323200000 || recs[1].EventTime != 0 {
		t.Errorf("event times %d and %d", recs[0].EventTime, recs[1].EventTime)
	}
}

func TestFormatsAreRecognised(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       Format
	}{
		{"a.csv", retailHead, OnlineRetail},
		{"a.csv.gz", retailHead, OnlineRetail},
		{"bom.csv", "\uFEFF" + retailHead, OnlineRetail},
		{"a.jsonl", `{"session":1,"events":[]}` + "\n", OTTO},
		{"b.jsonl", `{"event_id":"x"}` + "\n", Events},
		{"long.jsonl.gz", `{"event_id":"` + strings.Repeat("x", 1<<20), Events},
	} {
		got, err := Recognise(writeFile(t, tc.name, tc.text))
		if err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestReplayMistakes(t *testing.T) {
	file := func(name, text string) string { return writeFile(t, name, text) }
	for _, tc := range []struct {
		name, path string
		opts       ReplayOptions
		want       string
	}{
		{name: "missing", path: "nowhere.csv", want: "no such file"},
		{name: "folder", path: t.TempDir(), want: "is a folder: expected a file"},
		{name: "empty", path: file("x", ""), want: `but ""`},
		{name: "unknown", path: file("x", "a;b;c\n"), want: `but "a;b;c": name the format (one of [online-retail otto events])`},
		{name: "no gzip", path: file("x", "\x1f\x8bnonsense"), want: "looks like gzip, but"},
		{name: "header", path: file("x.csv", "InvoiceNo,StockCode\n"), want: "is not Online Retail"},
		{name: "as retail", path: file("x", "{}\n"), opts: ReplayOptions{Format: OnlineRetail}, want: "is not Online Retail"},
		{name: "as otto", path: file("x", "{}\n"), opts: ReplayOptions{Format: OTTO}, want: `line 1: expected an OTTO session, found no "session"`},
		{name: "otto type", path: file("x", `{"session":1,"events":[{"aid":1,"ts":1,"type":"buys"}]}`), want: `event 0 has type "buys": expected clicks, carts or orders`},
		{name: "otto time", path: file("x", `{"session":1,"events":[{"aid":1,"type":"carts"}]}`), want: `line 1: event 0: expected "aid" and "ts"`},
		{name: "long line", path: file("x.jsonl", "{}\n"+strings.Repeat("x", 17<<20)), want: "line 2: longer than"},
		{name: "partitions", path: "x", opts: ReplayOptions{Partitions: -1}, want: "-1 partitions: expected at least 1"},
		{name: "format", path: "x", opts: ReplayOptions{Format: "xml"}, want: `unknown format "xml"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.opts.Partitions == 0 {
				tc.opts.Partitions = 1
			}
			_, err := Open(tc.path, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "expected auto or one of") {
		t.Errorf("got %v", err)
	}
}

// FuzzOpen feeds any file to every reader: an error or records, never a panic.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{
		retailHead + "1,A,x,2,2010-12-01 08:26:00,2.5,1.0,UK\n",
		`{"session":1,"events":[{"aid":1,"ts":1,"type":"carts"}]}`,
		"{\"event_id\":\"x\"}\nnot json\n\n", "\x1f\x8b", "\uFEFF{",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := writeFile(t, "x", text)
		for _, format := range append(Formats, "") {
			src, err := Open(path, ReplayOptions{Format: format, Partitions: 3})
			if err != nil {
				continue
			}
			n := 0
			for r, ok := src.Next(); ok; r, ok = src.Next() {
				if r.Partition < 0 || r.Partition > 2 {
					t.Fatalf("partition %d", r.Partition)
				}
				n++
			}
			if total := src.Total(); src.Err() == nil && total >= 0 && total != int64(n) {
				t.Fatalf("%d records, total says %d", n, total)
			}
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
