package lake

import (
	"context"
	"errors"
	"io/fs"

	"cloud.google.com/go/civil"
)

// Gold's tables have one file a table and date, replaced whole:
//
//	gold/daily_sales/2026-03-01.parquet            see gold_name.go
//	ledger/gold.json                               how business days are cut (GoldSettings)
//	ledger/gold/date=2026-03-01.json               Publication, written last
const (
	goldSettingsName = "ledger/gold.json"
	publicationsDir  = "ledger/gold"
)

// IDsTable is the folder of gold with the ids of each day's order lines. It is no
// table.
const IDsTable = "order_ids"

// IDsName is the name of the file with the ids of a date's order lines.
func IDsName(date civil.Date) string {
	return "gold/" + IDsTable + "/date=" + date.String() + "/ids.bin"
}

// ConflictsName is the name of the list of a date's conflicting events.
func ConflictsName(date civil.Date) string {
	return "quality/conflicts/date=" + date.String() + ".jsonl"
}

func publicationName(date civil.Date) string {
	return publicationsDir + "/date=" + date.String() + ".json"
}

// GoldSettings are what all of the lake's gold is made by.
type GoldSettings struct {
	// TimeZone is the IANA name by which business days are cut: fixed until gold
	// is built anew. "" where the lake was rebuilt and has no gold yet.
	TimeZone string `json:"time_zone"`
	// What the shop gave once, and the lake keeps.
	History   *GoldInput `json:"history,omitempty"`
	Catalogue *GoldInput `json:"catalogue,omitempty"`
}

// GoldInput is a file that is kept in the lake under a name that has its hash.
type GoldInput struct {
	PublishedFile
	// Days has a hash of each day's rows of a history.
	Days map[civil.Date]string `json:"days,omitempty"`
}

// CarryGoldInputs takes what a shop gave gold over into a new generation of the
// lake, whose gold is still to be made.
func CarryGoldInputs(ctx context.Context, from, to Store) error {
	have, ok, err := ReadGoldSettings(ctx, from)
	if err != nil || !ok || (have.History == nil && have.Catalogue == nil) {
		return err
	}
	for _, in := range []*GoldInput{have.History, have.Catalogue} {
		if in == nil {
			continue
		}
		data, err := from.Get(ctx, in.File)
		if err == nil {
			err = to.Put(ctx, in.File, data)
		}
		if err != nil {
			return err
		}
	}
	have.TimeZone = ""
	return PutGoldSettings(ctx, to, have)
}

// ReadGoldSettings returns the settings of the lake's gold; false if there is
// none.
func ReadGoldSettings(ctx context.Context, st Store) (s GoldSettings, ok bool, err error) {
	switch err := getWitnessed(ctx, st, goldSettingsName, &s); {
	case errors.Is(err, fs.ErrNotExist):
		return s, false, nil
	case err != nil:
		return s, false, err
	}
	return s, true, nil
}

// PutGoldSettings writes the settings.
func PutGoldSettings(ctx context.Context, st Store, s GoldSettings) error {
	return putWitnessed(ctx, st, goldSettingsName, s)
}

// Publication says what of a date stands in gold, and how the newest attempt to
// replace it ended.
type Publication struct {
	Date civil.Date `json:"date"`
	// Number counts the publications of the date.
	Number int64 `json:"number"`
	// Inputs stands for all that the date's rows follow from; a date is dirty
	// when it would be another one now.
	Inputs   string                   `json:"inputs"`
	TimeZone string                   `json:"time_zone"` // that cuts the day
	Complete bool                     `json:"complete"`  // no more events of the date may come, but late ones
	Source   string                   `json:"source"`    // events, history, or merged of both
	Tables   map[string]PublishedFile `json:"tables"`
	// Next are files that are taking the place of Tables: while it is there, also
	// after a run was killed, each file is the old one or one of these.
	Next     map[string][]PublishedFile `json:"next,omitempty"`
	Counts   GoldCounts                 `json:"counts"`
	Measures map[string]float64         `json:"measures,omitempty"` // of the tables, for the volume rules of later dates
	// IDs is the file of its order lines' ids, by which those of other days are
	// found; nil where it has none.
	IDs     *PublishedFile `json:"ids,omitempty"`
	Attempt *Attempt       `json:"attempt,omitempty"` // the newest one, where it was stopped
}

// PublishedFile is a table's file of one date.
type PublishedFile struct {
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	Hash  string `json:"hash"` // SHA-256 of the content, hexadecimal
}

// GoldCounts account for the events of a business day:
// Silver + Late = Events + Duplicates + Conflicts + Overflow.
type GoldCounts struct {
	Silver     int64 `json:"silver"`     // rows of silver
	Late       int64 `json:"late"`       // rows of late
	Events     int64 `json:"events"`     // what the tables are made of
	Duplicates int64 `json:"duplicates"` // the same event again
	Conflicts  int64 `json:"conflicts"`  // another event of the same id; the first in the log was taken
	Overflow   int64 `json:"overflow"`   // order lines whose amount does not fit DECIMAL(18,6)
}

// Attempt is a publication that a quality rule stopped.
type Attempt struct {
	Inputs string   `json:"inputs"`
	Failed []string `json:"failed"` // the rules, as table.rule
}

// DeletePublication withdraws a date, before its files go.
func DeletePublication(ctx context.Context, st Store, date civil.Date) error {
	return st.Delete(ctx, publicationName(date))
}

// Add adds the counts of another day.
func (c *GoldCounts) Add(o GoldCounts) {
	c.Silver += o.Silver
	c.Late += o.Late
	c.Events += o.Events
	c.Duplicates += o.Duplicates
	c.Conflicts += o.Conflicts
	c.Overflow += o.Overflow
}
