package lake

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/shop"
)

var (
	anyText     = rapid.String()
	anyTextFull = rapid.OneOf(rapid.SampledFrom([]string{"", "toys", "order_created", "GB"}), rapid.String(), rapid.StringN(0, 100, 5000))
	anyInt      = rapid.OneOf(rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64}), rapid.Int64())
	anyMoney    = rapid.Map(rapid.Int64Range(-int64(shop.MaxMoney), int64(shop.MaxMoney)), func(n int64) shop.Money { return shop.Money(n) })
	anyBytes    = rapid.OneOf(rapid.Just([]byte(nil)), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()))
	anyHeader   = rapid.Custom(func(t *rapid.T) Header {
		return Header{Key: anyText.Draw(t, "key"), Value: anyBytes.Draw(t, "value")}
	})

	anySilver = rapid.Custom(func(t *rapid.T) SilverRow {
		return SilverRow{
			EventID: anyText.Draw(t, "id"), EventType: anyTextFull.Draw(t, "type"), EventTime: anyInt.Draw(t, "time"),
			ProductID: anyText.Draw(t, "product"), ProductName: anyTextFull.Draw(t, "name"), UserID: anyTextFull.Draw(t, "user"),
			SessionID: anyTextFull.Draw(t, "session"), Country: anyTextFull.Draw(t, "country"), OrderID: anyTextFull.Draw(t, "order"),
			Line: anyInt.Draw(t, "line"), Quantity: anyInt.Draw(t, "quantity"), UnitPrice: anyMoney.Draw(t, "price"),
			Currency: anyTextFull.Draw(t, "currency"), SchemaVersion: rapid.Int32().Draw(t, "version"),
			KafkaPartition: rapid.Int32().Draw(t, "partition"), KafkaOffset: anyInt.Draw(t, "offset"), Category: anyTextFull.Draw(t, "category"),
		}
	})
	anyLate = rapid.Custom(func(t *rapid.T) LateRow {
		return LateRow{SilverRow: anySilver.Draw(t, "silver"), HighTime: anyInt.Draw(t, "high")}
	})
	anyBronze = rapid.Custom(func(t *rapid.T) BronzeRow {
		return BronzeRow{
			Topic: anyTextFull.Draw(t, "topic"), KafkaPartition: rapid.Int32().Draw(t, "partition"), KafkaOffset: anyInt.Draw(t, "offset"),
			KafkaTimestamp: anyInt.Draw(t, "time"), Key: anyBytes.Draw(t, "key"), Value: anyBytes.Draw(t, "value"),
			Headers: rapid.SliceOfN(anyHeader, 0, 3).Draw(t, "headers"), CreateTime: rapid.Bool().Draw(t, "create time"),
		}
	})
	anyDead = rapid.Custom(func(t *rapid.T) DeadRow {
		return DeadRow{BronzeRow: anyBronze.Draw(t, "bronze"), Reason: anyTextFull.Draw(t, "reason"), Detail: anyText.Draw(t, "detail")}
	})
	anyMetric = rapid.Custom(func(t *rapid.T) MetricRow {
		return MetricRow{
			WindowStart: anyInt.Draw(t, "start"), WindowEnd: anyInt.Draw(t, "end"), Level: anyTextFull.Draw(t, "level"),
			ProductID: anyTextFull.Draw(t, "product"), Category: anyTextFull.Draw(t, "category"), Currency: anyTextFull.Draw(t, "currency"),
			OrderLines: anyInt.Draw(t, "lines"), Units: anyInt.Draw(t, "units"), Revenue: rapid.Ptr(anyMoney, true).Draw(t, "revenue"),
			CancelledLines: anyInt.Draw(t, "cancelled lines"), CancelledUnits: anyInt.Draw(t, "cancelled units"), CancelledRevenue: rapid.Ptr(anyMoney, true).Draw(t, "cancelled revenue"),
			Views: anyInt.Draw(t, "views"), Carts: anyInt.Draw(t, "carts"), Conversion: rapid.Ptr(rapid.Float64(), true).Draw(t, "conversion"),
		}
	})
)

