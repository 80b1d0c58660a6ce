package bigquery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"
	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// Content is what a lake has for the warehouse: by table and date, the files
// that are the partition's whole content.
type Content map[string]map[civil.Date][]warehouse.File

func (c Content) add(table string, date civil.Date, f warehouse.File) {
	if c[table] == nil {
		c[table] = map[civil.Date][]warehouse.File{}
	}
	c[table][date] = append(c[table][date], f)
}

// GoldContent returns what stands in gold, as its publications say. Tables of
// which no publication is kept (demand_predictions) are listed and read.
func GoldContent(ctx context.Context, st lake.Store, unpublished ...string) (Content, error) {
	c := Content{}
	publications, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return nil, err
	}
	for date, p := range publications {
		for table, f := range p.Tables {
			c.add(table, date, warehouse.File{Lake: st.URI(), Name: f.File, Rows: f.Rows, Bytes: f.Bytes, Hash: f.Hash})
		}
	}
	for _, table := range unpublished {
		if c[table] != nil {
			continue
		}
		if err := c.list(ctx, st, table); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c Content) list(ctx context.Context, st lake.Store, table string) error {
	files, err := new(lake.GoldFiles).Of(ctx, st, table)
	if err != nil {
		return err
	}
	for _, info := range files {
		date, ok := lake.GoldDate(table, info.Name)
		if !ok {
			continue
		}
		data, err := st.Get(ctx, info.Name)
		if err != nil {
			return err
		}
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return fmt.Errorf("%s in %s: expected a Parquet file: %w: publish the date again", info.Name, st.URI(), err)
		}
		sum := sha256.Sum256(data)
		c.add(table, date, warehouse.File{Lake: st.URI(), Name: info.Name, Rows: f.NumRows(), Bytes: int64(len(data)), Hash: hex.EncodeToString(sum[:])})
	}
	return nil
}

// MetricsContent returns the final files of the live metrics in windows of five
// minutes, by UTC date, for the table of that name.
func MetricsContent(ctx context.Context, st lake.Store, table string) (Content, error) {
	l, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return nil, err
	}
	c := Content{}
	if _, err := new(lake.MetricsFiles).Of(ctx, st, "metrics/window=5m/"); err != nil {
		return nil, err
	}
	for _, row := range l.VisibleMetrics() {
		for _, f := range row.Files {
			key, err := lake.ParseName(f.Name)
			if err != nil {
				return nil, err
			}
			if key.Kind == "5m" {
				// A period lies within one date, and so do the windows that end in it.
				date := civil.DateOf(time.UnixMilli(key.WindowStart).UTC())
				c.add(table, date, warehouse.File{Lake: st.URI(), Name: f.Name, Rows: f.Rows, Bytes: f.Bytes})
			}
		}
	}
	for _, files := range c[table] {
		slices.SortFunc(files, func(a, b warehouse.File) int { return strings.Compare(a.Name, b.Name) })
	}
	return c, nil
}
