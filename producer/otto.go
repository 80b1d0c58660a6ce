package producer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"

	"example.com/shopstream/internal/shop"
)

// ottoCurrency is that of the synthetic prices.
const ottoCurrency = "EUR"

// otto replays OTTO's recommender sessions in order of time: clicks become
// product_viewed, carts add_to_cart, orders order_created of quantity 1. The key is the
// session.
//
// The data set has no prices and no categories. A price here is synthetic: a
// fixed function of the product (ottoPrice), good for trying the pipeline and
// for nothing else. Events stay uncategorized.
//
// The file is ordered by session, and a session can last weeks: replayed so,
// most events would be late. So the file is read whole and sorted, 32 bytes an
// event.
type otto struct {
	events     []ottoEvent
	next       int
	partitions int
	bytes      arena
	json       []byte
}

type ottoEvent struct {
	ts      int64 // ms, UTC
	session int64
	aid     uint32
	index   uint32 // within the session
	line    uint32 // of the order, 1 the first; 0: no order
	kind    shop.EventType
}

// ottoSession is a line of the file.
type ottoSession struct {
	Session *int64 `json:"session"`
	Events  []struct {
		Aid  *uint32 `json:"aid"`
		Ts   int64   `json:"ts"`
		Type string  `json:"type"`
	} `json:"events"`
}

func openOTTO(f *File, partitions int) Source {
	s := &otto{events: f.otto, partitions: partitions}
	slices.SortFunc(s.events, func(a, b ottoEvent) int {
		return cmp.Or(cmp.Compare(a.ts, b.ts), cmp.Compare(a.session, b.session), cmp.Compare(a.index, b.index))
	})
	return s
}

// ottoReader reads sessions as rows, and gives their events to the file.
type ottoReader struct {
	lines lineReader
	file  *File
	read  []ottoEvent // of the session before, which is the file's if no prefix ends behind it
}

func (r *ottoReader) row() (row, error) {
	r.file.otto = append(r.file.otto, r.read...)
	r.read = r.read[:0]
	line, err := r.lines.next()
	if err != nil {
		return row{}, err
	}
	if r.read, err = appendSession(r.read, r.file.Path, r.lines.n, line); err != nil {
		return row{}, err
	}
	out := row{start: r.lines.start, end: r.lines.end, records: int64(len(r.read))}
	for i, e := range r.read {
		if i == 0 {
			out.time, out.newest, out.timed = e.ts, e.ts, true
		}
		out.time, out.newest = min(out.time, e.ts), max(out.newest, e.ts)
	}
	return out, nil
}

// appendSession appends the events of a line of the file.
func appendSession(events []ottoEvent, path string, n int64, line []byte) ([]ottoEvent, error) {
	var in ottoSession
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, fmt.Errorf("replay: %s, line %d: expected an OTTO session: %w", path, n, err)
	}
	if in.Session == nil {
		return nil, fmt.Errorf("replay: %s, line %d: expected an OTTO session, found no \"session\"", path, n)
	}
	var order int64 // the moment of the order that the last line belongs to
	var inOrder uint32
	for i, e := range in.Events {
		out := ottoEvent{ts: e.Ts, session: *in.Session, index: uint32(i)}
		switch e.Type {
		case "clicks":
			out.kind = shop.ProductViewed
		case "carts":
			out.kind = shop.AddToCart
		case "orders":
			out.kind = shop.OrderCreated
			if inOrder == 0 || e.Ts != order {
				order, inOrder = e.Ts, 0
			}
			inOrder++
			out.line = inOrder
		default:
			return nil, fmt.Errorf("replay: %s, line %d: event %d has type %q: expected clicks, carts or orders", path, n, i, e.Type)
		}
		if e.Aid == nil || e.Ts <= 0 {
			return nil, fmt.Errorf("replay: %s, line %d: event %d: expected \"aid\" and \"ts\" (milliseconds)", path, n, i)
		}
		out.aid = *e.Aid
		events = append(events, out)
	}
	return events, nil
}

func (s *otto) Total() int64 { return int64(len(s.events)) }
func (s *otto) Err() error   { return nil }
func (s *otto) Close() error { return nil }

func (s *otto) Next() (Record, bool) {
	if s.next == len(s.events) {
		return Record{}, false
	}
	in := s.events[s.next]
	s.next++
	session := strconv.FormatInt(in.session, 10)
	e := shop.Event{
		ID:        uuid.NewSHA1(replayNamespace, fmt.Appendf(nil, "otto:%d:%d", in.session, in.index)),
		Type:      in.kind,
		Time:      in.ts,
		ProductID: strconv.FormatUint(uint64(in.aid), 10),
		SessionID: session,
		Version:   shop.SchemaVersion,
	}
	if e.IsOrder() {
		e.OrderID = session + "-" + strconv.FormatInt(in.ts, 10)
		e.Line = int64(in.line)
		e.Quantity = 1
		e.UnitPrice = ottoPrice(e.ProductID)
		e.Currency = ottoCurrency
	}
	s.json = shop.AppendJSON(s.json[:0], &e)
	key := s.bytes.keep([]byte(session))
	return Record{Partition: PartitionOf(key, s.partitions), Key: key, Value: s.bytes.keep(s.json), EventTime: in.ts, At: in.ts}, true
}

// ottoPrice is the synthetic price of a product: 0.99 to 199.99 by its hash.
func ottoPrice(product string) shop.Money {
	const cent = 10_000 // micro-units
	return shop.Money(xxhash.Sum64String("price:"+product)%200*100+99) * cent
}
