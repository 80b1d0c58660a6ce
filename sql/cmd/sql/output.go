package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
)

// outputFlags say how an answer is written, and where.
type outputFlags struct {
	format, out    string
	escapeFormulas bool
	rows           int
}

// fileWidth is the width of a table or chart that goes into a file or a pipe.
const fileWidth = 120

func bindOutput(cmd *cobra.Command) *outputFlags {
	f := &outputFlags{}
	cmd.Flags().StringVar(&f.format, "format", "table", "table, csv, json, parquet or chart")
	cmd.Flags().StringVar(&f.out, "out", "", "file to write; a folder where there are several answers")
	cmd.Flags().BoolVar(&f.escapeFormulas, "escape-formulas", false, "csv: put ' before texts that a spreadsheet would run as a formula")
	cmd.Flags().IntVar(&f.rows, "rows", 40, "table: most rows that are shown (0: all)")
	return f
}

// check refuses wrong values before anything is asked.
func (f *outputFlags) check(stdout io.Writer) error {
	if err := sql.CheckFormat(f.format); err != nil {
		return err
	}
	if f.format == "parquet" && f.out == "" && width(stdout) > 0 {
		return sql.NewUsage("--format parquet writes bytes that a terminal cannot show: name a file with --out")
	}
	if f.rows < 0 {
		return sql.NewUsage("--rows: expected 0 or more, found %d", f.rows)
	}
	return nil
}

var extensions = map[string]string{"table": ".txt", "chart": ".txt", "csv": ".csv", "json": ".json", "parquet": ".parquet"}

// write writes one answer to path, or to stdout if that is empty.
func (f *outputFlags) write(stdout io.Writer, path string, rows *warehouse.Rows, chart sql.Chart) error {
	var b bytes.Buffer
	o := sql.ChartOptions{Width: fileWidth}
	if w := width(stdout); path == "" && w > 0 {
		o = sql.ChartOptions{Width: w, Color: os.Getenv("NO_COLOR") == ""}
	}
	if err := f.encode(&b, rows, chart, o); err != nil {
		return err
	}
	if path == "" {
		_, err := b.WriteTo(stdout)
		return err
	}
	return replaceFile(path, b.Bytes())
}

func (f *outputFlags) encode(w io.Writer, rows *warehouse.Rows, chart sql.Chart, o sql.ChartOptions) error {
	switch f.format {
	case "csv":
		return sql.WriteCSV(w, rows, f.escapeFormulas)
	case "json":
		return sql.WriteJSON(w, rows)
	case "parquet":
		return sql.WriteParquet(w, rows)
	case "chart":
		return sql.WriteChart(w, rows, chart, o)
	default:
		return sql.WriteTableWith(w, rows, sql.TableOptions{Width: o.Width, Rows: f.rows})
	}
}

// width is how many characters a line of the terminal has; 0 if w is none.
func width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// replaceFile writes a file whole, or leaves what is there.
func replaceFile(path string, data []byte) (err error) {
	fail := func(err error) error { return fmt.Errorf("write %s: %w", path, err) }
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sql-*")
	if err != nil {
		return fail(err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fail(errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
