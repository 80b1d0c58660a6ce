package sales

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
)

// What a shop gives once is kept in the lake, under a name that has the hash of
// its content: every worker finds it, and a later run makes a day of the same.

// InputsDir is where it is kept.
const InputsDir = "inputs/"

// KeepCatalogue keeps a catalogue in the lake.
func KeepCatalogue(ctx context.Context, st lake.Store, products map[string]CatalogueProduct) (*lake.GoldInput, error) {
	data, err := json.Marshal(products) // sorted by key
	if err != nil {
		return nil, err
	}
	return keepInput(ctx, st, "catalogue", ".json", data, len(products))
}

// ReadCatalogue returns a catalogue that is kept.
func ReadCatalogue(ctx context.Context, st lake.Store, kept *lake.GoldInput) (map[string]CatalogueProduct, error) {
	c, err := Rules{Lake: st.URI(), Catalogue: kept.File}.catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return c.products, nil
}

// KeepHistory keeps past daily sales in the lake, sorted as ParseHistory gives
// them. Each day of them takes the place of that day in what is kept already
// (nil: nothing is).
func KeepHistory(ctx context.Context, st lake.Store, kept *lake.GoldInput, rows []lake.DailySalesRow) (*lake.GoldInput, error) {
	days, err := hashDays(rows)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		same := true
		for date, hash := range days {
			same = same && kept.Days[date] == hash
		}
		if same {
			return kept, nil
		}
		before, err := readHistory(ctx, st, kept.File)
		if err != nil {
			return nil, err
		}
		all := slices.DeleteFunc(before, func(r lake.DailySalesRow) bool { _, again := days[DateOf(r.Date)]; return again })
		rows = slices.SortedStableFunc(slices.Values(append(all, rows...)), func(a, b lake.DailySalesRow) int { return int(a.Date) - int(b.Date) })
		for date, hash := range kept.Days {
			if _, again := days[date]; !again {
				days[date] = hash
			}
		}
	}
	data, err := lake.EncodeGold(nil, rows)
	if err != nil {
		return nil, err
	}
	in, err := keepInput(ctx, st, "history", ".parquet", data, len(rows))
	if in != nil {
		in.Days = days
	}
	return in, err
}

// hashDays has a hash of each day's rows.
func hashDays(rows []lake.DailySalesRow) (map[civil.Date]string, error) {
	days := map[civil.Date]string{}
	for len(rows) > 0 {
		n := daysRows(rows)
		data, err := lake.EncodeGold(nil, rows[:n])
		if err != nil {
			return nil, err
		}
		days[DateOf(rows[0].Date)] = lake.Hash(data)[:16]
		rows = rows[n:]
	}
	return days, nil
}

// daysRows is how many of the first rows, sorted by date, are of one day.
func daysRows(rows []lake.DailySalesRow) int {
	n := 1
	for n < len(rows) && rows[n].Date == rows[0].Date {
		n++
	}
	return n
}

func keepInput(ctx context.Context, st lake.Store, kind, extension string, data []byte, rows int) (*lake.GoldInput, error) {
	hash := lake.Hash(data)
	in := &lake.GoldInput{PublishedFile: lake.PublishedFile{
		File: InputsDir + kind + "/" + hash[:16] + extension, Rows: int64(rows), Bytes: int64(len(data)), Hash: hash,
	}}
	return in, st.Put(ctx, in.File, data)
}

// readInput reads what keepInput has kept, and holds it to the hash in its name.
func readInput(ctx context.Context, st lake.Store, name string) ([]byte, error) {
	data, err := st.Get(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if want := strings.TrimSuffix(path.Base(name), path.Ext(name)); err != nil || lake.Hash(data)[:16] != want {
		kind := path.Base(path.Dir(name))
		found := "another"
		if err != nil {
			found = "none"
		}
		return nil, fmt.Errorf("lake %s: %s: expected the %s that the lake keeps, of hash %s, found %s: restore it from a copy, or give the %[3]s once more with --drop-%[3]s --%[3]s=FILE", st.URI(), name, kind, want, found)
	}
	return data, nil
}

func readHistory(ctx context.Context, st lake.Store, name string) ([]lake.DailySalesRow, error) {
	data, err := readInput(ctx, st, name)
	if err != nil {
		return nil, err
	}
	return lake.DecodeRows[lake.DailySalesRow](data)
}

// Dates are the days of a history that is kept, in order.
func Dates(history *lake.GoldInput) []civil.Date {
	if history == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(history.Days), civil.Date.Compare)
}
