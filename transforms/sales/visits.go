package sales

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"example.com/shopstream/internal/lake"
)

// How far a visit came on a day. Views and carts cross the shuffle as sums, from
// which nobody can tell sessions: so their sessions and users cross beside them,
// once each in a category. Those of orders follow from the order lines.

// steps are what a session or a user did: a bit each.
type steps uint8

const (
	stepViewed steps = 1 << iota
	stepCarted
	stepOrdered
)

// visits are the sessions or the users of a category, by id.
type visits map[string]steps

// add adds what one did; who has no id is not counted. It returns how many are new.
func (v visits) add(id string, s steps) int {
	if id == "" {
		return 0
	}
	before, ok := v[id]
	if !ok {
		id = strings.Clone(id)
	}
	if before|s != before {
		v[id] = before | s
	}
	if ok {
		return 0
	}
	return 1
}

// append packs v, in any order: sorting would take as long as all the rest.
func (v visits) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	for id, s := range v {
		b = append(appendText(b, id), byte(s))
	}
	return b
}

// visits reads what append wrote into v.
func (u *unpacker) visits(v visits) {
	for n := u.uvarint(); n > 0 && u.err == nil; n-- {
		id := u.text()
		if len(u.in) == 0 {
			u.fail()
			return
		}
		v.add(id, steps(u.in[0]))
		u.in = u.in[1:]
	}
}

// count returns how many did all of the steps.
func (v visits) count(all steps) (n int64) {
	for _, s := range v {
		if s&all == all {
			n++
		}
	}
	return n
}

// audience is who was seen in a category, or in the shop.
type audience struct{ sessions, users visits }

func newAudience() *audience { return &audience{visits{}, visits{}} }

func (a *audience) add(session, user string, s steps) int {
	return a.sessions.add(session, s) + a.users.add(user, s)
}

// join adds the visits of another.
func (a *audience) join(o *audience) {
	for id, s := range o.sessions {
		a.sessions.add(id, s)
	}
	for id, s := range o.users {
		a.users.add(id, s)
	}
}

func (a *audience) row(day int32, category string, complete bool) lake.FunnelRow {
	return lake.FunnelRow{
		Date: day, Category: category,
		SessionsViewed: a.sessions.count(stepViewed), SessionsCarted: a.sessions.count(stepCarted), SessionsOrdered: a.sessions.count(stepOrdered),
		SessionsViewedCarted:  a.sessions.count(stepViewed | stepCarted),
		SessionsCartedOrdered: a.sessions.count(stepCarted | stepOrdered), SessionsViewedOrdered: a.sessions.count(stepViewed | stepOrdered),
		UsersViewed: a.users.count(stepViewed), UsersCarted: a.users.count(stepCarted), UsersOrdered: a.users.count(stepOrdered),
		UsersViewedCarted:  a.users.count(stepViewed | stepCarted),
		UsersCartedOrdered: a.users.count(stepCarted | stepOrdered), UsersViewedOrdered: a.users.count(stepViewed | stepOrdered),
		Complete: complete,
	}
}

// funnelRows are the rows of funnel_daily: of each category that anybody was
// seen in, and of the shop (no category), where a session counts once.
func (p *partial) funnelRows(day int32, complete bool, lines []lake.OrderLineRow) []lake.FunnelRow {
	seen := map[string]*audience{}
	of := func(category string) *audience {
		if seen[category] == nil {
			seen[category] = newAudience()
		}
		return seen[category]
	}
	for name, c := range p.categories {
		if len(c.audience.sessions)+len(c.audience.users) > 0 {
			of(name).join(&c.audience)
		}
	}
	for i := range lines {
		if l := &lines[i]; !l.Cancelled && l.SessionID+l.UserID != "" {
			of(l.Category).add(l.SessionID, l.UserID, stepOrdered)
		}
	}
	if len(seen) == 0 {
		return nil
	}
	shop := newAudience()
	rows := make([]lake.FunnelRow, 0, 1+len(seen))
	for name, a := range seen {
		shop.join(a)
		rows = append(rows, a.row(day, name, complete))
	}
	rows = append(rows, shop.row(day, "", complete))
	slices.SortFunc(rows, func(a, b lake.FunnelRow) int { return cmp.Compare(a.Category, b.Category) })
	return rows
}
