package sales

import (
	"cmp"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// event is one row of silver or late. Texts are views.
type event struct {
	ID, Type, ProductID, Category, ProductName string
	UserID, SessionID, Country                 string
	OrderID, Currency                          string
	Time                                       int64 // µs
	Line, Quantity                             int64
	UnitPrice                                  shop.Money
	SchemaVersion                              int64
	Late                                       bool // of the lane; not content
}

// columns are what an event needs of a file.
const columns = lake.ColEventID | lake.ColEventType | lake.ColProductID | lake.ColCategory | lake.ColProductName | lake.ColUserID |
	lake.ColSessionID | lake.ColCountry | lake.ColOrderID | lake.ColCurrency | lake.ColEventTime | lake.ColLine | lake.ColQuantity |
	lake.ColUnitPrice | lake.ColSchemaVersion

// at fills e with row i of a batch.
func (e *event) at(b *lake.Events, i int) {
	*e = event{
		ID: b.EventID[i], Type: b.EventType[i], ProductID: b.ProductID[i], Category: b.Category[i], ProductName: b.ProductName[i],
		UserID: b.UserID[i], SessionID: b.SessionID[i], Country: b.Country[i], OrderID: b.OrderID[i], Currency: b.Currency[i],
		Time: b.EventTime[i], Line: b.Line[i], Quantity: b.Quantity[i], UnitPrice: b.UnitPrice[i],
		SchemaVersion: int64(b.SchemaVersion[i]), Late: b.Lane == lake.Late,
	}
}

// append packs the event: its lane, its time, then the rest of its content.
func (e *event) append(b []byte) []byte {
	b = append(b, flag(e.Late))
	b = binary.AppendVarint(b, e.Time)
	for _, s := range [...]string{e.ID, e.Type, e.ProductID, e.Category, e.ProductName, e.UserID, e.SessionID, e.Country, e.OrderID, e.Currency} {
		b = appendText(b, s)
	}
	b = binary.AppendVarint(b, e.Line)
	b = binary.AppendVarint(b, e.Quantity)
	b = binary.AppendVarint(b, int64(e.UnitPrice))
	return binary.AppendVarint(b, e.SchemaVersion)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// event reads a packed event and returns its content: all but the lane.
func (u *unpacker) event(e *event) (content []byte) {
	if len(u.in) == 0 {
		u.fail()
		return nil
	}
	e.Late = u.in[0] == 1
	start := u.in[1:]
	u.in = start
	e.Time = u.varint()
	for _, s := range [...]*string{&e.ID, &e.Type, &e.ProductID, &e.Category, &e.ProductName, &e.UserID, &e.SessionID, &e.Country, &e.OrderID, &e.Currency} {
		*s = u.text()
	}
	e.Line = u.varint()
	e.Quantity = u.varint()
	e.UnitPrice = shop.Money(u.varint())
	e.SchemaVersion = u.varint()
	return start[:len(start)-len(u.in)]
}

// candidate is an event that may share its id with another.
type candidate struct {
	event
	content []byte
	hash    uint64 // of the content
}

// compare orders the events of a day and id by what wins: the lowest (time,
// hash of the content); equal content is together.
func (a *candidate) compare(b *candidate) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Time, b.Time), cmp.Compare(a.hash, b.hash), cmp.Compare(string(a.content), string(b.content)), cmp.Compare(flag(a.Late), flag(b.Late)))
}

func contentHash(content []byte) uint64 { return xxhash.Sum64(content) }
