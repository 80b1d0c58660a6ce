package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"cloud.google.com/go/civil"
)

// predictionsDir has what publicationsDir has, of the one table that gold does not
// make: predict writes it, a day or two of which gold knows nothing yet.
const (
	predictionsDir   = "ledger/predictions"
	predictionsTable = "demand_predictions"
)

// publicationOf is the name of the object that names a table's file of a date.
func publicationOf(table string, date civil.Date) string {
	if table == predictionsTable {
		return predictionsDir + "/date=" + date.String() + ".json"
	}
	return publicationName(date)
}

// ReadPublications returns what stands in gold, by date. A date whose files are
// there, but not what names them, is an error.
func ReadPublications(ctx context.Context, st Store) (map[civil.Date]Publication, error) {
	out, broken, err := standing(ctx, st)
	if err == nil && len(broken) > 0 {
		err = broken[0]
	}
	return out, err
}

// StandingGold is ReadPublications for who can make dates again: those whose
// publication is lost or damaged are not in it, and warned of.
func StandingGold(ctx context.Context, st Store) (map[civil.Date]Publication, error) {
	out, broken, err := standing(ctx, st)
	for _, b := range broken {
		slog.Warn("a day of gold is damaged and is made again", "error", b)
	}
	return out, err
}

// standing reads all publications, and says which of them are damaged or missing.
func standing(ctx context.Context, st Store) (out map[civil.Date]Publication, broken []error, err error) {
	var dates []civil.Date
	for info, err := range st.List(ctx, publicationsDir+"/") {
		if err != nil {
			return nil, nil, err
		}
		date, ok := dateFiled(publicationsDir, info.Name)
		if !ok || publicationName(date) != info.Name {
			warnForeign(st, info.Name)
			continue
		}
		dates = append(dates, date)
	}
	read, damage := make([]Publication, len(dates)), make([]error, len(dates))
	err = Parallel(len(dates), readers, func(i int) (err error) {
		read[i], _, err = ReadPublication(ctx, st, dates[i])
		if errors.Is(err, ErrDamaged) {
			damage[i], err = err, nil
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	out = make(map[civil.Date]Publication, len(read))
	for i, p := range read {
		if damage[i] != nil {
			broken = append(broken, damage[i])
		} else if p.Date == dates[i] { // else it was deleted meanwhile
			out[p.Date] = p
		}
	}
	if len(broken) > 0 {
		return out, broken, nil
	}
	for info, err := range st.List(ctx, "gold/daily_sales/") { // of each day, even of one without rows
		if err != nil {
			return nil, nil, err
		}
		date, ok := GoldDate("daily_sales", info.Name)
		if _, named := out[date]; !ok || named {
			continue
		}
		switch _, ok, err := ReadPublication(ctx, st, date); { // it may have come since
		case err != nil:
			return nil, nil, err
		case !ok:
			broken = append(broken, goldDamage(st, publicationName(date), fmt.Errorf("%w, but %s is there", ErrMissing, info.Name)))
		}
	}
	return out, broken, nil
}

// ReadPublication returns what stands of a date; false if nothing does.
func ReadPublication(ctx context.Context, st Store, date civil.Date) (p Publication, ok bool, err error) {
	return readPublication(ctx, st, publicationName(date), date)
}

func readPublication(ctx context.Context, st Store, name string, date civil.Date) (p Publication, ok bool, err error) {
	switch err := getJSON(ctx, st, name, &p); {
	case errors.Is(err, fs.ErrNotExist):
		return p, false, nil
	case errors.Is(err, ErrDamaged):
		var f *Fault
		if errors.As(err, &f) && f.Object == name {
			err = fault(st, name, f.Err, f.Do+", or have it made again: "+makeAgain(name))
		}
		return p, false, err
	case err != nil:
		return p, false, err
	case p.Date != date:
		return p, false, damaged(st, name, fmt.Errorf("expected the publication of its date, found that of %s", p.Date))
	}
	for table := range p.Tables {
		if file := p.Tables[table].File; file != GoldName(table, date) && file != oldGoldName(table, date) {
			return p, false, damaged(st, name, fmt.Errorf("expected it to name %s, found %s", GoldName(table, date), file))
		}
	}
	return p, true, nil
}

// PutPublication writes what stands of a date, after everything it names.
func PutPublication(ctx context.Context, st Store, p Publication) error {
	return putDurably(ctx, st, publicationName(p.Date), p)
}

// makeAgain says who writes a file of gold, or what names it.
func makeAgain(name string) string {
	if dir := predictionsDir + "/"; len(name) > len(dir) && name[:len(dir)] == dir {
		return "delete it and the table's file of its date, and run predict"
	}
	return "run gold"
}

// goldDamage is the error of a file of gold that is not what its publication says.
func goldDamage(st Store, name string, err error) error {
	what := "run gold, which makes the day again"
	if _, ok := GoldDate(predictionsTable, name); ok {
		what = "delete it and " + predictionsDir + "/ of its date, and run predict"
	}
	return fault(st, name, err, "Restore it from a copy, or "+what)
}
