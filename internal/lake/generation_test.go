package lake

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
)

// TestGenerations makes the second and third generation of a lake.
func TestGenerations(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			first := open(t)
			uri := first.URI()
			if err := Init(ctx, first, Settings{Topic: "t"}); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"bronze/a", "gold/a", "ledger/gold/a", "models/a"} {
				if err := first.Put(ctx, name, []byte("0")); err != nil {
					t.Fatal(err)
				}
			}
			shared, err := Shared(ctx, uri)
			if err != nil {
				t.Fatal(err)
			}
			for n, current := range []Store{first, nil} {
				if current == nil {
					current = mustOpen(t, uri)
				}
				if Generation(current) != 2*n { // a number is not used again
					t.Fatalf("the lake is generation %d, want %d", Generation(current), 2*n)
				}
				lease, err := Lock(ctx, current)
				if err != nil {
					t.Fatal(err)
				}
				left, err := NewGeneration(ctx, lease, current) // and is killed
				if err == nil {
					err = left.Put(ctx, "bronze/left", nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				fresh, err := NewGeneration(ctx, lease, current)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := left.Get(ctx, "bronze/left"); err == nil {
					t.Error("what was left is still there")
				}
				if err := Init(ctx, fresh, Settings{Topic: "t"}); err != nil {
					t.Fatal(err)
				}
				if got := mustOpen(t, uri); Generation(got) != Generation(current) {
					t.Errorf("before the switch the lake is generation %d", Generation(got))
				}
				if err := Switch(ctx, lease, fresh); err != nil {
					t.Fatal(err)
				}
				if err := lease.Release(); err != nil {
					t.Fatal(err)
				}
				if _, err := Lock(ctx, current); !errors.Is(err, ErrOldGeneration) {
					t.Errorf("lock of the old generation: %v, want ErrOldGeneration", err)
				}
				got := mustOpen(t, uri)
				if got.URI() != fresh.URI() || mustOpen(t, got.URI()).URI() != got.URI() {
					t.Errorf("the lake is %s, want %s", got.URI(), fresh.URI())
				}
				// All generations have one lease, by whatever URI they are opened.
				lease, err = Lock(ctx, mustOpen(t, got.URI()))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Lock(ctx, got); err == nil || !strings.Contains(err.Error(), "in use by process") {
					t.Errorf("a second lock: %v, want a refusal", err)
				}
				if n == 1 {
					removed, err := Prune(ctx, got)
					if err != nil || fmt.Sprint(removed) != "[0 2]" {
						t.Errorf("removed %v (%v), want 0 and 2", removed, err)
					}
				}
				if err := lease.Release(); err != nil {
					t.Fatal(err)
				}
			}
			if again, err := SharedNow(ctx, uri); err != nil || Generation(again) != 4 || Generation(shared) != 0 {
				t.Errorf("a job that begins finds generation %d (%v), want 4", Generation(again), err)
			}
			var names []string
			for info, err := range first.List(ctx, "") {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, info.Name)
			}
			if diff := cmp.Diff([]string{"generation.json", "generation.json.was", "generations/4/lake.json", "generations/4/lake.json.was", "models/a"}, names); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDamagedGeneration(t *testing.T) {
	for content, want := range map[string]string{
		`{"generation":0}`: "expected a generation of 1 or more",
		`{`:                "damaged",
		`{"generation":3}`: "expected the lake in generations/3",
	} {
		st := newOldLake(t)
		if err := st.Put(t.Context(), generationName, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenStore(t.Context(), st.URI()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ErrDamaged with %q", content, err, want)
		}
	}
}

// TestFolderCalledGenerations is about a lake that happens to be in one.
func TestFolderCalledGenerations(t *testing.T) {
	st := mustOpen(t, filepath.Join(t.TempDir(), "generations", "3"))
	lease, err := Lock(t.Context(), st)
	if err != nil || Generation(st) != 0 {
		t.Fatalf("generation %d: %v", Generation(st), err)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestCutGeneration(t *testing.T) {
	for uri, want := range map[string]string{
		"/data/lake/generations/12":     "/data/lake 12",
		"gs://b/lake/generations/1":     "gs://b/lake 1",
		"gs://b/generations/1":          "gs://b 1",
		"gs://generations/1":            "",
		"/data/lake/generations/01":     "",
		"/data/lake/generations/0":      "",
		"/data/lake/generations/1/gold": "",
		"/data/lake":                    "",
		"/generations/1":                "",
	} {
		root, n, ok := cutGeneration(uri)
		got := ""
		if ok {
			got = fmt.Sprint(root, " ", n)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

// TestBronzeLog reads bronze as the log it was made of: nulls, empty values,
// repeated headers, gaps; and from any offset.
func TestBronzeLog(t *testing.T) {
	ctx := t.Context()
	st := newLocal(t)
	record := func(offset int64) kafkaio.Record {
		r := kafkaio.Record{Offset: offset, Timestamp: offset*1000 - 1, CreateTime: offset%2 == 0, Key: []byte{}, Value: fmt.Append(nil, offset)}
		switch offset % 3 {
		case 0:
			r.Key, r.Value = nil, nil
		case 1:
			r.Key, r.Value = []byte("k"), []byte{}
			r.Headers = []kafkaio.Header{{Key: "h", Value: nil}, {Key: "h", Value: []byte{}}, {Key: "", Value: []byte{0, 255}}}
		}
		return r
	}
	var want []kafkaio.Record
	ledger := &Ledger{seal: kafkaio.NoTime, Settings: Settings{Topic: "t"}, Closed: &Closed{}}
	for window, offsets := range [][]int64{{0, 1, 2, 5}, {6}, {9, 10, 11}} {
		var rows []BronzeRow
		for _, o := range offsets {
			r := record(o)
			want = append(want, r)
			row := BronzeRow{Topic: "t", KafkaPartition: 3, KafkaOffset: o, KafkaTimestamp: r.Timestamp * 1000, CreateTime: r.CreateTime, Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				row.Headers = append(row.Headers, Header(h))
			}
			rows = append(rows, row)
		}
		data, err := EncodeBronze(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		f := File{Lane: Bronze, Name: LaneName(Bronze, int64(window)*60_000, 3), Rows: int64(len(rows)), Bytes: int64(len(data))}
		if err := st.Put(ctx, f.Name, data); err != nil {
			t.Fatal(err)
		}
		ledger.Rows = append(ledger.Rows, Row{Window: int64(window) * 60_000, End: int64(window+1) * 60_000, Files: []File{f}, Next: map[int32]int64{3: offsets[len(offsets)-1] + 1}})
	}
	log, err := newBronzeLog(st, ledger)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]kafkaio.LogPartition{{Partition: 3, Next: 12, End: 12}}, log.extent.Partitions); diff != "" {
		t.Errorf("extent (-want +got):\n%s", diff)
	}
	for from := range int64(13) {
		var got []kafkaio.Record
		for records, err := range log.Records(ctx, 3, from) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, records...)
		}
		var rest []kafkaio.Record
		for _, r := range want {
			if r.Offset >= from {
				rest = append(rest, r)
			}
		}
		if diff := cmp.Diff(rest, got); diff != "" {
			t.Errorf("from %d (-want +got):\n%s", from, diff)
		}
	}

	// A file that is cut, and one that is another's.
	for what, data := range map[string]func() []byte{
		"cut":     func() []byte { return []byte("PAR1") },
		"another": func() []byte { data, _ := st.Get(ctx, ledger.Rows[0].Files[0].Name); return bytes.Clone(data) },
	} {
		name := ledger.Rows[1].Files[0].Name
		if err := st.Put(ctx, name, data()); err != nil {
			t.Fatal(err)
		}
		var failed error
		for _, err := range log.Records(ctx, 3, 0) {
			failed = err
		}
		if failed == nil || !strings.Contains(failed.Error(), name) {
			t.Errorf("%s: %v, want an error that names %s", what, failed, name)
		}
	}
}

// TestExtent is about what marks say: raises, the tail that is only in Kafka,
// and who was raised after the last mark.
func TestExtent(t *testing.T) {
	mark := func(at int64, positions ...kafkaio.Position) *kafkaio.Mark {
		return &kafkaio.Mark{Watermark: at, TopicID: "id", Partitions: positions}
	}
	raise := []kafkaio.Raise{{Offset: 7, High: 90_000}}
	l := &Ledger{seal: 60_000, Settings: Settings{OutOfOrderness: 30_000}, Rows: []Row{
		{Window: 0, End: 60_000, Next: map[int32]int64{0: 5}, Mark: mark(60_000, kafkaio.Position{Partition: 0, Start: 2, Next: 9, Raises: raise})},
		{Window: 60_000, End: 120_000, Next: map[int32]int64{0: 8}, Mark: mark(120_000,
			kafkaio.Position{Partition: 0, Start: 2, Next: 12, Raises: raise}, kafkaio.Position{Partition: 1, Start: 4, Next: 4})},
		{Window: 120_000, End: 180_000, Next: map[int32]int64{0: 14, 2: 3}},
	}}
	late := func(offset int64) kafkaio.Raise { return kafkaio.Raise{Offset: offset, High: 150_000} }
	for name, c := range map[string]struct {
		closed *Closed
		want   []kafkaio.LogPartition
	}{
		"open": {nil, []kafkaio.LogPartition{
			{Partition: 0, Start: 2, Next: 8, End: 12, Raises: []kafkaio.Raise{raise[0], late(12)}},
			{Partition: 1, Start: 4, Next: 4, End: 4, Raises: []kafkaio.Raise{late(4)}},
		}},
		"closed": {&Closed{}, []kafkaio.LogPartition{
			{Partition: 0, Start: 2, Next: 14, End: 14, Raises: []kafkaio.Raise{raise[0], late(12)}},
			{Partition: 1, Start: 4, Next: 4, End: 4, Raises: []kafkaio.Raise{late(4)}},
			{Partition: 2, Next: 3, End: 3, Raises: []kafkaio.Raise{late(0)}},
		}},
	} {
		l.Closed = c.closed
		got, err := l.Again(newLocal(t))
		if err != nil {
			t.Fatal(err)
		}
		want := kafkaio.Extent{TopicID: "id", Partitions: c.want, Final: l.Rows[1].Mark}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
