package quality

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"example.com/shopstream/internal/lake"
)

// Report writes what of the results did not hold, the worst first, and a line on
// what held. The results may be of many tables and dates.
func Report(w io.Writer, results []lake.QualityRow) {
	var broken []lake.QualityRow
	unmeasured := 0
	for _, r := range results {
		switch {
		case !r.Passed:
			broken = append(broken, r)
		case !Measured(r):
			unmeasured++
		}
	}
	rank := func(severity string) int {
		return -slices.Index([]string{string(Warn), string(Quarantine), string(Fail)}, severity)
	}
	slices.SortStableFunc(broken, func(a, b lake.QualityRow) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.Date, b.Date), cmp.Compare(b.RowsFailed, a.RowsFailed),
			cmp.Compare(a.TableName, b.TableName), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.ColumnName, b.ColumnName))
	})
	if len(broken) > 0 {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SEVERITY\tDATE\tTABLE\tRULE\tCOLUMN\tROWS\tMEASURED\tEXPECTED")
		for _, r := range broken {
			measured := "-"
			if r.Measured != nil {
				measured = strconv.FormatFloat(*r.Measured, 'g', 12, 64)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.Severity, time.Unix(int64(r.Date)*86400, 0).UTC().Format(time.DateOnly), r.TableName,
				r.Rule, cmp.Or(r.ColumnName, "-"), r.RowsFailed, measured, r.Threshold)
		}
		_ = t.Flush() // like the other writes to a terminal
		fmt.Fprintln(w)
		for _, r := range broken {
			if r.Detail != "" {
				fmt.Fprintf(w, "%s.%s: %s\n", r.TableName, r.Rule, r.Detail)
			}
		}
	}
	fmt.Fprintf(w, "quality: %d of %d results hold, %d do not, %d were not measured\n",
		len(results)-len(broken)-unmeasured, len(results), len(broken), unmeasured)
}
