package sales

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// The reference makes a day's tables in the plainest way: every event in
// memory, money in rationals, a map a grain.

type row struct {
	lake.SilverRow
	category string
	late     bool
}

func (r *row) event() event {
	return event{
		ID: r.EventID, Type: r.EventType, ProductID: r.ProductID, Category: r.category, ProductName: r.ProductName, UserID: r.UserID, SessionID: r.SessionID,
		Country: r.Country, OrderID: r.OrderID, Currency: r.Currency, Time: r.EventTime, Line: r.Line, Quantity: r.Quantity, UnitPrice: r.UnitPrice,
		SchemaVersion: int64(r.SchemaVersion), Late: r.late, Record: position{r.KafkaPartition, r.KafkaOffset},
	}
}

// dedup keeps, of each id, the row that is the first in the log.
func dedup(rows []row) (kept []row, c lake.GoldCounts) {
	byID := map[string][]row{}
	for _, r := range rows {
		if r.late {
			c.Late++
		} else {
			c.Silver++
		}
		byID[r.EventID] = append(byID[r.EventID], r)
	}
	content := func(r row) string {
		e := r.event()
		e.Late, e.Record = false, position{}
		return string(e.append(nil))
	}
	for _, same := range byID {
		distinct := map[string]bool{}
		for _, r := range same {
			distinct[content(r)] = true
		}
		c.Duplicates += int64(len(same) - len(distinct))
		c.Conflicts += int64(len(distinct) - 1)
		kept = append(kept, slices.MinFunc(same, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.KafkaPartition, b.KafkaPartition), cmp.Compare(a.KafkaOffset, b.KafkaOffset))
		}))
	}
	return kept, c
}

type refTotals struct {
	lines, units, cancelledLines, cancelledUnits, views, carts int64
	revenue, cancelledRevenue                                  *big.Rat
	orders, customers, products                                map[string]bool
}

func refGroup[K comparable](m map[K]*refTotals, k K) *refTotals {
	if m[k] == nil {
		m[k] = &refTotals{revenue: new(big.Rat), cancelledRevenue: new(big.Rat), orders: map[string]bool{}, customers: map[string]bool{}, products: map[string]bool{}}
	}
	return m[k]
}

func (t *refTotals) add(r row, amount *big.Rat) {
	switch r.EventType {
	case viewed:
		t.views++
	case carted:
		t.carts++
	case cancelled:
		t.cancelledLines++
		t.cancelledUnits += r.Quantity
		t.cancelledRevenue.Add(t.cancelledRevenue, amount)
	default:
		t.lines++
		t.units += r.Quantity
		t.revenue.Add(t.revenue, amount)
		t.orders[r.OrderID] = true
		t.products[r.ProductID] = true
		if r.UserID != "" {
			t.customers[r.UserID] = true
		}
	}
}

func exact(r *big.Rat) shop.Money {
	m, err := shop.ParseMoney(r.FloatString(6))
	if err != nil {
		panic(err)
	}
	return m
}

// refAverage is revenue ÷ units to six decimals, half to even.
func (t *refTotals) average() *shop.Money {
	if t.units == 0 {
		return nil
	}
	micros := new(big.Rat).Mul(t.revenue, big.NewRat(1_000_000, t.units))
	quotient, rest := new(big.Int).QuoRem(micros.Num(), micros.Denom(), new(big.Int))
	switch twice := new(big.Int).Lsh(rest, 1); {
	case twice.Cmp(micros.Denom()) > 0, twice.Cmp(micros.Denom()) == 0 && quotient.Bit(0) == 1:
		quotient.Add(quotient, big.NewInt(1))
	}
	m := shop.Money(quotient.Int64())
	return &m
}

func ratio(lines, views int64) *float64 {
	if views == 0 {
		return nil
	}
	v := float64(lines) / float64(views)
	return &v
}

func count(m map[string]bool) *int64 { n := int64(len(m)); return &n }

