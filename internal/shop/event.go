// Package shop holds what every part of shopstream agrees on: the event, its
// JSON contract, the typed reasons of a rejection, and exact money.
//
// Everything here is pure: no clock, no I/O, no globals that change.
package shop

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// EventType says what happened to one product.
type EventType uint8

// The four event types of the contract. The zero value is no event.
const (
	ProductViewed EventType = iota + 1
	AddToCart
	OrderCreated
	OrderCancelled
)

// String is the name in the contract: "product_viewed", "add_to_cart",
// "order_created" or "order_cancelled".
func (t EventType) String() string {
	switch t {
	case ProductViewed:
		return "product_viewed"
	case AddToCart:
		return "add_to_cart"
	case OrderCreated:
		return "order_created"
	case OrderCancelled:
		return "order_cancelled"
	}
	return fmt.Sprintf("EventType(%d)", uint8(t))
}

// ParseEventType is the inverse of String; ok is false for any other text.
func ParseEventType(s string) (t EventType, ok bool) {
	for t = ProductViewed; t <= OrderCancelled; t++ {
		if s == t.String() {
			return t, true
		}
	}
	return 0, false
}

// Uncategorized is the category of an event that names none.
const Uncategorized = "uncategorized"

// SchemaVersion is the newest version of the event contract that this reader
// understands. A newer event is a dead letter with a reason of its own and can
// be replayed after an upgrade.
const SchemaVersion = 1

// Event is one valid line of the contract (event.schema.json): one product
// viewed, put in a cart, ordered or cancelled.
//
// Strings of an event made by a Parser are views of the bytes it was given or
// of its own memory: they are valid until those bytes change or until its next
// Parse. Clone keeps them.
type Event struct {
	ID   uuid.UUID
	Type EventType
	// Time is the event time, milliseconds since the epoch, UTC.
	Time int64

	ProductID   string
	ProductName string // empty: not given
	Category    string // Uncategorized: not given
	UserID      string // empty: a guest
	SessionID   string // empty: not given
	Country     string // empty: not given

	// Of orders and cancellations only; zero values otherwise.
	OrderID   string
	Line      int64 // 0: not given
	Quantity  int64
	UnitPrice Money
	Currency  string // ISO 4217, upper case

	Version int64 // schema_version of the producer
}

// IsOrder reports whether the event carries an order's fields: an order line
// or the cancellation of one.
func (e *Event) IsOrder() bool { return e.Type == OrderCreated || e.Type == OrderCancelled }

// Clone is e with strings of its own.
func (e Event) Clone() Event {
	for _, s := range []*string{
		&e.ProductID, &e.ProductName, &e.Category, &e.UserID, &e.SessionID, &e.Country, &e.OrderID, &e.Currency,
	} {
		*s = strings.Clone(*s)
	}
	return e
}
