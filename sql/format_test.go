package sql_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
)

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

func answer(types string, names string, rows ...[]any) *warehouse.Rows {
	out := &warehouse.Rows{Rows: rows}
	t := strings.Fields(types)
	for i, name := range strings.Fields(names) {
		out.Columns = append(out.Columns, warehouse.ResultColumn{Name: name, Type: warehouse.Type(t[i])})
	}
	return out
}

var mixed = answer("DATE STRING INT64 NUMERIC FLOAT64 BOOL TIMESTAMP", "date product_name order_lines revenue share complete at",
	[]any{civil.Date{Year: 2026, Month: 3, Day: 1}, "Wooden train", int64(1234567), rat("-1234.5"), 0.1, true, time.Date(2026, 3, 1, 10, 0, 0, 5000, time.UTC)},
	[]any{nil, "=SUM(A1)\"\n, x", int64(-1), rat("0.000001"), math.Inf(1), false, nil},
	[]any{nil, nil, nil, rat("12345678901234567890123456789"), nil, nil, nil},
)

func write(t *testing.T, f func(b *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows *warehouse.Rows
		o    sql.TableOptions
		want string
	}{
		"all kinds of values": {mixed, sql.TableOptions{}, `
date        product_name   order_lines                                        revenue  share  complete  at
─────────── ────────────── ──────────── ────────────────────────────────────────────── ────── ───────── ────────────────────────────
2026-03-01  Wooden train     1,234,567                                  -1,234.500000    0.1  true      2026-03-01T10:00:00.000005Z
            =SUM(A1)"�, x           -1                                       0.000001   +Inf  false
                                        12,345,678,901,234,567,890,123,456,789.000000
`},
		"narrow": {
			answer("STRING STRING INT64", "product_name text same_weekday_last_week", []any{"a long name of a product", "b", int64(1)}, []any{"日本語の長い名前の商品です", "c", nil}),
			sql.TableOptions{Width: 38},
			`
product_name            text     same_
                              weekday_
                                 last_
                                  week
─────────────────────── ───── ─────────
a long name of a prod…  b            1
日本語の長い名前の商…   c
`,
		},
		"few rows": {answer("INT64", "n", []any{int64(1)}, []any{int64(2)}, []any{int64(3)}), sql.TableOptions{Rows: 2}, `
n
──
1
2
… and 1 more rows
`},
		"no rows": {answer("INT64", "n"), sql.TableOptions{}, `
n
──
(no rows)
`},
		"money": {answer("NUMERIC", "m", []any{rat("1.5")}, []any{rat("20")}), sql.TableOptions{}, `
    m
──────
 1.50
20.00
`},
	} {
		got := "\n" + write(t, func(b *bytes.Buffer) error { return sql.WriteTableWith(b, c.rows, c.o) })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	const head = "date,product_name,order_lines,revenue,share,complete,at\r\n2026-03-01,Wooden train,1234567,-1234.5,0.1,true,2026-03-01T10:00:00.000005Z\r\n"
	const tail = ",-1,0.000001,+Inf,false,\r\n,,,12345678901234567890123456789,,,\r\n"
	got := write(t, func(b *bytes.Buffer) error { return sql.WriteCSV(b, mixed, false) })
	if diff := cmp.Diff(head+",\"=SUM(A1)\"\"\n, x\""+tail, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = write(t, func(b *bytes.Buffer) error { return sql.WriteCSV(b, mixed, true) })
	if diff := cmp.Diff(head+",\"'=SUM(A1)\"\"\n, x\""+tail, got); diff != "" {
		t.Errorf("escaped (-want +got):\n%s", diff)
	}
	for _, text := range []string{"=1", "+1", "-1", "@a", "\ta", "\ra"} {
		got := write(t, func(b *bytes.Buffer) error { return sql.WriteCSV(b, answer("STRING", "=n", []any{text}), true) })
		if strings.ReplaceAll(got, `"`, "") != "'=n\r\n'"+text+"\r\n" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestCSVProperty reads back what was written.
func TestCSVProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`[a"',;=\n é|\t-]{0,8}`), 2, 2).Draw(t, "texts")
		var b bytes.Buffer
		if err := sql.WriteCSV(&b, answer("STRING STRING", "a b", []any{texts[0], texts[1]}), false); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{{"a", "b"}, texts}, rows); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	got := write(t, func(b *bytes.Buffer) error { return sql.WriteJSON(b, mixed) })
	want := `[
  {"date": "2026-03-01", "product_name": "Wooden train", "order_lines": 1234567, "revenue": -1234.5, "share": 0.1, "complete": true, "at": "2026-03-01T10:00:00.000005Z"},
  {"date": null, "product_name": "=SUM(A1)\"\n, x", "order_lines": -1, "revenue": 0.000001, "share": "+Inf", "complete": false, "at": null},
  {"date": null, "product_name": null, "order_lines": null, "revenue": 12345678901234567890123456789, "share": null, "complete": null, "at": null}
]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{got, write(t, func(b *bytes.Buffer) error { return sql.WriteJSON(b, answer("INT64", `"n`)) })} {
		if !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", text)
		}
	}
}

