package sales

import (
	"cmp"
	"maps"
	"slices"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// Day is the rows of gold's tables for one business day, each table sorted by
// its grain.
type Day struct {
	Daily     []lake.DailySalesRow
	Category  []lake.CategoryRevenueRow
	Hourly    []lake.HourlySalesRow
	Lines     []lake.OrderLineRow
	Funnel    []lake.FunnelRow
	Catalogue []lake.CatalogueRow
	Aside     []lake.OrderLineRow // order lines that are in none of the tables
}

// Sources of a day and of its rows.
const (
	sourceEvents  = "events"
	SourceHistory = "history"
	SourceMerged  = "merged" // of a row, or a day, that has parts of both

	fromCatalogue = "catalogue"
)

// build makes the day's rows of what was merged.
func (p *partial) build(day int32, complete bool, calendar *Calendar, catalogue *Catalogue) (*Day, error) {
	n := int64(0)
	for _, m := range p.header.money {
		n += m.Lines + m.CancelledLines
	}
	bytes := 0
	for _, chunk := range p.lines {
		bytes += len(chunk)
	}
	const least = 16 // bytes of a packed line
	lines := make([]lake.OrderLineRow, 0, min(max(n, 0), int64(bytes/least)))
	for _, chunk := range p.lines {
		var e event
		for u := (&unpacker{in: chunk}); u.more(); {
			if u.event(&e); u.err != nil {
				return nil, u.err
			}
			amount, _ := e.UnitPrice.Mul(e.Quantity) // add has dropped those that do not fit
			lines = append(lines, lake.OrderLineRow{
				Date: day, EventID: e.ID, EventTime: e.Time, Cancelled: e.Type == cancelled, OrderID: e.OrderID, Line: e.Line, ProductID: e.ProductID,
				Category: e.Category, UserID: e.UserID, SessionID: e.SessionID, Country: e.Country, Quantity: e.Quantity, UnitPrice: e.UnitPrice,
				Currency: e.Currency, Amount: amount, Complete: complete,
			})
		}
	}
	sortLines(lines)
	return p.sum(lines, day, complete, calendar, catalogue), nil
}

// sum makes the day's rows of its order lines, and of views and carts.
func (p *partial) sum(lines []lake.OrderLineRow, day int32, complete bool, calendar *Calendar, catalogue *Catalogue) *Day {
	d := &Day{Lines: lines}
	b := dayBuilder{day: day, complete: complete, daily: map[dailyKey]*totals{}, category: map[categoryKey]*totals{}, hourly: map[hourlyKey]*totals{}, prices: map[string]*prices{}, orders: names{}, customers: names{}, products: names{}}
	for i := range d.Lines {
		b.add(&d.Lines[i], calendar.Hour(d.Lines[i].EventTime))
	}
	d.Daily = b.dailyRows(p)
	d.Category = b.categoryRows(p)
	d.Hourly = b.hourlyRows(p)
	d.Funnel = p.funnelRows(day, complete, d.Lines)
	d.Catalogue = b.catalogueRows(p, catalogue)
	return d
}

// sortLines sorts by time and id. A row is 200 bytes: they are moved once.
func sortLines(rows []lake.OrderLineRow) {
	order := make([]int32, len(rows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(rows[a].EventTime, rows[b].EventTime), cmp.Compare(rows[a].EventID, rows[b].EventID))
	})
	// Each cycle of the order is turned in place.
	for i := range order {
		at, first := int32(i), rows[i]
		for order[at] >= 0 {
			from := order[at]
			order[at] = -1
			if from == int32(i) {
				rows[at] = first
				break
			}
			rows[at] = rows[from]
			at = from
		}
	}
}

type (
	dailyKey    struct{ product, category, currency string }
	categoryKey struct{ category, currency string }
	hourlyKey   struct {
		hour               Hour
		category, currency string
	}
)

// dayBuilder groups order lines by the grain of each table.
type dayBuilder struct {
	day      int32
	complete bool
	daily    map[dailyKey]*totals
	category map[categoryKey]*totals
	hourly   map[hourlyKey]*totals
	prices   map[string]*prices // by product

	orders, customers, products names
}

// totals are the sums of a group of lines, and who and what is in it.
type totals struct {
	money
	orders, customers, products set
}

// set counts distinct numbers, of texts that names has numbered.
type set []int32

// count forgets what is there more than once.
func (s *set) count() int64 {
	slices.Sort(*s)
	*s = slices.Compact(*s)
	return int64(len(*s))
}

func (s *set) known() *int64 { return known(s.count()) }

// names numbers texts, so that the many sets that one may be in are of numbers.
type names map[string]int32

func (n names) of(text string) int32 {
	i, ok := n[text]
	if !ok {
		i = int32(len(n))
		n[text] = i
	}
	return i
}

func known[T any](v T) *T { return &v }

// numbered is an order line with the numbers of its texts.
type numbered struct {
	*lake.OrderLineRow
	order, customer, product int32 // customer −1: a guest
}

