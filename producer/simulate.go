package producer

import (
	"fmt"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"

	"example.com/shopstream/internal/shop"
)

// SimulateOptions of NewSimulator. Start is required; the zero value of the
// rest is an endless, faultless shop of 1,000 events per second of event time
// in 4 partitions.
type SimulateOptions struct {
	Seed       uint64
	Start      time.Time // event time of the first event, to the millisecond
	Partitions int       // 0: 4

	// How fast event time passes. Density is the long-term mean of events per
	// second of event time, around which the rhythm of day, week and year moves.
	// If it is 0 it is Rate / Speedup: what makes Deliver with that speed-up
	// send Rate records a second of wall time in the mean.
	Density float64
	Rate    float64
	Speedup float64 // 0: 1
	Flat    bool    // no rhythm: demand is the same at all times

	// The end, whichever comes first; 0: none.
	Count    int64         // records of all kinds
	Duration time.Duration // of wall time if Rate is given (Speedup × as much event time), else of event time

	// Shares of all records, 0 to 1.
	Duplicates float64 // same bytes and key again, soon after
	Invalid    float64 // records that are no events, of each kind in turn (see broken)
	Late       float64 // up to a day behind the highest time of their partition; see NotBefore
	OutOfOrder float64 // up to MaxDelay behind

	// Bound is the pipeline's out-of-orderness: what is further behind may be
	// late. 0: 30 s. Late events are Bound and more than an hour behind: late for
	// every base window of up to an hour.
	Bound time.Duration
	// MaxDelay bounds how far an event that is not late is behind the highest
	// time of its partition. Below Bound; 0: five sixths of it.
	MaxDelay time.Duration

	// NotBefore is a time that no late event is before, to the millisecond; zero:
	// none. It keeps late events off the days of a history that ends there. Where it
	// leaves no room for a late event, one on time takes its place.
	NotBefore time.Time

	// Skew makes all events of SkewPartition that much earlier; 0: none.
	SkewPartition int
	Skew          time.Duration

	// FastClocks is the share of customers whose device's clock is FastBy ahead, 0 to
	// 1. Their events carry its time, and where a topic believes its producers so do
	// their records (Record.Ahead). FastBy should be below the pipeline's skew:
	// beyond, events are dead letters.
	FastClocks float64
	FastBy     time.Duration // 0: 4 minutes

	// Foreign is the share of customers who pay in another currency than EUR.
	Foreign float64
}

const (
	defaultDensity = 1000
	defaultBound   = 30 * time.Second
	defaultFastBy  = 4 * time.Minute
	leastLateness  = time.Hour // beyond Bound
)

func (o SimulateOptions) withDefaults() (SimulateOptions, error) {
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	if o.Bound == 0 {
		o.Bound = defaultBound
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = o.Bound * 5 / 6
	}
	if o.Speedup == 0 {
		o.Speedup = 1
	}
	if o.FastBy == 0 {
		o.FastBy = defaultFastBy
	}
	bad := func(name string, found any, expected string) (SimulateOptions, error) {
		return o, fmt.Errorf("simulate: %s is %v: expected %s", name, found, expected)
	}
	switch {
	case o.Start.IsZero() || o.Start.Year() < 2000 || o.Start.Year() > 2098:
		return bad("start", o.Start.Format(time.RFC3339), "a time in the years 2000 to 2098")
	case o.Partitions < 1:
		return bad("partitions", o.Partitions, "at least 1")
	case o.Density < 0 || o.Density > 1e8:
		return bad("density", o.Density, "0 to 100,000,000 events a second")
	case o.Rate < 0 || o.Rate > 1e8:
		return bad("rate", o.Rate, "0 to 100,000,000 events a second")
	case o.Speedup < 0:
		return bad("speed-up", o.Speedup, "more than 0")
	case o.Count < 0:
		return bad("count", o.Count, "0 (no limit) or more")
	case o.Duration < 0:
		return bad("duration", o.Duration, "0 (no limit) or more")
	case o.Bound < time.Millisecond:
		return bad("bound", o.Bound, "at least 1ms")
	case o.MaxDelay < 0 || o.MaxDelay >= o.Bound:
		return bad("largest delay", o.MaxDelay, fmt.Sprintf("less than %s, the pipeline's bound: what is further behind is late", o.Bound))
	case o.Skew < 0:
		return bad("skew", o.Skew, "0 or more")
	case o.Skew > 0 && (o.SkewPartition < 0 || o.SkewPartition >= o.Partitions):
		return bad("skewed partition", o.SkewPartition, fmt.Sprintf("0 to %d", o.Partitions-1))
	case !(o.FastClocks >= 0 && o.FastClocks <= 1):
		return bad("share of fast clocks", o.FastClocks, "0 to 1")
	case o.FastBy < time.Millisecond || o.FastBy > leastLateness:
		return bad("time that clocks are fast by", o.FastBy, fmt.Sprintf("1ms to %s: late events have to stay late", leastLateness))
	case o.Foreign < 0 || o.Foreign > 1:
		return bad("foreign share", o.Foreign, "0 to 1")
	}
	sum := 0.0
	for name, v := range map[string]float64{"duplicates": o.Duplicates, "invalid": o.Invalid, "late": o.Late, "out of order": o.OutOfOrder} {
		if !(v >= 0 && v <= 1) {
			return bad("share of "+name, v, "0 to 1")
		}
		sum += v
	}
	if sum > 1 {
		return bad("sum of the shares", sum, "at most 1")
	}
	if o.Density == 0 {
		o.Density = defaultDensity
		if o.Rate > 0 {
			o.Density = o.Rate / o.Speedup
		}
	}
	return o, nil
}

