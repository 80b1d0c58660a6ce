package lake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"example.com/shopstream/internal/kafkaio"
)

// The ledger says what is in the lake. Readers follow it: a file that no
// visible row names is a leftover of a run that was killed.
//
//	lake.json                                what must never change (Settings)
//	ledger/rows/date=…/<window>.json         Row: one base window
//	ledger/seals/date=…/<window>.json        every row up to this one is written
//	ledger/increments/date=…/<window>.bin    the window's additive sums
//	ledger/metrics/date=…/<period>.json      MetricsRow
//	ledger/metrics-seals/date=…/<period>.json
//	ledger/closed.json                       the source declared its end (Closed)
const (
	settingsName   = "lake.json"
	closedName     = "ledger/closed.json"
	rowsDir        = "ledger/rows"
	sealsDir       = "ledger/seals"
	incrementsDir  = "ledger/increments"
	metricsRowsDir = "ledger/metrics"
	metricsSealDir = "ledger/metrics-seals"
)

// formatVersion is the version of the ledger's and the lake's layout.
const formatVersion = 1

// Settings are fixed when a lake is made: windows and files of different
// settings do not fit together.
type Settings struct {
	Format         int    `json:"format"`
	Topic          string `json:"topic"`
	BaseWindowMs   int64  `json:"base_window_ms"`
	OutOfOrderness int64  `json:"out_of_orderness_ms"`
	SkewMs         int64  `json:"skew_ms"`
	MaxEventBytes  int    `json:"max_event_bytes"`
	Shards         int    `json:"shards"`
}

// Init makes a lake of these settings, or checks that the lake that is there
// has the same.
func Init(ctx context.Context, st Store, want Settings) error {
	want.Format = formatVersion
	data, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		return err
	}
	err = st.PutNew(ctx, settingsName, append(data, '\n'))
	if err == nil || !errors.Is(err, ErrExists) {
		return err
	}
	var have Settings
	if err := getJSON(ctx, st, settingsName, &have); err != nil {
		return err
	}
	if have == want {
		return nil
	}
	return fmt.Errorf("the lake %s was made with other settings: %s. Use those, or another lake", st.URI(), strings.Join(settingsDiff(have, want), "; "))
}

func settingsDiff(have, want Settings) []string {
	var diff []string
	add := func(name string, a, b any) {
		if a != b {
			diff = append(diff, fmt.Sprintf("%s is %v, asked for %v", name, a, b))
		}
	}
	add("format", have.Format, want.Format)
	add("topic", have.Topic, want.Topic)
	add("base_window (ms)", have.BaseWindowMs, want.BaseWindowMs)
	add("out_of_orderness (ms)", have.OutOfOrderness, want.OutOfOrderness)
	add("skew (ms)", have.SkewMs, want.SkewMs)
	add("max_event_bytes", have.MaxEventBytes, want.MaxEventBytes)
	add("shards", have.Shards, want.Shards)
	return diff
}

