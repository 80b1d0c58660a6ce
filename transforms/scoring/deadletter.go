package scoring

import (
	"encoding/json"
	"fmt"
)

// Reason says why an element is no series of the shop.
type Reason string

// The reasons.
const (
	Damaged    Reason = "damaged"     // not what EncodeSeries makes, or changed since
	NewFormat  Reason = "new_format"  // of a later version of the program
	OtherDays  Reason = "other_days"  // not one value for each day of the axis
	BadNumber  Reason = "bad_number"  // below 0, not finite, or larger than 1e15
	NoSale     Reason = "no_sale"     // never sold, or a value before the first sale
	ClosedSale Reason = "closed_sale" // a sale on a day without any sale in the shop
)

// DeadLetter is an element that was not forecast.
type DeadLetter struct {
	Reason  Reason `json:"reason"`
	Detail  string `json:"detail"`
	Element []byte `json:"element"` // as it was
}

// DecodeDeadLetter reads an element of Score's dead letters.
func DecodeDeadLetter(b []byte) (DeadLetter, error) {
	var d DeadLetter
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("scoring: not a dead letter: expected JSON: %w", err)
	}
	return d, nil
}

// Invalid is the error of an element that is no series of the shop.
type Invalid struct {
	Reason Reason
	Detail string
}

func (e *Invalid) Error() string { return fmt.Sprintf("scoring: %s: %s", e.Reason, e.Detail) }

func invalid(r Reason, format string, args ...any) *Invalid {
	return &Invalid{r, fmt.Sprintf(format, args...)}
}
