package bigquery

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
)

// journal is what of a lake was published to one table of one warehouse. It is
// in the lake, ledger/warehouse/<dataset>/<table>.json, and written before each
// load: after a crash it names the publication whose job may run.
type journal struct {
	Warehouse string `json:"warehouse"`
	Table     string `json:"table"`
	// ID is new with each journal, so that the numbers of one that was lost, or of
	// a table that was dropped, do not name publications of this one.
	ID      string                    `json:"id"`
	TableID string                    `json:"table_id"` // the table was made then
	Dates   map[civil.Date]*published `json:"dates"`
}

// published is the last publication of a date.
type published struct {
	Number int64     `json:"number"` // of the date's publications
	Hash   string    `json:"hash"`
	Rows   int64     `json:"rows"`
	Job    string    `json:"job,omitempty"` // "": it may run, or have ended
	At     time.Time `json:"at,omitzero"`
}

func (p *published) done() bool { return p.Job != "" }

func journalName(uri, table string) string {
	name := strings.Map(func(r rune) rune {
		if r == ':' || r == '/' {
			return '-'
		}
		return r
	}, strings.TrimPrefix(uri, scheme))
	sum := sha256.Sum256([]byte(uri)) // names of two datasets may look the same
	return "ledger/warehouse/" + name + "-" + hex.EncodeToString(sum[:4]) + "/" + table + ".json"
}

func newJournal(uri, table, tableID string) *journal {
	return &journal{Warehouse: uri, Table: table, ID: rand.Text(), TableID: tableID, Dates: map[civil.Date]*published{}}
}

// readJournal returns an empty journal where there is none, or where it is that
// of another table of this name.
func readJournal(ctx context.Context, st lake.Store, uri, table, tableID string) (*journal, error) {
	name := journalName(uri, table)
	data, err := st.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return newJournal(uri, table, tableID), nil
	}
	if err != nil {
		return nil, err
	}
	j := &journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, fmt.Errorf("%s in %s: expected the journal of publications, found %w: remove it, and all dates are published again", name, st.URI(), err)
	}
	if j.Warehouse != uri || j.Table != table {
		return nil, fmt.Errorf("%s in %s: expected the journal of %s in %s, found that of %s in %s: remove it, and all dates are published again",
			name, st.URI(), table, uri, j.Table, j.Warehouse)
	}
	if j.TableID != tableID {
		return newJournal(uri, table, tableID), nil
	}
	if j.Dates == nil {
		j.Dates = map[civil.Date]*published{}
	}
	return j, nil
}

func (j *journal) put(ctx context.Context, st lake.Store) error {
	data, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return err
	}
	if err := st.Sync(ctx); err != nil {
		return err
	}
	return st.Put(ctx, journalName(j.Warehouse, j.Table), append(data, '\n'))
}

// changed reports whether content is not what the table has of a date.
func (j *journal) changed(date civil.Date, hash string) bool {
	p := j.Dates[date]
	return p == nil || !p.done() || p.Hash != hash
}

// begin notes that a date is about to be published, and names the publication.
// The publication that a crash left open goes on under its number.
func (j *journal) begin(date civil.Date, hash string, rows int64) (publication string) {
	p := j.Dates[date]
	if p == nil {
		p = &published{}
		j.Dates[date] = p
	}
	if p.Number == 0 || p.done() || p.Hash != hash {
		*p = published{Number: p.Number + 1}
	}
	p.Hash, p.Rows = hash, rows
	return fmt.Sprintf("%s/%d", j.ID, p.Number)
}

func (j *journal) end(date civil.Date, job string, at time.Time) {
	p := j.Dates[date]
	p.Job, p.At = job, at.UTC().Truncate(time.Second)
}
