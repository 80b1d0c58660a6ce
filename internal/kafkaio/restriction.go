package kafkaio

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

func init() {
	beam.RegisterType(reflect.TypeFor[restriction]())
	beam.RegisterCoder(reflect.TypeFor[restriction](),
		func(r restriction) ([]byte, error) { return json.Marshal(r) },
		func(b []byte) (r restriction, err error) { return r, json.Unmarshal(b, &r) })
}

// restriction is the whole state of a read of one group of partitions: the
// part that is left to do starts exactly here. A checkpoint of the runner
// therefore holds everything; connections and buffers can be lost at any time.
type restriction struct {
	Group, Groups int   // partitions p with p mod Groups = Group
	Watermark     int64 // the highest watermark reported, ms, or NoTime
	TopicID       string
	Stamped       bool        `json:",omitempty"` // the broker stamps all records, whatever their batches say
	Parts         []partState // by ID, ascending
	Finished      bool        // bounded: every partition was read to its end
}

// partState is the state of one partition.
type partState struct {
	ID     int32
	Start  int64   // the first offset of the whole read
	Next   int64   // the next offset to read
	Read   int64   // records before it were read by an earlier run: raises are replayed there, live from here on
	End    int64   // bounded: read up to here (exclusive); noEnd: for ever
	High   int64   // H_p, the partition's clock, ms, or NoTime
	Raises []Raise // recorded ones to replay, and those to write into marks

	MaxUntil int64  `json:",omitempty"` // see Position
	Clock    *clock `json:",omitempty"` // nil: no value yet; never changed once it is in a claimed state
}

const noEnd int64 = -1

func (p *partState) done() bool { return p.End != noEnd && p.Next >= p.End }

func (r *restriction) clone() restriction {
	c := *r
	c.Parts = slices.Clone(r.Parts)
	for i := range c.Parts {
		c.Parts[i].Raises = slices.Clone(c.Parts[i].Raises)
	}
	return c
}

func (r *restriction) part(id int32) *partState {
	for i := range r.Parts {
		if r.Parts[i].ID == id {
			return &r.Parts[i]
		}
	}
	return nil
}

func (r *restriction) allDone() bool {
	return !slices.ContainsFunc(r.Parts, func(p partState) bool { return !p.done() })
}

// observe takes the next record of p, whose clock is its own. It returns H_p
// with the record included and whether the record is late.
//
// A partition that is behind the reported watermark is raised to it first, so
// that its records meet a watermark that no runner would drop them for. Only
// partitions that were idle, or are new, can be behind.
func (r *restriction) observe(w *Windowing, p *partState, rec *Record) (high int64, late bool) {
	offset := rec.Offset
	if offset < p.Read {
		for _, raise := range p.Raises {
			if raise.Offset <= offset {
				p.High = max(p.High, raise.High)
			}
		}
	} else if r.Watermark != NoTime && p.High < r.Watermark+w.Bound {
		p.High = r.Watermark + w.Bound
		p.Raises = append(p.Raises, Raise{Offset: offset, High: p.High})
	}
	if rec.Time == NoTime {
		return p.High, false
	}
	value := ClockValue(rec.Time, rec.Timestamp)
	switch {
	case offset < p.MaxUntil:
		p.High = max(p.High, rec.Time)
	case !rec.CreateTime && rec.Time >= rec.Timestamp-w.Skew:
		p.High = max(p.High, value)
	}
	p.High = p.Clock.push(w.Clock, value, p.High)
	return p.High, w.Late(rec.Time, p.High)
}

// watermark is the watermark that may be reported now: the minimum over the
// partitions that are neither read to their end nor idle. It is NoTime while
// one of them has not seen a valid time, and never goes back.
func (r *restriction) watermark(w Windowing, idle func(*partState) bool) int64 {
	low, any := NoTime, false
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.done() || idle(p) {
			continue
		}
		wm := w.Watermark(p.High)
		if !any || wm < low {
			low, any = wm, true
		}
	}
	return max(r.Watermark, low)
}

// mark describes the state at the moment when watermark wm is reported, and
// forgets the raises that no restart will need and that a mark has recorded.
func (r *restriction) mark(w Windowing, wm int64) *Mark {
	m := &Mark{Watermark: wm, TopicID: r.TopicID, Clock: clockVersion}
	for i := range r.Parts {
		p := &r.Parts[i]
		p.Raises = slices.DeleteFunc(p.Raises, func(raise Raise) bool { return w.Arrival(raise.High)+w.Base <= r.Watermark })
		m.Partitions = append(m.Partitions, Position{
			Partition: p.ID, Start: p.Start, Next: max(p.Next, p.Read), Raises: slices.Clone(p.Raises), MaxUntil: p.MaxUntil,
		})
	}
	return m
}

// tracker claims states: the state after a piece of work is claimed before the
// work is emitted. A checkpoint hands on the newest claimed state.
type tracker struct {
	state   restriction
	stopped bool // checkpointed: what is left belongs to somebody else
	err     error
}

func (t *tracker) TryClaim(pos any) bool {
	next, ok := pos.(restriction)
	if !ok {
		t.err = fmt.Errorf("kafkaio: claimed a %T, want a restriction", pos)
		return false
	}
	if t.stopped {
		return false
	}
	t.state = next
	return true
}

func (t *tracker) GetError() error { return t.err }

// TrySplit only checkpoints. A runner that asks for a part of what is left
// gets none: an endless read has no half.
func (t *tracker) TrySplit(fraction float64) (primary, residual any, err error) {
	if fraction > 0 || t.stopped || t.state.Finished {
		return t.state, nil, nil
	}
	t.stopped = true
	done := t.state.clone()
	done.Finished = true
	return done, t.state, nil
}

func (t *tracker) GetProgress() (done, remaining float64) {
	for _, p := range t.state.Parts {
		done += float64(p.Next - p.Start)
		if p.End != noEnd {
			remaining += float64(p.End - p.Next)
		}
	}
	return done, remaining
}

func (t *tracker) IsDone() bool        { return t.stopped || t.state.Finished }
func (t *tracker) GetRestriction() any { return t.state }

// IsBounded tells the runner whether the read ends by itself.
func (t *tracker) IsBounded() bool {
	return !slices.ContainsFunc(t.state.Parts, func(p partState) bool { return p.End == noEnd })
}
