package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"example.com/shopstream/internal/kafkaio"
)

// MetricsFiles finds the files of the live metrics that are final, and holds them
// to the metrics ledger, each whole when it is new or has changed. Rows of the
// ledger are read once. The zero value is ready.
type MetricsFiles struct {
	mu    sync.Mutex
	rows  map[Info]metricsRead
	files heldFiles
}

type metricsRead struct {
	row MetricsRow
	sum uint64
}

// Of returns the final files of a folder of metrics, such as "metrics/window=5m/".
// One that is missing, or not what was written, is an error. Where there is no
// lake there are none.
func (m *MetricsFiles) Of(ctx context.Context, st Store, folder string) ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := 1; ; n++ {
		files, err := m.of(ctx, st, folder)
		if err == nil || n == closedReads || !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
	}
}

func (m *MetricsFiles) of(ctx context.Context, st Store, folder string) ([]Info, error) {
	visible, err := m.visible(ctx, st)
	if err != nil {
		return nil, err
	}
	var want []File
	for _, r := range visible {
		for _, f := range r.Files {
			if strings.HasPrefix(f.Name, folder) {
				want = append(want, f)
			}
		}
	}
	return m.files.hold(ctx, st, folder, want, remadeFromBronze)
}

// heldFiles holds data files to what ledger rows say of them, each whole when it
// is new or has changed. It is not for concurrent use.
type heldFiles struct{ crcs map[Info]uint32 }

// hold finds the files that are wanted, all of a folder. damage is the error of one
// that is missing or not what was written.
func (h *heldFiles) hold(ctx context.Context, st Store, folder string, want []File, damage func(st Store, name string, err error) error) ([]Info, error) {
	there := map[string]Info{}
	for info, err := range st.List(ctx, folder) {
		if err != nil {
			return nil, err
		}
		there[info.Name] = info
	}
	files, crcs := make([]Info, len(want)), make([]uint32, len(want))
	for i, f := range want {
		info, ok := there[f.Name]
		if !ok {
			return nil, damage(st, f.Name, ErrMissing)
		}
		files[i] = info
	}
	err := Parallel(len(files), readers, func(i int) error {
		info, f := files[i], want[i]
		if info.Size != f.Bytes {
			return damage(st, f.Name, fmt.Errorf("expected %d bytes, found %d", f.Bytes, info.Size))
		}
		crc, known := h.crcs[info]
		if !known {
			data, err := st.Get(ctx, f.Name)
			if err != nil {
				return err
			}
			crc = CRC(data)
		}
		crcs[i] = crc
		if err := checkCRC(f, crc); err != nil {
			return damage(st, f.Name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.crcs = map[Info]uint32{}
	for i, info := range files {
		h.crcs[info] = crcs[i]
	}
	return files, nil
}

func remadeFromBronze(st Store, name string, err error) error {
	return fault(st, name, err, madeFromBronze)
}

// visible are the rows of final metrics, held to their chain.
func (m *MetricsFiles) visible(ctx context.Context, st Store) ([]MetricsRow, error) {
	l := &Ledger{seal: kafkaio.NoTime}
	var err error
	if l.Settings, err = readSettings(ctx, st, ""); errors.Is(err, fs.ErrNotExist) {
		return nil, checkNoLake(ctx, st)
	}
	if err != nil {
		return nil, err
	}
	if l.seal, _, err = readSeal(ctx, st, sealName); err != nil {
		return nil, err
	}
	if l.metricsSeal, l.metricsChain, err = readSeal(ctx, st, metricsSealName); err != nil {
		return nil, err
	}
	if l.Closed, err = readClosed(ctx, st); err != nil {
		return nil, err
	}
	if l.Closed != nil {
		l.Closed.Chain = nil // of rows that are not read here
	}
	if l.Metrics, l.metricsSums, err = m.read(ctx, st); err != nil {
		return nil, err
	}
	if err := l.checkChains(ctx, st, readersStop); err != nil {
		return nil, err
	}
	if l.Closed != nil {
		return l.Metrics, nil
	}
	var out []MetricsRow
	for _, r := range l.Metrics {
		if l.seal != kafkaio.NoTime && l.metricsSeal != kafkaio.NoTime && r.Window <= l.metricsSeal && r.End <= l.seal+l.Settings.BaseWindowMs {
			out = append(out, r)
		}
	}
	return out, nil
}

// read is readAll, of objects that are new or have changed.
func (m *MetricsFiles) read(ctx context.Context, st Store) (rows []MetricsRow, sums []uint64, err error) {
	var objects []Info
	for info, err := range st.List(ctx, metricsRowsDir+"/") {
		if err != nil {
			return nil, nil, err
		}
		if _, ok := windowFiled(info.Name); ok {
			objects = append(objects, info)
		} else {
			warnForeign(st, info.Name)
		}
	}
	read := make([]metricsRead, len(objects))
	err = Parallel(len(objects), readers, func(i int) error {
		known, ok := m.rows[objects[i]]
		if ok {
			read[i] = known
			return nil
		}
		sum, err := getObject(ctx, st, objects[i].Name, &read[i].row)
		read[i].sum = sum
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	m.rows = map[Info]metricsRead{}
	for i, info := range objects {
		m.rows[info] = read[i]
	}
	slices.SortFunc(read, func(a, b metricsRead) int { return cmp.Compare(a.row.Window, b.row.Window) })
	for _, r := range read {
		rows, sums = append(rows, r.row), append(sums, r.sum)
	}
	return rows, sums, nil
}
