package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/internal/warehouse/duck"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/sql"
)

// mainQueries are what local ends with, and how many rows of each it shows.
var mainQueries = []struct {
	name string
	rows int
}{{"daily_revenue", 28}, {"category_growth", 10}, {"top_selling_products", 10}, {"demand_vs_actual", 10}}

// errStopped says that a quality rule has stopped a business day.
var errStopped = errors.New("a quality rule has stopped a business day: see above")

// finish makes gold's tables of the lake, open days too, forecasts the next
// days, and prints the answers of the main queries.
func finish(ctx context.Context, w io.Writer, o pipelines.GoldOptions, cfg config.Config, set settings) error {
	made, err := gold(ctx, w, o)
	if err != nil {
		return fmt.Errorf("gold: %w", err)
	}
	o.History = nil // hundreds of megabytes
	var failed error
	if set.forecast {
		if failed = predict(ctx, w, cfg, set); errors.Is(failed, context.Canceled) {
			return failed
		}
	}
	if err := ask(ctx, w, o.Lake); err != nil {
		return errors.Join(failed, err)
	}
	fmt.Fprintf(w, `The lake is %[1]s
Ask it more:
  go run ./sql/cmd/sql list
  go run ./sql/cmd/sql run basket --lake=%[1]s
  go run ./sql/cmd/sql query 'SELECT country, SUM(amount) AS revenue FROM order_lines WHERE NOT cancelled GROUP BY country ORDER BY revenue DESC' --lake=%[1]s
`, o.Lake)
	if len(made.Failed) > 0 {
		failed = errors.Join(errStopped, failed)
	}
	return failed
}

// gold makes the tables of the lake's business days.
func gold(ctx context.Context, w io.Writer, o pipelines.GoldOptions) (made pipelines.GoldReport, err error) {
	pipelines.LimitGoldMemory()
	o.IncludeOpen = true
	fmt.Fprintln(w)
	view := pipelines.NewGoldView(w, phase.Terminal(w))
	made, err = o.RunGold(ctx, pipelines.Prism, view)
	view.Stop()
	if err == nil {
		made.Write(w)
	}
	return made, err
}

func ask(ctx context.Context, w io.Writer, lakeURI string) (err error) {
	end := working(w, "opening gold's tables")
	db, err := duck.Open(ctx, lakeURI, duck.Options{})
	end()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, q := range mainQueries {
		query, err := sql.Lookup(q.name)
		if err != nil {
			return err
		}
		end := working(w, "asking "+q.name)
		rows, err := sql.Run(ctx, db, q.name, nil)
		end()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s: %s\n", q.name, query.Description)
		if len(rows.Rows) == 0 && q.name == "demand_vs_actual" {
			fmt.Fprintln(w, "(nothing was forecast yet of a day that is over)")
			continue
		}
		if err := sql.WriteTableWith(w, rows, sql.TableOptions{Width: width(w), Rows: q.rows}); err != nil {
			return err
		}
	}
	if err := check(ctx, w, db); err != nil {
		return err
	}
	return tellRevenue(ctx, w, db)
}

// check runs the rules of the tables that are in SQL.
func check(ctx context.Context, w io.Writer, db *duck.Duck) error {
	broken := 0
	for _, c := range sql.Checks() {
		end := working(w, "checking "+c.Table+"."+c.Name)
		rows, err := c.Run(ctx, db, nil)
		end()
		if err != nil {
			return err
		}
		if len(rows.Rows) == 0 {
			continue
		}
		broken++
		fmt.Fprintf(w, "\n%s: %s.%s does not hold:\n", c.Severity, c.Table, c.Name)
		if err := sql.WriteTableWith(w, rows, sql.TableOptions{Width: width(w), Rows: 5}); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\n%d of %d checks in SQL hold.\n", len(sql.Checks())-broken, len(sql.Checks()))
	return nil
}

// working shows what takes long while nothing else is said.
func working(w io.Writer, what string) (end func()) { return phase.Doing(w, phase.Terminal(w), what) }

// width is how many characters a line of w takes.
func width(w io.Writer) int {
	const plain = 120
	if f, ok := w.(*os.File); ok && phase.Terminal(w) {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 40 {
			return columns
		}
	}
	return plain
}
