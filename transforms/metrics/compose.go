package metrics

import (
	"cmp"
	"encoding/binary"
	"slices"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// composer adds up buckets into windows. Keys are numbered in their order
// once, so that adding is by index and rows come out sorted.
type composer struct {
	levels  []level           // product, category, shop
	buckets map[int64][]entry // by start of 5 minutes
}

// entry is the sums of one product key in one bucket.
type entry struct {
	key int32 // index among the product level's keys
	Sums
}

// level is one level of the metrics with room for the sums of one window.
type level struct {
	name string
	keys []Key   // sorted
	of   []int32 // by product key: the key of this level that it belongs to
	sums []Sums  // by key of this level
}

// Windows are the rows of the metrics windows of one kind ("5m", "1h",
// "sliding-1h").
type Windows struct {
	Kind string
	Rows []lake.MetricRow
}

// Compose adds up tables, by the start of their bucket (ms, at most 5 minutes
// long), into the windows of every kind that end in (start, end], ms. A window
// of a kind without rows is left out.
func Compose(buckets map[int64]Table, start, end int64) []Windows {
	c := newComposer(buckets)
	var out []Windows
	for _, k := range kinds {
		var rows []lake.MetricRow
		for e := start + fiveMinutes; e <= end; e += fiveMinutes {
			if mod(e, k.every) == 0 {
				rows = c.window(rows, e-k.length, e)
			}
		}
		if len(rows) > 0 {
			out = append(out, Windows{k.name, rows})
		}
	}
	return out
}

// bucketTables reads increments, each a bucket's start (varint) and packed tables,
// into tables by the start of their 5 minutes.
func bucketTables(increments [][]byte) (map[int64]Table, error) {
	tables := map[int64]Table{}
	for _, in := range increments {
		start, n := binary.Varint(in)
		if n <= 0 {
			return nil, errPacked
		}
		b := start - mod(start, fiveMinutes)
		if tables[b] == nil {
			tables[b] = Table{}
		}
		if err := tables[b].Unpack(in[n:]); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

func newComposer(tables map[int64]Table) *composer {
	all := Table{}
	for _, t := range tables {
		for k := range t {
			all[k] = nil
		}
	}
	products := all.sorted()
	index := make(map[Key]int32, len(products))
	for i, k := range products {
		index[k] = int32(i)
	}
	c := &composer{buckets: make(map[int64][]entry, len(tables)), levels: []level{
		newLevel(lake.LevelProduct, products, func(k Key) Key { return k }),
		newLevel(lake.LevelCategory, products, func(k Key) Key { return Key{Category: k.Category, Currency: k.Currency} }),
		newLevel(lake.LevelShop, products, func(k Key) Key { return Key{Currency: k.Currency} }),
	}}
	for b, t := range tables {
		entries := make([]entry, 0, len(t))
		for k, s := range t {
			entries = append(entries, entry{index[k], *s})
		}
		c.buckets[b] = entries
	}
	return c
}

func newLevel(name string, products []Key, up func(Key) Key) level {
	l := level{name: name, of: make([]int32, len(products))}
	for _, k := range products {
		l.keys = append(l.keys, up(k))
	}
	slices.SortFunc(l.keys, Key.compare)
	l.keys = slices.Compact(l.keys)
	for i, k := range products {
		at, _ := slices.BinarySearchFunc(l.keys, up(k), Key.compare)
		l.of[i] = int32(at)
	}
	l.sums = make([]Sums, len(l.keys))
	return l
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

func (k Key) compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Product, o.Product), cmp.Compare(k.Category, o.Category), cmp.Compare(k.Currency, o.Currency))
}

// window returns the rows of the window [start, end), ms, both multiples of 5
// minutes, at every level, in the order level, product, category, currency.
//
// All columns but conversion are additive within a level. Views and carts are
// in a row without a currency, which also has the conversion: order lines of
// all currencies divided by views, NULL where there were no views.
func (c *composer) window(out []lake.MetricRow, start, end int64) []lake.MetricRow {
	for i := range c.levels {
		clear(c.levels[i].sums)
	}
	for b := start; b < end; b += fiveMinutes {
		for i := range c.buckets[b] {
			e := &c.buckets[b][i]
			for j := range c.levels {
				l := &c.levels[j]
				l.sums[l.of[e.key]].add(&e.Sums)
			}
		}
	}
	for i := range c.levels {
		out = c.levels[i].appendRows(out, start, end)
	}
	return out
}

func (l *level) appendRows(out []lake.MetricRow, start, end int64) []lake.MetricRow {
	for i := 0; i < len(l.keys); {
		// The keys of one product and category are neighbours, the one without a currency first.
		j, lines := i, int64(0)
		for j < len(l.keys) && l.keys[j].Product == l.keys[i].Product && l.keys[j].Category == l.keys[i].Category {
			lines += l.sums[j].Lines
			j++
		}
		for ; i < j; i++ {
			s := &l.sums[i]
			if *s == (Sums{}) {
				continue
			}
			k := l.keys[i]
			row := lake.MetricRow{
				WindowStart: start * 1000, WindowEnd: end * 1000, Level: l.name,
				ProductID: k.Product, Category: k.Category, Currency: k.Currency,
				OrderLines: s.Lines, Units: s.Units, Revenue: known(s.Revenue),
				CancelledLines: s.CancelledLines, CancelledUnits: s.CancelledUnits, CancelledRevenue: known(s.CancelledRevenue),
				Views: s.Views, Carts: s.Carts,
			}
			if s.Views > 0 {
				conversion := float64(lines) / float64(s.Views)
				row.Conversion = &conversion
			}
			out = append(out, row)
		}
	}
	return out
}

// known is nil for a sum that does not fit a file.
func known(m shop.Money) *shop.Money {
	if m == Overflow {
		return nil
	}
	return &m
}
