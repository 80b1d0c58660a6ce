package scoring

import (
	"context"
	"encoding/binary"
	"errors"

	"example.com/shopstream/ml/forecast"
)

// draftFn forecasts the series of a shard as far as they do not depend on
// others, and adds up what each group needs.
type draftFn struct {
	Options Options

	batch    *forecast.Batch
	openDays []int
}

// together is how many series the trees are asked about at once.
const together = 64

func (fn *draftFn) Setup(ctx context.Context) (err error) {
	if fn.batch, err = fn.Options.batch(ctx); err != nil {
		return err
	}
	fn.openDays = fn.batch.OpenDays()
	return nil
}

func (fn *draftFn) ProcessElement(ctx context.Context, shard int64, told, elements func(*[]byte) bool, drafts, totals func(int64, []byte)) error {
	var b []byte
	if !told(&b) {
		return errors.New("scoring: a shard was not told where groups begin")
	}
	places, err := unpackPlaces(b)
	if err != nil {
		return err
	}
	work := fn.begin(cuts(places))
	for b := []byte(nil); elements(&b); {
		s, err := decodeSeries(b, fn.Options.Axis.Open)
		if err != nil {
			return err // it was one before the shuffle
		}
		work.series = append(work.series, s)
		if len(work.series) == together {
			packed, err := work.flush(ctx)
			if err != nil {
				return err
			}
			drafts(shard, packed)
		}
	}
	if len(work.series) > 0 {
		packed, err := work.flush(ctx)
		if err != nil {
			return err
		}
		drafts(shard, packed)
	}
	if work.done > 0 {
		totals(oneKey, work.packSums())
	}
	return nil
}

// shardWork is the series of a shard that wait for the trees, and the sums of
// those that are done.
type shardWork struct {
	*draftFn
	cuts   cuts
	groups []*sums
	series []forecast.Series
	done   int
}

func (fn *draftFn) begin(c cuts) *shardWork {
	w := &shardWork{draftFn: fn, cuts: c, groups: make([]*sums, len(c)+1), series: make([]forecast.Series, 0, together)}
	for g := range w.groups {
		w.groups[g] = newSums(len(fn.openDays), fn.Options.Horizon)
	}
	return w
}

// flush returns the drafts of the series that wait.
func (w *shardWork) flush(ctx context.Context) (packed []byte, err error) {
	made, err := w.batch.Drafts(ctx, w.series)
	if err != nil {
		return nil, err
	}
	for i := range made {
		s, d := &w.series[i], &made[i]
		g := w.cuts.group(placeOf(s))
		w.groups[g].add(s, w.openDays, d)
		packed = appendDraft(packed, draft{id: s.ID, category: s.Category, group: g, Draft: *d})
	}
	w.done += len(made)
	w.series = w.series[:0]
	return packed, nil
}

func (w *shardWork) packSums() []byte {
	packed := binary.AppendUvarint(nil, uint64(len(w.groups)))
	for _, g := range w.groups {
		packed = g.append(packed)
	}
	return packed
}

// draft is a series' draft, on its way to the group's solution.
type draft struct {
	id, category string
	group        int
	forecast.Draft
}

func appendDraft(b []byte, d draft) []byte {
	b = appendText(appendText(b, d.id), d.category)
	b = binary.AppendUvarint(b, uint64(d.group)) //nolint:gosec // not below 0
	b = appendFlag(b, d.Short)
	for h := range d.Days {
		day := &d.Days[h]
		b = appendNumbers(b, day.Points[:])
		b = appendNumbers(b, []float64{day.Mean, day.Lower80, day.Upper80, day.Lower95, day.Upper95})
	}
	return b
}

func (u *unpacker) draft(horizon int) draft {
	d := draft{id: u.text(), category: u.text(), group: u.count(len(forecast.GroupRanks()))}
	d.Short, d.Days = u.flag(), make([]forecast.DraftDay, horizon)
	for h := range d.Days {
		day := &d.Days[h]
		for q := range day.Points {
			day.Points[q] = u.finite()
		}
		for _, v := range []*float64{&day.Mean, &day.Lower80, &day.Upper80, &day.Lower95, &day.Upper95} {
			*v = u.finite()
		}
	}
	return d
}