func (t *totals) add(l numbered) {
	t.money.add(l.Cancelled, l.Quantity, l.Amount)
	if l.Cancelled {
		return
	}
	t.orders = append(t.orders, l.order)
	if l.customer >= 0 {
		t.customers = append(t.customers, l.customer)
	}
}

func group[K comparable](m map[K]*totals, k K) *totals {
	t := m[k]
	if t == nil {
		t = &totals{}
		m[k] = t
	}
	return t
}

func (b *dayBuilder) add(l *lake.OrderLineRow, h Hour) {
	n := numbered{OrderLineRow: l, order: b.orders.of(l.OrderID), customer: -1, product: b.products.of(l.ProductID)}
	if l.UserID != "" {
		n.customer = b.customers.of(l.UserID)
	}
	group(b.daily, dailyKey{l.ProductID, l.Category, l.Currency}).add(n)
	c := group(b.category, categoryKey{l.Category, l.Currency})
	c.add(n)
	if !l.Cancelled {
		c.products = append(c.products, n.product)
	}
	group(b.hourly, hourlyKey{h, l.Category, l.Currency}).add(n)
	if !l.Cancelled {
		p := b.prices[l.ProductID]
		if p == nil {
			p = &prices{}
			b.prices[l.ProductID] = p
		}
		p.add(l)
	}
}

// average is revenue divided by units; nil without units.
func (m *money) average() *shop.Money {
	if v, ok := m.Revenue.Div(m.Units); ok {
		return &v
	}
	return nil
}

// conversion is order lines divided by views; nil without views.
func conversion(lines, views int64) *float64 {
	if views == 0 {
		return nil
	}
	return known(float64(lines) / float64(views))
}