// Span is the event time that a run of these options covers, 0 if it has no
// end. The rhythm of demand makes it inexact where Count ends the run.
func (o SimulateOptions) Span() time.Duration {
	o, _ = o.withDefaults()
	span := o.eventDuration()
	if o.Count > 0 {
		byCount := time.Duration(float64(o.Count) / o.Density * float64(time.Second))
		if span == 0 || byCount < span {
			span = byCount
		}
	}
	return span
}

func (o SimulateOptions) eventDuration() time.Duration {
	if o.Rate > 0 {
		return time.Duration(float64(o.Duration) * o.Speedup)
	}
	return o.Duration
}

// Simulator is a Source: a believable shop. Sessions of customers and guests
// look at products, put some in a cart and order some of those; some orders are
// cancelled later. What it gives is a function of its options alone: no clock,
// no other randomness than the seed's. Two starts have no event_id in common.
//
// For every record it also knows what a right pipeline makes of it: Truth.
type Simulator struct {
	opts  SimulateOptions
	cat   *catalogue
	rnd   *random
	truth truth

	// Event time, in nanoseconds since the epoch. It stands still while what is
	// due at one moment is given; the time of those records is owed.
	clock, owed, end int64
	first            int64 // that no late event is before, ms
	given            int64
	hour             int64 // that gap is for
	gap              int64 // mean time between events, ns

	shares struct{ duplicate, invalid, late, outOfOrder, fast threshold }

	shop    floor
	ids     uint64 // event ids used
	idSeed  uint64
	high    []int64 // by partition: highest event time given that can be read, ms; 0: none
	recent  [64]original
	recents int // originals ever; recent[(recents-1)%64] is the newest
	debt    int // duplicates that found no original close enough
	kinds   int // invalid records made

	bytes arena
	json  []byte
	err   error
}

// original is a record that may be repeated.
type original struct {
	rec Record
	at  int64 // its event time, ms, before any skew
}

// NewSimulator checks the options.
func NewSimulator(o SimulateOptions) (*Simulator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	start := o.Start.UnixMilli()
	s := &Simulator{
		opts:   o,
		cat:    newCatalogue(o.Seed),
		rnd:    newRandom(mix(o.Seed, uint64(start), 0, 0), "events"),
		clock:  start * int64(time.Millisecond),
		hour:   -1,
		high:   make([]int64, o.Partitions),
		idSeed: mix(o.Seed, uint64(start), 0, 9),
	}
	s.shares.duplicate = share(o.Duplicates)
	s.shares.invalid = s.shares.duplicate + share(o.Invalid)
	s.shares.late = s.shares.invalid + share(o.Late)
	s.shares.outOfOrder = s.shares.late + share(o.OutOfOrder)
	s.shares.fast = share(o.FastClocks)
	if d := o.eventDuration(); d > 0 {
		s.end = s.clock + int64(d)
	}
	s.first = math.MinInt64 / 2
	if !o.NotBefore.IsZero() {
		s.first = o.NotBefore.UnixMilli()
	}
	s.truth.init(o.Partitions)
	s.shop.init(s)
	return s, nil
}

// Total implements Source.
func (s *Simulator) Total() int64 {
	if s.opts.Count > 0 && s.end == 0 {
		return s.opts.Count
	}
	return -1
}

// Err implements Source.
func (s *Simulator) Err() error { return s.err }

// Close implements Source; there is nothing to close.
func (s *Simulator) Close() error { return nil }

// Truth is what a right pipeline makes of the records given so far.
func (s *Simulator) Truth() Truth { return s.truth.export(s.cat) }

