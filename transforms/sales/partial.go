package sales

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"
)

// partial is what a worker has seen of a business day: sums of what adds up,
// and the order lines, whose distinct orders and customers do not.
type partial struct {
	header     header
	categories map[string]*category
	lines      [][]byte // packed events: order lines and cancelled lines
	conflicts  []byte   // list of what was dropped, JSON lines
	history    []byte   // instead of events: a Parquet file of the day's imported rows
	token      []byte   // see tokenFn
	items      int      // products, hours, sessions and users

	name string // of the category that was asked for last
	last *category
}

// category is what was seen of a category.
type category struct {
	products map[string]*product
	hours    map[Hour]*looks
	audience audience // of views and carts
}

// looks are events without money.
type looks struct{ views, carts int64 }

// product is what was seen of a product, in one category.
type product struct {
	looks
	seen, named moment // the newest event, and the newest that has a name
	name        string
}

// moment orders events: by time, and at the same time by the hash of the id.
type moment struct {
	time int64
	hash uint64
}

func (m moment) after(o moment) bool {
	return m.time > o.time || (m.time == o.time && m.hash > o.hash)
}

// never is before every event.
var never = moment{time: -1 << 63}

func newPartial() *partial {
	return &partial{header: newHeader(), categories: map[string]*category{}}
}

// size is about how many bytes the partial takes when it is packed.
func (p *partial) size() int {
	n := len(p.conflicts) + 64*p.items
	for _, l := range p.lines {
		n += len(l)
	}
	return n
}

// add counts one event.
func (p *partial) add(e *event, hash uint64, hour Hour) {
	p.header.read(e)
	if !p.header.add(e) {
		p.header.Overflow++
		p.drop(e, overflow, nil)
		return
	}
	p.header.Events++
	c := p.category(e.Category)
	pr := c.products[e.ProductID]
	if pr == nil {
		pr = &product{seen: never, named: never}
		c.products[strings.Clone(e.ProductID)] = pr
		p.items++
	}
	pr.see(moment{e.Time, hash}, e.ProductName)
	switch e.Type {
	case viewed:
		pr.views++
		p.items += c.audience.add(e.SessionID, e.UserID, stepViewed)
		p.hour(c, hour).views++
	case carted:
		pr.carts++
		p.items += c.audience.add(e.SessionID, e.UserID, stepCarted)
		p.hour(c, hour).carts++
	default:
		if len(p.lines) == 0 {
			p.lines = make([][]byte, 1)
		}
		p.lines[0] = e.append(p.lines[0])
	}
}

// The texts of event types.
const (
	viewed    = "product_viewed"
	carted    = "add_to_cart"
	ordered   = "order_created"
	cancelled = "order_cancelled"
)

func (p *partial) category(name string) *category {
	if p.last != nil && p.name == name {
		return p.last
	}
	c := p.categories[name]
	if c == nil {
		c = &category{products: map[string]*product{}, hours: map[Hour]*looks{}, audience: *newAudience()}
		name = strings.Clone(name)
		p.categories[name] = c
	}
	p.name, p.last = strings.Clone(name), c
	return c
}

func (p *partial) hour(c *category, h Hour) *looks {
	l := c.hours[h]
	if l == nil {
		l = &looks{}
		c.hours[h] = l
		p.items++
	}
	return l
}

func (pr *product) see(m moment, name string) {
	if m.after(pr.seen) {
		pr.seen = m
	}
	if name != "" && m.after(pr.named) {
		pr.named = m
		if pr.name != name {
			pr.name = strings.Clone(name)
		}
	}
}

