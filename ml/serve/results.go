package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/score"
)

const (
	// resultDays is how many days results reach back at most: it bounds what is
	// read, and what held long ago says little about next week.
	resultDays = 28
	// blockDays are drawn together where results span at least two blocks, as the
	// errors of neighbouring days hang together.
	blockDays  = 7
	resamples  = 400
	confidence = 0.90
)

// cut is a part of the results.
type cut struct {
	level  forecast.Level
	target forecast.Target
}

// resultSet is all results of a snapshot.
type resultSet struct {
	answers map[cut][]byte // JSON
	err     error          // why there are none
}

// results compare the stored forecasts of both arms with what was sold.
type results struct {
	Level      forecast.Level  `json:"level"`
	Target     forecast.Target `json:"target"`
	From       *forecast.Day   `json:"from"` // the first and the last day that was scored; null without one
	To         *forecast.Day   `json:"to"`
	Champion   armResults      `json:"champion"`
	Challenger *armResults     `json:"challenger"`
	// Difference is challenger minus champion: below 0, the challenger is better.
	Difference *score.Interval `json:"difference"`
	Verdict    string          `json:"verdict"`
	Meaning    string          `json:"meaning"`
}

// armResults are the scores of an arm.
type armResults struct {
	ModelVersion string `json:"model_version"`
	N            int    `json:"n"` // forecasts of a series and day
	Series       int    `json:"series"`
	Days         int    `json:"days"`
	WAPE         number `json:"wape"`
	Bias         number `json:"bias"`
	MAE          number `json:"mae"`
}

// The verdicts, and what they mean.
const (
	challengerBetter = "challenger_better"
	championBetter   = "champion_better"
	undecided        = "undecided"
	noData           = "no_data"
	noChallenger     = "no_challenger"
)

var meanings = map[string]string{
	challengerBetter: "The challenger's error is lower by more than chance explains.",
	championBetter:   "The champion's error is lower by more than chance explains.",
	undecided:        "The difference is within what chance explains: let the experiment run on.",
	noData:           "No day that both arms forecast is complete yet, or no forecasts of theirs are stored.",
	noChallenger:     "There is no challenger: these are the champion's results.",
}

const method = " Both arms are scored on the same series and days, whichever of them answered: on complete days since the experiment began, 28 at most," +
	" by the newest forecast that both stored before the day and after the days that they were trained on. WAPE is the sum of absolute errors over the sum of what was sold."

