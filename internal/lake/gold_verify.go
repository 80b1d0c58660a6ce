package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/civil"
)

// Hash is the hash of a published file's content: SHA-256, hexadecimal.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// named are the entries of a table: the file that stands, then those that are
// taking its place.
func (p Publication) named(table string) []PublishedFile {
	entries := p.Next[table]
	if f, ok := p.Tables[table]; ok {
		entries = append([]PublishedFile{f}, entries...)
	}
	return entries
}

// found is a file as it lies in the lake.
type found struct {
	bytes int64
	hash  string
}

// stands returns the entry of a table whose file is there; find looks for one by
// its name. Of two names of a file, while it gets its new one, the older counts.
// published is false where the table is being published for the first time, or is
// not published.
func (p Publication) stands(st Store, table string, find func(name string) (found, bool, error)) (f PublishedFile, published bool, err error) {
	_, published = p.Tables[table]
	entries := p.named(table)
	for _, e := range entries {
		here, ok, err := find(e.File)
		if err != nil {
			return f, published, err
		}
		if !ok {
			continue
		}
		i := slices.IndexFunc(entries, func(o PublishedFile) bool { return o.File == e.File && o.Bytes == here.bytes && o.Hash == here.hash })
		if i < 0 {
			return f, published, p.wrong(st, table, e.File, here)
		}
		return entries[i], published, nil
	}
	if published {
		err = goldDamage(st, entries[0].File, ErrMissing)
	}
	return f, published, err
}

// Begin says that files are about to take the place of those that stand.
func (p *Publication) Begin(files map[string]PublishedFile) {
	next := map[string][]PublishedFile{}
	for table, older := range p.Next { // of runs that were killed
		next[table] = slices.Clone(older)
	}
	for table, f := range files {
		if !slices.Contains(next[table], f) {
			next[table] = append(next[table], f)
		}
	}
	p.Next = next
}

// wrong is the error of a file that is none of the publication's.
func (p Publication) wrong(st Store, table, name string, here found) error {
	want := p.Tables[table]
	return goldDamage(st, name, fmt.Errorf("expected %d bytes with the SHA-256 %.16s…, as published, found %d with %.16s…", want.Bytes, want.Hash, here.bytes, here.hash))
}

// goldReads is how often a file is read that is not what its publication says: a
// publication may just be under way.
const goldReads = 3

// ReadGold returns a table's rows of a date, as they were published. Where the
// date has no such table it is fs.ErrNotExist.
func ReadGold[T GoldRow](ctx context.Context, st Store, table string, date civil.Date) ([]T, error) {
	data, f, err := readGold(ctx, st, table, date)
	if err != nil {
		return nil, err
	}
	rows, err := DecodeRows[T](data)
	if err == nil && f.Hash != "" && int64(len(rows)) != f.Rows {
		err = fmt.Errorf("expected %d rows, found %d", f.Rows, len(rows))
	}
	if err != nil {
		return nil, goldDamage(st, f.File, err)
	}
	return rows, nil
}

// readGold returns a table's file of a date, as it was published.
func readGold(ctx context.Context, st Store, table string, date civil.Date) (data []byte, f PublishedFile, err error) {
	for n := 1; ; n++ {
		data, f, err = readGoldOnce(ctx, st, table, date)
		if err == nil || n == goldReads || !errors.Is(err, ErrDamaged) {
			return data, f, err
		}
	}
}

func readGoldOnce(ctx context.Context, st Store, table string, date civil.Date) (data []byte, f PublishedFile, err error) {
	p, ok, err := readPublication(ctx, st, publicationOf(table, date), date)
	if err != nil {
		return nil, f, err
	}
	find := func(name string) (found, bool, error) {
		data, err = st.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return found{}, false, nil
		}
		return found{int64(len(data)), Hash(data)}, err == nil, err
	}
	if ok && len(p.named(table)) > 0 {
		f, published, err := p.stands(st, table, find)
		if err == nil && !published {
			err = notExist(st.URI(), GoldName(table, date)) // it is being published for the first time
		}
		return data, f, err
	}
	for _, f.File = range []string{GoldName(table, date), oldGoldName(table, date)} {
		here, there, err := find(f.File)
		switch {
		case err != nil:
			return nil, f, err
		case !there:
		case ok:
			return nil, f, p.wrong(st, table, f.File, here)
		default:
			return data, f, unnamed(ctx, st, table, date, f.File)
		}
	}
	return nil, f, notExist(st.URI(), GoldName(table, date))
}

