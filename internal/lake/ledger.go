package lake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	"example.com/shopstream/internal/kafkaio"
)

// The ledger says what is in the lake. Readers follow it: a file that no
// visible row names is a leftover of a run that was killed.
//
//	lake.json                                what must never change (Settings); lake.json.was is its copy
//	ledger/rows/date=…/<window>.json         Row: one base window
//	ledger/seal.json                         the window up to which every row is written
//	ledger/increments/date=…/<window>.bin    the window's additive sums
//	ledger/metrics/date=…/<period>.json      MetricsRow
//	ledger/metrics-seal.json
//	ledger/closed.json                       the source declared its end (Closed)
//
// Each of these objects has a checksum (object.go), seals and end also one of the
// rows before them (Chain), and what must not get lost a witness (witness.go).
const (
	settingsName    = "lake.json"
	closedName      = "ledger/closed.json"
	sealName        = "ledger/seal.json"
	metricsSealName = "ledger/metrics-seal.json"
	rowsDir         = "ledger/rows"
	incrementsDir   = "ledger/increments"
	metricsRowsDir  = "ledger/metrics"
)

// inLedger reports whether an object is one that says what is in the lake.
func inLedger(name string) bool {
	name = strings.TrimSuffix(name, witnessSuffix)
	return name == settingsName || name == generationName || strings.HasPrefix(name, "ledger/")
}

// formatVersion is the version of the ledger's and the lake's layout. Lakes of older
// ones are read, and raised to formatVersion when a run goes on with them.
const (
	formatVersion  = 4 // silver's category is a column, and no partition in its path
	formatUnsummed = 2 // the last one whose objects of the ledger have no checksums
)

// Settings are fixed when a lake is made: windows and files of different
// settings do not fit together.
type Settings struct {
	Format         int    `json:"format"`
	Topic          string `json:"topic"`
	TopicID        string `json:"topic_id,omitempty"` // "": not known, fits any
	BaseWindowMs   int64  `json:"base_window_ms"`
	OutOfOrderness int64  `json:"out_of_orderness_ms"`
	SkewMs         int64  `json:"skew_ms"`
	MaxEventBytes  int    `json:"max_event_bytes"`
	Shards         int    `json:"shards"`
	MaxAmount      int64  `json:"max_amount,omitempty"` // of an order line, in units of its currency; 0: as much as DECIMAL(18,6) holds
	State          State  `json:"state"`
	// Upgraded: the lake was made with format 2, whose objects have no checksums.
	Upgraded bool `json:"upgraded,omitempty"`
}

// State says who knows where the writer of a lake has come to. The two do not
// mix: what one of them continues, the other would write over.
type State string

// The keepers of a writer's state.
const (
	StateLedger State = "ledger" // the lake's own ledger: Prism, direct; the default
	StateRunner State = "runner" // the runner's checkpoints: Flink, Dataflow
)

// Init makes a lake of these settings, or checks that the lake that is there
// has the same.
func Init(ctx context.Context, st Store, want Settings) error {
	want.Format = formatVersion
	want.State = cmp.Or(want.State, StateLedger)
	have, err := readSettings(ctx, st, "")
	if errors.Is(err, fs.ErrNotExist) {
		if err := checkNoLake(ctx, st); err != nil {
			return err
		}
		switch err := putNewSettings(ctx, st, want); {
		case err == nil:
			return witnessSettings(ctx, st)
		case !errors.Is(err, ErrExists):
			return err
		}
		have, err = readSettings(ctx, st, "")
	}
	if err != nil {
		return err
	}
	if have.Format >= formatUnsummed && have.Format < formatVersion || have.Upgraded {
		have.Format, have.Upgraded = formatVersion, false // read as it is, and raised by Continue
	}
	if have.TopicID == "" || want.TopicID == "" {
		have.TopicID, want.TopicID = "", ""
	}
	switch {
	case have == want:
		return witnessSettings(ctx, st)
	case have.Topic == want.Topic && have.TopicID != want.TopicID:
		return fmt.Errorf("topic %q was deleted and created again (its id was %s, it is %s): its offsets mean other records now. Read it into a new lake", want.Topic, have.TopicID, want.TopicID)
	case have.State == StateRunner && want.State == StateLedger:
		return fmt.Errorf("the lake %s belongs to a job whose runner keeps its state (Flink, Dataflow): update that job or restart it from its savepoint, or use another lake", st.URI())
	case have.State == StateLedger && want.State == StateRunner:
		return fmt.Errorf("the lake %s belongs to jobs that go on from its ledger: continue it with --runner=prism, or use another lake", st.URI())
	}
	return fmt.Errorf("the lake %s was made with other settings: %s. Use those, or another lake", st.URI(), strings.Join(settingsDiff(have, want), "; "))
}

