package scoring

import (
	"encoding/binary"
	"fmt"
	"math"

	"example.com/shopstream/ml/forecast"
)

// Prediction is the forecast of a series.
type Prediction struct {
	Series   string
	Category string
	// Short tells that the series has been sold for less than 12 open days: too
	// short for the model, whose forecast it is all the same. forecast.NewOutlook
	// replaces such by what is usual in the category.
	Short  bool
	Origin forecast.Day
	Days   []forecast.Prediction // from Origin on; 0 on closed days
}

// predictionFormat is the first byte of an encoded prediction.
const predictionFormat = 1

// EncodePrediction packs a prediction: format, series, category, Short, origin,
// how many days, and six numbers a day.
func EncodePrediction(p *Prediction) []byte {
	b := appendText(appendText([]byte{predictionFormat}, p.Series), p.Category)
	b = appendFlag(b, p.Short)
	b = binary.AppendVarint(b, int64(p.Origin))
	b = binary.AppendUvarint(b, uint64(len(p.Days)))
	for _, d := range p.Days {
		b = appendNumbers(b, []float64{d.Point, d.Mean, d.Lower80, d.Upper80, d.Lower95, d.Upper95})
	}
	return b
}

// DecodePrediction reads what EncodePrediction made.
func DecodePrediction(b []byte) (Prediction, error) {
	var p Prediction
	if len(b) == 0 || b[0] != predictionFormat {
		return p, fmt.Errorf("scoring: %d bytes are no prediction: expected format %d as their first: read it with the version of the program that made it", len(b), predictionFormat)
	}
	u := &unpacker{in: b[1:]}
	p.Series, p.Category, p.Short = u.text(), u.text(), u.flag()
	p.Origin = u.day()
	p.Days = make([]forecast.Prediction, u.count(maxHorizon))
	for h := range p.Days {
		d := &p.Days[h]
		for _, v := range []*float64{&d.Point, &d.Mean, &d.Lower80, &d.Upper80, &d.Lower95, &d.Upper95} {
			*v = u.number()
		}
	}
	return p, u.done()
}

func appendFlag(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

func (u *unpacker) flag() bool { return u.count(1) == 1 }

func (u *unpacker) day() forecast.Day {
	d, n := binary.Varint(u.in)
	if n <= 0 || d < math.MinInt32 || d > math.MaxInt32 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return forecast.Day(d)
}
