package lake

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

// encodeOldSilver makes a file as programs of format 3 did: without the category.
func encodeOldSilver(dst []byte, rows []SilverRow) ([]byte, error) {
	type SilverRow struct { // the name is in the schema
		EventID     string `parquet:"event_id"`
		EventType   string `parquet:"event_type,dict"`
		EventTime   int64  `parquet:"event_time,timestamp(microsecond)"`
		ProductID   string `parquet:"product_id"`
		ProductName string `parquet:"product_name,optional"`
		UserID      string `parquet:"user_id,optional"`
		SessionID   string `parquet:"session_id,optional"`
		Country     string `parquet:"country,optional,dict"`
		OrderID     string `parquet:"order_id,optional"`
		Line        int64  `parquet:"line,optional"`
		Quantity    int64  `parquet:"quantity,optional"`
		UnitPrice   int64  `parquet:"unit_price,optional,decimal(6:18)"`
		Currency    string `parquet:"currency,optional,dict"`

		SchemaVersion  int32 `parquet:"schema_version"`
		KafkaPartition int32 `parquet:"kafka_partition"`
		KafkaOffset    int64 `parquet:"kafka_offset"`
	}
	n := 0
	e := encoder[SilverRow]{add: func(c *columns, _ *SilverRow) {
		c.values = append(c.values, nil) // of the category, which is left out
		c.silver(&rows[n])
		c.values = c.values[:len(c.values)-1]
		n++
	}}
	return e.encode(dst, make([]SilverRow, len(rows)))
}

// TestOldSilver reads silver of programs of format 3: all columns as they were
// written, and the category from the name.
func TestOldSilver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(anySilver, 0, 300).Draw(t, "rows")
		for i := range rows {
			rows[i].Category = ""
		}
		old, err := encodeOldSilver(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeRows[SilverRow](old)
		if err != nil || !slices.Equal(got, rows) {
			t.Fatalf("%v (-want +got):\n%s", err, cmp.Diff(rows, got))
		}
		f := File{Lane: Silver, Name: silverName(0, oldCategoryFolder, "007", 0), Rows: int64(len(rows)), Bytes: int64(len(old))}
		var read []LateRow
		for e, err := range ScanEvents(context.Background(), oneObject{data: old}, []File{f}, ReadOptions{Columns: AllColumns}) {
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, rowsOf(e)...)
		}
		var want []LateRow
		for _, r := range rows {
			want = append(want, inCategory(r, "007"))
		}
		if !slices.Equal(read, want) {
			t.Fatalf("(-want +got):\n%s", cmp.Diff(want, read))
		}
		if _, err := DecodeRows[LateRow](old); err == nil {
			t.Fatal("a silver file was read as a late one")
		}
	})
}

// TestOldSilverSchema holds the columns that readers expect of format 3 to what
// its programs wrote.
func TestOldSilverSchema(t *testing.T) {
	t.Parallel()
	data, err := encodeOldSilver(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(schemaOf(data), schemas()[Silver][1].bytes) {
		t.Error("the schema is another one")
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.Schema().String() != oldSilverSchema().String() {
		t.Errorf("%v: expected\n%s, found\n%s", err, f.Schema(), oldSilverSchema())
	}
}

// asOld makes the silver of a lake that of format 3.
func asOld(t *testing.T, st Store) {
	t.Helper()
	rename := func(name string) string { return strings.Replace(name, "/"+categoryFolder, "/"+oldCategoryFolder, 1) }
	l := readLedger(t, st)
	for _, r := range l.Rows {
		for i, f := range r.Files {
			if f.Lane != Silver {
				continue
			}
			rows, err := ReadAll[SilverRow](t.Context(), st, f.Name)
			if err != nil {
				t.Fatal(err)
			}
			r.Files[i] = putFile(t, st, rename(f.Name), rows, encodeOldSilver)
			if err := st.Delete(t.Context(), f.Name); err != nil {
				t.Fatal(err)
			}
		}
		if err := PutRow(t.Context(), st, r); err != nil {
			t.Fatal(err)
		}
	}
	s := l.Settings
	s.Format = 3
	if err := putWitnessed(t.Context(), st, settingsName, s); err != nil {
		t.Fatal(err)
	}
}

// TestLakeOfFormat3: a lake of format 3 is read as it was, goes on as one of both,
// and is compacted.
func TestLakeOfFormat3(t *testing.T) {
	t.Parallel()
	st := newSilverLake(t, 5, 9)
	want := visibleRows(t, st, readLedger(t, st))
	asOld(t, st)
	if got := visibleRows(t, st, readLedger(t, st)); !slices.Equal(got, want) {
		t.Fatalf("%d rows, want these %d", len(got), len(want))
	}
	if err := Init(t.Context(), st, readLedger(t, st).Settings); err != nil {
		t.Fatal(err)
	}
	if _, err := Continue(t.Context(), st, readLedger(t, st).Resume()); err != nil {
		t.Fatal(err)
	}
	if s := readLedger(t, st).Settings; s.Format != formatVersion || s.Upgraded {
		t.Errorf("after it goes on: %+v", s)
	}
	fillSilver(t, st, 9, 14)
	l := readLedger(t, st)
	want = visibleRows(t, st, l)
	old, now := 0, 0
	for _, f := range l.Files(Silver) {
		if k, err := ParseName(f.Name); err != nil {
			t.Fatal(err)
		} else if k.Old {
			old++
		} else {
			now++
		}
	}
	if old == 0 || now == 0 {
		t.Fatalf("%d files of format 3, %d of today: want some of each", old, now)
	}
	if stats := compact(t, st, firstDate); stats.After != 2 {
		t.Errorf("%+v, want two files after it", stats)
	}
	l = readLedger(t, st)
	if got := visibleRows(t, st, l); !slices.Equal(got, want) {
		t.Errorf("%d rows after compaction, want these %d", len(got), len(want))
	}
	if _, err := RemoveReplaced(t.Context(), st, l, -1<<40); err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t, st) {
		if strings.HasPrefix(name, "silver/date=2026-03-01/") && !isCompacted(name) || strings.Contains(name, "2026-03-01/"+oldCategoryFolder) {
			t.Errorf("left is %s", name)
		}
	}
	for _, f := range l.Files(Silver) {
		rows, err := ReadAll[SilverRow](t.Context(), st, f.Name)
		category, _ := silverCategory(f.Name)
		if isCompacted(f.Name) && (err != nil || rows[0].Category != category) {
			t.Errorf("%s: category %q, %v", f.Name, rows[0].Category, err)
		}
	}
}
