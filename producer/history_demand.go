package producer

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// What is true about the past of the simulated shop: the mean demand for each
// product on each day, and when it could not be met. All of it is a function of
// the seed, the product and the day, relative to the day that the history ends.

const (
	daySeconds = 86_400
	yearDays   = 365.25
	// linesPerRecord is how many order lines the simulator makes a record, in
	// the long run.
	linesPerRecord = 0.0863

	shopGrowth   = 0.10 // of demand, a year, in logarithms
	trendSpread  = 0.25 // a product's trend differs from it by up to this
	fashionDays  = 28   // a product's level wanders between values that far apart …
	fashionSwing = 0.30 // … and within this of its trend, in logarithms

	newShare    = 0.30 // of products came within the last newDays
	newDays     = 1095
	newest      = 56 // days before the end
	rampDays    = 28
	goneShare   = 0.12 // of the slower half of products went within the last goneDays
	goneDays    = 900
	latestGone  = 30
	fadeDays    = 42
	sparseShare = 0.20 // of the slower three quarters sell on few days only
	sparseLeast = 0.04 // of the days they sell on, at least
	sparseMost  = 0.35

	stockDays  = 91 // a product may run out once in so many days …
	stockShare = 4  // … and does in one of so many times
	outLeast   = 3  // days
	outMost    = 14

	// Shapes of the gamma that a day's demand is mixed by.
	popularShape = 20  // the hundred best sellers
	usualShape   = 6   // the others
	shopShape    = 300 // all products of a day alike
	popularCount = 100

	elasticLeast = 1.2
	elasticMost  = 2.8
)

// Numbers that tell hashes of the same product and day apart. The simulator's
// are below 20.
const (
	hashTrend = 20 + iota
	hashNew
	hashNewDay
	hashGone
	hashGoneDay
	hashSparse
	hashSparseShare
	hashElastic
	hashFashion
	hashStock
	hashStockDay
	hashDraw
	hashShop
)

// seasons of the categories, in their order: how far demand swings about its
// mean within a year, when it peaks (day of the year), and how much more is
// sold at weekends.
var seasons = []struct{ swing, peak, weekend float64 }{
	{0.15, 345, 0.05},  // books
	{0.15, 340, 0.05},  // music
	{0.20, 350, 0.10},  // films
	{0.30, 345, 0.15},  // games
	{0.40, 342, 0.10},  // toys
	{0.05, 60, -0.05},  // baby
	{0.15, 290, 0.10},  // clothing
	{0.15, 280, 0.10},  // shoes
	{0.10, 200, 0.05},  // bags
	{0.25, 345, 0},     // jewellery
	{0.20, 345, 0},     // watches
	{0.10, 130, 0},     // beauty
	{0.20, 25, -0.10},  // health
	{0.25, 150, 0.10},  // sports
	{0.55, 175, 0.20},  // outdoor
	{0.50, 140, 0.15},  // cycling
	{0.65, 125, 0.25},  // garden
	{0.25, 120, 0.20},  // tools
	{0.35, 335, 0},     // lighting
	{0.10, 20, 0.15},   // furniture
	{0.15, 310, 0.05},  // textiles
	{0.15, 330, 0.05},  // kitchen
	{0.15, 335, 0},     // tableware
	{0.15, 325, 0},     // appliances
	{0.20, 335, 0},     // electronics
	{0.10, 330, -0.05}, // phones
	{0.30, 235, -0.20}, // stationery
	{0.05, 180, 0},     // pets
	{0.20, 345, -0.05}, // food
	{0.45, 343, 0},     // gifts
}

// past is the demand for one product, relative to the end of the history.
type past struct {
	share     float64 // of the shop's order lines, as the simulator draws them
	trend     float64 // a year, in logarithms
	from, to  int64   // the days it is on sale, since the epoch; to is exclusive
	active    float64 // share of days with any demand; 1 but for sparse products
	shape     int
	elastic   float64
	priceMean float64 // mean of price effects before it is taken out
}

func newPast(c *catalogue, until int64) []past {
	shares := c.popular.shares()
	ranks := ranksOf(shares)
	out := make([]past, len(c.products))
	for i := range out {
		hash := func(tag uint64) float64 { return unit(mix(c.seed, uint64(i), 0, tag)) }
		p := past{
			share: shares[i], trend: shopGrowth + trendSpread*(2*hash(hashTrend)-1), from: math.MinInt64, to: math.MaxInt64, active: 1, shape: usualShape,
			elastic: elasticLeast + (elasticMost-elasticLeast)*hash(hashElastic),
		}
		p.priceMean = meanPriceEffect(p.elastic)
		if ranks[i] < popularCount {
			p.shape = popularShape
		}
		gone := ranks[i] >= len(out)/2 && hash(hashGone) < goneShare
		switch {
		case gone:
			p.to = until - latestGone - int64(hash(hashGoneDay)*(goneDays-latestGone))
		case hash(hashNew) < newShare:
			p.from = until - newest - int64(hash(hashNewDay)*(newDays-newest))
		}
		if ranks[i] >= len(out)/4 && hash(hashSparse) < sparseShare {
			p.active = sparseLeast + (sparseMost-sparseLeast)*hash(hashSparseShare)
		}
		out[i] = p
	}
	return out
}