// TestWriteParquet reads the file with DuckDB, as a table of a lake.
func TestWriteParquet(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	name := filepath.Join(folder, "gold", "answer.parquet")
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	data := write(t, func(b *bytes.Buffer) error { return sql.WriteParquet(b, mixed) })
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := openAt(t, folder).Query(t.Context(), "SELECT * FROM read_parquet('"+name+"')", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mixed, rows, cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	twice := answer("INT64 INT64", "a a")
	if err := sql.WriteParquet(&bytes.Buffer{}, twice); err == nil || !strings.Contains(err.Error(), "a is there twice") {
		t.Errorf("error %v", err)
	}
}

func TestWriteChart(t *testing.T) {
	t.Parallel()
	rows := answer("STRING STRING NUMERIC", "x by y", []any{"a", "GBP", rat("10")}, []any{"b", "GBP", rat("-5")}, []any{"a", "EUR", rat("2.5")}, []any{"b", "EUR", nil})
	bars := write(t, func(b *bytes.Buffer) error {
		return sql.WriteChart(b, rows, sql.Chart{Kind: "bars", X: "x", Y: "y", By: "by"}, sql.ChartOptions{Width: 32})
	})
	if diff := cmp.Diff("y by x\nGBP a   10  ████████████████████\nGBP b   -5  ░░░░░░░░░░\nEUR a  2.5  █████\n", strings.ReplaceAll(bars, " \n", "\n")); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	line := sql.Chart{Kind: "line", X: "x", Y: "y", By: "by"}
	apart := write(t, func(b *bytes.Buffer) error { return sql.WriteChart(b, rows, line, sql.ChartOptions{Width: 80}) })
	if strings.Count(apart, "y by x, a to b") != 2 || strings.Contains(apart, "\x1b") || !strings.Contains(apart, "by EUR") {
		t.Errorf("expected two pictures without colors:\n%s", apart)
	}
	together := write(t, func(b *bytes.Buffer) error {
		return sql.WriteChart(b, rows, line, sql.ChartOptions{Width: 80, Color: true})
	})
	if strings.Count(together, "y by x, a to b") != 1 || !strings.Contains(together, "\x1b") {
		t.Errorf("expected one picture with colors:\n%s", together)
	}
	if got := write(t, func(b *bytes.Buffer) error {
		return sql.WriteChart(b, answer("STRING STRING NUMERIC", "x by y"), line, sql.ChartOptions{Width: 80})
	}); got != "(nothing to draw)\n" {
		t.Errorf("found %q", got)
	}
	if err := sql.WriteChart(&bytes.Buffer{}, rows, sql.Chart{X: "x", Y: "by"}, sql.ChartOptions{}); err == nil {
		t.Error("expected an error for a column that is no number")
	}
}
