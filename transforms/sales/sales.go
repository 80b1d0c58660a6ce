// Package sales makes gold's tables: silver and late events, each once, summed
// by business day, and past daily sales that were imported.
//
// Events are read twice. The first time only their ids are: their hashes find
// the few that may be there more than once (suspects). The second time the
// others are summed where they are read, and the suspects compared in full. So
// little crosses a shuffle: hashes, suspects, sums, the sessions and users that
// viewed and carted (once a category and bundle), and the order lines, whose
// distinct orders and customers do not add up.
//
// The rows are a function of the events alone: the order in which they arrive,
// the layout of files, bundles and workers make no difference. A day's rows are
// written by one call; it must fit in memory (its order lines, about 300 bytes
// each).
package sales

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/shopstream/internal/lake"
)

func init() {
	beam.RegisterDoFn(&startFn{})
	beam.RegisterDoFn(&measureFn{})
	beam.RegisterDoFn(&tokenFn{})
	beam.RegisterDoFn(&brokenFn{})
	register.Emitter1[string]()
}

// Publish makes the planned days' tables of the events in files (of the lanes
// Silver and Late) and of the history, checks them, and puts them into the
// lake. It returns an Outcome a day (JSON). Of read, columns and times are set
// here; with Quarantine, a file that cannot be read is set aside and listed in
// the lake under BrokenDir.
func Publish(s beam.Scope, files []lake.File, plan Plan, r Rules, read lake.ReadOptions) beam.PCollection {
	s = s.Scope("sales.Publish")
	calendar, err := NewCalendar(r.TimeZone)
	if err != nil {
		panic(err) // the caller has made one of the same name
	}
	read.From, _ = calendar.Bounds(r.From)
	_, read.To = calendar.Bounds(r.To)

	read.Columns = lake.ColEventID
	ids, broken1 := lake.ReadEvents(s.Scope("ids"), r.Lake, files, read)
	known := suspects(s, ids, r)

	read.Columns = columns
	events, broken2 := lake.ReadEventsAfter(s.Scope("events"), r.Lake, files, read, known)
	sums, aside := beam.ParDo2(s, &sumFn{Rules: r}, events)
	compared := beam.ParDo(s, &dedupFn{Rules: r}, beam.GroupByKey(s, aside))
	started := beam.ParDo(s, &startFn{Plan: plan, Rules: r}, beam.Impulse(s))

	days := beam.Flatten(s, sums, compared, started)
	measures := beam.GroupByKey(s, beam.ParDo(s, &measureFn{}, days))
	tokens := beam.ParDo(s, &tokenFn{Plan: plan}, measures)
	outcomes := beam.ParDo(s, &publishFn{Rules: r, Plan: plan.withoutBefore()}, beam.GroupByKey(s, beam.Flatten(s, days, tokens)))
	listed := beam.ParDo(s, &brokenFn{Lake: r.Lake}, beam.Flatten(s, broken1, broken2))
	return beam.Flatten(s, outcomes, listed)
}

// Plan is what is to be published.
type Plan struct {
	Days map[int32]PlannedDay // by day since the epoch
	// Before has the measures of days that stand, for rules that compare days.
	Before map[int32]map[string]float64
	Ledger lake.Totals // of the lake, and whether its source has declared its end
	Closed bool
}

func (p Plan) withoutBefore() Plan {
	p.Before = nil
	return p
}

// PlannedDay is what is known of a day before its events are read.
type PlannedDay struct {
	Inputs     string // see lake.Publication
	Complete   bool
	History    bool   // made of the history alone
	Imported   bool   // the history has rows of it
	Twins      []Twin // its order lines that count on another day
	Silver     int64  // rows of its events that the ledger has; −1: it does not say
	Late       int64  // likewise
	Read, Dead int64  // records that arrived in windows of the day, and those of them that are no valid event
}

// measured reports whether later days may be compared with this one: not where
// history and events are one day's, or order lines count on another one: their sums
// are known only when they are made.
func (p PlannedDay) measured() bool { return p.History || !p.Imported && len(p.Twins) == 0 }

// startFn begins every planned day with an empty partial, so that a day without
// events is published too, and adds the history's days.
type startFn struct {
	Plan  Plan
	Rules Rules
}

func (fn *startFn) ProcessElement(ctx context.Context, _ []byte, emit func(int64, []byte)) error {
	for day, p := range fn.Plan.Days {
		if !p.History {
			emit(int64(day), newPartial().pack())
		}
	}
	if fn.Rules.History == "" {
		return nil
	}
	st, err := lake.Shared(ctx, fn.Rules.Lake)
	if err != nil {
		return err
	}
	rows, err := readHistory(ctx, st, fn.Rules.History)
	if err != nil {
		return err
	}
	for len(rows) > 0 { // sorted by date
		n := daysRows(rows)
		if planned, ok := fn.Plan.Days[rows[0].Date]; ok {
			p := newPartial()
			if planned.History { // else publishFn merges them
				p.header = historyHeader(rows[:n])
			}
			if p.history, err = lake.EncodeGold(nil, rows[:n]); err != nil {
				return err
			}
			emit(int64(rows[0].Date), p.pack())
		}
		rows = rows[n:]
	}
	return nil
}

// measureFn takes the header of a partial, under one key.
type measureFn struct{}

func (measureFn) ProcessElement(day int64, packed []byte, emit func(int64, []byte)) error {
	h := newHeader()
	if err := h.merge(&unpacker{in: packed}); err != nil {
		return err
	}
	emit(0, h.append(binary.AppendVarint(nil, day)))
	return nil
}

// tokenFn gives each planned day what rules compare it with: the measures of
// the same weekday before, of this run and of what stands. A day is published
// when its token is there, that is when all days are measured.
type tokenFn struct{ Plan Plan }

// weeks is how many weeks back rules look at most.
const weeks = 8

func (fn *tokenFn) ProcessElement(_ int64, packed func(*[]byte) bool, emit func(int64, []byte)) error {
	headers := map[int32]*header{}
	for b := []byte(nil); packed(&b); {
		u := &unpacker{in: b}
		day := int32(u.varint())
		h := headers[day]
		if h == nil {
			h = known(newHeader())
			headers[day] = h
		}
		if err := h.merge(u); err != nil {
			return err
		}
	}
	for day := range fn.Plan.Days {
		var before []map[string]float64
		for week := 1; week <= weeks; week++ {
			then := day - int32(7*week)
			if planned, ok := fn.Plan.Days[then]; ok {
				if h := headers[then]; h != nil && planned.measured() {
					before = append(before, h.measures())
				}
			} else if m := fn.Plan.Before[then]; m != nil {
				before = append(before, m)
			}
		}
		p := newPartial()
		var err error
		if p.token, err = json.Marshal(before); err != nil {
			return err
		}
		emit(int64(day), p.pack())
	}
	return nil
}

// BrokenDir is where files are listed that could not be read.
const BrokenDir = "quality/broken/"

// brokenFn lists a file that was set aside.
type brokenFn struct{ Lake string }

func (fn *brokenFn) ProcessElement(ctx context.Context, broken []byte, _ func(string)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	var b struct{ Name string }
	if err := json.Unmarshal(broken, &b); err != nil {
		return err
	}
	return st.Put(ctx, BrokenDir+strings.ReplaceAll(b.Name, "/", "_")+".json", broken)
}
