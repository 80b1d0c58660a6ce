package producer

import (
	"fmt"
	"strings"

	"example.com/shopstream/internal/shop"
)

// catalogue is what the simulated shop sells. It is a pure function of a seed.
type catalogue struct {
	seed     uint64
	products []product
	popular  alias   // over products: a few sell most
	within   []alias // over a category's products, by category
	members  [][]int // products of a category
}

type product struct {
	id, name string
	category int
	cents    int64 // list price at the beginning, in the shop's own currency
}

const (
	productCount = 2000
	// zipfExponent makes the best seller about 12 % of demand, the 100 best two thirds.
	zipfExponent = 1.05
)

// categories with the range of their list prices in cents and their things.
var categories = []struct {
	name      string
	low, high int64
	things    string
}{
	{"books", 499, 3999, "Novel,Atlas,Cookbook,Biography,Guide,Anthology"},
	{"music", 699, 2999, "Album,Single,Vinyl Record,Songbook"},
	{"films", 599, 3499, "Film,Box Set,Documentary,Series"},
	{"games", 999, 6999, "Board Game,Card Game,Video Game,Puzzle"},
	{"toys", 499, 7999, "Train Set,Teddy Bear,Kite,Doll,Robot,Building Set"},
	{"baby", 399, 12999, "Bib,Blanket,Pram Liner,Rattle,Sling"},
	{"clothing", 999, 14999, "Shirt,Jacket,Trousers,Dress,Coat,Jumper"},
	{"shoes", 1999, 17999, "Boots,Sandals,Trainers,Loafers"},
	{"bags", 1499, 19999, "Rucksack,Handbag,Suitcase,Satchel"},
	{"jewellery", 999, 49999, "Necklace,Ring,Bracelet,Earrings"},
	{"watches", 2999, 59999, "Watch,Wall Clock,Alarm Clock"},
	{"beauty", 299, 8999, "Cream,Perfume,Shampoo,Lipstick,Soap"},
	{"health", 399, 6999, "Thermometer,Vitamins,Massage Ball,Plasters"},
	{"sports", 799, 29999, "Yoga Mat,Dumbbell,Racket,Helmet,Football"},
	{"outdoor", 999, 39999, "Tent,Sleeping Bag,Camping Stove,Lantern"},
	{"cycling", 599, 149999, "Bicycle,Pump,Saddle,Lock,Light"},
	{"garden", 299, 29999, "Spade,Planter,Hose,Parasol,Seeds"},
	{"tools", 499, 34999, "Drill,Hammer,Screwdriver Set,Saw,Level"},
	{"lighting", 799, 24999, "Desk Lamp,Floor Lamp,Pendant,Light String"},
	{"furniture", 3999, 129999, "Chair,Table,Shelf,Sofa,Bed Frame"},
	{"textiles", 599, 14999, "Cushion,Curtain,Rug,Bed Linen,Towel"},
	{"kitchen", 399, 29999, "Pan,Knife,Kettle,Chopping Board,Scales"},
	{"tableware", 299, 9999, "Plate,Mug,Bowl,Glass,Teapot"},
	{"appliances", 1999, 89999, "Toaster,Blender,Vacuum Cleaner,Coffee Machine"},
	{"electronics", 999, 119999, "Headphones,Speaker,Keyboard,Monitor,Charger"},
	{"phones", 999, 99999, "Phone,Phone Case,Power Bank,Holder"},
	{"stationery", 149, 4999, "Notebook,Fountain Pen,Calendar,Folder"},
	{"pets", 249, 7999, "Lead,Scratching Post,Food Bowl,Basket"},
	{"food", 149, 3999, "Coffee,Tea,Chocolate,Olive Oil,Honey"},
	{"gifts", 299, 9999, "Gift Box,Candle,Photo Frame,Vase"},
}

var adjectives = strings.Split("Classic,Compact,Bright,Little,Grand,Quiet,Nordic,Rustic,Modern,Light,Sturdy,Soft,Clever,Simple,Fine,Bold", ",")

var materials = strings.Split("Oak,Linen,Copper,Cotton,Glass,Slate,Bamboo,Wool,Steel,Cork,Amber,Ivory,Walnut,Marble,Cedar,Silk", ",")

func newCatalogue(seed uint64) *catalogue {
	c := &catalogue{seed: seed, products: make([]product, productCount), members: make([][]int, len(categories))}
	r := newRandom(seed, "catalogue")
	for i := range c.products {
		category := int(r.below(uint64(len(categories))))
		if i < len(categories) { // no category is empty
			category = i
		}
		cat := categories[category]
		things := strings.Split(cat.things, ",")
		// The product of two draws leans to the lower end of the range.
		share := r.below(1001) * r.below(1001)
		cents := cat.low + int64(share)*(cat.high-cat.low)/1_000_000
		c.products[i] = product{
			id:       fmt.Sprintf("P%05d", i+1),
			name:     adjectives[r.below(16)] + " " + materials[r.below(16)] + " " + things[r.below(uint64(len(things)))],
			category: category,
			cents:    charming(cents),
		}
		c.members[category] = append(c.members[category], i)
	}
	weights := zipf(productCount, zipfExponent)
	r.shuffle(weights)
	c.popular = newAlias(weights)
	for _, members := range c.members {
		own := make([]uint64, len(members))
		for i, p := range members {
			own[i] = weights[p]
		}
		c.within = append(c.within, newAlias(own))
	}
	return c
}

// charming makes a price end in 99 or 49 cents.
func charming(cents int64) int64 {
	base := cents / 100 * 100
	if cents-base < 50 {
		return base + 49
	}
	return base + 99
}

// Days on which prices and promotions change, counted since the epoch in UTC.
const (
	dayMs      = 86_400_000
	priceDays  = 28 // a product's list price moves that often
	promoDays  = 7  // promotions run a week
	promoShare = 12 // one in so many products is on promotion in a week
)

// price is what a product costs at a moment, in the given currency. List
// prices move by up to 8 % every four weeks, on days that differ by product;
// promotions take 10 to 30 % off for a week; each week one category has 20 %
// off altogether.
func (c *catalogue) price(index int, ms int64, currency int) shop.Money {
	p := &c.products[index]
	day := ms / dayMs
	move := mix(c.seed, uint64(index), uint64((day+int64(index))/priceDays), 1) % 17
	permille := 920 + 10*int64(move)
	week := day / promoDays
	promo := mix(c.seed, uint64(index), uint64(week), 2)
	switch {
	case promo%promoShare == 0:
		permille = permille * (70 + int64(promo>>32%3)*10) / 100
	case int(mix(c.seed, uint64(week), 0, 3)%uint64(len(categories))) == p.category:
		permille = permille * 80 / 100
	}
	cents := max(1, p.cents*permille/1000*currencies[currency].permille/1000)
	const cent = 10_000 // micro-units
	return shop.Money(cents) * cent
}

// currencies of the shop: the first is its own; prices in the others are fixed
// multiples, in thousandths.
var currencies = []struct {
	code     string
	permille int64
}{
	{"EUR", 1000}, {"GBP", 860}, {"CHF", 950}, {"PLN", 4300},
}

// countries of customers, with weights.
var countries = []struct {
	name   string
	weight uint64
}{
	{"Germany", 34}, {"France", 18}, {"Netherlands", 10}, {"Austria", 8}, {"Italy", 8}, {"Spain", 8}, {"Belgium", 6}, {"Ireland", 4}, {"Finland", 4},
}
