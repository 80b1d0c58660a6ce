package pipelines

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// A rule that does not hold warns, sets rows aside or stops the day, as its
// severity says, and nothing is published by halves.
func TestQualitySeverities(t *testing.T) {
	program := build(t, "./cmd/gold")
	for _, severity := range []string{"warn", "quarantine", "fail"} {
		t.Run(severity, func(t *testing.T) {
			l := newSmallLake(t, t.TempDir())
			day := civil.DateOf(firstDay)
			l.day(day)
			l.day(day.AddDays(1))
			l.gold(GoldOptions{})
			before := goldFiles(t, l.uri)

			// Something late for each day, of which the rule does not let one pass.
			absurd := l.order(day.In(time.UTC))
			absurd.ProductID, absurd.Quantity = "absurd", 5000
			plain := l.order(day.AddDays(1).In(time.UTC))
			l.hour(day.AddDays(2).In(time.UTC), nil, []lake.SilverRow{absurd, plain})
			rules := t.TempDir()
			l.must(os.MkdirAll(filepath.Join(rules, "order_lines"), 0o755))
			l.must(os.WriteFile(filepath.Join(rules, "order_lines", "quality.yaml"), []byte(
				"rules:\n  - name: few_units\n    severity: "+severity+"\n    range: {columns: [quantity], max: 1000}\n"), 0o600))

			out, err := exec.Command(program, "--lake="+l.uri, "--quality="+rules).CombinedOutput()
			code := exitCode(err)
			daily, readErr := lake.ReadAll[lake.DailySalesRow](t.Context(), l.st, lake.GoldName("daily_sales", day))
			l.must(readErr)
			has := slices.ContainsFunc(daily, func(r lake.DailySalesRow) bool { return r.ProductID == "absurd" })
			aside, asideErr := lake.ReadAll[lake.OrderLineRow](t.Context(), l.st, lake.QuarantineName("order_lines", day))
			// What was measured of the tables that stand, and of an attempt that was stopped, are apart.
			measured, other := "quality_results", lake.AttemptsTable
			if severity == "fail" {
				measured, other = other, measured
			}
			results, readErr := lake.ReadGold[lake.QualityRow](t.Context(), l.st, measured, day)
			l.must(readErr)
			if others, err := lake.ReadGold[lake.QualityRow](t.Context(), l.st, other, day); err != nil || slices.ContainsFunc(others, func(r lake.QualityRow) bool { return r.Rule == "few_units" }) ||
				(len(others) > 0) != (severity == "fail") {
				t.Errorf("%s: %v, %+v", other, err, others)
			}
			i := slices.IndexFunc(results, func(r lake.QualityRow) bool { return r.Rule == "few_units" })
			if i < 0 || results[i].Passed || results[i].RowsFailed != 1 || results[i].Severity != severity || !strings.Contains(results[i].Detail, absurd.EventID) {
				t.Errorf("the result of the rule: %+v", results)
			}
			if !strings.Contains(string(out), "few_units") || !strings.Contains(string(out), absurd.EventID) {
				t.Errorf("the report does not name the rule and the row:\n%s", out)
			}
			numbers := map[civil.Date]int64{day: 2, day.AddDays(1): 2}
			switch severity {
			case "warn":
				if code != 0 || !has || asideErr == nil {
					t.Errorf("exit code %d, the row is published: %v, set aside: %v\n%s", code, has, aside, out)
				}
			case "quarantine":
				if code != 0 || has || len(aside) != 1 || aside[0].ProductID != "absurd" {
					t.Errorf("exit code %d, the row is published: %v, set aside: %v\n%s", code, has, aside, out)
				}
				l.checksHold() // the sums are those of the order lines that are left
			case "fail":
				numbers[day] = 1
				if code != 3 || has || asideErr == nil || !strings.Contains(string(out), "STOPPED "+day.String()) {
					t.Errorf("exit code %d, the row is published: %v, set aside: %v\n%s", code, has, aside, out)
				}
				for name, content := range goldFiles(t, l.uri) {
					if strings.Contains(name, day.String()) && !strings.Contains(name, lake.AttemptsTable) && content != before[name] {
						t.Errorf("%s has changed, though the day was stopped", name)
					}
				}
			}
			if diff := cmp.Diff(numbers, published(t, l.st)); diff != "" {
				t.Error(diff)
			}
			if severity != "fail" {
				return
			}
			// With other rules every day is made again, also the one that was stopped.
			if r := l.gold(GoldOptions{}); r.Published != 2 || r.Dirty != 1 || len(r.Failed) > 0 {
				t.Errorf("after the rule was dropped: %d published, %d dirty, %v failed", r.Published, r.Dirty, r.Failed)
			}
			if rows, err := lake.ReadGold[lake.QualityRow](t.Context(), l.st, lake.AttemptsTable, day); err != nil || len(rows) > 0 {
				t.Errorf("the day is published, but an attempt is left: %v, %+v", err, rows)
			}
		})
	}
}

// exitCode is that of a program which has ended with err; −1 if it did not start.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func TestWrongQualityRules(t *testing.T) {
	program := build(t, "./cmd/gold")
	for name, text := range map[string]string{
		"a column that is not there": "rules:\n  - name: x\n    severity: warn\n    not_null: {columns: [colour]}\n",
		"no such severity":           "rules:\n  - name: x\n    severity: grave\n    not_null: {columns: [units]}\n",
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "daily_sales"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "daily_sales", "quality.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "--lake="+t.TempDir(), "--quality="+dir).CombinedOutput()
		if exitCode(err) != 2 || !strings.Contains(string(out), "daily_sales/quality.yaml") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestSumsThatDoNotFit: valid orders never block a day, whatever they add up to.
// The largest lines are set aside, the others are published, and all tables say
// the same.
func TestSumsThatDoNotFit(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	var rows []lake.SilverRow
	for i, amount := range []string{"999999999999.999999", "10", "600000000000", "399999999000", "20"} {
		o := l.order(day.In(time.UTC).Add(time.Duration(i) * time.Minute))
		price, err := shop.ParseMoney(amount)
		l.must(err)
		o.UnitPrice, o.Quantity, o.Currency = price, 1, "VND"
		rows = append(rows, o)
	}
	l.hour(day.In(time.UTC), rows, nil)
	r := l.gold(GoldOptions{IncludeOpen: true})
	if len(r.Failed) > 0 || r.Published != 1 {
		t.Fatalf("%d published, failed %v", r.Published, r.Failed)
	}
	aside, err := lake.ReadAll[lake.OrderLineRow](t.Context(), l.st, lake.QuarantineName("order_lines", day))
	l.must(err)
	if len(aside) != 1 || aside[0].Amount.String() != "999999999999.999999" {
		t.Errorf("set aside: %+v", aside)
	}
	sum := shop.Money(0)
	for _, row := range l.daily(day) {
		sum += row.Revenue
	}
	if sum.String() != "999999999030" {
		t.Errorf("the day's revenue is %s, want 999999999030", sum)
	}
	l.checksHold()
	var told strings.Builder
	r.Write(&told)
	if text := told.String(); !strings.Contains(text, "quarantine order_lines.sums_fit") || !strings.Contains(text, "999999999999.999999") {
		t.Errorf("the report does not tell:\n%s", text)
	}
}
