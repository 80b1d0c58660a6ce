package sales

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// A business day that an imported history covers and the lake has events of.
//
// Nobody can know whether an order of the lake is in the history's sums too: so
// neither is added to the other. Of each series (product and currency) and each
// part of it (sales, cancellations; views; carts) the larger of both stands: the
// history is a floor, which the lake's own events complete. Nothing counts twice,
// and nothing that either of them says is lost.

// series is what history and events are compared by.
type series struct{ product, currency string }

// amounts are the parts of a series, over its categories.
type amounts struct {
	money
	looks
}

func (a *amounts) add(r *lake.DailySalesRow) {
	a.Lines += r.OrderLines
	a.Units = plus(a.Units, r.Units)
	a.Revenue = min(a.Revenue+r.Revenue, tooMuch)
	a.CancelledLines += r.CancelledLines
	a.CancelledUnits = plus(a.CancelledUnits, r.CancelledUnits)
	a.CancelledRevenue = min(a.CancelledRevenue+r.CancelledRevenue, tooMuch)
	a.views += r.Views
	a.carts += r.Carts
}

func amountsOf(rows []lake.DailySalesRow) map[series]*amounts {
	out := map[series]*amounts{}
	for i := range rows {
		k := series{rows[i].ProductID, rows[i].Currency}
		if out[k] == nil {
			out[k] = &amounts{}
		}
		out[k].add(&rows[i])
	}
	return out
}

// choice says of each part of a series whether the events have it.
type choice struct{ sales, cancelled, views, carts bool }

func choose(history, events *amounts) choice {
	if history == nil {
		return choice{true, true, true, true}
	}
	if events == nil {
		return choice{}
	}
	c := choice{
		sales: cmp.Or(cmp.Compare(events.Revenue, history.Revenue), cmp.Compare(events.Units, history.Units), cmp.Compare(events.Lines, history.Lines)) >= 0,
		views: events.views >= history.views,
		carts: events.carts >= history.carts,
	}
	// What neither has goes with the sales, so that the row stays of one source.
	order := cmp.Or(cmp.Compare(events.CancelledRevenue, history.CancelledRevenue), cmp.Compare(events.CancelledUnits, history.CancelledUnits), cmp.Compare(events.CancelledLines, history.CancelledLines))
	c.cancelled = order > 0 || (order == 0 && c.sales)
	return c
}

// merged is a day's daily_sales and category_revenue of history and events, and
// what they were held to be by sums of their own.
type merged struct {
	daily    []lake.DailySalesRow
	category []lake.CategoryRevenueRow
	header   header // the sums, taken from the series and not from the rows
	result   lake.QualityRow
}

// merge makes a day of its history and of what its events made. Both are sorted
// by the tables' grain, and so is the result.
func merge(day int32, complete bool, history []lake.DailySalesRow, d *Day) *merged {
	fromHistory, fromEvents := amountsOf(history), amountsOf(d.Daily)
	choices := map[series]choice{}
	m := &merged{header: newHeader()}
	for k, h := range fromHistory {
		choices[k] = choose(h, fromEvents[k])
	}
	for k, e := range fromEvents {
		if _, ok := choices[k]; !ok {
			choices[k] = choose(nil, e)
		}
	}
	for k, c := range choices {
		m.header.floor(k, c, fromHistory[k], fromEvents[k])
	}
	m.daily = mergeDaily(complete, history, d.Daily, choices)
	m.category = mergeCategories(complete, m.daily, d)
	m.result = overlap(day, fromHistory, fromEvents, &m.header)
	return m
}

// floor adds the chosen parts of a series.
func (h *header) floor(k series, c choice, history, events *amounts) {
	none := amounts{}
	history, events = cmp.Or(history, &none), cmp.Or(events, &none)
	of := func(events1 bool) *amounts {
		if events1 {
			return events
		}
		return history
	}
	if k.currency == "" {
		h.views += of(c.views).views
		h.carts += of(c.carts).carts
		return
	}
	m, sales, cancelled := h.of(k.currency), of(c.sales), of(c.cancelled)
	m.Lines += sales.Lines
	m.Units = plus(m.Units, sales.Units)
	m.Revenue = min(m.Revenue+sales.Revenue, tooMuch)
	m.CancelledLines += cancelled.CancelledLines
	m.CancelledUnits = plus(m.CancelledUnits, cancelled.CancelledUnits)
	m.CancelledRevenue = min(m.CancelledRevenue+cancelled.CancelledRevenue, tooMuch)
}

