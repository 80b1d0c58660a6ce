package sales

import (
	"context"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/shopstream/internal/lake"
)

func init() {
	beam.RegisterDoFn(&sumFn{})
	beam.RegisterDoFn(&dedupFn{})
	register.Emitter1[[]byte]()
}

// sumFn sums events into packed partials by business day, and puts the
// suspects aside, by the shard of their id, to be compared.
type sumFn struct {
	Rules Rules

	calendar  *Calendar
	catalogue *Catalogue
	repeated  map[suspect]struct{} // hashes of ids that are there twice; nil: not read yet
	days      map[int32]*partial
	day       int32 // of the partial that was used last
	last      *partial
	suspects  [hashShards][]byte
}

const (
	// partialBytes bounds what a bundle sums up before it hands it on.
	partialBytes = 4 << 20
	suspectBytes = 256 << 10
)

func (fn *sumFn) Setup(ctx context.Context) (err error) {
	if fn.calendar, err = NewCalendar(fn.Rules.TimeZone); err != nil {
		return err
	}
	fn.catalogue, err = fn.Rules.catalogue(ctx)
	return err
}

func (fn *sumFn) StartBundle(func(int64, []byte), func(int64, []byte)) {
	fn.days, fn.last = map[int32]*partial{}, nil
	for i := range fn.suspects {
		fn.suspects[i] = nil
	}
}

func (fn *sumFn) ProcessElement(ctx context.Context, b lake.Events, emit, aside func(int64, []byte)) (err error) {
	if fn.repeated == nil { // not in Setup, which may come before they are known
		if fn.repeated, err = fn.Rules.suspectHashes(ctx); err != nil {
			return err
		}
	}
	var e event
	for i := range b.N {
		day := fn.calendar.Day(b.EventTime[i])
		if day < fn.Rules.From || day > fn.Rules.To {
			continue
		}
		e.at(&b, i)
		hash := idHash(e.ID)
		if _, ok := fn.repeated[suspectOf(hash)]; ok {
			fn.setAside(&e, shardOf(hash), aside)
			continue
		}
		fn.catalogue.complete(&e)
		fn.of(day).add(&e, hash, fn.calendar.Hour(e.Time))
	}
	size := 0
	for _, p := range fn.days {
		size += p.size()
	}
	if size > partialBytes {
		fn.flush(emit)
	}
	return nil
}

func (fn *sumFn) setAside(e *event, shard int, aside func(int64, []byte)) {
	fn.suspects[shard] = e.append(fn.suspects[shard])
	if len(fn.suspects[shard]) > suspectBytes {
		aside(int64(shard), fn.suspects[shard])
		fn.suspects[shard] = nil
	}
}

func (fn *sumFn) of(day int32) *partial {
	if fn.last != nil && fn.day == day {
		return fn.last
	}
	p := fn.days[day]
	if p == nil {
		p = newPartial()
		fn.days[day] = p
	}
	fn.day, fn.last = day, p
	return p
}

func (fn *sumFn) flush(emit func(int64, []byte)) {
	for day, p := range fn.days {
		emit(int64(day), p.pack())
	}
	fn.days, fn.last = map[int32]*partial{}, nil
}

func (fn *sumFn) FinishBundle(emit, aside func(int64, []byte)) {
	fn.flush(emit)
	for i, packed := range fn.suspects {
		if len(packed) > 0 {
			aside(int64(i), packed)
		}
		fn.suspects[i] = nil
	}
}

// dedupFn takes one event of each business day and id: the first in the log. The
// others are duplicates if they have the same time and content as one before
// them, else conflicts.
type dedupFn struct {
	Rules Rules

	calendar  *Calendar
	catalogue *Catalogue
}

func (fn *dedupFn) Setup(ctx context.Context) (err error) {
	if fn.calendar, err = NewCalendar(fn.Rules.TimeZone); err != nil {
		return err
	}
	fn.catalogue, err = fn.Rules.catalogue(ctx)
	return err
}

func (fn *dedupFn) ProcessElement(_ int64, packed func(*[]byte) bool, emit func(int64, []byte)) error {
	byDay := map[int32][]candidate{}
	for b := []byte(nil); packed(&b); {
		for u := (&unpacker{in: b}); u.more(); {
			var c candidate
			c.content = u.event(&c.event)
			if u.err != nil {
				return u.err
			}
			day := fn.calendar.Day(c.Time)
			byDay[day] = append(byDay[day], c)
		}
	}
	for day, events := range byDay {
		emit(int64(day), fn.dedup(events).pack())
	}
	return nil
}

func (fn *dedupFn) dedup(events []candidate) *partial {
	slices.SortFunc(events, func(a, b candidate) int { return a.compare(&b) })
	p := newPartial()
	for len(events) > 0 {
		n := 1
		for n < len(events) && events[n].ID == events[0].ID {
			n++
		}
		fn.keepFirst(p, events[:n])
		events = events[n:]
	}
	return p
}

// keepFirst takes the first of the events of an id, in the order of the log.
func (fn *dedupFn) keepFirst(p *partial, events []candidate) {
	first := events[0].event
	fn.catalogue.complete(&first)
	p.add(&first, idHash(first.ID), fn.calendar.Hour(first.Time))
	seen := map[string]struct{}{string(events[0].content): {}}
	for i := range events[1:] {
		c := &events[1+i]
		p.header.read(&c.event)
		if _, again := seen[string(c.content)]; again {
			p.header.Duplicates++
			continue
		}
		seen[string(c.content)] = struct{}{}
		p.header.Conflicts++
		p.drop(&c.event, conflict, &first)
	}
}
