package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// named is a file that a row names.
type named struct {
	File
	row string // the row's object
}

// lanes holds the files that visible rows name to their entries, folder by folder.
func (v *verifier) lanes(ctx context.Context) error {
	for _, lane := range []Lane{Bronze, Silver, Late, Dead} {
		if err := v.folder(ctx, string(lane), v.filesOf(func(r Row) []File {
			var files []File
			for _, f := range v.ledger.RowFiles(r) {
				if f.Lane == lane {
					files = append(files, f)
				}
			}
			return files
		})); err != nil {
			return err
		}
	}
	return v.folder(ctx, incrementsDir, v.filesOf(func(r Row) []File {
		if r.Increments == "" {
			return nil
		}
		return []File{{Name: r.Increments, Bytes: anySize, CRC: r.IncrCRC}}
	}))
}

// anySize is the size of a file of which only the checksum is known.
const anySize = -1

// filesOf yields what the rows of each date name, in the order of dates.
func (v *verifier) filesOf(of func(Row) []File) map[string]func() []named {
	out := map[string]func() []named{}
	for from := 0; from < len(v.visible); {
		to := from
		for to < len(v.visible) && dateOf(v.visible[to].Window) == dateOf(v.visible[from].Window) {
			to++
		}
		rows := v.visible[from:to]
		out[dateOf(rows[0].Window).String()] = func() (files []named) {
			for _, r := range rows {
				for _, f := range of(r) {
					files = append(files, named{f, windowName(rowsDir, r.Window, ".json")})
				}
			}
			return files
		}
		from = to
	}
	return out
}

// metrics holds the files of final metrics to their rows.
func (v *verifier) metrics(ctx context.Context) error {
	byKind := map[string][]named{}
	for _, r := range v.ledger.VisibleMetrics() {
		for _, f := range r.Files {
			kind := f.Name[:strings.Index(f.Name+"/date=", "/date=")]
			byKind[kind] = append(byKind[kind], named{f, windowName(metricsRowsDir, r.Window, ".json")})
		}
	}
	kinds, err := metricsKinds(ctx, v.st)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if _, ok := byKind[kind]; !ok {
			byKind[kind] = nil
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		byDate := map[string][]named{}
		for _, f := range byKind[kind] {
			byDate[dateFolder(kind, f.Name)] = append(byDate[dateFolder(kind, f.Name)], f)
		}
		files := map[string]func() []named{}
		for date, of := range byDate {
			files[date] = func() []named { return of }
		}
		if err := v.folder(ctx, kind, files); err != nil {
			return err
		}
	}
	return nil
}

// dateFolder is the date of the folder that a file is in; "" if it is in none.
func dateFolder(folder, name string) string {
	rest, ok := strings.CutPrefix(name, folder+"/date=")
	date, _, deeper := strings.Cut(rest, "/")
	if !ok || !deeper {
		return ""
	}
	return date
}

// folder holds the files in a folder of dates to those that are named of each date:
// both come in the order of dates.
func (v *verifier) folder(ctx context.Context, folder string, of map[string]func() []named) error {
	dates := slices.Sorted(maps.Keys(of))
	var there []named
	wanted := map[string]named{}
	finish := func() error { // a date
		err := Parallel(len(there), readers, func(i int) error { return v.file(ctx, there[i]) })
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			if err == nil {
				err = v.file(ctx, wanted[name])
			}
		}
		there = there[:0]
		clear(wanted)
		return err
	}
	begin := func(upTo string) error {
		for len(dates) > 0 && dates[0] <= upTo {
			if err := finish(); err != nil {
				return err
			}
			for _, f := range of[dates[0]]() {
				wanted[f.Name] = f
			}
			dates = dates[1:]
		}
		return nil
	}
	now := ""
	for info, err := range v.st.List(ctx, folder+"/") {
		if err != nil {
			return err
		}
		date := dateFolder(folder, info.Name)
		if date == "" {
			v.foreign(info.Name)
			continue
		}
		if date != now {
			if err := begin(date); err != nil {
				return err
			}
			now = date
		}
		f, ok := wanted[info.Name]
		if !ok {
			v.unnamed(folder, info)
			continue
		}
		delete(wanted, info.Name)
		if there = append(there, f); len(there) == listPage {
			if err := Parallel(len(there), readers, func(i int) error { return v.file(ctx, there[i]) }); err != nil {
				return err
			}
			there = there[:0]
		}
	}
	if err := begin("~"); err != nil { // what comes after all dates
		return err
	}
	return finish()
}