func mergeDaily(complete bool, history, events []lake.DailySalesRow, choices map[series]choice) []lake.DailySalesRow {
	rows := map[dailyKey]*lake.DailySalesRow{}
	for _, side := range []struct {
		rows   []lake.DailySalesRow
		events bool
	}{{history, false}, {events, true}} {
		for i := range side.rows {
			r := &side.rows[i]
			c := choices[series{r.ProductID, r.Currency}]
			whole := c.sales == side.events && c.cancelled == side.events
			if r.Currency == "" {
				whole = c.views == side.events && c.carts == side.events
			}
			k := dailyKey{r.ProductID, r.Category, r.Currency}
			if whole {
				copied := *r
				copied.Complete = complete
				rows[k] = &copied
				continue
			}
			part := partOf(r, c, side.events)
			if part == nil {
				continue
			}
			if rows[k] == nil {
				rows[k] = &lake.DailySalesRow{
					Date: r.Date, ProductID: r.ProductID, Category: r.Category, Currency: r.Currency, Complete: complete, Source: SourceMerged,
					Orders: known[int64](0), Customers: known[int64](0),
				}
			}
			part(rows[k])
		}
	}
	sales := map[string]map[bool]bool{} // by product: whose sales are taken
	lines := map[[2]string]int64{}      // by product and category
	for k, c := range choices {
		if k.currency != "" {
			if sales[k.product] == nil {
				sales[k.product] = map[bool]bool{}
			}
			sales[k.product][c.sales] = true
		}
	}
	for k, r := range rows {
		lines[[2]string{k.product, k.category}] += r.OrderLines
	}
	out := make([]lake.DailySalesRow, 0, len(rows))
	for k, r := range rows {
		if k.currency == "" {
			// A rate of one's lines and the other's views says nothing.
			if r.Conversion = nil; !sales[k.product][!choices[series{k.product, ""}].views] {
				r.Conversion = conversion(lines[[2]string{k.product, k.category}], r.Views)
			}
		} else {
			m := money{Units: r.Units, Revenue: r.Revenue, CancelledRevenue: r.CancelledRevenue}
			r.AveragePrice, r.NetRevenue = m.average(), m.net()
		}
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b lake.DailySalesRow) int {
		return cmp.Or(cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return out
}

// partOf returns what copies the part of a row that its side has; nil if that is
// nothing.
func partOf(r *lake.DailySalesRow, c choice, events bool) func(to *lake.DailySalesRow) {
	sales := c.sales == events && (r.OrderLines|r.Units|int64(r.Revenue)) != 0
	cancelled := c.cancelled == events && (r.CancelledLines|r.CancelledUnits|int64(r.CancelledRevenue)) != 0
	views, carts := c.views == events && r.Views != 0, c.carts == events && r.Carts != 0
	if !sales && !cancelled && !views && !carts {
		return nil
	}
	return func(to *lake.DailySalesRow) {
		if sales {
			to.OrderLines, to.Orders, to.Customers, to.Units, to.Revenue = r.OrderLines, r.Orders, r.Customers, r.Units, r.Revenue
		}
		if cancelled {
			to.CancelledLines, to.CancelledUnits, to.CancelledRevenue = r.CancelledLines, r.CancelledUnits, r.CancelledRevenue
		}
		if views {
			to.Views = r.Views
		}
		if carts {
			to.Carts = r.Carts
		}
	}
}

// mergeCategories makes category_revenue of merged daily sales. A category that
// is of events alone stands as they made it, with its distinct orders and
// customers; of the others these are not known.
func mergeCategories(complete bool, daily []lake.DailySalesRow, d *Day) []lake.CategoryRevenueRow {
	kept, taken, events := map[categoryKey]int{}, map[categoryKey]int{}, map[categoryKey]int{}
	sources := map[string]map[string]bool{} // by category
	for i := range d.Daily {
		events[categoryKey{d.Daily[i].Category, d.Daily[i].Currency}]++
	}
	for i := range daily {
		r := &daily[i]
		k := categoryKey{r.Category, r.Currency}
		taken[k]++
		if r.Source == sourceEvents {
			kept[k]++
		}
		if sources[r.Category] == nil {
			sources[r.Category] = map[string]bool{}
		}
		sources[r.Category][r.Source] = true
	}
	asEvents := map[categoryKey]*lake.CategoryRevenueRow{}
	for i := range d.Category {
		k := categoryKey{d.Category[i].Category, d.Category[i].Currency}
		if events[k] == kept[k] && taken[k] == kept[k] {
			asEvents[k] = &d.Category[i]
		}
	}
	rows := categoriesOf(daily)
	for i := range rows {
		r := &rows[i]
		r.Complete, r.Source = complete, SourceMerged
		if e := asEvents[categoryKey{r.Category, r.Currency}]; e != nil {
			*r = *e
		} else if only := sources[r.Category]; len(only) == 1 && only[SourceHistory] {
			r.Source = SourceHistory
			continue
		}
		if len(sources[r.Category]) > 1 {
			r.Conversion = nil
		}
	}
	return rows
}

// overlap is the result that says what became of a day which both have. It does
// not hold where they differ: there the truth may be more than either.
func overlap(day int32, history, events map[series]*amounts, published *header) lake.QualityRow {
	differ := int64(0)
	sums := [2]map[string]shop.Money{{}, {}}
	for k, h := range history {
		sums[0][k.currency] += h.Revenue
		if e := events[k]; e != nil && h.money != e.money && h.money != (money{}) && e.money != (money{}) {
			differ++
		}
	}
	for k, e := range events {
		sums[1][k.currency] += e.Revenue
	}
	var texts []string
	for _, currency := range slices.Sorted(maps.Keys(published.money)) {
		texts = append(texts, fmt.Sprintf("%s of history, %s of events, %s %s published", sums[0][currency], sums[1][currency], published.money[currency].Revenue, currency))
	}
	r := lake.QualityRow{
		Date: day, TableName: "daily_sales", Rule: "history_overlap", Severity: "warn", Passed: differ == 0, Measured: known(float64(differ)), Threshold: "= 0", RowsFailed: differ,
		Detail: strings.Join(texts, "; "),
	}
	if differ > 0 {
		r.Detail = fmt.Sprintf("history and events differ in %d series, of which the larger stands (%s): orders that the history lacks have to be added to it, or the day left out of it", differ, r.Detail)
	}
	return r
}
