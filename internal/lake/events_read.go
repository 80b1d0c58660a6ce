package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// batchRows is how many rows come out at a time: their columns fit into a
	// processor's cache.
	batchRows = 1 << 13
	// wholeFile is up to which size a file is read at once.
	wholeFile = 1 << 20
	// fileEnd is what is read of a larger one at first: the footer is most often
	// in it.
	fileEnd = 64 << 10
	// columnWindow is what is read ahead of a column of a larger one. On a bucket
	// it is a block: reads of that size do not push others out of its cache.
	columnWindow = 512 << 10
)

// ErrBroken is wrapped by the error of a file of events that is missing or not
// what the ledger says.
var ErrBroken = errors.New("broken")

// madeFromBronze is what to do about a file that bronze has the records of.
const madeFromBronze = "Restore it from a copy, or make the lake again from bronze with rebuild"

// damage is an error of what is in a file, and not of reading it.
func damage(f string, args ...any) error { return damageError{fmt.Errorf(f, args...)} }

type damageError struct{ error }

func (e damageError) Unwrap() error { return e.error }

// ScanEvents yields the rows of files of the lanes Silver and Late in their
// order, without Beam. It ends after the first error, which names the file;
// ErrBroken (errors.Is) if the file is at fault. Of a file that is at fault no row is
// yielded with o.Quarantine, and all before the fault without.
func ScanEvents(ctx context.Context, st Store, files []File, o ReadOptions) iter.Seq2[Events, error] {
	return func(yield func(Events, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		wanted := make([]File, 0, len(files))
		for _, f := range files {
			if o.wants(f) {
				wanted = append(wanted, f)
			}
		}
		st := ahead(ctx, st, wanted)
		for _, f := range wanted {
			err := readEvents(ctx, st, f, 0, units(f, o.Quarantine), &o, func(e Events) error {
				if !yield(e, nil) {
					return errStop
				}
				return nil
			})
			if err != nil {
				if !errors.Is(err, errStop) {
					yield(Events{}, err)
				}
				return
			}
		}
	}
}

var errStop = errors.New("stop")

// units is into how many parts the reading of a file can be split: with row
// groups of the encoders' size, one each. A file that is checked before its
// first row comes out is one.
func units(f File, quarantine bool) int64 {
	if quarantine {
		return 1
	}
	return max(1, (f.Rows+maxRowsPerRowGroup-1)/maxRowsPerRowGroup)
}

// readEvents reads the units [from, to) of a file.
func readEvents(ctx context.Context, st Store, f File, from, to int64, o *ReadOptions, emit func(Events) error) error {
	d := decoders.Get().(*decoder)
	err := d.read(ctx, st, f, from, to, o, emit)
	d.forget()
	decoders.Put(d)
	var bad damageError
	switch {
	case err == nil, errors.Is(err, errStop):
		return err
	case errors.As(err, &bad):
		return &Fault{Object: f.Name, Lake: st.URI(), Kind: ErrBroken, Err: bad.error, Do: madeFromBronze}
	case errors.Is(err, fs.ErrNotExist):
		return &Fault{Object: f.Name, Lake: st.URI(), Kind: ErrBroken, Err: fmt.Errorf("%w, but the ledger names it: %w", ErrMissing, err), Do: madeFromBronze + ". If the date was compacted meanwhile, run this again"}
	default:
		return fmt.Errorf("read %s: %w", f.Name, err)
	}
}

// eventFile is an open file.
type eventFile struct {
	footer
	object Object
	whole  []byte // all of a small one
	window int64
}

// decoder is the memory of one reading.
type decoder struct {
	zstd    *zstd.Decoder
	columns [eventColumns]cursor
	room    []byte
}

var decoders = sync.Pool{New: func() any {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return &decoder{zstd: z}
}}

// forget drops what must not be kept alive by the pool.
func (d *decoder) forget() {
	for i := range d.columns {
		d.columns[i].forget()
	}
}

func (d *decoder) read(ctx context.Context, st Store, f File, from, to int64, o *ReadOptions, emit func(Events) error) (err error) {
	object, err := st.Open(ctx, f.Name)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, object.Close()) }()
	file, err := d.open(object, f)
	if err == nil && file.whole == nil {
		err = verifyOnce(st, object, f)
	}
	if err != nil {
		return err
	}
	r := reading{decoder: d, ctx: ctx, file: file, name: f.Name, lane: f.Lane, options: o}
	if err := r.init(); err != nil {
		return err
	}
	groups := file.groups
	groups = slices.DeleteFunc(groups, func(g rowGroup) bool {
		unit := g.first / maxRowsPerRowGroup
		return unit < from || unit >= to && !o.Quarantine || r.outside(&g)
	})
	if !o.Quarantine {
		return r.groups(groups, emit)
	}
	// Nothing comes out before all has been decoded once. One batch is kept.
	var first *Events
	more := false
	err = r.groups(groups, func(e Events) error {
		if first == nil {
			first = &e
		} else {
			more = true
		}
		return nil
	})
	switch {
	case err != nil || first == nil:
		return err
	case !more:
		return emit(*first)
	}
	first = nil
	return r.groups(groups, emit)
}