func (b *dayBuilder) dailyRows(p *partial) []lake.DailySalesRow {
	type product struct{ product, category string }
	var rows []lake.DailySalesRow
	lines := map[product]int64{}
	for k, t := range b.daily {
		lines[product{k.product, k.category}] += t.Lines
		rows = append(rows, lake.DailySalesRow{
			Date: b.day, ProductID: k.product, Category: k.category, Currency: k.currency,
			OrderLines: t.Lines, Orders: t.orders.known(), Customers: t.customers.known(), Units: t.Units, Revenue: t.Revenue, AveragePrice: t.average(),
			CancelledLines: t.CancelledLines, CancelledUnits: t.CancelledUnits, CancelledRevenue: t.CancelledRevenue, NetRevenue: t.net(),
			Complete: b.complete, Source: sourceEvents,
		})
	}
	for name, c := range p.categories {
		for id, pr := range c.products {
			if pr.views+pr.carts == 0 {
				continue
			}
			rows = append(rows, lake.DailySalesRow{
				Date: b.day, ProductID: id, Category: name, Orders: known[int64](0), Customers: known[int64](0), Views: pr.views, Carts: pr.carts,
				Conversion: conversion(lines[product{id, name}], pr.views), Complete: b.complete, Source: sourceEvents,
			})
		}
	}
	slices.SortFunc(rows, func(a, b lake.DailySalesRow) int {
		return cmp.Or(cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return rows
}

func (b *dayBuilder) categoryRows(p *partial) []lake.CategoryRevenueRow {
	var rows []lake.CategoryRevenueRow
	lines := map[string]int64{}
	for k, t := range b.category {
		lines[k.category] += t.Lines
		rows = append(rows, lake.CategoryRevenueRow{
			Date: b.day, Category: k.category, Currency: k.currency,
			OrderLines: t.Lines, Orders: t.orders.known(), Customers: t.customers.known(), Units: t.Units, Revenue: t.Revenue, Products: t.products.count(),
			AveragePrice: t.average(), CancelledLines: t.CancelledLines, CancelledUnits: t.CancelledUnits, CancelledRevenue: t.CancelledRevenue,
			NetRevenue: t.net(), Complete: b.complete, Source: sourceEvents,
		})
	}
	for name, c := range p.categories {
		var sum looks
		for _, l := range c.hours {
			sum.views += l.views
			sum.carts += l.carts
		}
		if sum.views+sum.carts == 0 {
			continue
		}
		rows = append(rows, lake.CategoryRevenueRow{
			Date: b.day, Category: name, Orders: known[int64](0), Customers: known[int64](0), Views: sum.views, Carts: sum.carts,
			Conversion: conversion(lines[name], sum.views), Complete: b.complete, Source: sourceEvents,
		})
	}
	slices.SortFunc(rows, func(a, b lake.CategoryRevenueRow) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return rows
}

func (b *dayBuilder) hourlyRows(p *partial) []lake.HourlySalesRow {
	var rows []lake.HourlySalesRow
	for k, t := range b.hourly {
		rows = append(rows, lake.HourlySalesRow{
			Date: b.day, Hour: k.hour.Of, HourStart: k.hour.Start, Category: k.category, Currency: k.currency,
			OrderLines: t.Lines, Orders: t.orders.count(), Customers: t.customers.count(), Units: t.Units, Revenue: t.Revenue,
			CancelledLines: t.CancelledLines, CancelledUnits: t.CancelledUnits, CancelledRevenue: t.CancelledRevenue, NetRevenue: t.net(),
			Complete: b.complete, Source: sourceEvents,
		})
	}
	for name, c := range p.categories {
		for h, l := range c.hours {
			rows = append(rows, lake.HourlySalesRow{
				Date: b.day, Hour: h.Of, HourStart: h.Start, Category: name, Views: l.views, Carts: l.carts, Complete: b.complete, Source: sourceEvents,
			})
		}
	}
	slices.SortFunc(rows, func(a, b lake.HourlySalesRow) int {
		return cmp.Or(cmp.Compare(a.HourStart, b.HourStart), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return rows
}

// prices are those of a product's order lines. Lines come in the order of time.
type prices struct {
	currency     string
	newest       shop.Money
	lowest, high map[string]shop.Money // by currency
}

func (p *prices) add(l *lake.OrderLineRow) {
	if p.lowest == nil {
		p.lowest, p.high = map[string]shop.Money{}, map[string]shop.Money{}
	}
	p.currency, p.newest = l.Currency, l.UnitPrice
	if low, ok := p.lowest[l.Currency]; !ok || l.UnitPrice < low {
		p.lowest[l.Currency] = l.UnitPrice
	}
	p.high[l.Currency] = max(p.high[l.Currency], l.UnitPrice)
}

func (b *dayBuilder) catalogueRows(p *partial, catalogue *Catalogue) []lake.CatalogueRow {
	type known struct {
		product
		category string
	}
	products := map[string]*known{}
	for _, name := range slices.Sorted(maps.Keys(p.categories)) {
		for id, pr := range p.categories[name].products {
			k := products[id]
			if k == nil {
				products[id] = &known{product: *pr, category: name}
				continue
			}
			// A category that says something is better than a newer one that does not.
			if better := flag(name != uncategorized) - flag(k.category != uncategorized); int8(better) > 0 || (better == 0 && pr.seen.after(k.seen)) {
				k.category, k.seen = name, pr.seen
			}
			if pr.named.after(k.named) {
				k.named, k.name = pr.named, pr.name
			}
		}
	}
	rows := make([]lake.CatalogueRow, 0, len(products))
	for id, k := range products {
		r := lake.CatalogueRow{Date: b.day, ProductID: id, ProductName: k.name, Category: k.category, Source: sourceEvents}
		if catalogue != nil {
			if c, ok := catalogue.products[id]; ok {
				r.ProductName, r.Category, r.Source = cmp.Or(c.Name, r.ProductName), cmp.Or(c.Category, r.Category), fromCatalogue
			}
		}
		if pr := b.prices[id]; pr != nil {
			low, high, newest := pr.lowest[pr.currency], pr.high[pr.currency], pr.newest
			r.Currency, r.Price, r.LowestPrice, r.HighestPrice = pr.currency, &newest, &low, &high
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b lake.CatalogueRow) int { return cmp.Compare(a.ProductID, b.ProductID) })
	return rows
}

// buildHistory makes a day's rows of imported daily sales. What is not in them
// (hours, order lines, distinct counts of a category) is not made up.
func buildHistory(daily []lake.DailySalesRow) *Day {
	return &Day{Daily: daily, Category: categoriesOf(daily)}
}

// categoriesOf sums daily sales by category, as those of a complete day that was
// imported.
func categoriesOf(daily []lake.DailySalesRow) []lake.CategoryRevenueRow {
	type categorySums struct {
		amounts
		products map[string]struct{}
	}
	groups := map[categoryKey]*categorySums{}
	for i := range daily {
		r := &daily[i]
		k := categoryKey{r.Category, r.Currency}
		g := groups[k]
		if g == nil {
			g = &categorySums{products: map[string]struct{}{}}
			groups[k] = g
		}
		g.add(r)
		if r.OrderLines > 0 || r.Units > 0 {
			g.products[r.ProductID] = struct{}{}
		}
	}
	lines := map[string]int64{}
	for k, g := range groups {
		lines[k.category] += g.Lines
	}
	rows := make([]lake.CategoryRevenueRow, 0, len(groups))
	for k, g := range groups {
		r := lake.CategoryRevenueRow{
			Date: daily[0].Date, Category: k.category, Currency: k.currency, OrderLines: g.Lines, Units: g.Units, Revenue: g.Revenue,
			Products: int64(len(g.products)), AveragePrice: g.average(), CancelledLines: g.CancelledLines, CancelledUnits: g.CancelledUnits,
			CancelledRevenue: g.CancelledRevenue, NetRevenue: g.net(), Views: g.views, Carts: g.carts, Complete: true, Source: SourceHistory,
		}
		if k.currency == "" {
			r.Conversion = conversion(lines[k.category], g.views)
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b lake.CategoryRevenueRow) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	return rows
}

// historyHeader sums an imported day.
func historyHeader(daily []lake.DailySalesRow) header {
	h := newHeader()
	for k, a := range amountsOf(daily) {
		h.floor(k, choice{}, a, nil)
	}
	return h
}
