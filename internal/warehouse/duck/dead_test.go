package duck

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

var firstWindow = time.Date(2026, 3, 1, 10, 15, 0, 0, time.UTC).UnixMilli()

// deadLake makes a lake of a minute's base window that is not closed, with a row of
// dead letters a window.
func deadLake(t testing.TB, windows ...[]lake.DeadRow) lake.Store {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(lake.Init(t.Context(), st, lake.Settings{Topic: "shop", BaseWindowMs: 60_000}))
	offset := int64(0)
	for i, rows := range windows {
		start := firstWindow + int64(i)*60_000
		r := lake.Row{Window: start, End: start + 60_000, Read: int64(len(rows)), Dead: map[string]int64{}, Mark: &kafkaio.Mark{Watermark: start + 60_000}}
		if len(rows) == 0 {
			must(lake.PutRow(t.Context(), st, r))
			continue
		}
		r.From = map[int32]int64{3: offset}
		var bronze []lake.BronzeRow
		for j := range rows {
			rows[j].Topic, rows[j].KafkaPartition, rows[j].KafkaOffset = "shop", 3, offset
			r.Dead[rows[j].Reason]++
			bronze = append(bronze, rows[j].BronzeRow)
			offset++
		}
		r.Next = map[int32]int64{3: offset}
		put := func(lane lake.Lane, data []byte, err error) {
			must(err)
			name := lake.LaneName(lane, start, 3)
			must(st.Put(t.Context(), name, data))
			r.Files = append(r.Files, lake.File{Lane: lane, Name: name, Rows: int64(len(rows)), Bytes: int64(len(data)), CRC: lake.CRC(data)})
		}
		data, err := lake.EncodeDead(nil, rows)
		put(lake.Dead, data, err)
		data, err = lake.EncodeBronze(nil, bronze)
		put(lake.Bronze, data, err)
		must(lake.PutRow(t.Context(), st, r))
	}
	return st
}

func letter(reason string, value []byte) lake.DeadRow {
	return lake.DeadRow{BronzeRow: lake.BronzeRow{KafkaTimestamp: firstWindow * 1000, Value: value}, Reason: reason, Detail: "expected more"}
}

// TestDeadLettersFollowTheLedger: rows are those of final windows, with the window
// that they arrived in, whatever lies in the folder.
func TestDeadLettersFollowTheLedger(t *testing.T) {
	t.Parallel()
	st := deadLake(t, []lake.DeadRow{letter("bad_price", []byte(`{"a": "é"}`)), letter("null_value", nil)}, nil, []lake.DeadRow{letter("bad_utf8", []byte("a\xff\n"))})
	d := openAt(t, st.URI(), Options{Threads: 1})
	const text = "SELECT CAST(arrived AS STRING) AS arrived, topic, kafka_partition, kafka_offset, reason, detail, key, value, value_bytes FROM dead_letters ORDER BY kafka_offset"
	first := [][]any{
		{"2026-03-01 10:15:00+00", "shop", int64(3), int64(0), "bad_price", "expected more", nil, `{"a": "é"}`, int64(11)},
		{"2026-03-01 10:15:00+00", "shop", int64(3), int64(1), "null_value", "expected more", nil, nil, nil},
	}
	last := []any{"2026-03-01 10:17:00+00", "shop", int64(3), int64(2), "bad_utf8", "expected more", nil, `a\xFF\x0A`, int64(3)}
	ask := func(what string, want [][]any) {
		t.Helper()
		if diff := cmp.Diff(want, ask1(t, d, text, nil).Rows); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	ask("nothing is final", [][]any{})
	if err := lake.PutSeal(t.Context(), st, firstWindow); err != nil {
		t.Fatal(err)
	}
	ask("the first window is final", first)
	if err := lake.PutSeal(t.Context(), st, firstWindow+2*60_000); err != nil {
		t.Fatal(err)
	}
	ask("all are", append(first, last))
	if err := st.Put(t.Context(), lake.LaneName(lake.Dead, firstWindow, 3), []byte("PAR1")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Query(t.Context(), text, nil); err == nil || !strings.Contains(err.Error(), lake.LaneName(lake.Dead, firstWindow, 3)) {
		t.Errorf("another file in its place: %v, want an error that names it", err)
	}
}

// TestArrivedBetweenSeconds: a base window may begin between two seconds.
func TestArrivedBetweenSeconds(t *testing.T) {
	t.Parallel()
	d := openAt(t, deadLake(t).URI(), Options{Threads: 1})
	for name, want := range map[string]string{
		lake.LaneName(lake.Dead, firstWindow+1500, 3): "2026-03-01 10:15:01.5+00", lake.LaneName(lake.Dead, firstWindow, 3): "2026-03-01 10:15:00+00",
	} {
		var got string
		text := "SELECT CAST(" + deadColumns["arrived"] + " AS VARCHAR) FROM (SELECT '" + name + "' AS filename)"
		if err := d.db.QueryRowContext(t.Context(), text).Scan(&got); err != nil || got != want {
			t.Errorf("%s arrived at %q (%v), expected %s", name, got, err, want)
		}
	}
}

// TestDeadLettersArePrintable: whatever the bytes, what is shown is text of a few
// characters, none of which a terminal acts on, and NULL only where there are none.
func TestDeadLettersArePrintable(t *testing.T) {
	t.Parallel()
	values := [][]byte{{}, []byte("\x1b[31m\u202e\u2028\u0085\x00"), []byte(strings.Repeat("é\n", 5000)), []byte(strings.Repeat("\xff", 5000)), []byte("a\xe2\x82")}
	random := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }))
	for i := range 500 {
		values = append(values, random.Example(i))
	}
	rows := []lake.DeadRow{}
	for _, v := range values {
		r := letter("bad_price", v)
		r.Key = v
		rows = append(rows, r)
	}
	st := deadLake(t, rows)
	if err := lake.PutSeal(t.Context(), st, firstWindow); err != nil {
		t.Fatal(err)
	}
	got := ask1(t, openAt(t, st.URI(), Options{Threads: 1}), "SELECT value, key, value_bytes FROM dead_letters ORDER BY kafka_offset", nil).Rows
	if len(got) != len(values) {
		t.Fatalf("%d rows, want %d", len(got), len(values))
	}
	for i, row := range got {
		text, ok := row[0].(string)
		bad := strings.ContainsFunc(text, func(r rune) bool {
			return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && unicode.IsOneOf([]*unicode.RangeTable{unicode.C, unicode.Zl, unicode.Zp}, r)
		})
		if (values[i] != nil) != ok || bad || len([]rune(text)) > 400 || row[1] != row[0] || row[2] != int64(len(values[i])) && ok {
			t.Errorf("%.60q is shown as %.80q (%v bytes)", values[i], text, row[2])
		}
		if ok && text == "" && len(values[i]) > 0 {
			t.Errorf("%.60q is shown as nothing", values[i])
		}
	}
}