// reference makes the tables of one business day. Catalogue entries' categories
// stand above those of events.
func reference(rows []row, date civil.Date, loc *time.Location, complete bool, catalogue map[string]CatalogueProduct) (*Day, lake.GoldCounts) {
	var ofDay []row
	for _, r := range rows {
		if civil.DateOf(time.UnixMicro(r.EventTime).In(loc)) == date {
			ofDay = append(ofDay, r)
		}
	}
	kept, counts := dedup(ofDay)
	day := DayOf(date)
	type pc struct{ product, category, currency string }
	type hc struct {
		start, hour        int64
		category, currency string
	}
	daily, category, hourly := map[pc]*refTotals{}, map[pc]*refTotals{}, map[hc]*refTotals{}
	d := &Day{}
	seen := map[string][]row{} // by product
	for _, r := range kept {
		if c := catalogue[r.ProductID].Category; c != "" {
			r.category = c
		}
		amount := new(big.Rat)
		currency := ""
		if r.EventType == ordered || r.EventType == cancelled {
			currency = r.Currency
			amount.Mul(big.NewRat(int64(r.UnitPrice), 1_000_000), big.NewRat(r.Quantity, 1))
			if amount.Cmp(big.NewRat(int64(shop.MaxMoney), 1_000_000)) > 0 {
				counts.Overflow++
				continue
			}
			d.Lines = append(d.Lines, lake.OrderLineRow{
				Date: day, EventID: r.EventID, EventTime: r.EventTime, Cancelled: r.EventType == cancelled, OrderID: r.OrderID, Line: r.Line,
				ProductID: r.ProductID, Category: r.category, UserID: r.UserID, SessionID: r.SessionID, Country: r.Country, Quantity: r.Quantity,
				UnitPrice: r.UnitPrice, Currency: r.Currency, Amount: exact(amount), Complete: complete,
			})
		}
		counts.Events++
		at := time.UnixMicro(r.EventTime).In(loc)
		minutes := time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
		refGroup(daily, pc{r.ProductID, r.category, currency}).add(r, amount)
		refGroup(category, pc{"", r.category, currency}).add(r, amount)
		refGroup(hourly, hc{at.Add(-minutes).UnixMicro(), int64(at.Hour()), r.category, currency}).add(r, amount)
		seen[r.ProductID] = append(seen[r.ProductID], r)
	}
	slices.SortFunc(d.Lines, func(a, b lake.OrderLineRow) int {
		return cmp.Or(cmp.Compare(a.EventTime, b.EventTime), cmp.Compare(a.EventID, b.EventID))
	})
	lines := func(m map[pc]*refTotals, product, category string) (n int64) {
		for k, t := range m {
			if k.product == product && k.category == category {
				n += t.lines
			}
		}
		return n
	}
	for k, t := range daily {
		r := lake.DailySalesRow{
			Date: day, ProductID: k.product, Category: k.category, Currency: k.currency, OrderLines: t.lines, Orders: count(t.orders), Customers: count(t.customers),
			Units: t.units, Revenue: exact(t.revenue), AveragePrice: t.average(), CancelledLines: t.cancelledLines, CancelledUnits: t.cancelledUnits,
			CancelledRevenue: exact(t.cancelledRevenue), NetRevenue: exact(new(big.Rat).Sub(t.revenue, t.cancelledRevenue)), Views: t.views, Carts: t.carts,
			Complete: complete, Source: "events",
		}
		if k.currency == "" {
			r.Conversion = ratio(lines(daily, k.product, k.category), t.views)
		}
		d.Daily = append(d.Daily, r)
	}
	slices.SortFunc(d.Daily, func(a, b lake.DailySalesRow) int {
		return cmp.Or(cmp.Compare(a.ProductID, b.ProductID), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	for k, t := range category {
		r := lake.CategoryRevenueRow{
			Date: day, Category: k.category, Currency: k.currency, OrderLines: t.lines, Orders: count(t.orders), Customers: count(t.customers), Units: t.units,
			Revenue: exact(t.revenue), Products: int64(len(t.products)), AveragePrice: t.average(), CancelledLines: t.cancelledLines, CancelledUnits: t.cancelledUnits,
			CancelledRevenue: exact(t.cancelledRevenue), NetRevenue: exact(new(big.Rat).Sub(t.revenue, t.cancelledRevenue)), Views: t.views, Carts: t.carts,
			Complete: complete, Source: "events",
		}
		if k.currency == "" {
			r.Conversion = ratio(lines(category, "", k.category), t.views)
		}
		d.Category = append(d.Category, r)
	}
	slices.SortFunc(d.Category, func(a, b lake.CategoryRevenueRow) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	for k, t := range hourly {
		d.Hourly = append(d.Hourly, lake.HourlySalesRow{
			Date: day, Hour: k.hour, HourStart: k.start, Category: k.category, Currency: k.currency, OrderLines: t.lines, Orders: *count(t.orders),
			Customers: *count(t.customers), Units: t.units, Revenue: exact(t.revenue), CancelledLines: t.cancelledLines, CancelledUnits: t.cancelledUnits,
			CancelledRevenue: exact(t.cancelledRevenue), NetRevenue: exact(new(big.Rat).Sub(t.revenue, t.cancelledRevenue)), Views: t.views, Carts: t.carts,
			Complete: complete, Source: "events",
		})
	}
	slices.SortFunc(d.Hourly, func(a, b lake.HourlySalesRow) int {
		return cmp.Or(cmp.Compare(a.HourStart, b.HourStart), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Currency, b.Currency))
	})
	d.Funnel = refFunnel(day, complete, kept, catalogue)
	for product, events := range seen {
		d.Catalogue = append(d.Catalogue, refCatalogue(day, product, events, catalogue))
	}
	slices.SortFunc(d.Catalogue, func(a, b lake.CatalogueRow) int { return cmp.Compare(a.ProductID, b.ProductID) })
	return d, counts
}

// refFunnel asks of each category, and of the shop, who did what.
func refFunnel(day int32, complete bool, kept []row, catalogue map[string]CatalogueProduct) []lake.FunnelRow {
	did := map[string]map[[3]string]bool{"": {}} // by category: (kind, id, event type)
	for _, r := range kept {
		r.category = cmp.Or(catalogue[r.ProductID].Category, r.category)
		if r.EventType == cancelled || r.EventType == ordered && r.UnitPrice == shop.MaxMoney { // a cancellation is no visit; an amount that does not fit is left out
			continue
		}
		for _, who := range [][2]string{{"session", r.SessionID}, {"user", r.UserID}} {
			if who[1] == "" {
				continue
			}
			for _, category := range []string{"", r.category} {
				if did[category] == nil {
					did[category] = map[[3]string]bool{}
				}
				did[category][[3]string{who[0], who[1], r.EventType}] = true
			}
		}
	}
	var rows []lake.FunnelRow
	for category, facts := range did {
		if len(facts) == 0 {
			continue
		}
		count := func(kind string, types ...string) (n int64) {
			for fact := range facts {
				if fact[0] != kind || fact[2] != types[0] {
					continue
				}
				if len(types) == 1 || facts[[3]string{kind, fact[1], types[1]}] {
					n++
				}
			}
			return n
		}
		rows = append(rows, lake.FunnelRow{
			Date: day, Category: category, Complete: complete,
			SessionsViewed: count("session", viewed), SessionsCarted: count("session", carted), SessionsOrdered: count("session", ordered),
			SessionsViewedCarted: count("session", viewed, carted), SessionsCartedOrdered: count("session", carted, ordered), SessionsViewedOrdered: count("session", viewed, ordered),
			UsersViewed: count("user", viewed), UsersCarted: count("user", carted), UsersOrdered: count("user", ordered),
			UsersViewedCarted: count("user", viewed, carted), UsersCartedOrdered: count("user", carted, ordered), UsersViewedOrdered: count("user", viewed, ordered),
		})
	}
	slices.SortFunc(rows, func(a, b lake.FunnelRow) int { return cmp.Compare(a.Category, b.Category) })
	return rows
}

func refCatalogue(day int32, product string, events []row, catalogue map[string]CatalogueProduct) lake.CatalogueRow {
	// The newest first; of one moment, the highest hash of the id.
	slices.SortFunc(events, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.EventTime, a.EventTime), cmp.Compare(idHash(b.EventID), idHash(a.EventID)))
	})
	r := lake.CatalogueRow{Date: day, ProductID: product, Category: uncategorized, Source: "events"}
	for _, e := range slices.Backward(events) {
		r.ProductName = cmp.Or(e.ProductName, r.ProductName)
		if e.category != uncategorized {
			r.Category = e.category
		}
	}
	if c, ok := catalogue[product]; ok {
		r.ProductName, r.Category, r.Source = cmp.Or(c.Name, r.ProductName), cmp.Or(c.Category, r.Category), "catalogue"
	}
	// Of lines of one moment the one with the highest id is the newest.
	var orders []row
	for _, e := range events {
		if e.EventType == ordered {
			orders = append(orders, e)
		}
	}
	if len(orders) == 0 {
		return r
	}
	newest := slices.MaxFunc(orders, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.EventTime, b.EventTime), cmp.Compare(a.EventID, b.EventID))
	})
	r.Currency, r.Price = newest.Currency, &newest.UnitPrice
	for i := range orders {
		if o := &orders[i]; o.Currency == r.Currency {
			if r.LowestPrice == nil || o.UnitPrice < *r.LowestPrice {
				r.LowestPrice = &o.UnitPrice
			}
			if r.HighestPrice == nil || o.UnitPrice > *r.HighestPrice {
				r.HighestPrice = &o.UnitPrice
			}
		}
	}
	return r
}