// open reads the metadata of a file and checks it against the ledger.
func (d *decoder) open(object Object, f File) (*eventFile, error) {
	size := object.Size()
	if size != f.Bytes {
		return nil, damage("expected %d bytes, found %d", f.Bytes, size)
	}
	const head, tail = 4, 8
	if size < head+tail {
		return nil, damage("expected at least %d bytes, found %d", head+tail, size)
	}
	file := &eventFile{object: object, window: columnWindow}
	if _, ok := object.(*blockReader); ok {
		file.window = blockSize
	}
	// All of a small file, or the end of a large one.
	n := size
	if size > wholeFile {
		n = fileEnd
	}
	d.room = resize(d.room, int(n))
	end := d.room
	if err := readAt(object, end, size-n); err != nil {
		return nil, err
	}
	if n == size {
		file.whole = end
		if err := checkCRC(f, CRC(end)); err != nil {
			return nil, err
		}
	}
	if name := string(end[n-4:]); name != "PAR1" {
		return nil, damage("expected %q at the end, found %q", "PAR1", name)
	}
	length := int64(uint32(end[n-8]) | uint32(end[n-7])<<8 | uint32(end[n-6])<<16 | uint32(end[n-5])<<24)
	if length > size-head-tail {
		return nil, damage("expected a footer within the file's %d bytes, found one of %d", size, length)
	}
	var metadata []byte
	if length+tail <= n {
		metadata = end[n-tail-length : n-tail]
	} else {
		metadata = make([]byte, length)
		if err := readAt(object, metadata, size-tail-length); err != nil {
			return nil, err
		}
	}
	var err error
	if file.footer, err = readFooter(metadata, f.Lane, size-tail-length); err != nil {
		return nil, damage("%w", err)
	}
	if file.rows != f.Rows {
		return nil, damage("expected %d rows, found %d", f.Rows, file.rows)
	}
	return file, nil
}

func readAt(o io.ReaderAt, p []byte, at int64) error {
	n, err := o.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

// reading is a file that is being read.
type reading struct {
	*decoder
	ctx     context.Context
	file    *eventFile
	name    string
	lane    Lane
	options *ReadOptions

	columns    []int    // of the file
	categories []string // of a silver file, the same in each row
	extra      Columns  // read for the filter only
	only       map[string]bool
}

// init resolves the options for the file's lane.
func (r *reading) init() error {
	want := r.options.Columns & AllColumns
	if r.options.ranged() {
		r.extra |= ColEventTime &^ want
	}
	if r.lane == Silver {
		category, ok := silverCategory(r.name)
		if !ok {
			return damage("expected the name of a silver file such as %q", SilverName(0, "toys", 0))
		}
		if len(r.options.Categories) > 0 && !slices.Contains(r.options.Categories, category) {
			r.file.groups = nil
		}
		if want&ColCategory != 0 {
			r.categories = slices.Repeat([]string{category}, int(min(r.file.rows, batchRows)))
		}
	} else if len(r.options.Categories) > 0 {
		r.extra |= ColCategory &^ want
		r.only = map[string]bool{}
		for _, c := range r.options.Categories {
			r.only[c] = true
		}
	}
	for column := range eventColumns {
		if (want|r.extra)&(1<<column) != 0 && (column != categoryColumn || r.lane != Silver) {
			r.columns = append(r.columns, column)
		}
	}
	return nil
}

// outside reports whether a row group has no row that is asked for.
func (r *reading) outside(g *rowGroup) bool {
	times := g.chunks[eventTimeColumn]
	return r.options.ranged() && times.bounded && (times.max < r.options.From || times.min >= r.options.To)
}

func (r *reading) groups(groups []rowGroup, emit func(Events) error) error {
	for i := range groups {
		if err := r.group(&groups[i], emit); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) group(g *rowGroup, emit func(Events) error) error {
	for _, column := range r.columns {
		r.decoder.columns[column].open(columnsTypes[column], g, column, r.file)
	}
	for left := g.rows; left > 0; {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		n := int(min(left, batchRows))
		left -= int64(n)
		e := Events{File: r.name, Lane: r.lane, N: n}
		for _, column := range r.columns {
			if err := r.fill(&e, column); err != nil {
				return inColumn(column, err)
			}
		}
		if left == 0 {
			// Before the last batch comes out.
			for _, column := range r.columns {
				if err := r.decoder.columns[column].close(); err != nil {
					return inColumn(column, damage("%w", err))
				}
			}
		}
		r.filter(&e)
		if e.N == 0 {
			continue
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

func inColumn(column int, err error) error {
	var bad damageError
	if errors.As(err, &bad) {
		return damage("column %s: %w", lateColumns[column][0], bad.error)
	}
	return err
}

func (r *reading) fill(e *Events, column int) error {
	c := &r.decoder.columns[column]
	switch t := columnsTypes[column]; {
	case t.texts:
		dst := make([]string, e.N)
		*e.texts(column) = dst
		return c.fillTexts(r.zstd, dst)
	case t.bytes == 4:
		dst := make([]int32, e.N)
		*e.ints(column) = dst
		return c.fillInts(r.zstd, dst)
	case Columns(1)<<column == ColUnitPrice:
		e.UnitPrice = makeLike(e.UnitPrice, e.N)
		return fillLongs(c, r.zstd, e.UnitPrice)
	default:
		dst := make([]int64, e.N)
		*e.longs(column) = dst
		return fillLongs(c, r.zstd, dst)
	}
}

func makeLike[T any](_ []T, n int) []T { return make([]T, n) }

// filter takes out the rows that are not asked for, and fills in a silver
// file's category.
func (r *reading) filter(e *Events) {
	if r.options.ranged() {
		e.keep(func(i int) bool { return e.EventTime[i] >= r.options.From && e.EventTime[i] < r.options.To })
	}
	if r.only != nil {
		e.keep(func(i int) bool { return r.only[e.Category[i]] })
	}
	e.drop(r.extra)
	if r.lane == Silver && r.options.Columns&ColCategory != 0 {
		e.Category = r.categories[:e.N] // of several batches
	}
}
