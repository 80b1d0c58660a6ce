package kafkaio

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// ClockRule says how the clock of a partition resists records whose times are
// ahead. Such a record keeps its own window; it is only not believed about what
// time it is.
//
// The clock value of a record is its event time, or the record's timestamp
// where that is earlier. The clock goes to it at once where the broker stamped
// the record and the event is no more than Windowing.Skew older than that:
// nobody else's clock is believed then. Everywhere else (the producer stamped, or an
// old file is sent again) the clock is the Rank-th largest of the partition's
// Last clock values, so fewer than Rank wrong ones among so many do not move
// it. There is none before First were seen, and it begins at their lowest: the
// first record is as likely wrong as any other.
//
// The zero value is the default rule. Rank 1 is the highest clock value.
type ClockRule struct{ Last, Rank, First int }

// ClockMemory is Last of the default rule: what a resumed read has to know.
const ClockMemory = 128

// The rank is a quarter of what is remembered: with 5 % wrong clocks, which
// come independently, 32 among 128 are wrong once in 10¹³ records. docs/design.md
// has the measurements, and what a smaller or a larger one costs.
func (r ClockRule) orDefault() ClockRule {
	if r == (ClockRule{}) {
		return ClockRule{Last: ClockMemory, Rank: ClockMemory / 4, First: 8}
	}
	return r
}

// ClockValue is what a record of event time t and a record timestamp says
// about the time, both ms.
func ClockValue(t, timestamp int64) int64 { return min(t, timestamp) }

// clock remembers the newest clock values of a partition.
type clock struct {
	recent []int64 // a ring once it is full
	oldest int     // in the ring
	above  []int64 // those of recent above the clock, ascending; fewer than Rank
	ready  bool    // above is right
}

// PartitionClock is the clock of one partition for a program that reads a log
// without Beam.
type PartitionClock struct {
	windowing Windowing
	part      partState
}

// NewPartitionClock is the clock of a partition that is read from its beginning.
func NewPartitionClock(w Windowing) *PartitionClock {
	w.Clock = w.Clock.orDefault()
	return &PartitionClock{windowing: w, part: partState{High: NoTime, Clock: (*clock)(nil).clone(w.Clock.Last)}}
}

// Observe takes the partition's next record and returns the clock with it.
func (c *PartitionClock) Observe(rec *Record) int64 {
	never := restriction{Watermark: NoTime}
	high, _ := never.observe(&c.windowing, &c.part, rec)
	return high
}

// newClock remembers values, the oldest first.
func newClock(values []int64) *clock { return &clock{recent: slices.Clone(values)} }

func (c *clock) clone(last int) *clock {
	if c == nil {
		return &clock{recent: make([]int64, 0, last)}
	}
	return &clock{
		recent: append(make([]int64, 0, max(last, len(c.recent))), c.recent...), oldest: c.oldest,
		above: append(make([]int64, 0, cap(c.above)), c.above...), ready: c.ready,
	}
}

// push remembers a value and returns the clock, which was high before and never
// goes back.
func (c *clock) push(rule ClockRule, value, high int64) int64 {
	if !c.ready {
		c.restore(rule, high)
	}
	c.forget(high)
	if len(c.recent) < rule.Last {
		c.recent = append(c.recent, value)
	} else {
		old := c.recent[c.oldest]
		c.recent[c.oldest] = value
		if c.oldest++; c.oldest == len(c.recent) {
			c.oldest = 0
		}
		if len(c.above) > 0 && old >= c.above[0] {
			if i, ok := slices.BinarySearch(c.above, old); ok {
				c.above = slices.Delete(c.above, i, i+1)
			}
		}
	}
	if value <= high {
		return high
	}
	i := len(c.above)
	c.above = append(c.above, value)
	for ; i > 0 && c.above[i-1] > value; i-- {
		c.above[i] = c.above[i-1]
	}
	c.above[i] = value
	switch n := len(c.above); {
	case n >= rule.Rank:
		high = c.above[n-rule.Rank]
	case high == NoTime && n >= rule.First:
		high = c.above[0]
	default:
		return high
	}
	c.forget(high)
	return high
}

// forget drops the values up to high: they raise it no more.
func (c *clock) forget(high int64) {
	n := 0
	for n < len(c.above) && c.above[n] <= high {
		n++
	}
	if n > 0 {
		c.above = c.above[:copy(c.above, c.above[n:])]
	}
}

// restore derives the rest of a clock that has only values.
func (c *clock) restore(rule ClockRule, high int64) {
	values := c.values()
	values = values[max(0, len(values)-rule.Last):]
	c.recent, c.oldest, c.ready = append(make([]int64, 0, rule.Last), values...), 0, true
	c.above = make([]int64, 0, rule.Last)
	for _, v := range values {
		if v > high {
			c.above = append(c.above, v)
		}
	}
	slices.Sort(c.above)
}

// values are what is remembered, the oldest first.
func (c *clock) values() []int64 {
	return slices.Concat(c.recent[c.oldest:], c.recent[:c.oldest])
}

// MarshalJSON writes the values as the differences of one to the next, in few
// bytes: a runner keeps a read's state at every checkpoint.
func (c *clock) MarshalJSON() ([]byte, error) {
	var b []byte
	last := int64(0)
	for _, v := range c.values() {
		b = binary.AppendVarint(b, v-last)
		last = v
	}
	return json.Marshal(base64.RawStdEncoding.EncodeToString(b))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *clock) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("clock values: %w", err)
	}
	*c = clock{}
	last := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return fmt.Errorf("clock values: %w", errShort)
		}
		last, b = last+d, b[n:]
		c.recent = append(c.recent, last)
	}
	return nil
}
