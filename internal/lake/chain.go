package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"example.com/shopstream/internal/kafkaio"
)

// Chain stands for rows of the ledger in the order of their windows: each is
// folded in with its checksum, so that a row which is changed, replaced, renamed
// or gone makes another chain.
//
// Rows come in any order, and several at once. Those up to a seal are all
// written, so the chain grows with the seal: from the last seal's, by the rows
// between. It costs what is new.
//
// Where the runner keeps the state (Flink, Dataflow), a failover may write sealed
// rows again: there only a declared end has a chain.
type Chain struct {
	Rows int64    `json:"rows"`
	Hash checksum `json:"hash"`
}

func (c Chain) add(window int64, sum uint64) Chain {
	return Chain{c.Rows + 1, checksum(hash64(uint64(c.Hash), uint64(window), sum))} //nolint:gosec // bits are bits
}

// checksum is 64 bits, in JSON 16 hexadecimal digits.
type checksum uint64

// MarshalText implements encoding.TextMarshaler.
func (c checksum) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(c)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *checksum) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*c = checksum(n)
	return err
}

// chainOf folds the rows of windows up to last.
func chainOf[T any](rows []T, sums []uint64, window func(T) int64, last int64) Chain {
	var c Chain
	for i, r := range rows {
		if window(r) > last {
			break
		}
		c = c.add(window(r), sums[i])
	}
	return c
}

const allWindows = 1<<63 - 1

func (r Row) window() int64        { return r.Window }
func (r MetricsRow) window() int64 { return r.Window }

// unsealed are the rows that this process has written to a lake that it
// continues (Continue), by folder and window: all that there are after the seal.
type unsealed struct {
	mu     sync.Mutex
	sealed map[string]int64            // by folder: the sealed window, or NoTime
	sums   map[string]map[int64]uint64 // by folder and window
}

// writing has the unsealed rows of the lakes that this process writes, by URI.
var writing sync.Map

// track begins to keep rows, of which those up to the seals are on disk.
func track(st Store, seal, metricsSeal int64) {
	writing.Store(st.URI(), &unsealed{
		sealed: map[string]int64{rowsDir: seal, metricsRowsDir: metricsSeal},
		sums:   map[string]map[int64]uint64{rowsDir: {}, metricsRowsDir: {}},
	})
}

func unsealedOf(st Store) *unsealed {
	u, _ := writing.Load(st.URI())
	found, _ := u.(*unsealed)
	return found
}

// putRow writes a row. One that is sealed stays as it is.
func putRow(ctx context.Context, st Store, dir string, window int64, r any) error {
	name := windowName(dir, window, ".json")
	u := unsealedOf(st)
	if u != nil {
		if final, err := u.isFinal(ctx, st, dir, window, r); final || err != nil {
			return err
		}
	}
	sum, err := putObject(ctx, st, name, r)
	if err == nil && u != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.sums[dir][window] = sum
	}
	return err
}

// isFinal reports whether the row is there and sealed; another one of its window
// is an error.
func (u *unsealed) isFinal(ctx context.Context, st Store, dir string, window int64, r any) (bool, error) {
	u.mu.Lock()
	sealed := u.sealed[dir]
	u.mu.Unlock()
	if sealed == kafkaio.NoTime || window > sealed {
		return false, nil
	}
	name := windowName(dir, window, ".json")
	want, _, err := encodeObject(name, r)
	if err != nil {
		return false, err
	}
	have, err := st.Get(ctx, name)
	if err == nil && string(have) != string(want) {
		err = fmt.Errorf("%s in %s is final, and another row of its window came after: expected the same, found other counts or files", name, st.URI())
	}
	return true, err
}

// extend returns the chain of the rows up to the window to. have is that of the
// rows up to the last seal; nil: it has none.
func (u *unsealed) extend(dir string, have *Chain, to int64) *Chain {
	if have == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var windows []int64
	for w := range u.sums[dir] {
		if w <= to {
			windows = append(windows, w)
		}
	}
	slices.Sort(windows)
	c := *have
	for _, w := range windows {
		c = c.add(w, u.sums[dir][w])
	}
	return &c
}

// forget drops what a seal has taken into its chain.
func (u *unsealed) forget(dir string, to int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for w := range u.sums[dir] {
		if w <= to {
			delete(u.sums[dir], w)
		}
	}
	u.sealed[dir] = to
}

