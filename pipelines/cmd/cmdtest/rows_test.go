//go:build unix

package cmdtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
)

func ledgerOf(t testing.TB, uri string) (lake.Store, *lake.Ledger) {
	t.Helper()
	st, err := lake.OpenStore(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return st, ledger
}

// wantClosed checks the identity from the ledger alone, and that the lake is
// marked as complete.
func wantClosed(t testing.TB, uri string, read int64) {
	t.Helper()
	_, ledger := ledgerOf(t, uri)
	totals := lake.Total(ledger.Rows)
	if err := totals.Check(); err != nil {
		t.Error(err)
	}
	if totals.Read != read || ledger.Closed == nil || ledger.Closed.Totals.Read != read {
		t.Errorf("%d records read, want %d; closed: %+v", totals.Read, read, ledger.Closed)
	}
}

// rowsOf reads what a lake holds: its rows as sorted texts, by lane and kind of
// metrics. The time at which Kafka got a record is left out: it differs
// between brokers.
func rowsOf(t testing.TB, uri string) map[string][]string {
	t.Helper()
	st, ledger := ledgerOf(t, uri)
	var files []lake.File
	for _, r := range ledger.Visible() {
		files = append(files, r.Files...)
	}
	for _, r := range ledger.VisibleMetrics() {
		files = append(files, r.Files...)
	}
	out := map[string][]string{}
	for _, f := range files {
		key, err := lake.ParseName(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		switch key.Lane {
		case lake.Bronze:
			rows = texts(t, st, f, func(r lake.BronzeRow) string {
				r.KafkaTimestamp = 0
				return fmt.Sprintf("%+v", r)
			})
		case lake.Dead:
			rows = texts(t, st, f, func(r lake.DeadRow) string {
				r.KafkaTimestamp = 0
				return fmt.Sprintf("%+v", r)
			})
		case lake.Silver:
			rows = texts(t, st, f, func(r lake.SilverRow) string { return fmt.Sprintf("%s %+v", key.Category, r) })
		case lake.Late:
			rows = texts(t, st, f, func(r lake.LateRow) string { return fmt.Sprintf("%+v", r) })
		default:
			rows = texts(t, st, f, func(r lake.MetricRow) string {
				conversion := "NULL"
				if r.Conversion != nil {
					conversion = fmt.Sprint(*r.Conversion)
				}
				r.Conversion = nil
				return fmt.Sprintf("%+v %s", r, conversion)
			})
		}
		name := string(key.Lane) + key.Kind
		out[name] = append(out[name], rows...)
	}
	for _, rows := range out {
		slices.Sort(rows)
	}
	return out
}

func texts[T any](t testing.TB, st lake.Store, f lake.File, text func(T) string) []string {
	t.Helper()
	rows, err := lake.ReadAll[T](t.Context(), st, f.Name)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(rows)) != f.Rows {
		t.Errorf("%s has %d rows, the ledger says %d", f.Name, len(rows), f.Rows)
	}
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = text(r)
	}
	return out
}

// sameRows fails the test where two lakes of files differ. A file is replayed in
// order, so that nothing of it is late.
func sameRows(t testing.TB, want, got map[string][]string) {
	t.Helper()
	for _, name := range []string{"bronze", "silver", "dead_letters", "5m", "1h", "sliding-1h"} {
		if len(want[name]) == 0 {
			t.Errorf("there is nothing to compare in %s", name)
		}
		if !slices.Equal(want[name], got[name]) {
			// The difference of long lists is slow to find: a few rows tell enough.
			missing := minus(want[name], got[name])
			extra := minus(got[name], want[name])
			t.Errorf("%s: %d rows, want %d; %d missing, %d not expected, such as\n%s", name, len(got[name]), len(want[name]), len(missing), len(extra),
				cmp.Diff(missing[:min(2, len(missing))], extra[:min(2, len(extra))]))
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d kinds of rows, want %d", len(got), len(want))
	}
}

// minus is the rows of a that b lacks; a row that is there n times counts n
// times.
func minus(a, b []string) []string {
	n := map[string]int{}
	for _, row := range b {
		n[row]++
	}
	var out []string
	for _, row := range a {
		if n[row]--; n[row] < 0 {
			out = append(out, row)
		}
	}
	return out
}