// unnamed tells what a file is that no visible row names.
func (v *verifier) unnamed(folder string, info Info) {
	window, ok := windowFiled(info.Name)
	rows := rowsDir
	if strings.HasPrefix(folder, metricsDir) {
		rows = metricsRowsDir
	}
	switch {
	case isCompacted(info.Name):
		v.leftover(info.Name, "no compaction names it")
	case !ok:
		v.foreign(info.Name)
	case v.beyond(rows, window):
		v.countProvisional()
	case v.isTold(windowName(rows, window, ".json")): // its row is not to be read
		v.count(0)
	case folder == string(Silver) && v.ledger.compactionOf(window) != nil:
		v.count(0) // gold --compact removes it an hour after it was replaced
	default:
		v.leftover(info.Name, "no row of the ledger names it")
	}
}

// file holds one file to its entry.
func (v *verifier) file(ctx context.Context, f named) error {
	size, err := checkWhole(ctx, v.st, f.File)
	v.count(size)
	if f.CRC == 0 {
		v.mu.Lock()
		v.done.Unsummed++
		v.mu.Unlock()
	}
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrMissing) {
		err = fmt.Errorf("%w, but %s names it", ErrMissing, f.row)
	}
	var bad damageError
	if err == nil || !errors.As(err, &bad) && !errors.Is(err, ErrMissing) && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrBroken) {
		return err
	}
	// A run that goes on with the lake may have withdrawn the row, or have compacted its date.
	if gone, goneErr := v.withdrawn(ctx, f); gone || goneErr != nil {
		return goneErr
	}
	var told *Fault
	if errors.As(err, &told) {
		return v.take(err)
	}
	do := madeFromBronze
	if f.Lane == Bronze {
		do = "Restore it from a copy: nobody can make it again, but the topic has the records while its retention lasts: read it into a new lake"
	}
	return v.take(fault(v.st, f.Name, err, do))
}

// withdrawn reports whether the row that names a file is not what it was.
func (v *verifier) withdrawn(ctx context.Context, f named) (bool, error) {
	var now struct {
		Window     int64  `json:"window"`
		Files      []File `json:"files"`
		Increments string `json:"increments"`
	}
	data, err := v.st.Get(ctx, f.row)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if _, err = decodeObject(f.row, data, &now); err != nil && !errors.Is(err, errNoSum) {
		return false, nil // told when it was read
	}
	if isCompacted(f.Name) {
		compactions, err := readCompactions(ctx, v.st, func(*Fault) error { return nil })
		c := compactions[dateOf(now.Window)]
		return err == nil && (c == nil || !slices.ContainsFunc(c.Files, func(g compactedFile) bool { return g.File == f.File })), err
	}
	if f.Lane == Silver {
		compactions, err := readCompactions(ctx, v.st, func(*Fault) error { return nil })
		if c := compactions[dateOf(now.Window)]; err != nil || c != nil && now.Window <= c.Through && v.ledger.compactionOf(now.Window) == nil {
			return true, err
		}
	}
	return now.Increments != f.Name && !slices.Contains(now.Files, f.File), nil
}

// checkWhole holds a file's whole content to its entry in the ledger: its checksum, or
// what it is made of where it has none. It returns the file's size.
func checkWhole(ctx context.Context, st Store, f File) (size int64, err error) {
	o, err := st.Open(ctx, f.Name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	size = o.Size()
	if f.Bytes != anySize && size != f.Bytes {
		return size, damage("expected %d bytes, found %d", f.Bytes, size)
	}
	if f.CRC != 0 {
		crc, err := wholeCRC(o)
		if err == nil {
			err = checkCRC(f, crc)
		}
		return size, err
	}
	switch f.Lane {
	case Silver, Late:
		for _, err := range ScanEvents(ctx, st, []File{f}, ReadOptions{Columns: AllColumns}) {
			if err != nil {
				return size, err
			}
		}
	case Bronze:
		_, err = ReadFile[BronzeRow](ctx, st, f)
	case Dead:
		_, err = ReadFile[DeadRow](ctx, st, f)
	case "": // metrics, and increments, of which only the reader knows the form
		if f.Bytes != anySize {
			_, err = ReadFile[MetricRow](ctx, st, f)
		}
	}
	return size, err
}
