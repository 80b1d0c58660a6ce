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

// file returns the entry of a table that a content is of. A table that is not
// there yet has none that counts.
func (p Publication) file(table string, bytes int64, hash string) (f PublishedFile, ok bool) {
	for _, f := range append(p.Next[table][:len(p.Next[table]):len(p.Next[table])], p.Tables[table]) {
		if f.Hash == hash && f.Bytes == bytes {
			return f, true
		}
	}
	return f, false
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
func (p Publication) wrong(st Store, table, name string, bytes int64, hash string) error {
	want := p.Tables[table]
	return goldDamage(st, name, fmt.Errorf("expected %d bytes with the SHA-256 %.16s…, as published, found %d with %.16s…", want.Bytes, want.Hash, bytes, hash))
}

// goldReads is how often a file is read that is not what its publication says: a
// publication may just be under way.
const goldReads = 3

// ReadGold returns a table's rows of a date, as they were published. Where the
// date has no such table it is fs.ErrNotExist.
func ReadGold[T GoldRow](ctx context.Context, st Store, table string, date civil.Date) ([]T, error) {
	name := GoldName(table, date)
	for n := 1; ; n++ {
		p, ok, err := readPublication(ctx, st, publicationOf(table, date), date)
		if err != nil {
			return nil, err
		}
		data, err := st.Get(ctx, name)
		here := err == nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		_, named := p.Tables[table]
		switch {
		case !here && !named:
			return nil, notExist(st.URI(), name)
		case !here:
			err = goldDamage(st, name, ErrMissing)
		case !ok:
			old, oldErr := hasOldObjects(ctx, st)
			if oldErr != nil {
				return nil, oldErr
			}
			if table == predictionsTable && old {
				return DecodeRows[T](data)
			}
			err = goldDamage(st, publicationOf(table, date), fmt.Errorf("%w, but %s is there", ErrMissing, name))
		default:
			hash := Hash(data)
			f, known := p.file(table, int64(len(data)), hash)
			if !named && known {
				return nil, notExist(st.URI(), name) // it is being published for the first time
			}
			if known {
				rows, err := DecodeRows[T](data)
				if err == nil && int64(len(rows)) != f.Rows {
					err = fmt.Errorf("expected %d rows, found %d", f.Rows, len(rows))
				}
				if err != nil {
					return nil, goldDamage(st, name, err)
				}
				return rows, nil
			}
			err = p.wrong(st, table, name, int64(len(data)), hash)
		}
		if n == goldReads {
			return nil, err
		}
	}
}

// PublishTable replaces a table's file of a date, which no other is published
// with. nil takes it away.
func PublishTable(ctx context.Context, st Store, table string, date civil.Date, data []byte, rows int64) error {
	name := publicationOf(table, date)
	p, _, err := readPublication(ctx, st, name, date)
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
		return st.Delete(ctx, next.File)
	}
	p.Begin(map[string]PublishedFile{table: next})
	if err := putDurably(ctx, st, name, p); err != nil {
		return err
	}
	if err := st.Put(ctx, next.File, data); err != nil {
		return err
	}
	p.Tables[table], p.Next = next, nil
	p.Number++
	return putDurably(ctx, st, name, p)
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
		files, err = g.of(ctx, st, table)
		if err == nil || n == goldReads || !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
	}
}

func (g *GoldFiles) of(ctx context.Context, st Store, table string) ([]Info, error) {
	dir := publicationsDir
	if table == predictionsTable {
		dir = predictionsDir
	}
	published, err := g.publications(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	var all []Info
	for info, err := range st.List(ctx, "gold/"+table+"/") {
		if err != nil {
			return nil, err
		}
		if _, ok := goldFiled(table, info.Name); !ok {
			warnForeign(st, info.Name)
			continue
		}
		all = append(all, info)
	}
	if err := g.hash(ctx, st, "gold/"+table+"/", all); err != nil {
		return nil, err
	}
	var files []Info
	there := map[civil.Date]bool{}
	for _, info := range all {
		date, _ := goldFiled(table, info.Name)
		there[date] = true
		p, ok := published[date]
		if !ok {
			if old, err := hasOldObjects(ctx, st); err != nil || !old || table != predictionsTable {
				if err == nil {
					err = goldDamage(st, publicationOf(table, date), fmt.Errorf("%w, but %s is there", ErrMissing, info.Name))
				}
				return nil, err
			}
			files = append(files, info)
			continue
		}
		_, named := p.Tables[table]
		if _, known := p.file(table, info.Size, g.hashes[info]); !known {
			return nil, p.wrong(st, table, info.Name, info.Size, g.hashes[info])
		}
		if named {
			files = append(files, info)
		}
	}
	for date, p := range published {
		if _, named := p.Tables[table]; named && !there[date] {
			return nil, goldDamage(st, GoldName(table, date), ErrMissing)
		}
	}
	return files, nil
}

// publications reads those that are new or have changed.
func (g *GoldFiles) publications(ctx context.Context, st Store, dir string) (map[civil.Date]Publication, error) {
	type object struct {
		info Info
		date civil.Date
		p    Publication
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
			o.p = seen
			return nil
		}
		o.p, _, err = readPublication(ctx, st, o.info.Name, o.date)
		return err
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
		g.seen[o.info], out[o.date] = o.p, o.p
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
	files := map[string]Info{}
	for _, info := range all {
		files[info.Name] = info
	}
	out := map[civil.Date]error{}
	for date, p := range standing {
		for table := range p.Tables {
			name := GoldName(table, date)
			info, there := files[name]
			if !there {
				out[date] = goldDamage(st, name, ErrMissing)
			} else if _, ok := p.file(table, info.Size, g.hashes[info]); !ok {
				out[date] = p.wrong(st, table, name, info.Size, g.hashes[info])
			}
		}
	}
	return out, nil
}
