package sql

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"example.com/shopstream/internal/warehouse"
)

// TableOptions say how WriteTableWith prints.
type TableOptions struct {
	Width int // characters a line; longer cells are cut. 0: no limit
	Rows  int // rows that are printed, and a line that says how many there are more. 0: all
}

// WriteTable prints an answer for people, on lines of 120 characters at most.
func WriteTable(w io.Writer, rows *warehouse.Rows) error {
	return WriteTableWith(w, rows, TableOptions{Width: 120})
}

// WriteTableWith prints an answer for people: numbers to the right, with the
// same decimals in a column and commas between thousands; NULL is blank. Cells
// of text are cut to make a line fit, and where that is not enough the table is
// wider.
func WriteTableWith(w io.Writer, rows *warehouse.Rows, o TableOptions) error {
	shown := rows.Rows
	if o.Rows > 0 && len(shown) > o.Rows {
		shown = shown[:o.Rows]
	}
	cells := make([][]string, len(rows.Columns))
	for i, c := range rows.Columns {
		cells[i] = cellsOf(c, i, shown)
	}
	widths := fit(rows.Columns, cells, o.Width)
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.Options{SeparateColumns: true, SeparateHeader: true}
	style.Box.MiddleVertical, style.Box.MiddleSeparator, style.Box.MiddleHorizontal = " ", " ", "─"
	style.Box.PaddingLeft, style.Box.PaddingRight = "", " "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	configs := make([]table.ColumnConfig, len(rows.Columns))
	header := make(table.Row, len(rows.Columns))
	for i, c := range rows.Columns {
		align := text.AlignLeft
		if numeric(c.Type) {
			align = text.AlignRight
		}
		configs[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align}
		header[i] = wrap(c.Name, widths[i])
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(header)
	for r := range shown {
		row := make(table.Row, len(cells))
		for i := range cells {
			row[i] = cut(cells[i][r], widths[i])
		}
		t.AppendRow(row)
	}
	var b strings.Builder
	for line := range strings.SplitSeq(t.Render(), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	switch {
	case len(rows.Rows) == 0:
		b.WriteString("(no rows)\n")
	case len(shown) < len(rows.Rows):
		fmt.Fprintf(&b, "… and %d more rows\n", len(rows.Rows)-len(shown))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cellsOf returns a column's cells.
func cellsOf(c warehouse.ResultColumn, i int, rows [][]any) []string {
	decimals := 0
	for _, row := range rows {
		if r, ok := row[i].(*big.Rat); ok {
			decimals = max(decimals, scale(r))
		}
	}
	if decimals == 1 {
		decimals = 2 // money
	}
	out := make([]string, len(rows))
	for n, row := range rows {
		switch v := row[i].(type) {
		case nil:
		case *big.Rat:
			out[n] = thousands(v.FloatString(decimals))
		case int64:
			out[n] = thousands(Text(v))
		case string:
			out[n] = printable(v)
		default:
			out[n] = Text(v)
		}
	}
	return out
}

// thousands puts commas between groups of three digits before the point.
func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, rest, _ := strings.Cut(s, ".")
	if rest != "" {
		rest = "." + rest
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + whole + rest
}

// printable shows a text on one line, and keeps a terminal from obeying it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == utf8.RuneError {
			return '�'
		}
		return r
	}, s)
}

// wrap cuts a column's name after underscores into lines of a width.
func wrap(name string, width int) string {
	var b strings.Builder
	line := 0
	for part := range strings.SplitAfterSeq(name, "_") {
		n := utf8.RuneCountInString(part)
		if line > 0 && line+n > width {
			b.WriteByte('\n')
			line = 0
		}
		b.WriteString(part)
		line += n
	}
	return b.String()
}