// unnamed is the error of a file of gold of a date that has no publication. In a
// lake of format 2, files of predictions have none.
func unnamed(ctx context.Context, st Store, table string, date civil.Date, file string) error {
	old, err := hasOldObjects(ctx, st)
	if err != nil || old && table == predictionsTable {
		return err
	}
	return goldDamage(st, publicationOf(table, date), fmt.Errorf("%w, but %s is there", ErrMissing, file))
}

// PublishTable replaces a table's file of a date, which no other is published
// with. nil takes it away.
func PublishTable(ctx context.Context, st Store, table string, date civil.Date, data []byte, rows int64) error {
	name := publicationOf(table, date)
	p, ok, err := readPublication(ctx, st, name, date)
	if err != nil {
		return err
	}
	p.Date = date
	if p.Tables == nil {
		p.Tables = map[string]PublishedFile{}
	}
	next := PublishedFile{File: GoldName(table, date), Rows: rows, Bytes: int64(len(data)), Hash: Hash(data)}
	if data == nil {
		delete(p.Tables, table)
		if err := putDurably(ctx, st, name, p); err != nil {
			return err
		}
		return DeleteGold(ctx, st, table, date)
	}
	renamed := !ok || slices.ContainsFunc(p.named(table), func(f PublishedFile) bool { return f.File != next.File })
	p.Begin(map[string]PublishedFile{table: next})
	if err := putDurably(ctx, st, name, p); err != nil {
		return err
	}
	if err := st.Put(ctx, next.File, data); err != nil {
		return err
	}
	p.Tables[table], p.Next = next, nil
	p.Number++
	if err := putDurably(ctx, st, name, p); err != nil || !renamed {
		return err
	}
	return st.Delete(ctx, oldGoldName(table, date))
}

// GoldFiles finds the files of gold's tables and holds them to what was published,
// each whole when it is new or has changed. The zero value is ready.
type GoldFiles struct {
	mu     sync.Mutex
	hashes map[Info]string      // of files
	seen   map[Info]Publication // by the object they were read from
}

// Of returns a table's files that are published. A file that is missing, is not
// what was published, or that nothing names, is an error.
func (g *GoldFiles) Of(ctx context.Context, st Store, table string) (files []Info, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n := 1; ; n++ {
		files, err = g.of(ctx, st, table, readersStop)
		if err == nil || n == goldReads || !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
	}
}

func (g *GoldFiles) of(ctx context.Context, st Store, table string, tell faults) ([]Info, error) {
	dir := publicationsDir
	if table == predictionsTable {
		dir = predictionsDir
	}
	published, err := g.publications(ctx, st, dir, tell)
	if err != nil {
		return nil, err
	}
	var all []Info
	for info, err := range st.List(ctx, "gold/"+table+"/") {
		if err != nil {
			return nil, err
		}
		if _, ok := GoldDate(table, info.Name); !ok {
			warnForeign(st, info.Name)
			continue
		}
		all = append(all, info)
	}
	if err := g.hash(ctx, st, "gold/"+table+"/", all); err != nil {
		return nil, err
	}
	there := map[string]Info{}
	for _, info := range all {
		there[info.Name] = info
		date, _ := GoldDate(table, info.Name)
		p, ok := published[date]
		switch {
		case !ok:
			if err := tell.take(unnamed(ctx, st, table, date, info.Name)); err != nil {
				return nil, err
			}
		case len(p.named(table)) == 0:
			if err := tell.take(p.wrong(st, table, info.Name, found{info.Size, g.hashes[info]})); err != nil {
				return nil, err
			}
		case !slices.ContainsFunc(p.named(table), func(f PublishedFile) bool { return f.File == info.Name }):
			warnForeign(st, info.Name) // the other name of a file
		}
	}
	standing := map[string]bool{}
	for _, p := range published {
		f, named, err := p.stands(st, table, g.among(there))
		if err := tell.take(err); err != nil {
			return nil, err
		}
		standing[f.File] = named
	}
	return slices.DeleteFunc(all, func(info Info) bool {
		date, _ := GoldDate(table, info.Name)
		_, ok := published[date]
		return ok && !standing[info.Name]
	}), nil
}

