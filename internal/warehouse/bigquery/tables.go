package bigquery

import (
	"context"
	"net/http"
	"strings"

	"cloud.google.com/go/bigquery"

	"example.com/shopstream/internal/warehouse"
)

// EnsureDataset makes the dataset unless it is there.
func (w *Warehouse) EnsureDataset(ctx context.Context) error {
	err := call(ctx, func(ctx context.Context, _ *calls) error {
		_, err := w.dataset.Metadata(ctx)
		return err
	})
	if hasCode(err, http.StatusNotFound) {
		err = call(ctx, func(ctx context.Context, _ *calls) error {
			return w.dataset.Create(ctx, &bigquery.DatasetMetadata{Location: w.o.Location, Labels: w.labels()})
		})
		if hasCode(err, http.StatusConflict) { // made by somebody else, or by a request whose answer got lost
			return nil
		}
	}
	if err != nil {
		return w.explain("make the dataset", err)
	}
	return nil
}

// PlanTable says what EnsureTable would do, and changes nothing. The error is
// EnsureTable's.
func (w *Warehouse) PlanTable(ctx context.Context, t warehouse.Table) (Plan, error) {
	have, err := w.tableMetadata(ctx, t.Name)
	if err != nil {
		return Plan{}, err
	}
	if have == nil {
		return Plan{Table: t.Name, Create: true}, nil
	}
	_, changes, err := upgrade(have, t)
	if err != nil {
		return Plan{}, w.explain("table "+t.Name, err)
	}
	return Plan{Table: t.Name, Changes: changes}, nil
}

// EnsureTable makes a table, or adds to the one that is there what is new in
// its schema: columns that may be NULL, descriptions, columns that no longer
// must be there. Every other difference is an error that lists them all, and
// nothing is changed. It returns what was done.
func (w *Warehouse) EnsureTable(ctx context.Context, t warehouse.Table) (Plan, error) {
	plan, _, err := w.ensureTable(ctx, t)
	return plan, err
}

// tableTries bounds how often a table is read that somebody else changes meanwhile.
const tableTries = 3

// ensureTable also returns the table as it is then.
func (w *Warehouse) ensureTable(ctx context.Context, t warehouse.Table) (plan Plan, m *bigquery.TableMetadata, err error) {
	plan = Plan{Table: t.Name}
	for n := 1; ; n++ {
		m, err = w.tableMetadata(ctx, t.Name)
		if err != nil {
			return plan, nil, err
		}
		if m == nil {
			err = call(ctx, func(ctx context.Context, _ *calls) error {
				return w.dataset.Table(t.Name).Create(ctx, metadata(t, w.labels()))
			})
			if err != nil && (n == tableTries || !hasCode(err, http.StatusConflict)) {
				return plan, nil, w.explain("make table "+t.Name, err)
			}
			plan.Create = plan.Create || err == nil
			continue // to read when it was made
		}
		update, changes, err := upgrade(m, t)
		if err != nil {
			return plan, nil, w.explain("table "+t.Name, err)
		}
		if len(changes) == 0 {
			return plan, m, nil
		}
		err = call(ctx, func(ctx context.Context, _ *calls) error {
			m, err = w.dataset.Table(t.Name).Update(ctx, update, m.ETag)
			return err
		})
		switch {
		case err == nil:
			plan.Changes = changes
			return plan, m, nil
		case hasCode(err, http.StatusPreconditionFailed) && n < tableTries:
			// Changed meanwhile, or by a request whose answer got lost.
		default:
			return plan, nil, w.explain("upgrade table "+t.Name+" ("+strings.Join(changes, "; ")+")", err)
		}
	}
}

// tableMetadata returns nil for a table that does not exist.
func (w *Warehouse) tableMetadata(ctx context.Context, name string) (m *bigquery.TableMetadata, err error) {
	err = call(ctx, func(ctx context.Context, _ *calls) error {
		m, err = w.dataset.Table(name).Metadata(ctx)
		return err
	})
	switch {
	case hasCode(err, http.StatusNotFound):
		return nil, nil
	case err != nil:
		return nil, w.explain("table "+name, err)
	}
	return m, nil
}