func TestParquetRoundTrip(t *testing.T) {
	t.Parallel()
	t.Run("silver", func(t *testing.T) { roundTrip(t, anySilver, EncodeSilver) })
	t.Run("late", func(t *testing.T) { roundTrip(t, anyLate, EncodeLate) })
	t.Run("bronze", func(t *testing.T) { roundTrip(t, anyBronze, EncodeBronze) })
	t.Run("dead letters", func(t *testing.T) { roundTrip(t, anyDead, EncodeDead) })
	t.Run("metrics", func(t *testing.T) { roundTrip(t, anyMetric, EncodeMetrics) })
}

// sameRows compares rows as files keep them: no key is another thing than an
// empty one, but headers that are nil or empty are the same.
var sameRows = cmp.Options{
	cmpopts.EquateNaNs(),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() != reflect.TypeFor[[]byte]() }, cmpopts.EquateEmpty()),
}

func roundTrip[T any](t *testing.T, anyRow *rapid.Generator[T], encode func([]byte, []T) ([]byte, error)) {
	st := newLocal(t)
	rapid.Check(t, func(rt *rapid.T) {
		// A few rows drawn, then repeated: nulls and values alternate over more
		// rows than the library writes at once (64).
		drawn := rapid.SliceOfN(anyRow, 0, 8).Draw(rt, "rows")
		var rows []T
		if len(drawn) > 0 {
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(drawn)-1), 0, 300).Draw(rt, "order") {
				rows = append(rows, drawn[i])
			}
		}
		file, err := encode([]byte("before"), rows)
		if err != nil {
			rt.Fatal(err)
		}
		file, ok := bytes.CutPrefix(file, []byte("before"))
		if !ok {
			rt.Fatal("the file does not follow what dst held")
		}
		again, err := encode(nil, rows)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(file, again) {
			rt.Fatal("equal rows make other bytes")
		}
		if err := st.Put(t.Context(), "file", file); err != nil {
			rt.Fatal(err)
		}
		got, err := ReadAll[T](t.Context(), st, "file")
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(rows, got, sameRows); diff != "" {
			rt.Fatalf("rows read back (-want +got):\n%s", diff)
		}
		if err := checkPageIndex(file); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestParquetDeterministic writes the same rows from many goroutines whose
// pooled writers have had other rows before.
func TestParquetDeterministic(t *testing.T) {
	t.Parallel()
	silver, bronze := silverRows(3000), bronzeRows(3000)
	wantSilver, err := (&encoder[SilverRow]{add: (*columns).silver}).encode(nil, silver)
	if err != nil {
		t.Fatal(err)
	}
	wantBronze, err := (&encoder[BronzeRow]{add: (*columns).bronze}).encode(nil, bronze)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				_, err1 := EncodeSilver(nil, silver[:100*i])
				gotSilver, err2 := EncodeSilver(nil, silver)
				gotBronze, err3 := EncodeBronze(nil, bronze)
				if err := errors.Join(err1, err2, err3); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(gotSilver, wantSilver) || !bytes.Equal(gotBronze, wantBronze) {
					t.Error("a used writer makes other bytes than a new one")
				}
			}
		})
	}
	wg.Wait()
}

// TestParquetKeepsNothing changes what the rows point to after encoding.
func TestParquetKeepsNothing(t *testing.T) {
	t.Parallel()
	e := &encoder[BronzeRow]{add: (*columns).bronze}
	value := []byte("the first value")
	if _, err := e.encode(nil, []BronzeRow{{Value: value}}); err != nil {
		t.Fatal(err)
	}
	copy(value, "XXXXXXXXXXXXXXX")
	file, err := e.encode(nil, []BronzeRow{{Key: []byte("key")}})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, value) || bytes.Contains(file, []byte("the first value")) {
		t.Error("a file has a value of the one before")
	}
}

// TestPageIndexLarge checks files with several pages a column.
func TestPageIndexLarge(t *testing.T) {
	t.Parallel()
	silver, err := EncodeSilver(nil, silverRows(40_000))
	if err != nil {
		t.Fatal(err)
	}
	bronze, err := EncodeBronze(nil, bronzeRows(20_000))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"silver": silver, "bronze": bronze} {
		if err := checkPageIndex(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		pages := 0
		for _, index := range f.OffsetIndexes() {
			pages = max(pages, len(index.PageLocations))
		}
		if pages < 3 {
			t.Errorf("%s: at most %d pages a column: too few rows for this test", name, pages)
		}
	}
}