// pack is the partial as one element. Equal partials make elements that are equal
// but for the order of their visits.
func (p *partial) pack() []byte {
	b := binary.AppendUvarint(nil, uint64(len(p.categories)))
	for _, name := range slices.Sorted(maps.Keys(p.categories)) {
		c := p.categories[name]
		b = appendText(b, name)
		b = binary.AppendUvarint(b, uint64(len(c.products)))
		for _, id := range slices.Sorted(maps.Keys(c.products)) {
			pr := c.products[id]
			b = appendText(b, id)
			b = pr.looks.append(b)
			b = pr.seen.append(b)
			b = pr.named.append(b)
			b = appendText(b, pr.name)
		}
		b = binary.AppendUvarint(b, uint64(len(c.hours)))
		for _, h := range slices.SortedFunc(maps.Keys(c.hours), Hour.compare) {
			b = binary.AppendVarint(b, h.Start)
			b = binary.AppendVarint(b, h.Of)
			b = c.hours[h].append(b)
		}
		b = c.audience.users.append(c.audience.sessions.append(b))
	}
	b = binary.AppendUvarint(b, uint64(len(p.conflicts)))
	b = append(b, p.conflicts...)
	b = binary.AppendUvarint(b, uint64(len(p.history)))
	b = append(b, p.history...)
	b = binary.AppendUvarint(b, uint64(len(p.token)))
	b = append(b, p.token...)
	for _, l := range p.lines {
		b = append(b, l...)
	}
	out := p.header.append(nil) // not compressed: some look at nothing else
	return append(out, s2.Encode(nil, b)...)
}

func (h Hour) compare(o Hour) int {
	return cmp.Or(cmp.Compare(h.Start, o.Start), cmp.Compare(h.Of, o.Of))
}

func (l *looks) append(b []byte) []byte {
	return binary.AppendVarint(binary.AppendVarint(b, l.views), l.carts)
}

func (m moment) append(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.AppendVarint(b, m.time), m.hash)
}

func (u *unpacker) looks() looks { return looks{u.varint(), u.varint()} }

func (u *unpacker) moment() moment {
	m := moment{time: u.varint()}
	if len(u.in) < 8 {
		u.fail()
		return m
	}
	m.hash, u.in = binary.LittleEndian.Uint64(u.in), u.in[8:]
	return m
}

// maxPartial bounds a packed partial: what a bundle sums up, with the largest
// batch of a file and a day of imported history on top.
const maxPartial = 1 << 30

// merge adds a packed partial. The order in which partials are merged makes no
// difference to the sums; lines and conflicts are appended as they come.
func (p *partial) merge(packed []byte) error {
	u := &unpacker{in: packed}
	if err := p.header.merge(u); err != nil {
		return err
	}
	if n, err := s2.DecodedLen(u.in); err != nil || n > maxPartial {
		return errPacked
	}
	in, err := s2.Decode(nil, u.in)
	if err != nil {
		return errPacked
	}
	u = &unpacker{in: in}
	for n := u.uvarint(); n > 0 && u.err == nil; n-- {
		c := p.category(u.text())
		for n := u.uvarint(); n > 0 && u.err == nil; n-- {
			id, l, seen, named, name := u.text(), u.looks(), u.moment(), u.moment(), u.text()
			pr := c.products[id]
			if pr == nil {
				pr = &product{seen: never, named: never}
				c.products[strings.Clone(id)] = pr
			}
			pr.views += l.views
			pr.carts += l.carts
			if seen.after(pr.seen) {
				pr.seen = seen
			}
			if named.after(pr.named) {
				pr.named, pr.name = named, strings.Clone(name)
			}
		}
		for n := u.uvarint(); n > 0 && u.err == nil; n-- {
			h := Hour{Start: u.varint(), Of: u.varint()}
			l := u.looks()
			sum := p.hour(c, h)
			sum.views += l.views
			sum.carts += l.carts
		}
		u.visits(c.audience.sessions)
		u.visits(c.audience.users)
	}
	p.conflicts = append(p.conflicts, u.bytes()...)
	p.history = append(p.history, u.bytes()...)
	p.token = append(p.token, u.bytes()...)
	if u.err != nil {
		return u.err
	}
	if len(u.in) > 0 {
		p.lines = append(p.lines, u.in)
	}
	return nil
}
