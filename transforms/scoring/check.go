package scoring

import (
	"encoding/json"

	"github.com/cespare/xxhash/v2"
)

// checkFn tells series from what is none, hands on the series by shard, and the
// places of a bundle's largest ones.
type checkFn struct {
	Axis   Axis
	Shards int

	leaders leaders
}

// oneKey is the key of what has to come together.
const oneKey = 0

func (fn *checkFn) StartBundle(_, _ func(int64, []byte), _ func([]byte)) { fn.leaders = nil }

func (fn *checkFn) ProcessElement(element []byte, series, _ func(int64, []byte), dead func([]byte)) error {
	s, err := decodeSeries(element, fn.Axis.Open)
	if bad, ok := asInvalid(err); ok {
		letter, err := json.Marshal(DeadLetter{bad.Reason, bad.Detail, element})
		if err != nil {
			return err
		}
		dead(letter)
		return nil
	}
	if err != nil {
		return err
	}
	fn.leaders.add(placeOf(&s))
	series(int64(xxhash.Sum64String(s.ID)%uint64(fn.Shards)), element) //nolint:gosec // fewer than maxShards
	return nil
}

func (fn *checkFn) FinishBundle(_, leaders func(int64, []byte), _ func([]byte)) {
	if len(fn.leaders) > 0 {
		fn.leaders.trim()
		leaders(oneKey, appendPlaces(nil, fn.leaders))
	}
}

// cutFn tells every shard where groups begin.
type cutFn struct{ Shards int }

func (fn *cutFn) ProcessElement(_ int64, packed func(*[]byte) bool, emit func(int64, []byte)) error {
	var all leaders
	for b := []byte(nil); packed(&b); {
		places, err := unpackPlaces(b)
		if err != nil {
			return err
		}
		for _, p := range places {
			all.add(p)
		}
	}
	toAll(fn.Shards, appendPlaces(nil, all.cuts()), emit)
	return nil
}

// toAll sends a message to every shard.
func toAll(shards int, message []byte, emit func(int64, []byte)) {
	for shard := range shards {
		emit(int64(shard), message)
	}
}
