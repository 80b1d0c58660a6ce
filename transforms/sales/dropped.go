package sales

import (
	"encoding/json"
	"strings"
	"time"
)

// Dropped is an event that is not in the day's tables: another of its id was
// kept (conflict), or its amount does not fit DECIMAL(18,6) (overflow). It is a
// line of the day's list of them.
type Dropped struct {
	Why     string   `json:"why"`
	EventID string   `json:"event_id"`
	Version          // that was dropped
	Kept    *Version `json:"kept,omitempty"` // of a conflict
}

// Version is an event of an id that there are several of.
type Version struct {
	EventTime time.Time `json:"event_time"`
	ProductID string    `json:"product_id"`
	EventType string    `json:"event_type"`
	Amount    string    `json:"amount,omitempty"` // quantity times price, where that fits
	Currency  string    `json:"currency,omitempty"`
	Late      bool      `json:"late"`
	Partition int32     `json:"kafka_partition"`
	Offset    int64     `json:"kafka_offset"`
}

const (
	conflict = "conflict"
	overflow = "overflow"
)

func versionOf(e *event) Version {
	v := Version{
		EventTime: time.UnixMicro(e.Time).UTC(), ProductID: strings.Clone(e.ProductID), EventType: strings.Clone(e.Type), Currency: strings.Clone(e.Currency),
		Late: e.Late, Partition: e.Record.Partition, Offset: e.Record.Offset,
	}
	if amount, ok := e.UnitPrice.Mul(e.Quantity); ok && e.Currency != "" {
		v.Amount = amount.String()
	}
	return v
}

// drop lists an event, and the one that was kept in its place, if any.
func (p *partial) drop(e *event, why string, kept *event) {
	d := Dropped{Why: why, EventID: e.ID, Version: versionOf(e)}
	if kept != nil {
		v := versionOf(kept)
		d.Kept = &v
	}
	p.list(d)
}

func (p *partial) list(d Dropped) {
	line, err := json.Marshal(d)
	if err != nil {
		panic(err) // texts, numbers and times of the years that events may have
	}
	p.conflicts = append(append(p.conflicts, line...), '\n')
}