// among looks for files whose content is known.
func (g *GoldFiles) among(there map[string]Info) func(name string) (found, bool, error) {
	return func(name string) (found, bool, error) {
		info, ok := there[name]
		return found{info.Size, g.hashes[info]}, ok, nil
	}
}

// publications reads those that are new or have changed.
func (g *GoldFiles) publications(ctx context.Context, st Store, dir string, tell faults) (map[civil.Date]Publication, error) {
	type object struct {
		info Info
		date civil.Date
		p    Publication
		ok   bool
	}
	var objects []object
	for info, err := range st.List(ctx, dir+"/") {
		if err != nil {
			return nil, err
		}
		date, ok := dateFiled(dir, info.Name)
		if !ok {
			warnForeign(st, info.Name)
			continue
		}
		objects = append(objects, object{info: info, date: date})
	}
	err := Parallel(len(objects), readers, func(i int) (err error) {
		o := &objects[i]
		if seen, ok := g.seen[o.info]; ok {
			o.p, o.ok = seen, true
			return nil
		}
		o.p, o.ok, err = readPublication(ctx, st, o.info.Name, o.date)
		return tell.take(err)
	})
	if err != nil {
		return nil, err
	}
	for info := range g.seen {
		if strings.HasPrefix(info.Name, dir+"/") {
			delete(g.seen, info)
		}
	}
	if g.seen == nil {
		g.seen = map[Info]Publication{}
	}
	out := map[civil.Date]Publication{}
	for _, o := range objects {
		if o.ok {
			g.seen[o.info], out[o.date] = o.p, o.p
		}
	}
	return out, nil
}

// hash reads the files, all of a folder, that are new or have changed.
func (g *GoldFiles) hash(ctx context.Context, st Store, folder string, files []Info) error {
	hashes := make([]string, len(files))
	err := Parallel(len(files), readers, func(i int) error {
		if known, ok := g.hashes[files[i]]; ok {
			hashes[i] = known
			return nil
		}
		data, err := st.Get(ctx, files[i].Name)
		if err == nil && int64(len(data)) != files[i].Size {
			err = goldDamage(st, files[i].Name, errors.New("it was replaced while it was read"))
		}
		hashes[i] = Hash(data)
		return err
	})
	if err != nil {
		return err
	}
	for known := range g.hashes { // those that were replaced
		if strings.HasPrefix(known.Name, folder) {
			delete(g.hashes, known)
		}
	}
	if g.hashes == nil {
		g.hashes = map[Info]string{}
	}
	for i, f := range files {
		g.hashes[f] = hashes[i]
	}
	return nil
}

// Damaged returns what is wrong with the files of the publications that stand, by
// date.
func (g *GoldFiles) Damaged(ctx context.Context, st Store, standing map[civil.Date]Publication) (map[civil.Date]error, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Info
	for info, err := range st.List(ctx, "gold/") {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(info.Name, "gold/"+predictionsTable+"/") {
			all = append(all, info)
		}
	}
	if err := g.hash(ctx, st, "gold/", all); err != nil {
		return nil, err
	}
	there := map[string]Info{}
	for _, info := range all {
		there[info.Name] = info
	}
	out := map[civil.Date]error{}
	for date, p := range standing {
		for table := range p.Tables {
			if _, _, err := p.stands(st, table, g.among(there)); err != nil {
				out[date] = err
			}
		}
		if p.IDs == nil || p.Inputs == "" {
			continue
		}
		if info, there := there[p.IDs.File]; there && g.hashes[info] != p.IDs.Hash { // a missing one is missed where it is read
			out[date] = goldDamage(st, p.IDs.File, fmt.Errorf("expected the SHA-256 %.16s…, as published, found %.16s…", p.IDs.Hash, g.hashes[info]))
		}
	}
	return out, nil
}
