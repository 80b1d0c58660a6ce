package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"cloud.google.com/go/civil"
)

// Folders that other layers fill: what they keep in a lake, and by what name.
const (
	inputsDir    = "inputs/"
	twinsName    = inputsDir + "twins.json" // a note of gold's, which finds it again
	conflictsDir = "quality/conflicts"
	brokenDir    = "quality/broken/"
	journalsDir  = "ledger/warehouse/"
)

// gold holds each table's files to the publications, and these to their checksums.
func (v *verifier) gold(ctx context.Context) error {
	var g GoldFiles
	standing, broken, err := standing(ctx, v.st)
	if err != nil {
		return err
	}
	for _, b := range broken {
		if err := v.take(b); err != nil {
			return err
		}
	}
	tables, err := v.goldTables(ctx, standing)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if err := v.table(ctx, &g, table); err != nil {
			return err
		}
	}
	return v.ids(ctx, standing)
}

// table tells what is wrong with a table, as its readers find it. A day may just be
// published, so it looks again before it tells.
func (v *verifier) table(ctx context.Context, g *GoldFiles, table string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n := 1; ; n++ {
		var found []*Fault
		files, err := g.of(ctx, v.st, table, func(f *Fault) error {
			v.mu.Lock() // publications are read at once
			defer v.mu.Unlock()
			found = append(found, f)
			return nil
		})
		if (len(found) > 0 || errors.Is(err, fs.ErrNotExist)) && n < goldReads {
			continue
		}
		for _, f := range found {
			if err := v.take(f); err != nil {
				return err
			}
		}
		for _, f := range files {
			v.count(f.Size)
		}
		return err
	}
}

// goldTables returns the folders of gold that are tables: of all publications, and
// those with files of a date whose publication is lost. It tells of what else is there.
func (v *verifier) goldTables(ctx context.Context, standing map[civil.Date]Publication) ([]string, error) {
	named := map[string]bool{predictionsTable: true}
	for _, p := range standing {
		for table := range p.Tables {
			named[table] = true
		}
		for table := range p.Next {
			named[table] = true
		}
	}
	for info, err := range v.st.List(ctx, "gold/") {
		if err != nil {
			return nil, err
		}
		table, _, _ := strings.Cut(strings.TrimPrefix(info.Name, "gold/"), "/")
		if table == IDsTable {
			continue
		}
		switch date, ok := GoldDate(table, info.Name); {
		case !ok:
			v.foreign(info.Name)
		case named[table]:
		default:
			if _, stands := standing[date]; stands {
				v.leftover(info.Name, "no publication names the table")
			} else {
				named[table] = true
			}
		}
	}
	tables := make([]string, 0, len(named))
	for table := range named {
		tables = append(tables, table)
	}
	slices.Sort(tables)
	return tables, nil
}

// ids holds the files of ids to their publications.
func (v *verifier) ids(ctx context.Context, standing map[civil.Date]Publication) error {
	named := map[string]bool{}
	for date, p := range standing {
		if p.IDs == nil {
			continue
		}
		named[p.IDs.File] = true
		err := v.published(ctx, *p.IDs)
		var bad damageError
		if errors.As(err, &bad) || errors.Is(err, ErrMissing) {
			if now, _, nowErr := ReadPublication(ctx, v.st, date); nowErr == nil && (now.Inputs != p.Inputs || now.Number != p.Number) {
				continue // it was published again
			}
			err = goldDamage(v.st, p.IDs.File, err)
		}
		if err := v.take(err); err != nil {
			return err
		}
	}
	for info, err := range v.st.List(ctx, "gold/"+IDsTable+"/") {
		if err != nil {
			return err
		}
		date, ok := dateFiled("gold/"+IDsTable, strings.TrimSuffix(info.Name, "/ids.bin")+".json")
		switch {
		case named[info.Name]:
		case !ok || IDsName(date) != info.Name:
			v.foreign(info.Name)
		case !v.isTold(publicationName(date)):
			v.leftover(info.Name, "no publication names it")
		}
	}
	return nil
}

// published holds a file to the hash that was published.
func (v *verifier) published(ctx context.Context, f PublishedFile) error {
	data, err := v.st.Get(ctx, f.File)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrMissing
	}
	if err != nil {
		return err
	}
	v.count(int64(len(data)))
	if int64(len(data)) != f.Bytes || Hash(data) != f.Hash {
		return damage("expected %d bytes with the SHA-256 %.16s…, found %d with %.16s…", f.Bytes, f.Hash, len(data), Hash(data))
	}
	return nil
}

// inputs holds what a shop gave gold once to its hash.
func (v *verifier) inputs(ctx context.Context) error {
	settings, _, err := ReadGoldSettings(ctx, v.st)
	if err := v.take(err); err != nil {
		return err
	}
	named := map[string]bool{twinsName: true}
	for kind, in := range map[string]*GoldInput{"history": settings.History, "catalogue": settings.Catalogue} {
		if in == nil {
			continue
		}
		named[in.File] = true
		err := v.published(ctx, in.PublishedFile)
		var bad damageError
		if errors.As(err, &bad) || errors.Is(err, ErrMissing) {
			err = fault(v.st, in.File, fmt.Errorf("%w: it is the %s that the lake keeps", err, kind),
				fmt.Sprintf("Restore it from a copy, or give the %s once more: gold --drop-%[1]s --%[1]s=FILE", kind))
		}
		if err := v.take(err); err != nil {
			return err
		}
	}
	for info, err := range v.st.List(ctx, inputsDir) {
		if err != nil {
			return err
		}
		if !named[info.Name] && !v.isTold(goldSettingsName) {
			v.tell(Finding{Extra, info.Name, "it is of an earlier run of gold, or of one that is under way", "It does not count. A run of gold removes it after a week"})
		}
	}
	return nil
}

// lists holds what gold lists for people to its form: rows that were set aside, events
// that were dropped, files that could not be read. Publications do not name them.
func (v *verifier) lists(ctx context.Context) error {
	for info, err := range v.st.List(ctx, "quality/") {
		if err != nil {
			return err
		}
		name := info.Name
		_, isConflicts := dateFiled(conflictsDir, strings.TrimSuffix(name, ".jsonl")+".json")
		table, rest, _ := strings.Cut(strings.TrimPrefix(name, quarantineDir), "/")
		_, isQuarantine := GoldDate(table, "gold/"+table+"/"+rest)
		data, err := v.st.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case isConflicts && strings.HasSuffix(name, ".jsonl"), strings.HasPrefix(name, brokenDir):
			for line := range strings.Lines(string(data)) {
				if err == nil && !json.Valid([]byte(line)) {
					err = errors.New("expected lines of JSON, found another")
				}
			}
		case isQuarantine && strings.HasPrefix(name, quarantineDir):
			err = checkTail(memoryObject{bytes.NewReader(data)})
		default:
			v.foreign(name)
			continue
		}
		v.count(info.Size)
		if err == nil {
			continue
		}
		if err := v.take(fault(v.st, name, err, "It is a list for people. Have its day made again: gold --date=DAY")); err != nil {
			return err
		}
	}
	return nil
}

// journals holds the notes of what is in a warehouse to their form.
func (v *verifier) journals(ctx context.Context) error {
	for info, err := range v.st.List(ctx, journalsDir) {
		if err != nil {
			return err
		}
		data, err := v.st.Get(ctx, info.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		v.count(info.Size)
		if !json.Valid(data) {
			v.tell(Finding{Damaged, info.Name, "expected the journal of publications, found no JSON", "Remove it, and all dates are published again"})
		}
	}
	return nil
}