func TestRowGroups(t *testing.T) {
	t.Parallel()
	rows := make([]MetricRow, maxRowsPerRowGroup+1)
	for i := range rows {
		rows[i].Views = int64(i)
	}
	file, err := EncodeMetrics(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPageIndex(file); err != nil {
		t.Error(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, g := range f.RowGroups() {
		sizes = append(sizes, g.NumRows())
	}
	if diff := cmp.Diff([]int64{maxRowsPerRowGroup, 1}, sizes); diff != "" {
		t.Errorf("rows per row group (-want +got):\n%s", diff)
	}
}

// checkPageIndex wants the pages that the index names to tile the column
// chunks: BigQuery reads by the index, and most other readers do not notice a
// wrong one.
func checkPageIndex(file []byte) error {
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return err
	}
	offsets, columns := f.OffsetIndexes(), f.ColumnIndexes()
	i := 0
	for g, group := range f.Metadata().RowGroups {
		for _, chunk := range group.Columns {
			if err := checkChunk(chunk.MetaData, group.NumRows, offsets[i], columns[i]); err != nil {
				return fmt.Errorf("row group %d, column %v: %w", g, chunk.MetaData.PathInSchema, err)
			}
			i++
		}
	}
	if i != len(offsets) || i != len(columns) {
		return fmt.Errorf("%d column chunks, %d offset indexes, %d column indexes", i, len(offsets), len(columns))
	}
	return nil
}

func checkChunk(chunk format.ColumnMetaData, rows int64, offsets format.OffsetIndex, columns format.ColumnIndex) error {
	pages := offsets.PageLocations
	if len(columns.NullPages) != len(pages) || len(columns.MinValues) != len(pages) || len(columns.MaxValues) != len(pages) {
		return fmt.Errorf("%d pages, but %d, %d, %d entries in the column index", len(pages), len(columns.NullPages), len(columns.MinValues), len(columns.MaxValues))
	}
	end := chunk.DataPageOffset
	start := end
	if chunk.DictionaryPageOffset != 0 {
		start = chunk.DictionaryPageOffset
	}
	row := int64(0)
	for i, page := range pages {
		if page.Offset != end {
			return fmt.Errorf("page %d is at %d, expected %d: the end of the one before, or the chunk's first", i, page.Offset, end)
		}
		if i == 0 && page.FirstRowIndex != 0 || i > 0 && page.FirstRowIndex <= row || page.FirstRowIndex >= rows {
			return fmt.Errorf("page %d starts with row %d of %d", i, page.FirstRowIndex, rows)
		}
		row = page.FirstRowIndex
		end += int64(page.CompressedPageSize)
	}
	if want := start + chunk.TotalCompressedSize; end != want {
		return fmt.Errorf("pages end at %d, the chunk at %d", end, want)
	}
	return nil
}

func TestReadAllErrors(t *testing.T) {
	t.Parallel()
	st := newLocal(t)
	silver, err := EncodeSilver(nil, silverRows(100))
	if err != nil {
		t.Fatal(err)
	}
	bronze, err := EncodeBronze(nil, bronzeRows(100))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"empty":        {nil, "expected at least 12 bytes, found 0"},
		"no parquet":   {[]byte("event_id,event_type\n1,order_created\n"), `expected "PAR1" at the end`},
		"cut":          {silver[:len(silver)-7], `expected "PAR1" at the end`},
		"another kind": {bronze, "column 1: expected event_id STRING, found topic STRING"},
	} {
		file := "silver/" + strings.ReplaceAll(name, " ", "-")
		if err := st.Put(t.Context(), file, test.file); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadAll[SilverRow](t.Context(), st, file)
		if err == nil {
			t.Errorf("%s: %d rows, want an error", name, len(rows))
		} else if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, want %q and the name of the file", name, err, test.want)
		}
	}
	if _, err := ReadAll[SilverRow](t.Context(), st, "silver/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v, want fs.ErrNotExist", err)
	}
}