// readResults scores the stored forecasts of the snapshot's arms.
func readResults(ctx context.Context, st lake.Store, s *snapshot, sales *forecast.Sales) (map[cut][]byte, error) {
	first := max(sales.End-resultDays, firstDay(s))
	sold := soldOf(sales, first)
	cells := map[cut]*[armCount][]score.Cell{}
	for _, l := range levels {
		for _, t := range targets {
			cells[cut{l, t}] = &[armCount][]score.Cell{}
		}
	}
	for day := first; day < sales.End; day++ {
		p, ok, err := lake.ReadPublication(ctx, st, day.Date())
		if err != nil {
			return nil, err
		}
		if !ok || !p.Complete {
			continue
		}
		rows, err := lake.ReadGold[lake.DemandPredictionRow](ctx, st, "demand_predictions", day.Date())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.addCells(cells, rows, sold)
	}
	out := map[cut][]byte{}
	for c, sides := range cells {
		r, err := s.score(c, sides)
		if err != nil {
			return nil, fmt.Errorf("results of %s in %s: %w", c.level, c.target, err)
		}
		if out[c], err = json.Marshal(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// firstDay is the business day on which the experiment began, or the oldest of
// all if that is not known.
func firstDay(s *snapshot) forecast.Day {
	since, ok := sinceOf(s.pointer)
	if !ok {
		return math.MinInt32
	}
	zone, err := time.LoadLocation(s.timeZone)
	if err != nil {
		zone = time.UTC // a name that this machine does not know: at most a day off
	}
	y, m, d := since.In(zone).Date()
	return forecast.Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400) //nolint:gosec // until the year 5 million
}

// soldKey names what was sold of a series on a day.
type soldKey struct {
	cut
	series string
	day    forecast.Day
}

// soldOf sums the sales from a day on by each level and target.
func soldOf(sales *forecast.Sales, first forecast.Day) map[soldKey]float64 {
	sold := map[soldKey]float64{}
	for i := range sales.Rows {
		r := &sales.Rows[i]
		if r.Day < first {
			continue
		}
		for _, series := range [...]struct {
			level forecast.Level
			id    string
		}{{forecast.Product, r.Product}, {forecast.Category, r.Category}, {forecast.Shop, forecast.ShopID}} {
			sold[soldKey{cut{series.level, forecast.Units}, series.id, r.Day}] += r.Units
			sold[soldKey{cut{series.level, forecast.Revenue}, series.id, r.Day}] += r.Revenue
		}
	}
	return sold
}

// addCells adds the cells of a day: for each series the newest forecast that
// all arms have.
func (s *snapshot) addCells(cells map[cut]*[armCount][]score.Cell, rows []lake.DemandPredictionRow, sold map[soldKey]float64) {
	if !slices.IsSortedFunc(rows, lake.ComparePredictions) {
		slices.SortFunc(rows, lake.ComparePredictions)
	}
	for len(rows) > 0 {
		first, n := &rows[0], 1
		for n < len(rows) && rows[n].Level == first.Level && rows[n].Series == first.Series && rows[n].Target == first.Target && rows[n].Currency == first.Currency {
			n++
		}
		c := cut{forecast.Level(first.Level), forecast.Target(first.Target)}
		sides := cells[c]
		if sides != nil && (c.target == forecast.Units || first.Currency == s.currency) {
			if pair, ok := s.newest(rows[:n]); ok {
				day := forecast.Day(first.Date)
				open := sold[soldKey{cut{forecast.Shop, forecast.Units}, forecast.ShopID, day}] > 0
				actual := sold[soldKey{c, first.Series, day}]
				for a, row := range pair {
					if row != nil {
						sides[a] = append(sides[a], cellOf(row, actual, open))
					}
				}
			}
		}
		rows = rows[n:]
	}
}

// newest returns, of the rows of a series and day, those of the newest origin
// that every arm has.
func (s *snapshot) newest(rows []lake.DemandPredictionRow) (pair [armCount]*lake.DemandPredictionRow, ok bool) {
	byOrigin := map[int32]*[armCount]*lake.DemandPredictionRow{}
	newest := int32(math.MinInt32)
	for i := range rows {
		r := &rows[i]
		for a, v := range s.sides {
			if v == nil || r.ModelVersion != v.manifest.Version || r.Origin > r.Date || forecast.Day(r.Origin) < v.trained {
				continue
			}
			found := byOrigin[r.Origin]
			if found == nil {
				found = &[armCount]*lake.DemandPredictionRow{}
				byOrigin[r.Origin] = found
			}
			found[a] = r
			if complete := found[champion] != nil && (s.sides[challenger] == nil || found[challenger] != nil); complete && r.Origin >= newest {
				newest, pair, ok = r.Origin, *found, true
			}
		}
	}
	return pair, ok
}

func cellOf(r *lake.DemandPredictionRow, actual float64, open bool) score.Cell {
	known := func(v *float64) float64 {
		if v == nil {
			return math.NaN()
		}
		return *v
	}
	return score.Cell{
		Model: r.ModelVersion, Series: r.Series, Origin: r.Origin, Day: r.Date, Horizon: int(r.Date-r.Origin) + 1,
		Actual: actual, Point: r.Point, Mean: r.Mean, Open: open,
		Lower80: known(r.Lower80), Upper80: known(r.Upper80), Lower95: known(r.Lower95), Upper95: known(r.Upper95),
	}
}

// score turns the cells of a cut into results.
func (s *snapshot) score(c cut, sides *[armCount][]score.Cell) (*results, error) {
	for _, cells := range sides {
		if err := score.Check(cells); err != nil {
			return nil, err
		}
	}
	r := &results{Level: c.level, Target: c.target, Champion: summarise(s.pointer.Champion, sides[champion])}
	for i := range sides[champion] {
		day := forecast.Day(sides[champion][i].Day)
		if r.From == nil || day < *r.From {
			r.From = &day
		}
		if r.To == nil || day > *r.To {
			r.To = &day
		}
	}
	if s.sides[challenger] != nil {
		against := summarise(s.pointer.Challenger, sides[challenger])
		r.Challenger = &against
	}
	switch {
	case s.sides[challenger] == nil:
		r.Verdict = noChallenger
	case r.Champion.N == 0:
		r.Verdict = noData
	default:
		options := score.BootstrapOptions{Resamples: resamples, Confidence: confidence}
		if r.Champion.Days >= 2*blockDays {
			options.OriginBlock = blockDays
		}
		d, err := score.Difference(sides[challenger], sides[champion], score.WAPE, options)
		if err != nil {
			return nil, err
		}
		r.Difference, r.Verdict = &d, undecided
		if d.Better() {
			r.Verdict = challengerBetter
		}
		if d.Worse() {
			r.Verdict = championBetter
		}
	}
	r.Meaning = meanings[r.Verdict] + method
	return r, nil
}

func summarise(version string, cells []score.Cell) armResults {
	m := score.Summarise(cells)
	return armResults{
		ModelVersion: version, N: m.N, Series: m.Series, Days: len(score.By(cells, score.ByDay)),
		WAPE: number(m.WAPE), Bias: number(m.Bias), MAE: number(m.MAE),
	}
}
