package serve

import (
	"math"

	"github.com/cespare/xxhash/v2"
)

// arm is one side of an experiment: which model answers.
type arm int

const (
	champion arm = iota
	challenger
	armCount
)

var armNames = [armCount]string{"champion", "challenger"}

// String is how the API calls the arm.
func (a arm) String() string { return armNames[a] }

// split divides units between the arms.
type split struct {
	salt  string  // the challenger's version: another one draws anew
	share float64 // of the units that the challenger answers; 0 without one
}

// of returns the arm of a unit: the same on every machine and at every time.
func (s split) of(unit string) arm {
	if s.share == 0 {
		return champion
	}
	d := xxhash.New()
	_, _ = d.WriteString(s.salt) // a version has no 0 byte, and a hash never fails
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(unit)
	if float64(d.Sum64())/math.MaxUint64 < s.share {
		return challenger
	}
	return champion
}
