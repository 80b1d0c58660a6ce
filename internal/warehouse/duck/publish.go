package duck

import (
	"context"
	"fmt"
	"io/fs"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// Publish implements warehouse.Warehouse. Gold's put of the file has published
// it; this wants the file to be where the views look, with the table's columns,
// and with rows of that partition only.
func (d *Duck) Publish(ctx context.Context, t warehouse.Table, date civil.Date, f warehouse.File) error {
	if err := d.publish(ctx, t, date, f); err != nil {
		return fmt.Errorf("publish %s of %s: %w", t.Name, date, err)
	}
	return nil
}

func (d *Duck) publish(ctx context.Context, t warehouse.Table, date civil.Date, f warehouse.File) error {
	if f.Lake != d.store.URI() {
		return fmt.Errorf("expected a file of the lake %s, found one of %s: a local warehouse reads one lake", d.store.URI(), f.Lake)
	}
	if of, ok := dateOf(t, f.Name); !ok || of != date {
		return fmt.Errorf("expected a file of the partition %s of %s, found %s", date, t.Name, f.Name)
	}
	object, err := d.find(ctx, f.Name)
	if err != nil {
		return err
	}
	if object.Size != f.Bytes {
		return fmt.Errorf("%s: expected %d bytes, found %d: it was replaced since, publish the new one", f.Name, f.Bytes, object.Size)
	}
	paths, err := d.paths(ctx, []lake.Info{object})
	if err != nil {
		return err
	}
	if err := d.checkFiles(ctx, t, paths, map[string]string{paths[0]: f.Name}); err != nil {
		return err
	}
	var rows, others int64
	err = d.db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*), count(*) FILTER (CAST(%s AS DATE) IS DISTINCT FROM DATE '%s') FROM read_parquet([%s], hive_partitioning = false)",
		sqlName(t.Partition), date, fileList(paths))).Scan(&rows, &others)
	switch {
	case err != nil:
		return d.unreadable(err)
	case rows != f.Rows:
		return fmt.Errorf("%s: expected %d rows, found %d", f.Name, f.Rows, rows)
	case others > 0:
		return fmt.Errorf("%s: expected rows with %s on %s only, found %d of other days", f.Name, t.Partition, date, others)
	}
	return nil
}

// find returns an object as a listing has it.
func (d *Duck) find(ctx context.Context, name string) (lake.Info, error) {
	for info, err := range d.store.List(ctx, name) {
		if err != nil {
			return lake.Info{}, err
		}
		if info.Name == name {
			return info, nil
		}
	}
	return lake.Info{}, fmt.Errorf("lake %s: %s: %w", d.store.URI(), name, fs.ErrNotExist)
}
