package producer

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// HistoryOptions of NewHistory. Until is required.
type HistoryOptions struct {
	Seed  uint64     // the simulator's of the same seed sells the same products at the same prices
	Until civil.Date // the day after the last one: that of the simulator's first event
	Days  int        // 0: 730

	// Density is the simulator's that goes on where the history ends: records a
	// second of event time. 0: 1000, as of SimulateOptions.
	Density float64
	// Foreign is the share of customers who pay in another currency than EUR.
	Foreign float64
}

const (
	defaultHistoryDays = 730
	mostHistoryDays    = 7305 // 20 years
)

func (o HistoryOptions) withDefaults() (HistoryOptions, error) {
	o.Days = cmp.Or(o.Days, defaultHistoryDays)
	o.Density = cmp.Or(o.Density, defaultDensity)
	bad := func(name string, found any, expected string) (HistoryOptions, error) {
		return o, fmt.Errorf("history: %s is %v: expected %s", name, found, expected)
	}
	switch {
	case !o.Until.IsValid() || o.Until.Year < 2000 || o.Until.Year > 2098:
		return bad("until", o.Until, "a day in the years 2000 to 2098")
	case o.Days < 1 || o.Days > mostHistoryDays:
		return bad("days", o.Days, fmt.Sprintf("1 to %d", mostHistoryDays))
	case !(o.Density > 0 && o.Density <= 1e8):
		return bad("density", o.Density, "more than 0, to 100,000,000 records a second")
	case !(o.Foreign >= 0 && o.Foreign <= 1):
		return bad("foreign share", o.Foreign, "0 to 1")
	}
	return o, nil
}

// History is the past of the simulated shop as daily sales: the products,
// categories, prices and promotions of the simulator with the same seed, and
// demand that ends at its level. A row is a function of the seed, Until, the
// product and the day alone: a shorter history is the end of a longer one.
//
// Demand has what the simulator's long-run rate and rhythm have, and besides a
// trend, seasons of the categories, uplift by promotions, life cycles, sparse
// products, closed days, stock-outs and over-dispersed noise: Expect is its truth.
type History struct {
	opts    HistoryOptions
	until   int64 // days since the epoch
	cat     *catalogue
	past    []past
	indexOf map[string]int
	lines   float64 // order lines a day in the long run
}

// NewHistory checks the options.
func NewHistory(o HistoryOptions) (*History, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &History{
		opts: o, until: dayNumber(o.Until), cat: newCatalogue(o.Seed), indexOf: make(map[string]int, productCount),
		lines: o.Density * daySeconds * linesPerRecord,
	}
	h.past = newPast(h.cat, h.until)
	for i := range h.cat.products {
		h.indexOf[h.cat.products[i].id] = i
	}
	return h, nil
}

var epoch = civil.Date{Year: 1970, Month: time.January, Day: 1}

func dayNumber(d civil.Date) int64 { return int64(d.DaysSince(epoch)) }

// Options are those of NewHistory with their defaults.
func (h *History) Options() HistoryOptions { return h.opts }

// First is the first day.
func (h *History) First() civil.Date { return h.opts.Until.AddDays(-h.opts.Days) }

// Last is the day before Until.
func (h *History) Last() civil.Date { return h.opts.Until.AddDays(-1) }

// Expectation is what is true of a product's day before chance decides.
type Expectation struct {
	// Units is the mean of the pieces ordered, in all currencies, of a day that
	// the product is in stock: the best forecast in the mean by who knows the shop
	// and that day's price. 0 on closed days, before the product came and after it went.
	Units float64
	// Active is the probability that there is any demand of a sparse product; 1
	// of the others, of which few lines may still mean none.
	Active     float64
	OutOfStock bool       // nothing is sold, whatever Units says
	Price      shop.Money // in EUR
}

// Expect is the truth of a product's day, which may be after the history's
// end; false if there is no such product.
func (h *History) Expect(productID string, day civil.Date) (Expectation, bool) {
	i, ok := h.indexOf[productID]
	if !ok {
		return Expectation{}, false
	}
	d := dayNumber(day)
	return h.expect(i, d, h.lines*dayRhythm(d)), true
}

func (h *History) expect(index int, day int64, shopLines float64) Expectation {
	lines, price := h.mean(index, day, shopLines)
	return Expectation{
		Units: lines * meanPieces, Active: h.past[index].active, OutOfStock: outOfStock(h.opts.Seed, index, day), Price: price,
	}
}

// mean is the mean number of a product's order lines in a day, and its price
// in the shop's own currency. shopLines are those of all products before the
// categories' seasons.
func (h *History) mean(index int, day int64, shopLines float64) (float64, shop.Money) {
	p, product := &h.past[index], &h.cat.products[index]
	price := h.cat.price(index, day*dayMs, 0)
	level := p.level(h.opts.Seed, index, day, h.until)
	if level == 0 || shopLines == 0 {
		return 0, price
	}
	ratio := float64(price) / float64(product.cents*microsPerCent)
	return shopLines * p.share * level * seasonOf(product.category, day) * priceEffect(p.elastic, ratio) / p.priceMean, price
}

const microsPerCent = 10_000

// meanPieces of an order line: see orderLine.
var meanPieces = func() float64 {
	many, few := float64(manyPieces)/(1<<32), float64(fewPieces)/(1<<32)
	return many*14.5 + (1-many)*(few*3+(1-few))
}()

