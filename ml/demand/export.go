package demand

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/score"
)

// Export writes what other programs need to make the same comparison:
//
//	series.csv      unique_id, ds, y, open: every day since the first sale, also those after the origins
//	origins.json    level, target, horizon, origins, and the days on which the shop is closed
//	forecasts.csv   model, origin, unique_id, ds, point, mean, lower_80, upper_80, lower_95, upper_95
//	metrics.json    the scores of each model
func (b *Backtested) Export(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	series := [][]string{{"unique_id", "ds", "y", "open"}}
	for i := range b.Panel.Series {
		s := &b.Panel.Series[i]
		for t := s.First; t < len(s.Y); t++ {
			series = append(series, []string{s.ID, (b.Panel.Start + forecast.Day(t)).String(), number(s.Y[t]), oneOrZero(b.Panel.Sold[t])}) //nolint:gosec // few days
		}
	}
	forecasts := [][]string{{"model", "origin", "unique_id", "ds", "point", "mean", "lower_80", "upper_80", "lower_95", "upper_95"}}
	for _, c := range b.Cells {
		forecasts = append(forecasts, []string{
			c.Model, forecast.Day(c.Origin).String(), c.Series, forecast.Day(c.Day).String(),
			number(c.Point), number(c.Mean), number(c.Lower80), number(c.Upper80), number(c.Lower95), number(c.Upper95),
		})
	}
	first := forecast.Day(b.Report.Origins[0])
	opening := forecast.NewOpening(b.Panel.Before(first))
	about := struct {
		Level          forecast.Level  `json:"level"`
		Target         forecast.Target `json:"target"`
		Horizon        int             `json:"horizon"`
		Origins        []string        `json:"origins"`
		ClosedWeekdays []int           `json:"closed_weekdays"` // Monday 0, as in Python
		ClosedDates    []forecast.Day  `json:"closed_dates"`
	}{Level: b.Panel.Level, Target: b.Panel.Target, Horizon: b.Report.Horizon, ClosedWeekdays: []int{}, ClosedDates: []forecast.Day{}}
	for _, o := range b.Report.Origins {
		about.Origins = append(about.Origins, o.String())
	}
	closed := map[int]bool{}
	for _, w := range opening.ClosedWeekdays() {
		day := (int(w) + 6) % 7
		closed[day] = true
		about.ClosedWeekdays = append(about.ClosedWeekdays, day)
	}
	for t, sold := range b.Panel.Sold {
		if d := b.Panel.Start + forecast.Day(t); !sold && !closed[(int(d.Weekday())+6)%7] { //nolint:gosec // few days
			about.ClosedDates = append(about.ClosedDates, d)
		}
	}
	metrics := map[string]score.Metrics{}
	for _, g := range score.By(b.Cells, score.ByModel) {
		metrics[g.Keys[0]] = g.Metrics
	}
	for name, rows := range map[string][][]string{"series.csv": series, "forecasts.csv": forecasts} {
		var text bytes.Buffer
		if err := csv.NewWriter(&text).WriteAll(rows); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	for name, v := range map[string]any{"origins.json": about, "metrics.json": metrics} {
		text, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o600); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	return nil
}

// number has all digits; nothing stands for NaN.
func number(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func oneOrZero(v bool) string {
	if v {
		return "1"
	}
	return "0"
}