// level is the product's demand on a day against its share of the end's, but
// for season and price: trend, life cycle and fashion.
func (p *past) level(seed uint64, index int, day, until int64) float64 {
	if day < p.from || day >= p.to {
		return 0
	}
	l := math.Exp(p.trend*float64(day-until)/yearDays + fashion(seed, index, day))
	if age := day - p.from; p.from != math.MinInt64 && age < rampDays {
		l *= 0.2 + 0.8*float64(age)/rampDays
	}
	if left := p.to - day; p.to != math.MaxInt64 && left < fadeDays {
		l *= float64(left) / fadeDays
	}
	return l
}

// fashion is a slow walk about 0.
func fashion(seed uint64, index int, day int64) float64 {
	at := day + int64(index) // knots on days that differ by product
	knot, rest := at/fashionDays, float64(at%fashionDays)/fashionDays
	value := func(k int64) float64 {
		return fashionSwing * (2*unit(mix(seed, uint64(index), uint64(k), hashFashion)) - 1)
	}
	return value(knot)*(1-rest) + value(knot+1)*rest
}

// outOfStock reports whether nothing could be sold on a day for want of stock.
func outOfStock(seed uint64, index int, day int64) bool {
	at := day + int64(index)*37
	block, within := at/stockDays, at%stockDays
	if mix(seed, uint64(index), uint64(block), hashStock)%stockShare != 0 {
		return false
	}
	h := mix(seed, uint64(index), uint64(block), hashStockDay)
	length := outLeast + int64(h%(outMost-outLeast+1))
	first := int64(h >> 32 % (stockDays - outMost))
	return within >= first && within < first+length
}

// priceEffect is what a price, against the product's base price, does to
// demand: constant elasticity, so that a promotion has an uplift.
func priceEffect(elastic, ratio float64) float64 { return math.Pow(ratio, -elastic) }

// meanPriceEffect is its mean over the list prices and promotions of
// catalogue.price.
func meanPriceEffect(elastic float64) float64 {
	const own = 1.0 / promoShare
	whole := (1 - own) / float64(len(categories))
	promotions := (1 - own - whole) + whole*priceEffect(elastic, 0.8)
	for _, r := range [...]float64{0.7, 0.8, 0.9} {
		promotions += own / 3 * priceEffect(elastic, r)
	}
	sum := 0.0
	for move := range 17 {
		sum += priceEffect(elastic, 0.92+0.01*float64(move))
	}
	return promotions * sum / 17
}

// dayRhythm is how busy a day is against the mean: the simulator's, and 0 on the
// days that the shop is closed.
func dayRhythm(day int64) float64 {
	t := time.UnixMilli(day * dayMs).UTC()
	if closed(t) {
		return 0
	}
	sum := int64(0)
	for hour := range int64(24) {
		sum += demand(day*dayMs + hour*3_600_000)
	}
	return float64(sum) / 24_000
}

func closed(t time.Time) bool {
	_, month, day := t.Date()
	return month == time.December && (day == 25 || day == 26) || month == time.January && day == 1
}

// seasonOf is how much of a category is sold on a day against the shop's rhythm.
func seasonOf(category int, day int64) float64 {
	s := seasons[category]
	t := time.UnixMilli(day * dayMs).UTC()
	year := 1 + s.swing*math.Cos(2*math.Pi*(float64(t.YearDay())-s.peak)/yearDays)
	if w := t.Weekday(); w == time.Saturday || w == time.Sunday {
		return year * (1 + s.weekend)
	}
	return year * (1 - s.weekend*2/5)
}

// shares are the probabilities that draw has.
func (a *alias) shares() []float64 {
	const always = 1 << 32
	out := make([]float64, len(a.keep))
	each := 1 / float64(len(a.keep))
	for i, keep := range a.keep {
		stays := float64(keep) / always
		out[i] += each * stays
		out[a.other[i]] += each * (1 - stays)
	}
	return out
}

// ranksOf are the places of shares, 0 for the largest.
func ranksOf(shares []float64) []int {
	order := make([]int, len(shares))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(shares[b], shares[a]) })
	ranks := make([]int, len(shares))
	for place, i := range order {
		ranks[i] = place
	}
	return ranks
}
