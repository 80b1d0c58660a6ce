package serve

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// snapshot is everything that is answered from, until another takes its place.
// It does not change once it is made, but for the results, which come later:
// forecasts do not wait for them.
type snapshot struct {
	key      string // of what it was made of, see Source.key
	version  string // hash of what it says: equal snapshots have equal ones
	loaded   time.Time
	model    string
	pointer  registry.Pointer
	split    split
	origin   forecast.Day // the first day that is forecast
	horizon  int
	currency string
	timeZone string
	damaged  string // why versions are missing in models, or ""

	sides  [armCount]*side // that of the challenger is nil without one
	levels map[forecast.Level]*catalogue

	outlook   []byte // the JSON of what all answers say of the forecast
	models    []byte // the answer of /v1/models
	manifests map[string][]byte
	results   atomic.Pointer[resultSet] // nil: not yet
}

// side is the model of an arm and what it says.
type side struct {
	manifest  registry.Manifest
	model     forecast.Forecaster
	trained   forecast.Day                   // the first day that it does not know
	prices    *forecast.Prices               // nil: it has not learnt from prices
	scale     map[string][]float64           // of products' means, so that they add up, by category and day
	forecasts map[forecast.Level][]fragments // by the series of the level's catalogue
}

// fragments are those of one series, by target.
type fragments [len(targets)]fragment

var targets = [...]forecast.Target{forecast.Units, forecast.Revenue}

// catalogue is the series of a level, in order.
type catalogue struct {
	names     []string
	places    map[string]int
	fallbacks []forecast.Fallback
}

var levels = [...]forecast.Level{forecast.Product, forecast.Category, forecast.Shop}

// add encodes the outlook of an arm.
func (s *snapshot) add(a arm, v *side, out *forecast.Outlook) error {
	version := v.manifest.Version
	s.sides[a] = v
	v.forecasts = map[forecast.Level][]fragments{}
	if s.levels == nil {
		s.levels = map[forecast.Level]*catalogue{}
		for _, l := range levels {
			s.levels[l] = &catalogue{places: map[string]int{}}
		}
	}
	for lines := out.Lines; len(lines) > 0; {
		n := 1
		for n < len(lines) && lines[n].Level == lines[0].Level && lines[n].Series == lines[0].Series && lines[n].Target == lines[0].Target {
			n++
		}
		first := &lines[0]
		if n != s.horizon {
			return fmt.Errorf("the %s %q has forecasts of %d days: expected %d", first.Level, first.Series, n, s.horizon)
		}
		f, err := newFragment(lines[:n], a, version)
		if err != nil {
			return err
		}
		known := s.levels[first.Level]
		at, ok := known.places[first.Series]
		if !ok {
			at = len(known.names)
			known.places[first.Series] = at
			known.names = append(known.names, first.Series)
			known.fallbacks = append(known.fallbacks, first.Fallback)
		}
		for len(v.forecasts[first.Level]) <= at {
			v.forecasts[first.Level] = append(v.forecasts[first.Level], fragments{})
		}
		for t, target := range targets {
			if target == first.Target {
				v.forecasts[first.Level][at][t] = f
			}
		}
		lines = lines[n:]
	}
	return nil
}

// finish encodes what is said of the outlook and of the models, and gives the
// snapshot its version.
func (s *snapshot) finish(versions []registry.Manifest) error {
	h := xxhash.New()
	if _, err := fmt.Fprintf(h, "%+v %v %d", s.split, s.timeZone, s.horizon); err != nil {
		return err
	}
	for _, v := range s.sides {
		if v == nil {
			continue
		}
		for _, l := range levels {
			for i := range v.forecasts[l] {
				for t := range targets {
					f := &v.forecasts[l][i][t]
					if len(f.ends) != s.horizon {
						return fmt.Errorf("the %s %q has no forecast of %s by version %s", l, s.levels[l].names[i], targets[t], v.manifest.Version)
					}
					_, _ = h.Write(f.head) // a hash never fails
					_, _ = h.Write(f.days)
				}
			}
		}
	}
	s.version = fmt.Sprintf("%016x", h.Sum64())
	var err error
	if s.outlook, err = json.Marshal(outlookHead{
		Version: s.version, Model: s.model, Origin: s.origin, Horizon: s.horizon, Currency: s.currency, TimeZone: s.timeZone,
	}); err != nil {
		return err
	}
	return s.encodeModels(versions)
}

// outlookHead is what all forecasts of a snapshot share.
type outlookHead struct {
	Version  string       `json:"version"`
	Model    string       `json:"model"`
	Origin   forecast.Day `json:"origin"`
	Horizon  int          `json:"horizon"`
	Currency string       `json:"currency"`
	TimeZone string       `json:"time_zone,omitempty"`
}

// armOf returns who answers for a unit, and if there is none for a series.
func (s *snapshot) armOf(unit, series string) arm {
	if unit == "" {
		unit = series
	}
	return s.split.of(unit)
}