// fit returns the width of each column: names are wrapped and texts are cut, the
// longest first, until a line fits.
func fit(columns []warehouse.ResultColumn, cells [][]string, width int) []int {
	const least = 8 // characters that a text keeps
	widths, whole, total := make([]int, len(columns)), make([]int, len(columns)), 0
	for i, c := range columns {
		for part := range strings.SplitAfterSeq(c.Name, "_") {
			widths[i] = max(widths[i], utf8.RuneCountInString(part))
		}
		for _, cell := range cells[i] {
			widths[i] = max(widths[i], text.RuneWidthWithoutEscSequences(cell))
		}
		whole[i] = max(widths[i], utf8.RuneCountInString(c.Name))
		total += whole[i] + 2
	}
	if total-2 <= width || width == 0 {
		return whole // no name has to be wrapped
	}
	total = -2 // nothing is between the last column and the end
	for _, w := range widths {
		total += w + 2
	}
	for total > width {
		longest := -1
		for i, c := range columns {
			if c.Type == warehouse.String && widths[i] > least && (longest < 0 || widths[i] > widths[longest]) {
				longest = i
			}
		}
		if longest < 0 {
			break
		}
		widths[longest]--
		total--
	}
	return widths
}

func cut(s string, width int) string {
	if text.RuneWidthWithoutEscSequences(s) <= width {
		return s
	}
	return text.Trim(s, max(width-1, 0)) + "…"
}

// WriteCSV writes an answer as RFC 4180 has it, with a header; NULL is empty,
// numbers are exact. With escapeFormulas a text or a name that a spreadsheet
// would run as a formula begins with an apostrophe; numbers below 0 are left.
func WriteCSV(w io.Writer, rows *warehouse.Rows, escapeFormulas bool) error {
	escape := func(s string) string {
		if escapeFormulas && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
			return "'" + s
		}
		return s
	}
	var b strings.Builder
	for i, c := range rows.Columns {
		csvCell(&b, i, escape(c.Name))
	}
	b.WriteString("\r\n")
	for _, row := range rows.Rows {
		for i, v := range row {
			switch v := v.(type) {
			case nil:
				csvCell(&b, i, "")
			case string:
				csvCell(&b, i, escape(v))
			default:
				csvCell(&b, i, Text(v))
			}
		}
		b.WriteString("\r\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// csvCell writes a cell. The standard library's writer would change the line
// ends within one.
func csvCell(b *strings.Builder, i int, s string) {
	if i > 0 {
		b.WriteByte(',')
	}
	if strings.ContainsAny(s, "\",\r\n") {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	b.WriteString(s)
}

// WriteJSON writes an answer as an array of objects, a row a line, with the
// columns in their order. A NUMERIC is a number with its exact digits; a FLOAT64
// that is none is a text, as in "NaN".
func WriteJSON(w io.Writer, rows *warehouse.Rows) error {
	names := make([]string, len(rows.Columns))
	for i, c := range rows.Columns {
		name, err := json.Marshal(c.Name)
		if err != nil {
			return err
		}
		names[i] = string(name)
	}
	var b strings.Builder
	b.WriteString("[")
	for n, row := range rows.Rows {
		if n > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  {")
		for i, v := range row {
			if i > 0 {
				b.WriteString(", ")
			}
			value, err := jsonValue(v)
			if err != nil {
				return err
			}
			b.WriteString(names[i] + ": " + value)
		}
		b.WriteString("}")
	}
	b.WriteString("\n]\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func jsonValue(v any) (string, error) {
	switch f := v.(type) {
	case nil:
		return "null", nil
	case bool, int64, *big.Rat:
		return Text(v), nil
	case float64:
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			return Text(v), nil
		}
	}
	text, err := json.Marshal(Text(v))
	return string(text), err
}

// Formats are the names of what an answer can be written as.
var Formats = []string{"table", "csv", "json", "parquet", "chart"}

// CheckFormat returns a *Usage for a name that is not among Formats.
func CheckFormat(name string) error {
	if !slices.Contains(Formats, name) {
		return Unknown("format", name, Formats)
	}
	return nil
}
