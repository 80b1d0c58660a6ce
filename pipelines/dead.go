package pipelines

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/telemetry"
)

// DeadLetters is how many of some records were dead letters, and why. It is an
// error for a run that has too many of them: the lake is complete, but likely
// not what was wanted.
type DeadLetters struct {
	Read    int64
	Reasons map[string]int64
	Bound   float64 // stream.max_dead_share

	Example telemetry.DeadLetter // one of the most frequent reason; Reason "": none is known
	Look    shop.Look            // what the values look like, where no record is an event
}

// DeadCode is the exit code of a program whose bounded run ended with too many
// dead letters, and DeadHint what it says after them.
const (
	DeadCode = 4
	DeadHint = ". The lake is complete and closed, and has these records in dead_letters; if that is how they should be, allow it with --max-dead-share=1"
)

// Count is the number of dead letters.
func (d *DeadLetters) Count() (n int64) {
	for _, c := range d.Reasons {
		n += c
	}
	return n
}

// Foreign reports whether no record at all is an event.
func (d *DeadLetters) Foreign() bool { return d.Read > 0 && d.Count() == d.Read }

// TooMany reports whether the share is above the bound.
func (d *DeadLetters) TooMany() bool {
	n := d.Count()
	return float64(n) > d.Bound*float64(d.Read) && (n >= leastTold || d.Foreign())
}

// Error says how many there are, why, and what to do.
func (d *DeadLetters) Error() string {
	var b strings.Builder
	n := d.Count()
	if d.Foreign() {
		fmt.Fprintf(&b, "none of the %d records is an event of ours", d.Read)
		if d.Look.What != "" {
			fmt.Fprintf(&b, "; they look like %s", d.Look.What)
		}
		if d.Look.Do != "" {
			fmt.Fprintf(&b, ": %s", d.Look.Do)
		}
	} else {
		fmt.Fprintf(&b, "%d of %d records (%s) are dead letters, expected at most %s (stream.max_dead_share)", n, d.Read, percent(n, d.Read), percentOf(d.Bound))
	}
	fmt.Fprintf(&b, ". Reasons: %s", d.reasons())
	if e := d.Example; e.Reason != "" {
		fmt.Fprintf(&b, ". Such as partition %d, offset %d, %s: %s; its value is %s", e.Partition, e.Offset, e.Reason, e.Detail, shop.Excerpt(e.Value, 120))
	}
	return b.String()
}

// shownReasons is how many reasons are told, the most frequent first.
const shownReasons = 6

func (d *DeadLetters) reasons() string {
	var parts []string
	for i, reason := range d.byCount() {
		if i == shownReasons {
			parts = append(parts, fmt.Sprintf("and %d more", len(d.Reasons)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", reason, d.Reasons[reason]))
	}
	return strings.Join(parts, ", ")
}

// byCount are the reasons, the most frequent first.
func (d *DeadLetters) byCount() []string {
	return slices.SortedFunc(maps.Keys(d.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.Reasons[b], d.Reasons[a]), cmp.Compare(a, b))
	})
}

// DeadLetters are those of the run that Run has ended, whose totals it returned:
// without the windows that were final before Resume. Where they are too many, an
// example is read from the lake.
func (o *StreamingOptions) DeadLetters(ctx context.Context, totals lake.Totals) (*DeadLetters, error) {
	d := &DeadLetters{Read: totals.Read - o.before.Read, Reasons: map[string]int64{}, Bound: o.MaxDeadShare}
	for reason, n := range totals.Dead {
		if n -= o.before.Dead[reason]; n > 0 {
			d.Reasons[reason] = n
		}
	}
	return d, d.exemplify(ctx, o.Lake, o.finalBefore)
}

// DeadLetters are those of the new generation, which is the lake. Where they are
// too many, an example is read from it.
func (r RebuildReport) DeadLetters(ctx context.Context, bound float64) (*DeadLetters, error) {
	d := &DeadLetters{Read: r.Totals.Read, Reasons: r.Totals.Dead, Bound: bound}
	return d, d.exemplify(ctx, r.Lake, kafkaio.NoTime)
}

// exemplify reads an example of dead letters that are too many, from the windows of a
// lake that end after done.
func (d *DeadLetters) exemplify(ctx context.Context, uri string, done int64) error {
	if !d.TooMany() {
		return nil
	}
	st, err := lake.Shared(ctx, uri)
	if err != nil {
		return err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return err
	}
	letters, err := firstDead(ctx, st, ledger.Rows, done)
	if err != nil {
		return err
	}
	d.show(letters)
	return nil
}

// lookedAt is how many dead letters are read to find an example.
const lookedAt = 1000

// firstDead reads the first dead letters of the rows whose windows end after done.
func firstDead(ctx context.Context, st lake.Store, rows []lake.Row, done int64) (letters []lake.DeadRow, err error) {
	for _, row := range rows {
		if row.End <= done {
			continue
		}
		for _, f := range row.Files {
			if f.Lane != lake.Dead {
				continue
			}
			some, err := lake.ReadAll[lake.DeadRow](ctx, st, f.Name)
			if err != nil {
				return nil, err
			}
			if letters = append(letters, some...); len(letters) >= lookedAt {
				return letters[:lookedAt], nil
			}
		}
	}
	return letters, nil
}

// show takes the example, and what the letters look like, from some of them.
func (d *DeadLetters) show(letters []lake.DeadRow) {
	looks := map[shop.Look]int{}
	for i := range letters {
		looks[shop.LooksLike(letters[i].Value)]++
	}
	for look, n := range looks {
		if c := cmp.Compare(n, looks[d.Look]); c > 0 || c == 0 && look.What < d.Look.What {
			d.Look = look
		}
	}
	for _, reason := range d.byCount() {
		i := slices.IndexFunc(letters, func(l lake.DeadRow) bool { return l.Reason == reason })
		if i < 0 {
			continue
		}
		l := &letters[i]
		d.Example = telemetry.DeadLetter{Reason: l.Reason, Detail: l.Detail, Partition: l.KafkaPartition, Offset: l.KafkaOffset, Value: l.Value}
		return
	}
}

// deadBetween finds the dead letters of what was read in between.
func deadBetween(bound float64) func(before, now telemetry.Progress) *DeadLetters {
	return func(before, now telemetry.Progress) *DeadLetters {
		d := &DeadLetters{Read: now.Read - before.Read, Reasons: map[string]int64{}, Bound: bound, Example: now.LastRefused}
		for reason, n := range now.Refused {
			if n -= before.Refused[reason]; n > 0 {
				d.Reasons[reason] = n
			}
		}
		d.Look = shop.LooksLike(d.Example.Value)
		return d
	}
}

// tell: while a job runs, few say nothing, also where they are all.
func (d *DeadLetters) tell() bool { return d.Count() >= leastTold && d.TooMany() }
