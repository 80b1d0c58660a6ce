package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"example.com/shopstream/ml/score"
)

// Table writes the report as text for a terminal, without colour: the models by
// WAPE, the best marked *, their differences to the baselines, and WAPE by day
// of the forecast, segment and origin. What has no number is shown as –.
func Table(w io.Writer, r Report) error {
	r, err := r.prepared()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n%s\n\n", r.Title, r.facts(), r.summary())
	writeModels(&b, r)
	writeDifferences(&b, r)
	writeParts(&b, "WAPE by day of the forecast", r.Models, r.ByHorizon)
	writeParts(&b, "WAPE by segment", r.Models, r.BySegment)
	writeParts(&b, "WAPE by origin", r.Models, r.ByOrigin)
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "Note: %s\n", note)
	}
	out := strings.TrimRight(printable(b.String()), "\n") + "\n"
	if _, err := io.WriteString(w, out); err != nil {
		return fmt.Errorf("report: write as a table: %w", err)
	}
	return nil
}

func writeModels(b *strings.Builder, r Report) {
	header := []string{"", "model"}
	shown := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return !slices.ContainsFunc(r.Models, func(m Model) bool { return defined(c.of(m.Metrics)) })
	})
	for _, c := range shown {
		header = append(header, c.short)
	}
	var rows [][]string
	for i, m := range r.Models {
		row := []string{sign(i, m), m.Model}
		for _, c := range shown {
			row = append(row, c.format(c.of(m.Metrics)))
		}
		rows = append(rows, row)
	}
	writeTable(b, header, 2, rows)
	b.WriteString("* best by WAPE\n\n")
}

// sign returns the sign of the best model.
func sign(i int, m Model) string {
	if i == 0 && defined(m.Metrics.WAPE) {
		return "*"
	}
	return ""
}

func writeDifferences(b *strings.Builder, r Report) {
	var rows [][]string
	for _, m := range r.Models {
		for _, a := range m.Against {
			if d := a.Difference; d.Metric == score.WAPE {
				rows = append(rows, []string{m.Model, a.Baseline, signed(d.Difference), fmt.Sprintf("%.0f %%: %s", 100*d.Confidence, bounds(d)), verdict(d)})
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("Difference in WAPE to a baseline, below 0 is better\n")
	writeTable(b, []string{"model", "baseline", "difference", "interval", "verdict"}, 2, rows)
	b.WriteString("\n")
}

// writeParts writes a model a row and a part a column.
func writeParts(b *strings.Builder, title string, models []Model, parts []Part) {
	names := namesOf(parts)
	if len(names) < 2 {
		return // the same as the first table
	}
	wape := map[[2]string]float64{}
	for _, p := range parts {
		wape[[2]string{p.Model, p.Name}] = p.Metrics.WAPE
	}
	var rows [][]string
	for _, m := range models {
		row := []string{m.Model}
		for _, name := range names {
			cell := none
			if v, ok := wape[[2]string{m.Model, name}]; ok {
				cell = ratio(v)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	b.WriteString(title + "\n")
	writeTable(b, append([]string{"model"}, names...), 1, rows)
	b.WriteString("\n")
}

// namesOf returns the names of parts in the order in which they come.
func namesOf(parts []Part) []string {
	var names []string
	for _, p := range parts {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// writeTable writes texts, the first columns to the left, numbers to the right.
func writeTable(b *strings.Builder, header []string, left int, rows [][]string) {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.Options{SeparateColumns: true, SeparateHeader: true}
	style.Box.MiddleVertical, style.Box.MiddleSeparator, style.Box.MiddleHorizontal = " ", " ", "─"
	style.Box.PaddingLeft, style.Box.PaddingRight = "", " "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	configs := make([]table.ColumnConfig, len(header))
	for i := range header {
		align := text.AlignRight
		if i < left {
			align = text.AlignLeft
		}
		configs[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align}
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(rowOf(header))
	for _, row := range rows {
		t.AppendRow(rowOf(row))
	}
	for line := range strings.SplitSeq(t.Render(), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func rowOf(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = strings.ReplaceAll(printable(c), "\n", " ")
	}
	return row
}

// printable keeps names from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029) {
			return '�'
		}
		return r
	}, s)
}
