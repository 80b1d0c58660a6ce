package lake

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// putFile writes rows to a file and returns its entry in the ledger.
func putFile[T any](t testing.TB, st Store, name string, rows []T, encode func([]byte, []T) ([]byte, error)) File {
	t.Helper()
	data, err := encode(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
	lane := Silver
	if name[:len(Late)] == string(Late) {
		lane = Late
	}
	return File{Lane: lane, Name: name, Rows: int64(len(rows)), Bytes: int64(len(data))}
}

// inCategory is a row as it is read.
func inCategory(r SilverRow, category string) LateRow {
	r.Category = category
	return LateRow{SilverRow: r}
}

// rowsOf turns batches into rows again; columns that were not read are zero.
func rowsOf(e Events) []LateRow {
	rows := make([]LateRow, e.N)
	for i := range rows {
		rows[i] = LateRow{SilverRow: SilverRow{
			EventID: at(e.EventID, i), EventType: at(e.EventType, i), EventTime: at(e.EventTime, i),
			ProductID: at(e.ProductID, i), ProductName: at(e.ProductName, i), UserID: at(e.UserID, i), SessionID: at(e.SessionID, i),
			Country: at(e.Country, i), OrderID: at(e.OrderID, i), Line: at(e.Line, i), Quantity: at(e.Quantity, i), UnitPrice: at(e.UnitPrice, i),
			Currency: at(e.Currency, i), SchemaVersion: at(e.SchemaVersion, i), KafkaPartition: at(e.KafkaPartition, i), KafkaOffset: at(e.KafkaOffset, i), Category: at(e.Category, i),
		}}
	}
	return rows
}

func at[T any](values []T, i int) (v T) {
	if values == nil {
		return v
	}
	return values[i]
}

// project leaves only the columns that are asked for.
func project(rows []LateRow, columns Columns) []LateRow {
	out := make([]LateRow, len(rows))
	for i, r := range rows {
		var p LateRow
		set(columns&ColEventID, &p.EventID, r.EventID)
		set(columns&ColEventType, &p.EventType, r.EventType)
		set(columns&ColEventTime, &p.EventTime, r.EventTime)
		set(columns&ColProductID, &p.ProductID, r.ProductID)
		set(columns&ColProductName, &p.ProductName, r.ProductName)
		set(columns&ColUserID, &p.UserID, r.UserID)
		set(columns&ColSessionID, &p.SessionID, r.SessionID)
		set(columns&ColCountry, &p.Country, r.Country)
		set(columns&ColOrderID, &p.OrderID, r.OrderID)
		set(columns&ColLine, &p.Line, r.Line)
		set(columns&ColQuantity, &p.Quantity, r.Quantity)
		set(columns&ColUnitPrice, &p.UnitPrice, r.UnitPrice)
		set(columns&ColCurrency, &p.Currency, r.Currency)
		set(columns&ColSchemaVersion, &p.SchemaVersion, r.SchemaVersion)
		set(columns&ColKafkaPartition, &p.KafkaPartition, r.KafkaPartition)
		set(columns&ColKafkaOffset, &p.KafkaOffset, r.KafkaOffset)
		set(columns&ColCategory, &p.Category, r.Category)
		out[i] = p
	}
	return out
}

func set[T any](wanted Columns, dst *T, v T) {
	if wanted != 0 {
		*dst = v
	}
}

func scan(t testing.TB, st Store, files []File, o ReadOptions) ([]LateRow, error) {
	t.Helper()
	var rows []LateRow
	for e, err := range ScanEvents(t.Context(), st, files, o) {
		if err != nil {
			return rows, err
		}
		if e.N == 0 {
			t.Fatal("an empty batch")
		}
		rows = append(rows, rowsOf(e)...)
	}
	return rows, nil
}

// TestScanEventsEqualsReadAll reads random rows of both lanes, any columns.
func TestScanEventsEqualsReadAll(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	rapid.Check(t, func(rt *rapid.T) {
		drawn := rapid.SliceOfN(anyLate, 1, 8).Draw(rt, "rows")
		var late []LateRow
		var silver []SilverRow
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(drawn)-1), 0, 400).Draw(rt, "order") {
			late = append(late, drawn[i])
			silver = append(silver, drawn[i].SilverRow)
		}
		columns := Columns(rapid.Uint32Range(0, uint32(AllColumns)).Draw(rt, "columns"))
		category := rapid.StringN(1, 8, MaxCategory).Filter(func(s string) bool { return checkName(SilverName(0, s, 0)) == nil }).Draw(rt, "category")
		quarantine := rapid.Bool().Draw(rt, "quarantine")
		files := []File{
			putFile(t, st, SilverName(0, category, 0), silver, EncodeSilver),
			putFile(t, st, LaneName(Late, 0, 0), late, EncodeLate),
		}
		var want []LateRow
		for _, r := range silver {
			want = append(want, inCategory(r, category))
		}
		read, err := ReadAll[LateRow](t.Context(), st, files[1].Name)
		if err != nil {
			rt.Fatal(err)
		}
		for _, r := range read {
			r.HighTime = 0
			want = append(want, r)
		}
		got, err := scan(t, st, files, ReadOptions{Columns: columns, Quarantine: quarantine})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(project(want, columns), got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("rows (-ReadAll +ScanEvents):\n%s", diff)
		}
	})
}