// Next implements Source.
func (s *Simulator) Next() (Record, bool) {
	if s.err != nil || (s.opts.Count > 0 && s.given >= s.opts.Count) {
		return Record{}, false
	}
	s.advance()
	if s.end > 0 && s.clock >= s.end {
		return Record{}, false
	}
	draw := threshold(s.rnd.src.Uint64() >> 32)
	if draw < s.shares.duplicate {
		s.debt++
	}
	rec, ok := s.duplicate()
	if !ok {
		if draw >= s.shares.duplicate && draw < s.shares.invalid {
			rec = s.invalid()
		} else {
			rec = s.event(draw)
		}
	}
	rec.At = s.nowMs()
	s.given++
	s.truth.records[rec.Partition]++
	return rec, s.err == nil
}

// advance moves the clock by what is owed for the records given, but not
// between the lines of one order.
func (s *Simulator) advance() {
	if s.given == 0 {
		return
	}
	const hour = int64(time.Hour)
	if h := s.clock / hour; h != s.hour {
		s.hour = h
		level := int64(1000)
		if !s.opts.Flat {
			level = demand(s.nowMs())
		}
		s.gap = max(1, int64(1e9*1000/(s.opts.Density*float64(level))))
	}
	s.owed += s.gap/2 + int64(s.rnd.below(uint64(s.gap)+1)) // half to one and a half
	if s.shop.pending() {
		return
	}
	s.clock += s.owed
	s.owed = 0
}

func (s *Simulator) nowMs() int64 { return s.clock / int64(time.Millisecond) }

// duplicate repeats a recent original, if one is owed and there is one within
// MaxDelay: so it is never late.
func (s *Simulator) duplicate() (Record, bool) {
	if s.debt == 0 || s.recents == 0 {
		return Record{}, false
	}
	oldest := s.nowMs() - s.opts.MaxDelay.Milliseconds()
	o := &s.recent[s.rnd.below(uint64(min(s.recents, len(s.recent))))]
	if o.at < oldest {
		if o = &s.recent[(s.recents-1)%len(s.recent)]; o.at < oldest {
			return Record{}, false
		}
	}
	s.debt--
	s.truth.duplicates++
	return o.rec, true
}

// event gives the next event of the shop: on time, late, or out of order by
// where draw falls among the shares.
func (s *Simulator) event(draw threshold) Record {
	a := s.shop.next()
	key := s.bytes.keep([]byte(keyOf(&a.event)))
	p := PartitionOf(key, s.opts.Partitions)
	now := s.nowMs()
	lateFrom, lateTo := s.lateSpan(p)
	late := draw >= s.shares.invalid && draw < s.shares.late && lateFrom < lateTo
	at := now - s.skew(p)
	switch {
	case late:
		at = lateTo - int64(s.rnd.below(uint64(lateTo-lateFrom)))
	case draw >= s.shares.late && draw < s.shares.outOfOrder:
		delay := int64(s.rnd.below(uint64(s.opts.MaxDelay.Milliseconds()) + 1))
		at = max(now-delay, s.opts.Start.UnixMilli()) - s.skew(p)
	}
	ahead := s.ahead(key)
	a.event.ID = s.id()
	a.event.Time = at + ahead
	s.json = shop.AppendJSON(s.json[:0], &a.event)
	rec := Record{Partition: p, Key: key, Value: s.bytes.keep(s.json), EventTime: a.event.Time, Ahead: ahead}
	if late {
		s.truth.late++
		return rec
	}
	s.high[p] = max(s.high[p], at)
	s.recent[s.recents%len(s.recent)] = original{rec: rec, at: at + s.skew(p)}
	s.recents++
	if !s.truth.add(&a) {
		s.err = fmt.Errorf("simulate: revenue of %s overflows DECIMAL(18,6) within one window: use a lower density", a.event.ProductID)
	}
	return rec
}

// lateSpan is where a late event of a partition may lie now: after the first
// time, up to the second; nowhere if they are equal.
func (s *Simulator) lateSpan(partition int32) (from, to int64) {
	const most = int64(23 * time.Hour / time.Millisecond)
	if s.high[partition] == 0 {
		return 0, 0
	}
	to = s.high[partition] - (s.opts.Bound + leastLateness).Milliseconds()
	return min(to, max(to-most, s.first-1)), to
}

func (s *Simulator) skew(partition int32) int64 {
	if int(partition) != s.opts.SkewPartition {
		return 0
	}
	return s.opts.Skew.Milliseconds()
}

// ahead is how far the clock of a customer's device is ahead, ms.
func (s *Simulator) ahead(customer []byte) int64 {
	if threshold(mix(s.opts.Seed, xxhash.Sum64(customer), 0, 6)>>32) >= s.shares.fast {
		return 0
	}
	return s.opts.FastBy.Milliseconds()
}

// id is the next event id: a UUID of version 8 (RFC 9562: of our own making).
func (s *Simulator) id() uuid.UUID {
	s.ids++
	var id uuid.UUID
	hi, lo := mix(s.idSeed, s.ids, 0, 1), mix(s.idSeed, s.ids, 0, 2)
	for i := range 8 {
		id[i], id[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}
