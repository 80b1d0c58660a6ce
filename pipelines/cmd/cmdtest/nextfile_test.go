//go:build unix

package cmdtest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// export is a shop's export of the days from one to another, in the form of
// Online Retail, with the revenue of its lines in cents. A day's lines are the
// same in each export, some of them twice.
func export(from, to time.Time) (lines []string, cents int) {
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		for i := range 12 {
			quantity, price := 1+(day.YearDay()+i)%5, 199+37*i
			line := fmt.Sprintf("5%03d%02d,S%d,MUG %d,%d,%s,%d.%02d,%d,France\n", day.YearDay(), i/4, i%7, i%7, quantity,
				day.Add(time.Duration(9+i/4)*time.Hour).Format(time.DateTime), price/100, price%100, 12000+i/4)
			n := 1 + i%2
			lines = append(lines, slices.Repeat([]string{line}, n)...)
			cents += n * quantity * price
		}
	}
	return lines, cents
}

const exportHead = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

// TestLocalTakesTheNextFile: exports of one month after the other, of which each
// begins with days of the one before, add up to all of it, in whatever order
// their lines stand; a file that is given again adds nothing.
func TestLocalTakesTheNextFile(t *testing.T) {
	day := func(month time.Month, day int) time.Time { return time.Date(2011, month, day, 0, 0, 0, 0, time.UTC) }
	data := t.TempDir()
	lake := filepath.Join(data, "lake")
	revenue := func() string {
		t.Helper()
		return strings.TrimSpace(must(t, "sql", "query", "SELECT CAST(SUM(revenue) AS STRING) AS sum FROM daily_sales", "--lake="+lake, "--format=csv").stdout)
	}
	local := func(lines []string, patterns ...string) {
		t.Helper()
		file := writeFile(t, "export.csv", []byte(exportHead+strings.Join(lines, "")))
		wantMatches(t, must(t, "local", "--source="+file, "--data="+data, "--forecast=false").stdout, patterns...)
	}
	wantCents := func(cents int) {
		t.Helper()
		if got, want := revenue(), fmt.Sprintf("sum\r\n%d.%02d0000", cents/100, cents%100); got != want {
			t.Errorf("revenue %q, want %q", got, want)
		}
	}

	january, cents := export(day(1, 1), day(2, 1))
	local(january, `\n558 records sent to topic ecommerce_events in .* \(0 were there already\)\n`)
	wantCents(cents)

	february, _ := export(day(1, 25), day(3, 1))
	_, cents = export(day(1, 1), day(3, 1))
	local(february, `\nexport\.csv is another file than was replayed before`, `\nThe ledger: 1,188 records read = 1,062 silver \+ 72 duplicates \+ 0 dead letters \+ 54 late\.`,
		`\ngold: .* = 576 events \+ 54 duplicates \+ 0 conflicts`)
	wantCents(cents)

	local(february, `\nexport\.csv was replayed before and has not changed: there is nothing to add\.\n0 records sent`, `\ngold: 0 business days to make`)
	wantCents(cents)

	slices.Reverse(february)
	local(february, `\nexport\.csv is not in order of time \(a record is up to 34 days behind`)
	wantCents(cents)
}