// errChain is wrapped by the error of rows that are not those of a chain. A run
// that goes on with the lake while it is read can look like that, too.
var errChain = errors.New("expected the rows that were sealed")

// checkChains holds the rows to the chains of seals and end.
func (l *Ledger) checkChains(ctx context.Context, st Store, tell faults) error {
	for _, c := range []struct {
		want *Chain
		have Chain
		of   string // who says so
		dir  string
		to   int64
	}{
		{l.chain, chainOf(l.Rows, l.sums, Row.window, l.seal), sealName, rowsDir, l.seal},
		{l.metricsChain, chainOf(l.Metrics, l.metricsSums, MetricsRow.window, l.metricsSeal), metricsSealName, metricsRowsDir, l.metricsSeal},
		{l.closedChain(), chainOf(l.Rows, l.sums, Row.window, allWindows), closedName, rowsDir, allWindows},
		{l.closedMetricsChain(), chainOf(l.Metrics, l.metricsSums, MetricsRow.window, allWindows), closedName, metricsRowsDir, allWindows},
	} {
		if c.want == nil || *c.want == c.have {
			continue
		}
		lost, err := l.lostRows(ctx, st, c.dir, c.to)
		if err != nil {
			return err
		}
		unread := slices.ContainsFunc(slices.Collect(maps.Keys(l.unread)), func(name string) bool { return strings.HasPrefix(name, c.dir+"/") })
		switch {
		case len(lost) > 0:
			for _, name := range lost {
				err := fault(st, name, fmt.Errorf("%w: %w: %s says %d, found %d, and files of its window are there", ErrMissing, errChain, c.of, c.want.Rows, c.have.Rows), "Restore it from a copy")
				if err := tell.take(err); err != nil {
					return err
				}
			}
			continue
		case unread:
			continue // why they are others is told
		case c.want.Rows != c.have.Rows:
			err = fault(st, c.dir, fmt.Errorf("%w: %s says %d, found %d", errChain, c.of, c.want.Rows, c.have.Rows), "Restore the folder from a copy")
		default:
			err = fault(st, c.dir, fmt.Errorf("%w: there are as many as %s says, %d, but one or more are not those that were sealed, as if an older copy had been put in their place", errChain, c.of, c.want.Rows), "Restore the folder from a copy")
		}
		if err := tell.take(err); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) closedChain() *Chain {
	if l.Closed == nil {
		return nil
	}
	return l.Closed.Chain
}

func (l *Ledger) closedMetricsChain() *Chain {
	if l.Closed == nil {
		return nil
	}
	return l.Closed.MetricsChain
}

// lostRows returns the names of rows that are not there, though files of their
// windows are.
func (l *Ledger) lostRows(ctx context.Context, st Store, dir string, to int64) (names []string, err error) {
	known := map[int64]bool{}
	for name := range l.unread {
		if window, ok := windowFiled(name); ok && strings.HasPrefix(name, dir+"/") {
			known[window] = true
		}
	}
	folders := []string{metricsDir}
	if dir == rowsDir {
		folders = []string{incrementsDir, string(Bronze), string(Silver), string(Late), string(Dead)}
		for _, r := range l.Rows {
			known[r.Window] = true
		}
	}
	for _, r := range l.Metrics {
		if dir == metricsRowsDir {
			known[r.Window] = true
		}
	}
	for _, folder := range folders {
		for info, err := range st.List(ctx, folder+"/") {
			if err != nil {
				return nil, err
			}
			if window, ok := windowFiled(info.Name); ok && window <= to && !known[window] {
				known[window] = true
				names = append(names, windowName(dir, window, ".json"))
			}
		}
	}
	return names, nil
}

// windowFiled returns the window of a data file, an increments file or a row,
// from its name; false if the lake gives no file such a name.
func windowFiled(name string) (window int64, ok bool) {
	window, ok = parseWindow(name)
	if !ok {
		return 0, false
	}
	switch dir, _, _ := strings.Cut(name, "/date="); dir {
	case rowsDir, metricsRowsDir:
		return window, name == windowName(dir, window, ".json")
	case incrementsDir:
		return window, name == windowName(dir, window, ".bin")
	}
	_, err := ParseName(name)
	return window, err == nil
}