// TestScanEventsManyPages reads a file with many pages a column, and batches
// that end elsewhere, from a folder and through a bucket's blocks.
func TestScanEventsManyPages(t *testing.T) {
	rows := silverRows(150_000)
	for i := range rows {
		rows[i].Country = fmt.Sprint("country ", i%700) // indexes of ten bits
	}
	for _, uri := range []string{t.TempDir(), startBucket(t) + "/events"} {
		st := mustOpen(t, uri)
		f := putFile(t, st, SilverName(0, "toys", 0), rows, EncodeSilver)
		var want []LateRow
		for _, r := range rows {
			want = append(want, inCategory(r, "toys"))
		}
		got, err := scan(t, st, []File{f}, ReadOptions{Columns: AllColumns})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: rows differ", uri)
		}
	}
}

// TestReadUnits reads each row group of a file for itself, and the range of
// times of one.
func TestReadUnits(t *testing.T) {
	t.Parallel()
	const extra = 50
	st := newLocal(t)
	rows := make([]SilverRow, maxRowsPerRowGroup+extra)
	for i := range rows {
		rows[i].EventTime = int64(i)
	}
	f := putFile(t, st, SilverName(0, "toys", 0), rows, EncodeSilver)
	if n := units(f, false); n != 2 {
		t.Fatalf("%d units", n)
	}
	for from := range int64(3) {
		for to := from; to <= 2; to++ {
			next := from * maxRowsPerRowGroup
			err := readEvents(t.Context(), st, f, from, to, &ReadOptions{Columns: ColEventTime}, func(e Events) error {
				for _, at := range e.EventTime {
					if at != next {
						return fmt.Errorf("row %d, want %d", at, next)
					}
					next++
				}
				return nil
			})
			if want := min(to*maxRowsPerRowGroup, f.Rows); err != nil || to > from && next != want {
				t.Errorf("units %d to %d: up to row %d of %d, %v", from, to, next, want, err)
			}
		}
	}
	o := ReadOptions{Columns: ColEventTime, From: maxRowsPerRowGroup - 1, To: maxRowsPerRowGroup + 2}
	got, err := scan(t, st, []File{f}, o)
	if err != nil || int64(len(got)) != o.To-o.From || got[0].EventTime != o.From {
		t.Errorf("%d rows of a range, %v", len(got), err)
	}
}

func BenchmarkScanEvents(b *testing.B) {
	for _, c := range []struct {
		name    string
		columns Columns
	}{{"all", AllColumns}, {"event_id", ColEventID}, {"sales", ColEventID | ColEventType | ColEventTime | ColProductID | ColUserID | ColOrderID | ColQuantity | ColUnitPrice | ColCurrency | ColCategory}} {
		for _, n := range []int{60, 600, 20_000, 300_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				st := newLocal(b)
				f := putFile(b, st, SilverName(0, "toys", 0), silverRows(n), EncodeSilver)
				b.ReportAllocs()
				total := 0
				for b.Loop() {
					for e, err := range ScanEvents(b.Context(), st, []File{f}, ReadOptions{Columns: c.columns}) {
						if err != nil {
							b.Fatal(err)
						}
						total += e.N
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/row")
			})
		}
	}
	b.Run("ReadAll/20000", func(b *testing.B) {
		st := newLocal(b)
		f := putFile(b, st, SilverName(0, "toys", 0), silverRows(20_000), EncodeSilver)
		b.ReportAllocs()
		total := 0
		for b.Loop() {
			rows, err := ReadAll[SilverRow](b.Context(), st, f.Name)
			if err != nil {
				b.Fatal(err)
			}
			total += len(rows)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/row")
	})
}
