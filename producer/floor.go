package producer

import (
	"container/heap"
	"fmt"
	"strconv"

	"example.com/shopstream/internal/shop"
)

// How customers behave, as probabilities.
var (
	guestShare      = share(0.30)
	sameCategory    = share(0.50) // the next product looked at is like the last
	intoCart        = share(0.25) // of products looked at
	ordersCart      = share(0.60) // of sessions with something in the cart
	fewPieces       = share(0.20) // an order line of 2 to 4
	manyPieces      = share(0.03) // of 5 to 24
	laterCancelled  = share(0.04) // of order lines
	partlyCancelled = share(0.30) // of those: fewer pieces than ordered
)

const (
	customers        = 50_000
	cartSize         = 5
	maxCancellations = 1 << 16 // waiting; orders beyond are kept
	// A session's steps are 20 seconds of event time apart in the mean, as far
	// as the bounds on open sessions allow.
	secondsPerStep = 20.0
	leastSessions  = 16
	mostSessions   = 1 << 16
)

// action is an event and what Truth needs to count it.
type action struct {
	event    shop.Event // without ID and Time
	product  int
	currency int
}

// floor is the shop floor: the open sessions and what is still due from them.
type floor struct {
	sim      *Simulator
	sessions []session
	lines    []action // of an order, given one after the other
	later    cancellations
	ordinal  uint64 // sessions opened
	orders   uint64
}

// session is one visit. The zero value has ended.
type session struct {
	user, id, country string
	currency          int
	left              int // steps
	product           int // looked at last; -1: none yet, or in the cart already
	category          int // of the last product; -1: none
	cart              [cartSize]int
	inCart            int
}

func (f *floor) init(s *Simulator) {
	f.sim = s
	f.sessions = make([]session, min(max(int(s.opts.Density*secondsPerStep), leastSessions), mostSessions))
}

// pending reports whether the next action belongs to the moment of the last.
func (f *floor) pending() bool { return len(f.lines) > 0 }

// next gives what happens next on the floor.
func (f *floor) next() action {
	if len(f.lines) > 0 {
		a := f.lines[0]
		f.lines = f.lines[1:]
		return a
	}
	if len(f.later) > 0 && f.later[0].due <= f.sim.nowMs() {
		return heap.Pop(&f.later).(cancellation).action
	}
	return f.step(f.session())
}

// session picks an open session, or opens one in place of one that has ended.
func (f *floor) session() *session {
	r := f.sim.rnd
	s := &f.sessions[r.below(uint64(len(f.sessions)))]
	if s.left > 0 {
		return s
	}
	f.ordinal++
	*s = session{
		id:      strconv.FormatUint(mix(f.sim.idSeed, f.ordinal, 0, 3), 36),
		left:    2 + int(r.below(6)+r.below(6)),
		product: -1, category: -1,
	}
	customer := f.ordinal << 32 // of a guest: anybody
	if !r.chance(guestShare) {
		customer = r.below(customers) * r.below(customers) / customers // regulars and others
		s.user = fmt.Sprintf("U%05d", customer)
	}
	traits := mix(f.sim.opts.Seed, customer, 0, 4)
	s.country = countryOf(traits)
	if threshold(traits>>32) < share(f.sim.opts.Foreign) {
		s.currency = 1 + int(traits%uint64(len(currencies)-1))
	}
	return s
}

func countryOf(traits uint64) string {
	var sum uint64
	for _, c := range countries {
		sum += c.weight
	}
	at := traits % sum
	for _, c := range countries {
		if at < c.weight {
			return c.name
		}
		at -= c.weight
	}
	return countries[0].name
}

// step lets a session do one thing.
func (f *floor) step(s *session) action {
	r := f.sim.rnd
	s.left--
	switch {
	case s.left == 0 && s.inCart > 0 && r.chance(ordersCart):
		return f.order(s)
	case s.product >= 0 && s.inCart < cartSize && r.chance(intoCart):
		s.cart[s.inCart] = s.product
		s.inCart++
		a := f.action(s, shop.AddToCart, s.product)
		s.product = -1
		return a
	}
	if s.category >= 0 && r.chance(sameCategory) {
		members := f.sim.cat.members[s.category]
		s.product = members[f.sim.cat.within[s.category].draw(r)]
	} else {
		s.product = f.sim.cat.popular.draw(r)
	}
	s.category = f.sim.cat.products[s.product].category
	return f.action(s, shop.ProductViewed, s.product)
}

// order gives the first line of an order of all that is in the cart, and keeps
// the others for the next calls.
func (f *floor) order(s *session) action {
	r := f.sim.rnd
	f.orders++
	id := "O" + strconv.FormatUint(mix(f.sim.idSeed, f.orders, 0, 5), 36)
	f.lines = f.lines[:0]
	for i, p := range s.cart[:s.inCart] {
		a := f.orderLine(s, id, int64(i+1), p)
		f.lines = append(f.lines, a)
		if r.chance(laterCancelled) && len(f.later) < maxCancellations {
			c := a
			c.event.Type = shop.OrderCancelled
			if r.chance(partlyCancelled) {
				c.event.Quantity = 1 + int64(r.below(uint64(a.event.Quantity)))
			}
			// A minute to three days later: as many in each doubling.
			wait := uint64(60_000) << r.below(12)
			heap.Push(&f.later, cancellation{due: f.sim.nowMs() + int64(wait+r.below(wait)), seq: f.orders<<3 | uint64(i), action: c})
		}
	}
	a := f.lines[0]
	f.lines = f.lines[1:]
	return a
}

func (f *floor) orderLine(s *session, id string, line int64, product int) action {
	r := f.sim.rnd
	a := f.action(s, shop.OrderCreated, product)
	a.currency = s.currency
	a.event.OrderID, a.event.Line = id, line
	a.event.Quantity = 1
	switch {
	case r.chance(manyPieces):
		a.event.Quantity = 5 + int64(r.below(20))
	case r.chance(fewPieces):
		a.event.Quantity = 2 + int64(r.below(3))
	}
	a.event.UnitPrice = f.sim.cat.price(product, f.sim.nowMs(), s.currency)
	a.event.Currency = currencies[s.currency].code
	return a
}

func (f *floor) action(s *session, t shop.EventType, product int) action {
	p := &f.sim.cat.products[product]
	return action{product: product, event: shop.Event{
		Type: t, ProductID: p.id, ProductName: p.name, Category: categories[p.category].name,
		UserID: s.user, SessionID: s.id, Country: s.country, Version: shop.SchemaVersion,
	}}
}

// cancellation waits for its time.
type cancellation struct {
	due    int64 // ms
	seq    uint64
	action action
}

// cancellations is a heap by due time; seq makes its order one of a kind.
type cancellations []cancellation

func (c cancellations) Len() int { return len(c) }
func (c cancellations) Less(i, j int) bool {
	if c[i].due != c[j].due {
		return c[i].due < c[j].due
	}
	return c[i].seq < c[j].seq
}
func (c cancellations) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cancellations) Push(x any)   { *c = append(*c, x.(cancellation)) }
func (c *cancellations) Pop() any {
	old := *c
	last := old[len(old)-1]
	old[len(old)-1] = cancellation{} // its strings
	*c = old[:len(old)-1]
	return last
}
