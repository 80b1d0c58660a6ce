package lake

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path"
	"strings"

	"cloud.google.com/go/civil"
)

// A file of gold has its date in its name:
//
//	gold/daily_sales/2026-03-01.parquet
//
// The date is a column, too. Older programs wrote gold/daily_sales/date=2026-03-01/part.parquet,
// from which most readers make a second column of that name, and of another type:
// pandas and pyarrow refuse it. A publication names the files that count, so that
// both can lie side by side; RenameGold leaves one.

// GoldName is the name of the file with a table's rows of one date.
func GoldName(table string, date civil.Date) string { return dated("gold/"+table, date) }

// QuarantineName is the name of the file with the rows of a table that a
// quality rule set aside.
func QuarantineName(table string, date civil.Date) string {
	return dated(quarantineDir+table, date)
}

const quarantineDir = "quality/quarantine/"

func dated(folder string, date civil.Date) string { return folder + "/" + date.String() + extension }

// oldGoldName is the name that older programs gave.
func oldGoldName(table string, date civil.Date) string { return oldDated("gold/"+table, date) }

func oldDated(folder string, date civil.Date) string {
	return folder + "/date=" + date.String() + "/part" + extension
}

// GoldDate returns the date of a table's file, from its name of today or of older
// programs.
func GoldDate(table, name string) (date civil.Date, ok bool) {
	text, ok := strings.CutPrefix(name, "gold/"+table+"/")
	if !ok {
		return date, false
	}
	date, err := civil.ParseDate(strings.TrimSuffix(text, extension))
	if err == nil && GoldName(table, date) == name {
		return date, true
	}
	return oldDate("gold/"+table, name)
}

// oldDate returns the date of a file of a folder that has a name of older programs.
func oldDate(folder, name string) (date civil.Date, ok bool) {
	text, ok := strings.CutPrefix(path.Dir(name), folder+"/date=")
	if !ok {
		return date, false
	}
	date, err := civil.ParseDate(text)
	return date, err == nil && oldDated(folder, date) == name
}

// RenameGold gives the files that older programs wrote their names of today, and
// removes those whose place others have taken. It may be killed and called again;
// who calls it holds the gold's lock. Files that are not what was published stay
// as they are.
func RenameGold(ctx context.Context, st Store) (renamed int, err error) {
	old := map[civil.Date]map[string]bool{} // tables with files of old names
	for info, err := range st.List(ctx, "gold/") {
		if err != nil {
			return renamed, err
		}
		folder := path.Dir(path.Dir(info.Name))
		if date, ok := oldDate(folder, info.Name); ok {
			if old[date] == nil {
				old[date] = map[string]bool{}
			}
			old[date][path.Base(folder)] = true
		}
	}
	for date, tables := range old {
		if tables[predictionsTable] { // they have a publication of their own
			delete(tables, predictionsTable)
			n, err := renamePredictions(ctx, st, date)
			renamed += n
			if err != nil {
				return renamed, err
			}
		}
		n, err := renameDate(ctx, st, date, tables)
		renamed += n
		if err != nil {
			return renamed, err
		}
	}
	if renamed > 0 {
		slog.Info("files of gold that an older program wrote have other names now", "files", renamed)
	}
	return renamed, renameQuarantine(ctx, st)
}

// renameDate writes the files under their new names, then the publication that
// names those, and then removes the old ones. A day whose replacement was begun
// and killed is left: it is made again.
func renameDate(ctx context.Context, st Store, date civil.Date, tables map[string]bool) (renamed int, err error) {
	p, ok, err := ReadPublication(ctx, st, date)
	if errors.Is(err, ErrDamaged) || err == nil && (!ok || !p.settled()) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	content, next := map[string][]byte{}, map[string]PublishedFile{}
	for table := range tables {
		f := p.Tables[table]
		if f.File != oldGoldName(table, date) {
			continue // nobody's, or another has its place
		}
		if content[table], f, err = readGold(ctx, st, table, date); errors.Is(err, ErrDamaged) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		f.File = GoldName(table, date)
		next[table] = f
	}
	if len(next) > 0 {
		begun, done := p, p
		begun.Begin(next)
		if err := PutPublication(ctx, st, begun); err != nil {
			return 0, err
		}
		for table, f := range next {
			if err := st.Put(ctx, f.File, content[table]); err != nil {
				return 0, err
			}
		}
		done.Tables, done.Next = maps.Clone(p.Tables), nil
		maps.Copy(done.Tables, next)
		if err := PutPublication(ctx, st, done); err != nil {
			return 0, err
		}
		p = done
	}
	for table := range tables {
		if _, named := p.Tables[table]; !named {
			continue // nobody's
		}
		if err := st.Delete(ctx, oldGoldName(table, date)); err != nil {
			return len(next), err
		}
	}
	return len(next), nil
}

// settled reports whether nothing takes the place of what stands but, under another
// name, the same.
func (p Publication) settled() bool {
	for table, next := range p.Next {
		for _, f := range next {
			if stands := p.Tables[table]; f.Hash != stands.Hash || f.Bytes != stands.Bytes {
				return false
			}
		}
	}
	return true
}

// DeleteGold removes a table's file of a date, which nothing names any more.
func DeleteGold(ctx context.Context, st Store, table string, date civil.Date) error {
	if err := st.Delete(ctx, oldGoldName(table, date)); err != nil {
		return err
	}
	return st.Delete(ctx, GoldName(table, date))
}

func renamePredictions(ctx context.Context, st Store, date civil.Date) (renamed int, err error) {
	p, _, err := readPublication(ctx, st, publicationOf(predictionsTable, date), date)
	if err == nil && p.Tables[predictionsTable].File == GoldName(predictionsTable, date) {
		return 0, st.Delete(ctx, oldGoldName(predictionsTable, date))
	}
	data, f, err := readGold(ctx, st, predictionsTable, date)
	if errors.Is(err, ErrDamaged) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	rows := f.Rows
	if f.Hash == "" { // of format 2
		read, err := DecodeRows[DemandPredictionRow](data)
		if err != nil {
			return 0, nil //nolint:nilerr // its readers say so
		}
		rows = int64(len(read))
	}
	return 1, PublishTable(ctx, st, predictionsTable, date, data, rows)
}

// renameQuarantine is RenameGold for rows that were set aside, which nothing names.
func renameQuarantine(ctx context.Context, st Store) error {
	var old []string
	for info, err := range st.List(ctx, quarantineDir) {
		if err != nil {
			return err
		}
		if _, ok := oldDate(path.Dir(path.Dir(info.Name)), info.Name); ok {
			old = append(old, info.Name)
		}
	}
	for _, name := range old {
		folder := path.Dir(path.Dir(name))
		date, _ := oldDate(folder, name)
		data, err := st.Get(ctx, name)
		if err == nil {
			err = st.Put(ctx, dated(folder, date), data)
		}
		if err == nil {
			err = st.Sync(ctx)
		}
		if err == nil {
			err = st.Delete(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
