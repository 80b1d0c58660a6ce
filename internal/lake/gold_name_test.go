package lake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
)

// oldGold is a lake whose gold an older program wrote: two dates, one whose
// replacement was killed in its middle, predictions, and rows that were set aside.
func oldGold(t *testing.T, st Store) {
	t.Helper()
	put := func(name string, rows []DailySalesRow) PublishedFile {
		t.Helper()
		data, err := EncodeGold(nil, rows)
		if err == nil {
			err = st.Put(t.Context(), name, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		return PublishedFile{File: name, Rows: int64(len(rows)), Bytes: int64(len(data)), Hash: Hash(data)}
	}
	row := func(product string, date civil.Date) []DailySalesRow {
		return []DailySalesRow{{Date: int32(date.DaysSince(civil.Date{Year: 1970, Month: 1, Day: 1})), ProductID: product}}
	}
	for i := range 3 {
		date := firstDate.AddDays(i)
		p := Publication{Date: date, Number: 1, Inputs: "old", Tables: map[string]PublishedFile{}}
		for _, table := range []string{"daily_sales", "order_lines"} {
			p.Tables[table] = put(oldGoldName(table, date), row(table, date))
		}
		if i == 2 { // the new file of one table is there, that of the other is not
			p.Begin(map[string]PublishedFile{
				"daily_sales": put(oldGoldName("daily_sales", date), row("new", date)),
				"order_lines": {File: oldGoldName("order_lines", date), Rows: 1, Bytes: 1, Hash: "other"},
			})
			p.Inputs = "unfinished"
		}
		if err := PutPublication(t.Context(), st, p); err != nil {
			t.Fatal(err)
		}
	}
	predicted := Publication{Date: firstDate, Number: 1, Tables: map[string]PublishedFile{predictionsTable: put(oldGoldName(predictionsTable, firstDate), row("predicted", firstDate))}}
	if err := putDurably(t.Context(), st, publicationOf(predictionsTable, firstDate), predicted); err != nil {
		t.Fatal(err)
	}
	put(oldDated(quarantineDir+"order_lines", firstDate), row("aside", firstDate))
}

// standing is what readers find in gold, one table at a time and as a whole.
func standingRows(t *testing.T, st Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, table := range []string{"daily_sales", "order_lines", predictionsTable} {
		files, err := new(GoldFiles).Of(t.Context(), st, table)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range files {
			rows, err := ReadAll[DailySalesRow](t.Context(), st, info.Name)
			if err != nil {
				t.Fatal(err)
			}
			date, _ := GoldDate(table, info.Name)
			key := fmt.Sprint(table, " ", date)
			if out[key] != "" {
				t.Fatalf("%s has two files", key)
			}
			out[key] = rows[0].ProductID
			one, err := ReadGold[DailySalesRow](t.Context(), st, table, date)
			if err != nil || len(one) != 1 || one[0].ProductID != rows[0].ProductID {
				t.Fatalf("%s: one table has %v, %v; all files %v", key, one, err, rows)
			}
		}
	}
	return out
}

// TestRenameGold kills the renaming of an older program's gold at each change:
// readers find every row once, and the next call ends the work.
func TestRenameGold(t *testing.T) {
	t.Parallel()
	want := map[string]string{"daily_sales 2026-03-03": "new", "order_lines 2026-03-03": "order_lines", predictionsTable + " 2026-03-01": "predicted"}
	for i := range 2 {
		for _, table := range []string{"daily_sales", "order_lines"} {
			want[fmt.Sprint(table, " ", firstDate.AddDays(i))] = table
		}
	}
	unfinished := firstDate.AddDays(2)
	isOld := func(name string) bool { return strings.Contains(name, "/date=") && strings.HasSuffix(name, extension) }
	for _, late := range []bool{false, true} {
		for n := int64(1); ; n++ {
			st := newLake(t)
			oldGold(t, st)
			if got := standingRows(t, st); !maps.Equal(got, want) {
				t.Fatalf("an older program's gold: %s", cmp.Diff(want, got))
			}
			d := &dying{Store: st, late: late}
			d.left.Store(n)
			_, err := RenameGold(t.Context(), d)
			if err == nil {
				if n < 18 {
					t.Fatalf("%d changes, want at least 18: of each of two dates 2 publications, 2 files, 2 removals, of predictions and rows set aside 6", n)
				}
				break
			}
			if !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			if got := standingRows(t, st); !maps.Equal(got, want) {
				t.Fatalf("killed at change %d: %s", n, cmp.Diff(want, got))
			}
			if _, err := RenameGold(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			if got := standingRows(t, st); !maps.Equal(got, want) {
				t.Fatalf("killed at change %d and called again: %s", n, cmp.Diff(want, got))
			}
			left := slices.DeleteFunc(names(t, st), func(name string) bool { return !isOld(name) })
			if !slices.Equal(left, []string{oldGoldName("daily_sales", unfinished), oldGoldName("order_lines", unfinished)}) {
				t.Fatalf("killed at change %d: left are %q", n, left)
			}
			if aside, err := ReadAll[DailySalesRow](t.Context(), st, QuarantineName("order_lines", firstDate)); err != nil || aside[0].ProductID != "aside" {
				t.Fatal(err)
			}
			for i := range 2 {
				if p, _, err := ReadPublication(t.Context(), st, firstDate.AddDays(i)); err != nil || p.Number != 1 || p.Inputs != "old" || len(p.Next) > 0 {
					t.Fatalf("killed at change %d: the publication is %+v, %v", n, p, err)
				}
			}
		}
	}
}

// TestGoldOfTwoNames: a date's file under its old name beside the one under its
// new name is the date once, the one that is published.
func TestGoldOfTwoNames(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"daily_sales", predictionsTable} {
		st := newLake(t)
		encode := func(product string) []byte {
			data, err := EncodeGold(nil, []DailySalesRow{{ProductID: product}})
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		if err := PublishTable(t.Context(), st, table, firstDate, encode("published"), 1); err != nil {
			t.Fatal(err)
		}
		if err := st.Put(t.Context(), oldGoldName(table, firstDate), encode("of yesterday's copy")); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{table + " 2026-03-01": "published"}
		if got := standingRows(t, st); !maps.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
		if err := st.Delete(t.Context(), GoldName(table, firstDate)); err != nil {
			t.Fatal(err)
		}
		_, err := new(GoldFiles).Of(t.Context(), st, table)
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), GoldName(table, firstDate)) {
			t.Errorf("%s: the published file is gone, the error is %v", table, err)
		}
		if _, err := ReadGold[DailySalesRow](t.Context(), st, table, firstDate); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: the published file is gone, the error is %v", table, err)
		}
		if err := PublishTable(t.Context(), st, table, firstDate, encode("again"), 1); err != nil {
			t.Fatal(err)
		}
		if _, err := RenameGold(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if left := slices.DeleteFunc(names(t, st), func(name string) bool { return !strings.HasPrefix(name, "gold/") }); !slices.Equal(left, []string{GoldName(table, firstDate)}) {
			t.Errorf("%s: left are %q", table, left)
		}
	}
}

func TestGoldDate(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"gold/daily_sales/2026-03-01.parquet":                true,
		"gold/daily_sales/date=2026-03-01/part.parquet":      true,
		"gold/order_lines/2026-03-01.parquet":                false,
		"gold/daily_sales/2026-03-01 (1).parquet":            false,
		"gold/daily_sales/2026-3-1.parquet":                  false,
		"gold/daily_sales/2026-03-01.parquet.parquet":        false,
		"gold/daily_sales/2026-03-01/part.parquet":           false,
		"gold/daily_sales/date=2026-03-01/part.parquet/x":    false,
		"gold/daily_sales/date=2026-03-01/part-2.parquet":    false,
		"gold/daily_sales/date=2026-03-01.parquet":           false,
		"gold/daily_sales/date=2026-02-30/part.parquet":      false,
		"gold/daily_sales/x/date=2026-03-01/part.parquet":    false,
		"gold/daily_sales_old/date=2026-03-01/part.parquet":  false,
		"silver/daily_sales/date=2026-03-01/part.parquet":    false,
		"quality/quarantine/daily_sales/2026-03-01.parquet":  false,
		"gold/daily_sales/.tmp-2026-03-01.parquet":           false,
		"gold/daily_sales/date=2026-03-01/.tmp-part.parquet": false,
	} {
		date, ok := GoldDate("daily_sales", name)
		if ok != want || ok && date != firstDate {
			t.Errorf("%s: %v %v, expected %v", name, date, ok, want)
		}
	}
}
