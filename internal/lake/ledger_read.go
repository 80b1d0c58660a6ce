package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/kafkaio"
)

// Ledger is what was read of a lake's ledger.
type Ledger struct {
	Settings     Settings
	Rows         []Row        // by window, provisional ones too
	Metrics      []MetricsRow // by period, provisional ones too
	Closed       *Closed      // nil: the source has not declared its end
	seal         int64        // window up to which all rows are written, or NoTime
	metricsSeal  int64        // likewise of metrics: a period's start
	sums         []uint64     // checksums of Rows
	metricsSums  []uint64     // of Metrics
	chain        *Chain       // of the rows up to the seal; nil: not known
	metricsChain *Chain       // likewise of metrics
	compactions  map[civil.Date]*compaction
	unread       map[string]bool // names of rows that a reader who goes on could not read
}

// ErrNoLake is wrapped by ReadLedger where there is no lake.
var ErrNoLake = errors.New("there is no lake")

// closedReads is how often a ledger is read whose end does not fit its rows.
const closedReads = 3

// ReadLedger reads the whole ledger, and holds it to what it says of itself: each
// object to its checksum, rows to the chain of seal and end, and a declared end to
// the rows' totals.
func ReadLedger(ctx context.Context, st Store) (*Ledger, error) {
	for n := 1; ; n++ {
		l, err := readHeld(ctx, st, readersStop)
		if err == nil || !movedOn(err) || n == closedReads {
			return l, err
		}
	}
}

// movedOn reports whether an error may be that of a ledger that a run goes on with
// while it is read, which seals other rows then.
func movedOn(err error) bool { return errors.Is(err, errChain) || errors.Is(err, ErrMissing) }

// readHeld reads the ledger once and holds it to what it says of itself.
func readHeld(ctx context.Context, st Store, tell faults) (*Ledger, error) {
	l, err := readOnce(ctx, st, tell)
	if err == nil {
		err = l.checkChains(ctx, st, tell)
	}
	if err == nil { // after the chains, which know which row is lost
		err = l.checkCompactions(st, tell)
	}
	if err != nil || l.Closed == nil || len(l.unread) > 0 {
		return l, err
	}
	if total := Total(l.Rows); !total.equal(l.Closed.Totals) {
		err = tell.take(fault(st, rowsDir, fmt.Errorf("%w: %s has the totals %+v, but its rows have %+v", errChain, closedName, l.Closed.Totals, total),
			"The storage has lost or changed rows since: restore the folder from a copy"))
	}
	return l, err
}

