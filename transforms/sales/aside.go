package sales

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/transforms/quality"
)

// setAside takes those order lines from the day that a rule of severity
// quarantine does not let pass, and after them those with which the day's sums
// would not fit their columns. They leave the tables, the sums and the header that
// the tables are held to. It returns the results of these rules.
func (fn *publishFn) setAside(d *Day, day int32, planned PlannedDay, p *partial) (*Day, []lake.QualityRow) {
	o := fn.rules["order_lines"].Quarantines().Evaluate(quality.RowsOf(d.Lines), quality.Context{Date: DateOf(day), Complete: planned.Complete, Tables: d.rows()})
	results := o.Results
	kept, aside := apart(d.Lines, o.Quarantined)
	large := tooLarge(kept)
	if len(large) > 0 {
		var more []lake.OrderLineRow
		kept, more = apart(kept, large)
		aside = append(aside, more...)
		results = append(results, sumsFit(day, more))
	}
	if len(aside) == 0 {
		return d, results
	}
	sortLines(aside)
	p.header.money = map[string]*money{}
	for i := range kept {
		l := &kept[i]
		p.header.of(l.Currency).add(l.Cancelled, l.Quantity, l.Amount)
	}
	left := p.sum(kept, day, planned.Complete, fn.calendar, fn.catalogue)
	left.Aside = aside
	return left, results
}

// apart divides rows into those kept and those at the ascending indices.
func apart[T any](rows []T, at []int) (kept, aside []T) {
	if len(at) == 0 {
		return rows, nil
	}
	kept = make([]T, 0, len(rows)-len(at))
	for i := range rows {
		if len(at) > 0 && at[0] == i {
			aside, at = append(aside, rows[i]), at[1:]
		} else {
			kept = append(kept, rows[i])
		}
	}
	return kept, aside
}

// tooLarge returns the indices, ascending, of the fewest lines without which what
// was ordered on the day in each currency, and what was cancelled, fits
// DECIMAL(18,6): those with the largest amounts. Of equal ones the last in the
// table's order are taken.
func tooLarge(lines []lake.OrderLineRow) (out []int) {
	type side struct {
		currency  string
		cancelled bool
	}
	sides := map[side][]int{}
	sums := map[side]shop.Money{}
	for i := range lines {
		k := side{lines[i].Currency, lines[i].Cancelled}
		sides[k] = append(sides[k], i)
		sums[k] = min(sums[k]+lines[i].Amount, tooMuch)
	}
	for k, at := range sides {
		if sums[k] < tooMuch {
			continue
		}
		slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(lines[a].Amount, lines[b].Amount) })
		var sum shop.Money
		for i, line := range at {
			var fits bool
			if sum, fits = sum.Add(lines[line].Amount); !fits {
				out = append(out, at[i:]...)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// sumsFit is the result of the lines that were set aside by tooLarge.
func sumsFit(day int32, lines []lake.OrderLineRow) lake.QualityRow {
	largest := map[string]shop.Money{}
	for i := range lines {
		largest[lines[i].Currency] = max(largest[lines[i].Currency], lines[i].Amount)
	}
	detail := ""
	for _, currency := range slices.Sorted(maps.Keys(largest)) {
		detail += fmt.Sprintf("the day's sums in %s would not fit with lines of up to %s; ", currency, largest[currency])
	}
	detail += "these lines are in " + lake.QuarantineName("order_lines", DateOf(day))
	return lake.QualityRow{
		Date: day, TableName: "order_lines", Rule: "sums_fit", Severity: string(quality.Quarantine), Measured: known(float64(len(lines))),
		Threshold: "a day's sums of at most " + shop.MaxMoney.String(), RowsFailed: int64(len(lines)), Detail: detail,
	}
}