func putNewSettings(ctx context.Context, st Store, s Settings) error {
	data, _, err := encodeObject(settingsName, s)
	if err != nil {
		return err
	}
	return st.PutNew(ctx, settingsName, data)
}

// witnessSettings keeps the copy of lake.json.
func witnessSettings(ctx context.Context, st Store) error {
	data, err := st.Get(ctx, settingsName)
	if err != nil {
		return err
	}
	have, err := st.Get(ctx, witnessOf(settingsName))
	if err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return st.Put(ctx, witnessOf(settingsName), data)
}

// checkNoLake returns an error if the store has a ledger, though not the settings
// that a lake begins with: they were lost, and others would not fit its files.
func checkNoLake(ctx context.Context, st Store) error {
	if _, err := st.Get(ctx, witnessOf(settingsName)); !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, lost(st, settingsName))
	}
	for info, err := range st.List(ctx, "ledger/") {
		if err != nil {
			return err
		}
		if strings.HasPrefix(info.Name, rowsDir) || strings.HasPrefix(info.Name, metricsRowsDir) || info.Name == sealName || info.Name == closedName {
			return fault(st, settingsName, fmt.Errorf("%w, but %s is there", ErrMissing, info.Name), "Restore it from a copy, or use another lake")
		}
	}
	return nil
}

// amountBound is a lake's MaxAmount as its setting is written.
func amountBound(units int64) int64 { return cmp.Or(units, NoMaxAmount) }

// NoMaxAmount is the setting that bounds nothing beyond DECIMAL(18,6); lakes
// keep it as 0, as those of programs that had no other do.
const NoMaxAmount = 1_000_000_000_000

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
	add("max_amount", amountBound(have.MaxAmount), amountBound(want.MaxAmount))
	return diff
}

