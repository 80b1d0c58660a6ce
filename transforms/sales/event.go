package sales

import (
	"bytes"
	"cmp"
	"encoding/binary"

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

	// Not content: the lane, and the place in the log.
	Late   bool
	Record position
}

// position is the place of a record in the log. The log's partitions have no
// order among each other, so that of their numbers stands in for it.
type position struct {
	Partition int32
	Offset    int64
}

func (a position) compare(b position) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// columns are what an event needs of a file.
const columns = lake.ColEventID | lake.ColEventType | lake.ColProductID | lake.ColCategory | lake.ColProductName | lake.ColUserID |
	lake.ColSessionID | lake.ColCountry | lake.ColOrderID | lake.ColCurrency | lake.ColEventTime | lake.ColLine | lake.ColQuantity |
	lake.ColUnitPrice | lake.ColSchemaVersion | lake.ColKafkaPartition | lake.ColKafkaOffset

// at fills e with row i of a batch.
func (e *event) at(b *lake.Events, i int) {
	*e = event{
		ID: b.EventID[i], Type: b.EventType[i], ProductID: b.ProductID[i], Category: b.Category[i], ProductName: b.ProductName[i],
		UserID: b.UserID[i], SessionID: b.SessionID[i], Country: b.Country[i], OrderID: b.OrderID[i], Currency: b.Currency[i],
		Time: b.EventTime[i], Line: b.Line[i], Quantity: b.Quantity[i], UnitPrice: b.UnitPrice[i],
		SchemaVersion: int64(b.SchemaVersion[i]), Late: b.Lane == lake.Late,
		Record: position{b.KafkaPartition[i], b.KafkaOffset[i]},
	}
}

// append packs the event: its lane and position, then its content, of which the
// time is the first.
func (e *event) append(b []byte) []byte {
	b = append(b, flag(e.Late))
	b = binary.AppendVarint(b, int64(e.Record.Partition))
	b = binary.AppendVarint(b, e.Record.Offset)
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

// event reads a packed event and returns its content: all but
// the lane and the position.
func (u *unpacker) event(e *event) (content []byte) {
	if len(u.in) == 0 {
		u.fail()
		return nil
	}
	e.Late = u.in[0] == 1
	u.in = u.in[1:]
	e.Record = position{int32(u.varint()), u.varint()} //nolint:gosec // append wrote an int32
	start := u.in
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
}

// compare orders events by id, and those of an id by what wins: the first in the
// log. The rest is for what cannot be, two records in one place.
func (a *candidate) compare(b *candidate) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), a.Record.compare(b.Record), bytes.Compare(a.content, b.content), cmp.Compare(flag(a.Late), flag(b.Late)))
}
