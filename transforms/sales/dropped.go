package sales

import (
	"encoding/binary"
	"encoding/json"
	"time"
)

// Dropped is an event that is not in the day's tables: another of its id was
// kept (conflict), or its amount does not fit DECIMAL(18,6) (overflow). It is a
// line of the day's list of them.
type Dropped struct {
	Why       string    `json:"why"`
	EventID   string    `json:"event_id"`
	EventTime time.Time `json:"event_time"`
	ProductID string    `json:"product_id"`
	EventType string    `json:"event_type"`
	Late      bool      `json:"late"`
}

const (
	conflict = "conflict"
	overflow = "overflow"
)

// drop lists an event.
func (p *partial) drop(e *event, why string) {
	b := p.conflicts
	for _, s := range [...]string{why, e.ID, e.ProductID, e.Type} {
		b = appendText(b, s)
	}
	p.conflicts = append(binary.AppendVarint(b, e.Time), flag(e.Late))
}

// dropped is the list as JSON lines, in a fixed order.
func droppedLines(packed []byte) (lines []string, err error) {
	for u := (&unpacker{in: packed}); u.more(); {
		var d Dropped
		d.Why, d.EventID, d.ProductID, d.EventType = u.text(), u.text(), u.text(), u.text()
		d.EventTime = time.UnixMicro(u.varint()).UTC()
		if !u.more() {
			return nil, errPacked
		}
		d.Late, u.in = u.in[0] == 1, u.in[1:]
		line, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(line))
	}
	return lines, nil
}