// File is one data file of the lake.
type File struct {
	Lane  Lane   `json:"lane"`
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	CRC   uint32 `json:"crc32c,omitempty"` // CRC-32C of the content (CRC); 0: not known
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
	From       map[int32]int64  `json:"from,omitempty"`       // by partition: the offset of the first record read
	Next       map[int32]int64  `json:"next,omitempty"`       // by partition: the offset after the last record read
	Ahead      map[int32]int64  `json:"ahead,omitempty"`      // by partition with records whose event's own base window is a later one: the end of the latest
	Files      []File           `json:"files,omitempty"`
	Increments string           `json:"increments,omitempty"` // file of the window's sums
	IncrCRC    uint32           `json:"increments_crc32c,omitempty"`
	Mark       *kafkaio.Mark    `json:"mark,omitempty"` // the source had reported a watermark at End
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
	// The source goes on another time: what it had read is in the lake, but no
	// business day is complete by this end.
	GoesOn bool `json:"goes_on,omitempty"`
	// Of all rows; nil in lakes of format 2.
	Chain        *Chain `json:"chain,omitempty"`
	MetricsChain *Chain `json:"metrics_chain,omitempty"`
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

func (t Totals) equal(o Totals) bool {
	same := maps.Equal(t.Dead, o.Dead)
	t.Dead, o.Dead = nil, nil
	return same && reflect.DeepEqual(t, o)
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
	return putRow(ctx, st, rowsDir, r.Window, r)
}

// PutIncrements writes the window's sums and returns their file's name and CRC.
func PutIncrements(ctx context.Context, st Store, window int64, data []byte) (string, uint32, error) {
	name := windowName(incrementsDir, window, ".bin")
	return name, CRC(data), st.Put(ctx, name, data)
}

// PutMetricsRow is PutRow for metrics.
func PutMetricsRow(ctx context.Context, st Store, r MetricsRow) error {
	return putRow(ctx, st, metricsRowsDir, r.Window, r)
}

// Close records that the source declared its end, after checking the identity
// over all rows.
func Close(ctx context.Context, st Store) (Totals, error) { return closeLake(ctx, st, false) }

// Pause is Close for a source that goes on another time, such as a simulated
// shop that closes in the middle of a day.
func Pause(ctx context.Context, st Store) (Totals, error) { return closeLake(ctx, st, true) }

func closeLake(ctx context.Context, st Store, goesOn bool) (Totals, error) {
	l, err := readOnce(ctx, st, readersStop) // an end that is there is replaced, whatever it says
	if err != nil {
		return Totals{}, err
	}
	l.Closed = nil
	if err := l.checkChains(ctx, st, readersStop); err != nil {
		return Totals{}, err
	}
	t := Total(l.Rows)
	if err := t.Check(); err != nil {
		return t, err
	}
	rows, metrics := chainOf(l.Rows, l.sums, Row.window, allWindows), chainOf(l.Metrics, l.metricsSums, MetricsRow.window, allWindows)
	return t, putWitnessed(ctx, st, closedName, Closed{Offsets: nextOffsets(l.Rows), Totals: t, GoesOn: goesOn, Chain: &rows, MetricsChain: &metrics})
}

// Complete reports whether the source declared an end that is not a pause: no
// more events come.
func (l *Ledger) Complete() bool { return l.Closed != nil && !l.Closed.GoesOn }

// Sealed is the row of the sealed window: it and all before it are final. ok is
// false where nothing is.
//
// Where the runner keeps the state, a failover writes the rows since its last
// checkpoint again, and not in each attempt a mark falls into the same windows:
// what the row of the seal held, or whether it was there, says nothing then.
func (l *Ledger) Sealed() (row Row, ok bool) {
	if l.seal == kafkaio.NoTime {
		return Row{}, false
	}
	if l.Settings.State == StateRunner {
		return Row{Window: l.seal, End: l.seal + l.Settings.BaseWindowMs}, true
	}
	i, ok := slices.BinarySearchFunc(l.Rows, l.seal, func(r Row, window int64) int { return cmp.Compare(r.Window, window) })
	if !ok || l.Rows[i].Mark == nil {
		return Row{}, false
	}
	return l.Rows[i], true
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
	for n > 0 && l.Rows[n-1].Window > w.Window {
		n--
	}
	return l.Rows[:n]
}

// VisibleMetrics returns the metrics rows that readers take.
func (l *Ledger) VisibleMetrics() []MetricsRow {
	if l.Closed != nil {
		return l.Metrics
	}
	last, ok := l.metricsFinal()
	if !ok {
		return nil
	}
	n := 0
	for n < len(l.Metrics) && l.Metrics[n].End <= last.End {
		n++
	}
	return l.Metrics[:n]
}

// metricsFinal is the newest final metrics row: sealed, and covered by the
// sealed window. ok is false where there is none.
func (l *Ledger) metricsFinal() (row MetricsRow, ok bool) {
	w, ok := l.Sealed()
	if !ok || l.metricsSeal == kafkaio.NoTime {
		return MetricsRow{}, false
	}
	for _, r := range slices.Backward(l.Metrics) {
		if r.End <= w.End && r.Window <= l.metricsSeal {
			return r, true
		}
	}
	return MetricsRow{}, false
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