// File is one data file of the lake.
type File struct {
	Lane  Lane   `json:"lane"`
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Row is the ledger's row of one base window [Window, End), ms since the
// epoch. Read, Dead and Late count records whose arrival window it is; Silver
// and Duplicates count events whose own base window it is.
type Row struct {
	Window     int64            `json:"window"`
	End        int64            `json:"end"`
	Read       int64            `json:"read"`
	Silver     int64            `json:"silver"`
	Duplicates int64            `json:"duplicates"`
	Conflicts  int64            `json:"conflicts,omitempty"` // silver rows that share id and time with another, but not the content
	Late       int64            `json:"late"`
	Dead       map[string]int64 `json:"dead,omitempty"`       // by reason
	LateDates  map[string]int64 `json:"late_dates,omitempty"` // late rows by the UTC date of their event
	Next       map[int32]int64  `json:"next,omitempty"`       // by partition: the offset after the last record read
	Files      []File           `json:"files,omitempty"`
	Increments string           `json:"increments,omitempty"` // file of the window's sums
	Mark       *kafkaio.Mark    `json:"mark,omitempty"`       // the source had reported a watermark at End
}

// MetricsRow is the metrics ledger's row of one period [Window, End): the
// metrics windows that end in it.
type MetricsRow struct {
	Window int64  `json:"window"`
	End    int64  `json:"end"`
	Files  []File `json:"files"`
}

// Closed says that the source declared its end and that everything it had read
// is in the lake. It is withdrawn when the lake is continued.
type Closed struct {
	Offsets map[int32]int64 `json:"offsets"` // by partition: the offset after the last record read
	Totals  Totals          `json:"totals"`
}

// Totals are sums over rows.
type Totals struct {
	Read       int64            `json:"read"`
	Silver     int64            `json:"silver"`
	Duplicates int64            `json:"duplicates"`
	Conflicts  int64            `json:"conflicts"`
	Late       int64            `json:"late"`
	Dead       map[string]int64 `json:"dead"`
}

// DeadCount is the number of dead letters of all reasons.
func (t Totals) DeadCount() int64 {
	var n int64
	for _, c := range t.Dead {
		n += c
	}
	return n
}

// Check returns an error unless read = silver + duplicates + dead + late.
func (t Totals) Check() error {
	out := t.Silver + t.Duplicates + t.DeadCount() + t.Late
	if t.Read == out {
		return nil
	}
	return fmt.Errorf("the ledger's identity does not hold: read %d, but silver %d + duplicates %d + dead %d + late %d = %d, a difference of %d",
		t.Read, t.Silver, t.Duplicates, t.DeadCount(), t.Late, out, t.Read-out)
}

// Total sums rows.
func Total(rows []Row) Totals {
	t := Totals{Dead: map[string]int64{}}
	for _, r := range rows {
		t.Read += r.Read
		t.Silver += r.Silver
		t.Duplicates += r.Duplicates
		t.Conflicts += r.Conflicts
		t.Late += r.Late
		for reason, n := range r.Dead {
			t.Dead[reason] += n
		}
	}
	return t
}

// PutRow writes the row of a window after making durable all that was put so
// far: the files that the row promises.
func PutRow(ctx context.Context, st Store, r Row) error {
	return putDurably(ctx, st, windowName(rowsDir, r.Window, ".json"), r)
}

// PutSeal records that the rows of all windows up to this one are written.
func PutSeal(ctx context.Context, st Store, window int64) error {
	return putDurably(ctx, st, windowName(sealsDir, window, ".json"), struct{}{})
}

// PutIncrements writes the window's sums and returns the name of their file.
func PutIncrements(ctx context.Context, st Store, window int64, data []byte) (string, error) {
	name := windowName(incrementsDir, window, ".bin")
	return name, st.Put(ctx, name, data)
}

// PutMetricsRow is PutRow for metrics.
func PutMetricsRow(ctx context.Context, st Store, r MetricsRow) error {
	return putDurably(ctx, st, windowName(metricsRowsDir, r.Window, ".json"), r)
}

// PutMetricsSeal is PutSeal for metrics.
func PutMetricsSeal(ctx context.Context, st Store, period int64) error {
	return putDurably(ctx, st, windowName(metricsSealDir, period, ".json"), struct{}{})
}

// Close records that the source declared its end, after checking the identity
// over all rows.
func Close(ctx context.Context, st Store) (Totals, error) {
	l, err := ReadLedger(ctx, st)
	if err != nil {
		return Totals{}, err
	}
	t := Total(l.Rows)
	if err := t.Check(); err != nil {
		return t, err
	}
	return t, putDurably(ctx, st, closedName, Closed{Offsets: nextOffsets(l.Rows), Totals: t})
}

// Ledger is what was read of a lake's ledger.
type Ledger struct {
	Settings     Settings
	Rows         []Row        // by window, provisional ones too
	Metrics      []MetricsRow // by period, provisional ones too
	Closed       *Closed      // nil: the source has not declared its end
	seals        map[int64]bool
	metricsSeals map[int64]bool
}

// ErrNoLake is wrapped by ReadLedger where there is no lake.
var ErrNoLake = errors.New("there is no lake")

// ReadLedger reads the whole ledger.
func ReadLedger(ctx context.Context, st Store) (*Ledger, error) {
	l := &Ledger{}
	if err := getJSON(ctx, st, settingsName, &l.Settings); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w at %s: %w", ErrNoLake, st.URI(), err)
		}
		return nil, err
	}
	if l.Settings.Format < 1 {
		return nil, damaged(st, settingsName, fmt.Errorf("expected a format of 1 to %d, found %d", formatVersion, l.Settings.Format))
	}
	if l.Settings.Format > formatVersion {
		return nil, fmt.Errorf("the lake %s has format %d, this program reads up to %d: use a newer one", st.URI(), l.Settings.Format, formatVersion)
	}
	// Seals first: a seal that is seen here has all its rows on disk, which a
	// reading of the rows that comes later cannot miss.
	var err error
	if l.seals, err = readSeals(ctx, st, sealsDir); err != nil {
		return nil, err
	}
	if l.metricsSeals, err = readSeals(ctx, st, metricsSealDir); err != nil {
		return nil, err
	}
	if l.Closed, err = readClosed(ctx, st); err != nil {
		return nil, err
	}
	if l.Rows, err = readAll(ctx, st, rowsDir, func(r Row) int64 { return r.Window }); err != nil {
		return nil, err
	}
	if l.Metrics, err = readAll(ctx, st, metricsRowsDir, func(r MetricsRow) int64 { return r.Window }); err != nil {
		return nil, err
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

// readClosed returns nil where the source has not declared its end.
func readClosed(ctx context.Context, st Store) (*Closed, error) {
	var c Closed
	switch err := getJSON(ctx, st, closedName, &c); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &c, nil
}

// Sealed is the newest window that has a mark and a seal: it and all before it
// are final. ok is false where there is none.
func (l *Ledger) Sealed() (row Row, ok bool) {
	for _, r := range slices.Backward(l.Rows) {
		if r.Mark != nil && l.seals[r.Window] {
			return r, true
		}
	}
	return Row{}, false
}

// Visible returns the rows that readers take: those up to the newest sealed
// one, or all after the source declared its end.
func (l *Ledger) Visible() []Row {
	if l.Closed != nil {
		return l.Rows
	}
	w, ok := l.Sealed()
	if !ok {
		return nil
	}
	n := len(l.Rows)
	for l.Rows[n-1].Window > w.Window {
		n--
	}
	return l.Rows[:n]
}

// VisibleMetrics returns the metrics rows that readers take.
func (l *Ledger) VisibleMetrics() []MetricsRow {
	if l.Closed != nil {
		return l.Metrics
	}
	done := l.metricsDone()
	n := 0
	for n < len(l.Metrics) && l.Metrics[n].End <= done {
		n++
	}
	return l.Metrics[:n]
}

// metricsDone is the end of the newest sealed metrics row that the newest
// sealed window covers, or NoTime.
func (l *Ledger) metricsDone() int64 {
	w, ok := l.Sealed()
	if !ok {
		return kafkaio.NoTime
	}
	for _, r := range slices.Backward(l.Metrics) {
		if r.End <= w.End && l.metricsSeals[r.Window] {
			return r.End
		}
	}
	return kafkaio.NoTime
}

// nextOffsets folds the rows' offsets: arrival windows are monotone in the
// offset, so the highest wins.
func nextOffsets(rows []Row) map[int32]int64 {
	next := map[int32]int64{}
	for _, r := range rows {
		for p, o := range r.Next {
			next[p] = max(next[p], o)
		}
	}
	return next
}

func putDurably(ctx context.Context, st Store, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := st.Sync(ctx); err != nil {
		return err
	}
	return st.Put(ctx, name, append(data, '\n'))
}

func getJSON(ctx context.Context, st Store, name string, v any) error {
	data, err := st.Get(ctx, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return damaged(st, name, err)
	}
	return nil
}

func damaged(st Store, name string, err error) error {
	return fmt.Errorf("%s in %s is damaged: %w. It was written whole, so the storage has changed it since: restore it from a copy", name, st.URI(), err)
}

// readAll reads the rows in a folder by window. One that is gone by the time
// it is read was provisional: a run that goes on with the lake removes those.
func readAll[T any](ctx context.Context, st Store, dir string, window func(T) int64) ([]T, error) {
	var out []T
	for info, err := range st.List(ctx, dir+"/") {
		if err != nil {
			return nil, err
		}
		var v T
		switch err := getJSON(ctx, st, info.Name, &v); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		if name := windowName(dir, window(v), ".json"); name != info.Name {
			return nil, damaged(st, info.Name, fmt.Errorf("expected the row of its window, found that of %s", name))
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b T) int { return cmp.Compare(window(a), window(b)) })
	return out, nil
}

func readSeals(ctx context.Context, st Store, dir string) (map[int64]bool, error) {
	out := map[int64]bool{}
	for info, err := range st.List(ctx, dir+"/") {
		if err != nil {
			return nil, err
		}
		window, err := windowOf(info.Name)
		if err != nil {
			return nil, err
		}
		out[window] = true
	}
	return out, nil
}