// Rows are the daily sales of all days, sorted by date, product and currency,
// in the form of the table daily_sales with source "history". Products that
// sold nothing on a day have no row of it, nor have views and carts; how many
// customers there were is not known, and each order line is taken for an order.
func (h *History) Rows() ([]lake.DailySalesRow, error) {
	most := h.mostRows()
	all := make([]lake.DailySalesRow, h.opts.Days*most) // a part a day, then moved together
	counts := make([]int, h.opts.Days)
	errs := make([]error, h.opts.Days)
	first := h.until - int64(h.opts.Days)
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < h.opts.Days; i += workers {
				var rows []lake.DailySalesRow
				rows, errs[i] = h.appendDay(all[i*most:i*most:(i+1)*most], first+int64(i))
				counts[i] = len(rows)
			}
		})
	}
	wg.Wait()
	n := 0
	for i, count := range counts {
		if errs[i] != nil { // the first day's, whatever the workers did
			return nil, errs[i]
		}
		n += copy(all[n:], all[i*most:i*most+count])
	}
	return all[:n:n], nil
}

// Day is the rows of one day, which may be outside the history.
func (h *History) Day(day civil.Date) ([]lake.DailySalesRow, error) {
	return h.appendDay(nil, dayNumber(day))
}

// mostRows is how many a day can have.
func (h *History) mostRows() int { return len(h.paying()) * len(h.past) }

// paying are the currencies that customers pay in, by number, in the order of
// their codes: the order of rows.
func (h *History) paying() []int {
	if h.opts.Foreign == 0 {
		return ownCurrency
	}
	return byCode
}

var (
	ownCurrency = []int{0}
	byCode      = func() []int {
		out := make([]int, len(currencies))
		for i := range out {
			out[i] = i
		}
		slices.SortFunc(out, func(a, b int) int { return cmp.Compare(currencies[a].code, currencies[b].code) })
		return out
	}()
)

func (h *History) appendDay(dst []lake.DailySalesRow, day int64) ([]lake.DailySalesRow, error) {
	shopLines := h.lines * dayRhythm(day)
	if shopLines == 0 {
		return dst, nil
	}
	r := newRandom(mix(h.opts.Seed, uint64(day), 0, hashShop), "history")
	shopLines *= r.erlang(shopShape)
	values := make([]known, 0, h.mostRows()) // never grown: rows point into it
	for i := range h.past {
		p := &h.past[i]
		lines, _ := h.mean(i, day, shopLines)
		if lines == 0 || outOfStock(h.opts.Seed, i, day) {
			continue
		}
		r.src.Seed(mix(h.opts.Seed, uint64(i), uint64(day), hashDraw), uint64(day))
		if p.active < 1 {
			if r.unit() >= p.active {
				continue
			}
			lines /= p.active
		}
		lines *= r.erlang(p.shape)
		for _, c := range h.paying() {
			n := r.poisson(lines * h.paysIn(c))
			if n == 0 {
				continue
			}
			row, price, err := h.row(r, i, day, c, n)
			if err != nil {
				return nil, err
			}
			values = append(values, known{orders: n, price: price})
			v := &values[len(values)-1]
			row.Orders, row.AveragePrice = &v.orders, &v.price
			dst = append(dst, row)
		}
	}
	return dst, nil
}

// known is what a row points to, since it may be unknown in other rows.
type known struct {
	orders int64
	price  shop.Money
}

// paysIn is the share of demand that is paid in a currency.
func (h *History) paysIn(currency int) float64 {
	if currency == 0 {
		return 1 - h.opts.Foreign
	}
	return h.opts.Foreign / float64(len(currencies)-1)
}

// row draws what these order lines of a product come to, at the price that it
// returns: pieces as in the simulator's orders, and what of them is cancelled.
func (h *History) row(r *random, index int, day int64, currency int, lines int64) (lake.DailySalesRow, shop.Money, error) {
	product := &h.cat.products[index]
	row := lake.DailySalesRow{
		Date: int32(day), ProductID: product.id, Category: categories[product.category].name, Currency: currencies[currency].code,
		OrderLines: lines, Complete: true, Source: "history",
	}
	many := r.binomial(lines, float64(manyPieces)/(1<<32))
	few := r.binomial(lines-many, float64(fewPieces)/(1<<32))
	row.Units = lines - many - few + r.sumOfUniform(few, 2, 4) + r.sumOfUniform(many, 5, 24)
	row.CancelledLines = r.binomial(lines, float64(laterCancelled)/(1<<32))
	if row.CancelledLines > 0 {
		// A line is cancelled whole, or by a uniform number of its pieces: then half
		// of those beyond the first, in the mean.
		beyond := 1 - float64(partlyCancelled)/(1<<32)/2
		row.CancelledUnits = row.CancelledLines + r.binomial(row.Units-lines, beyond*float64(row.CancelledLines)/float64(lines))
	}
	price := h.cat.price(index, day*dayMs, currency)
	var ok, fits bool
	row.Revenue, ok = price.Mul(row.Units)
	row.CancelledRevenue, fits = price.Mul(row.CancelledUnits)
	if !ok || !fits {
		return row, price, fmt.Errorf("history: revenue of %s on %s overflows DECIMAL(18,6): use a lower density", product.id, epoch.AddDays(int(day)))
	}
	row.NetRevenue = row.Revenue - row.CancelledRevenue
	return row, price, nil
}