// readOnce reads the ledger; seals and a declared end may not fit the rows.
func readOnce(ctx context.Context, st Store, tell faults) (*Ledger, error) {
	l := &Ledger{seal: kafkaio.NoTime, metricsSeal: kafkaio.NoTime, unread: map[string]bool{}}
	var err error
	if l.Settings, err = readSettings(ctx, st, ""); errors.Is(err, fs.ErrNotExist) {
		if err = checkNoLake(ctx, st); err == nil {
			return nil, fmt.Errorf("%w at %s: %w", ErrNoLake, st.URI(), fs.ErrNotExist)
		}
	}
	if err != nil {
		if err := tell.take(err); err != nil {
			return nil, err
		}
		// Who goes on does so by the copy.
		data, err := st.Get(ctx, witnessOf(settingsName))
		if err == nil {
			_, err = decodeObject(settingsName, data, &l.Settings)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: without %s and its copy nothing else of the lake can be told", ErrDamaged, settingsName)
		}
	}
	switch f := l.Settings.Format; {
	case f < 1:
		return nil, damaged(st, settingsName, fmt.Errorf("expected a format of 1 to %d, found %d", formatVersion, f))
	case f < formatUnsummed:
		return nil, fmt.Errorf("the lake %s has format %d, this program reads %d to %d: read the topic again into a new lake", st.URI(), f, formatUnsummed, formatVersion)
	case f > formatVersion:
		return nil, fmt.Errorf("the lake %s has format %d, this program reads up to %d: use a newer one", st.URI(), f, formatVersion)
	}
	// Compactions and seals first: what is seen here has all its rows on disk,
	// which a reading of the rows that comes later cannot miss.
	if l.compactions, err = readCompactions(ctx, st, tell); err != nil {
		return nil, err
	}
	l.seal, l.chain, err = readSeal(ctx, st, sealName)
	if err := tell.take(err); err != nil {
		return nil, err
	}
	l.metricsSeal, l.metricsChain, err = readSeal(ctx, st, metricsSealName)
	if err := tell.take(err); err != nil {
		return nil, err
	}
	l.Closed, err = readClosed(ctx, st)
	if err := tell.take(err); err != nil {
		return nil, err
	}
	if l.Rows, l.sums, err = readAll(ctx, st, rowsDir, Row.window, l.without(tell)); err != nil {
		return nil, err
	}
	if l.Metrics, l.metricsSums, err = readAll(ctx, st, metricsRowsDir, MetricsRow.window, l.without(tell)); err != nil {
		return nil, err
	}
	if err := l.checkRows(st, tell); err != nil {
		return nil, err
	}
	if _, ok := l.Sealed(); !ok && l.seal != kafkaio.NoTime {
		name := windowName(rowsDir, l.seal, ".json")
		if l.unread[name] {
			return l, nil
		}
		if err := tell.take(damaged(st, name, errors.New("it is sealed: expected a row with a mark, found none"))); err != nil {
			return nil, err
		}
	}
	if l.Closed != nil {
		// A run that goes on with the lake meanwhile withdraws the end before it
		// removes any row.
		if l.Closed, err = readClosed(ctx, st); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// without is tell that notes which rows are not read.
func (l *Ledger) without(tell faults) faults {
	var mu sync.Mutex
	return func(f *Fault) error {
		mu.Lock()
		defer mu.Unlock()
		l.unread[f.Object] = true
		return tell(f)
	}
}

// ReadSettings reads what a lake was made with; ok is false where there is none.
func ReadSettings(ctx context.Context, st Store) (s Settings, ok bool, err error) {
	err = getJSON(ctx, st, settingsName, &s)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	return s, err == nil, err
}

// readClosed returns nil where the source has not declared its end.
func readClosed(ctx context.Context, st Store) (*Closed, error) {
	var c Closed
	switch err := getWitnessed(ctx, st, closedName, &c); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &c, nil
}

// readers is how many ledger rows are read at once: on a bucket each takes tens
// of milliseconds, all of them waiting.
const readers = 32

// readAll reads the rows in a folder by window, and their checksums. One that is
// gone by the time it is read was provisional: a run that goes on with the lake
// removes those.
func readAll[T any](ctx context.Context, st Store, dir string, window func(T) int64, tell faults) ([]T, []uint64, error) {
	var names []string
	for info, err := range st.List(ctx, dir+"/") {
		if err != nil {
			return nil, nil, err
		}
		if _, ok := windowFiled(info.Name); !ok {
			warnForeign(st, info.Name)
			continue
		}
		names = append(names, info.Name)
	}
	type read struct {
		row *T // nil: gone
		sum uint64
	}
	rows := make([]read, len(names))
	err := Parallel(len(names), readers, func(i int) error {
		var v T
		sum, err := getObject(ctx, st, names[i], &v)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return tell.take(err)
		}
		if name := windowName(dir, window(v), ".json"); name != names[i] {
			return tell.take(damaged(st, names[i], fmt.Errorf("expected the row of its window, found that of %s", name)))
		}
		rows[i] = read{&v, sum}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	rows = slices.DeleteFunc(rows, func(r read) bool { return r.row == nil })
	slices.SortFunc(rows, func(a, b read) int { return cmp.Compare(window(*a.row), window(*b.row)) })
	out, sums := make([]T, len(rows)), make([]uint64, len(rows))
	for i, r := range rows {
		out[i], sums[i] = *r.row, r.sum
	}
	return out, sums, nil
}

// Parallel calls do for 0 to n−1, at most limit at once, and returns the error
// of the lowest number that has one. After an error no new call begins.
func Parallel(n, limit int, do func(i int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		mu     sync.Mutex
		lowest = n
		first  error
		wg     sync.WaitGroup
	)
	for range min(n, limit) {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := do(i)
				if err == nil {
					continue
				}
				failed.Store(true)
				mu.Lock()
				if i < lowest {
					lowest, first = i, err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return first
}
