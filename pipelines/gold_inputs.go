package pipelines

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/sales"
)

// goldSettings are what gold is made by: those that the lake has, with what is
// given or dropped by this run. notes say what becomes of it.
func (o GoldOptions) goldSettings(ctx context.Context, st lake.Store) (want lake.GoldSettings, notes []string, err error) {
	have, _, err := lake.ReadGoldSettings(ctx, st)
	if err != nil {
		return want, nil, err
	}
	want = lake.GoldSettings{TimeZone: o.TimeZone, History: have.History, Catalogue: have.Catalogue}
	if o.DropHistory && want.History != nil {
		notes = append(notes, fmt.Sprintf("the history of %s is dropped", plural(len(want.History.Days), "day")))
		want.History = nil
	}
	if o.DropCatalogue && want.Catalogue != nil {
		notes = append(notes, fmt.Sprintf("the catalogue of %s is dropped", plural(int(want.Catalogue.Rows), "product")))
		want.Catalogue = nil
	}
	if o.History != nil {
		before := want.History
		if want.History, err = sales.KeepHistory(ctx, st, before, o.History); err != nil {
			return want, nil, err
		}
		notes = append(notes, historyNote(before, want.History)...)
	}
	if o.Catalogue != nil {
		before := want.Catalogue
		if want.Catalogue, err = sales.KeepCatalogue(ctx, st, o.Catalogue); err != nil {
			return want, nil, err
		}
		if before != nil && before.File != want.Catalogue.File {
			note, err := o.catalogueNote(ctx, st, before)
			if err != nil {
				return want, nil, err
			}
			notes = append(notes, note)
		}
	}
	return want, notes, nil
}

// historyNote says what a history that was given changes of the one before.
func historyNote(before, now *lake.GoldInput) []string {
	dates := sales.Dates(now)
	if before == now || len(dates) == 0 {
		return nil
	}
	fresh, changed := 0, 0
	for _, date := range dates {
		switch {
		case before == nil || before.Days[date] == "":
			fresh++
		case before.Days[date] != now.Days[date]:
			changed++
		}
	}
	note := fmt.Sprintf("the lake keeps a history of %s, %s to %s", plural(len(dates), "day"), dates[0], dates[len(dates)-1])
	if before != nil {
		note += fmt.Sprintf(": %d new, %d in place of what it had", fresh, changed)
	}
	return []string{note}
}

func (o GoldOptions) catalogueNote(ctx context.Context, st lake.Store, before *lake.GoldInput) (string, error) {
	products, err := sales.ReadCatalogue(ctx, st, before)
	if err != nil {
		return "", err
	}
	gone := 0
	for id := range products {
		if _, ok := o.Catalogue[id]; !ok {
			gone++
		}
	}
	note := fmt.Sprintf("the catalogue of %s takes the place of the one of %d that the lake had", plural(len(o.Catalogue), "product"), len(products))
	if gone > 0 {
		note += fmt.Sprintf("; %d of those are not in it and lose what it said of them", gone)
	}
	return note, nil
}

// keepUnkept leaves days as they stand that were made of a history which the
// lake does not keep, as one of an earlier version: made again without it, they
// would lose it. It returns them.
func (o GoldOptions) keepUnkept(days map[int32]*dayInputs, standing map[civil.Date]lake.Publication, history *lake.GoldInput) (unkept []civil.Date, err error) {
	if o.DropHistory {
		return nil, nil
	}
	for date, s := range standing {
		if s.Number == 0 || s.Source != sales.SourceHistory && s.Source != sales.SourceMerged || history != nil && history.Days[date] != "" {
			continue
		}
		if s.TimeZone != o.TimeZone {
			return nil, fmt.Errorf("%w: %s stands with business days of %s and was made of a history that the lake does not keep: give the history once more with --history=FILE, or let go of it with --drop-history", errTimeZone, date, s.TimeZone)
		}
		unkept = append(unkept, date)
		delete(days, sales.DayOf(date))
	}
	slices.SortFunc(unkept, civil.Date.Compare)
	return unkept, nil
}

// checkSettings holds the lake's gold to the time zone it was made with, and
// keeps what it is made by.
func (o GoldOptions) checkSettings(ctx context.Context, st lake.Store, want lake.GoldSettings) error {
	have, ok, err := lake.ReadGoldSettings(ctx, st)
	if err != nil {
		return err
	}
	if other := ok && have.TimeZone != "" && have.TimeZone != o.TimeZone; other {
		if !o.Rebuild {
			return fmt.Errorf("%w: gold of the lake %s has business days of %s, asked for %s: use that one, or make all days again with --rebuild", errTimeZone, o.Lake, have.TimeZone, o.TimeZone)
		}
		if o.asked() {
			return fmt.Errorf("%w: days of %s and of %s do not fit together: use --rebuild without dates", errTimeZone, have.TimeZone, o.TimeZone)
		}
	}
	if ok && have.TimeZone == want.TimeZone && sameInput(have.History, want.History) && sameInput(have.Catalogue, want.Catalogue) {
		return nil
	}
	return lake.PutGoldSettings(ctx, st, want)
}

func sameInput(a, b *lake.GoldInput) bool {
	return a == b || a != nil && b != nil && a.PublishedFile == b.PublishedFile
}

var errTimeZone = errors.New("another time zone")
