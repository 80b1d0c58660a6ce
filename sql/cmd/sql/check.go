package main

import (
	"errors"
	"fmt"
	"io"

	"cloud.google.com/go/civil"
	"github.com/spf13/cobra"

	"example.com/shopstream/internal/warehouse"
	"example.com/shopstream/sql"
)

// shownRows is how many rows of a failed check are shown.
const shownRows = 10

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Run the tables' checks, and show what gold's rules measured",
		Long: `Run the checks of sql/tables/*/checks, each of which returns the rows that break
it, and show what gold's quality rules measured of a date before it was
published. Exits with 1 if a check or a rule of severity fail does not hold.`,
		Example: `  sql check                      # all dates; rules of the newest
  sql check --date 2026-03-01`,
		Args: cobra.NoArgs,
	}
	engine := bindEngine(cmd)
	day := cmd.Flags().String("date", "", "one business day (default: checks of all, rules of the newest)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		var date *civil.Date
		if *day != "" {
			d, err := sql.ParseValue("--date", warehouse.Date, *day)
			if err != nil {
				return err
			}
			parsed := d.(civil.Date)
			date = &parsed
		}
		w, err := engine.open(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		checked, err := runChecks(cmd, w, date)
		if err != nil {
			return err
		}
		held, err := showRules(cmd, w, date)
		if err != nil {
			return err
		}
		if !checked || !held {
			return errFailed
		}
		return nil
	}
	return cmd
}

// runChecks reports whether all checks hold but those of severity warn.
func runChecks(cmd *cobra.Command, w warehouse.Warehouse, date *civil.Date) (bool, error) {
	good := true
	out := cmd.OutOrStdout()
	for _, c := range sql.Checks() {
		rows, err := c.Run(cmd.Context(), w, date)
		if err != nil {
			return false, err
		}
		if len(rows.Rows) == 0 {
			fmt.Fprintf(out, "ok    %s: %s\n", c.Table, c.Name)
			continue
		}
		word := "FAIL"
		if c.Severity == "warn" {
			word = "warn"
		} else {
			good = false
		}
		fmt.Fprintf(out, "%s  %s: %s: %d rows break it\n", word, c.Table, c.Name, len(rows.Rows))
		if err := sql.WriteTableWith(out, rows, sql.TableOptions{Width: fileWidth, Rows: shownRows}); err != nil {
			return false, err
		}
	}
	return good, nil
}

// rules is what gold's rules measured of a date, of what stands and of an attempt
// that was stopped, failures first.
const rules = `
WITH measured AS (
  SELECT FALSE AS stopped, date, table_name, rule, column_name, severity, passed, measured, threshold, rows_failed, detail FROM quality_results
  UNION ALL
  SELECT TRUE AS stopped, date, table_name, rule, column_name, severity, passed, measured, threshold, rows_failed, detail FROM quality_attempts
)
SELECT stopped, date, table_name, rule, column_name, severity, passed, measured, threshold, rows_failed, detail
FROM measured
WHERE date = COALESCE(CAST(@date AS DATE), (SELECT MAX(date) FROM measured))
ORDER BY stopped, passed, severity, table_name, rule, column_name`

// showRules reports whether no rule of severity fail is broken, by what stands or
// by an attempt to replace it.
func showRules(cmd *cobra.Command, w warehouse.Warehouse, date *civil.Date) (bool, error) {
	params := warehouse.Params{"date": nil}
	if date != nil {
		params["date"] = *date
	}
	rows, err := w.Query(cmd.Context(), rules, params)
	if err != nil {
		return false, err
	}
	out := cmd.OutOrStdout()
	if len(rows.Rows) == 0 {
		fmt.Fprintln(out, "\nThere are no quality results.")
		return true, nil
	}
	good := true
	for _, part := range []struct {
		stopped bool
		title   string
	}{
		{false, "\nGold's rules on %s: %d, of which %d did not hold\n"},
		{true, "\nThe newest attempt at %s was stopped, and what stood before stands. Rules: %d, of which %d did not hold\n"},
	} {
		of := &warehouse.Rows{Columns: rows.Columns[2:]}
		for _, row := range rows.Rows {
			if row[0].(bool) == part.stopped {
				of.Rows = append(of.Rows, row[2:])
			}
		}
		if len(of.Rows) == 0 {
			continue
		}
		held, err := showPart(out, part.title, sql.Text(rows.Rows[0][1]), of)
		if err != nil {
			return false, err
		}
		good = good && held
	}
	return good, nil
}

// showPart shows the rules that do not hold, which come first, and reports whether
// none of them is of severity fail.
func showPart(out io.Writer, title, date string, rows *warehouse.Rows) (bool, error) {
	const severity, passed = 3, 4 // columns
	broken, failed := 0, 0
	for _, row := range rows.Rows {
		if !row[passed].(bool) {
			broken++
			if row[severity] == "fail" {
				failed++
			}
		}
	}
	fmt.Fprintf(out, title, date, len(rows.Rows), broken)
	if broken == 0 {
		return true, nil
	}
	rows.Rows = rows.Rows[:broken]
	return failed == 0, sql.WriteTableWith(out, rows, sql.TableOptions{Width: fileWidth})
}
