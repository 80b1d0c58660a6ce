package serve

import (
	"math"
	"net/http"
	"strings"
	"testing"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
)

func contains(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// always is a factor for all products and days.
func always(factor float64) func(product, day int) float64 {
	return func(int, int) float64 { return factor }
}

// storePredictions writes forecasts of days: the units sold times a factor that
// goes with the version.
func storePredictions(t *testing.T, l *shopLake, from, to int, factors map[string]func(product, day int) float64, more ...lake.DemandPredictionRow) {
	t.Helper()
	for day := from; day < to; day++ {
		date := firstSale.AddDays(day)
		sold := map[string]float64{}
		for _, r := range rowsOf(day) {
			sold[r.ProductID] = float64(r.Units)
		}
		var rows []lake.DemandPredictionRow
		for version, of := range factors {
			for i := range products {
				id, factor := "p"+number(i).text(), of(i, day)
				rows = append(rows, lake.DemandPredictionRow{
					Date: int32(forecast.DayOf(date)), Origin: int32(forecast.DayOf(date)) - 1, Horizon: 2, Level: "product", Series: id, Category: "c" + number(i%3).text(),
					Target: "units", Model: "demand", ModelVersion: version, Point: factor * sold[id], Mean: factor * sold[id],
				})
			}
		}
		for _, r := range more {
			r.Date += int32(forecast.DayOf(date))
			r.Origin += int32(forecast.DayOf(date))
			rows = append(rows, r)
		}
		data, err := lake.EncodeGold(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := lake.PublishTable(t.Context(), l.st, "demand_predictions", date, data, int64(len(rows))); err != nil {
			t.Fatal(err)
		}
	}
}

// resultsAnswer is results as a client reads them.
type resultsAnswer struct {
	From, To             *string
	Champion, Challenger *struct {
		N, Series, Days int
		WAPE, Bias, MAE *float64
	}
	Difference *struct{ Difference, Lower, Upper *float64 }
	Verdict    string
	Meaning    string
}

func resultsOf(t *testing.T, l *shopLake, target string) resultsAnswer {
	t.Helper()
	w := get(t, l.server(t).Handler(), "/v1/experiment/results"+target)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return decode[resultsAnswer](t, w.Body.Bytes())
}

// TestResults stores forecasts that are wrong by a known share.
func TestResults(t *testing.T) {
	l := newLake(t)
	if r := resultsOf(t, l, ""); r.Verdict != noChallenger || r.Champion.N != 0 || r.Challenger != nil || r.Difference != nil || r.From != nil {
		t.Errorf("without forecasts: %+v", r)
	}
	l.challenge(t, l.other, 0.3)
	l.began(t, 90)
	if r := resultsOf(t, l, "?level=category&target=revenue"); r.Verdict != noData || r.Challenger.N != 0 {
		t.Errorf("without forecasts: %+v", r)
	}
	// What must not count: forecasts of days that were trained on, of other
	// versions, of an older origin, of one arm alone, and of later days.
	wrong := func(version string, origin int32, series string) lake.DemandPredictionRow {
		return lake.DemandPredictionRow{Origin: origin, Horizon: 1, Level: "product", Series: series, Target: "units", Model: "demand", ModelVersion: version, Point: 1e6}
	}
	storePredictions(t, l, 70, days+3, map[string]func(int, int) float64{l.champion: always(1.2), l.other: always(0.9)},
		wrong(l.champion, -40, "p1"), wrong(l.other, -40, "p1"), wrong(l.tweedie, 0, "p1"), wrong(l.champion, -3, "p1"), wrong(l.other, -3, "p1"), wrong(l.champion, 0, "p2"),
		wrong(l.champion, 2, "p3"), wrong(l.other, 2, "p3"))
	r := resultsOf(t, l, "")
	near := func(what string, got *float64, want float64) {
		t.Helper()
		if got == nil || math.Abs(*got-want) > 1e-4 {
			t.Errorf("%s: found %v, expected %v", what, got, want)
		}
	}
	if r.Verdict != challengerBetter || r.Champion.N != 20*products || r.Challenger.N != 20*products || r.Champion.Days != 20 || r.Champion.Series != products ||
		*r.From != firstSale.AddDays(90).String() || *r.To != firstSale.AddDays(days-1).String() {
		t.Errorf("%+v, champion %+v", r, r.Champion)
	}
	near("champion's WAPE", r.Champion.WAPE, 0.2)
	near("champion's bias", r.Champion.Bias, 0.2)
	near("challenger's WAPE", r.Challenger.WAPE, 0.1)
	near("challenger's bias", r.Challenger.Bias, -0.1)
	near("difference", r.Difference.Difference, -0.1)
	near("upper bound", r.Difference.Upper, -0.1) // the error is the same share everywhere

	storePredictions(t, l, 80, days, map[string]func(int, int) float64{l.champion: always(1), l.other: always(1.3)})
	if r := resultsOf(t, l, "?level=product&target=units"); r.Verdict != championBetter {
		t.Errorf("%+v", r)
	}
	storePredictions(t, l, 80, days, map[string]func(int, int) float64{
		l.champion: func(product, day int) float64 { return 1.1 + 0.2*float64((product+day/9)%2) },
		l.other:    func(product, day int) float64 { return 1.3 - 0.2*float64((product+day/9)%2) },
	})
	if r := resultsOf(t, l, ""); r.Verdict != undecided || !strings.Contains(r.Meaning, "chance") {
		t.Errorf("%+v", r)
	}
	if r := resultsOf(t, l, "?level=shop"); r.Verdict != noData {
		t.Errorf("%+v", r)
	}
}

// TestResultsOfOpenDays: a day that is not complete does not count.
func TestResultsOfOpenDays(t *testing.T) {
	l := newLake(t)
	l.challenge(t, l.other, 0.3)
	l.began(t, 100)
	storePredictions(t, l, 100, days, map[string]func(int, int) float64{l.champion: always(1), l.other: always(1)})
	p, _, err := lake.ReadPublication(t.Context(), l.st, firstSale.AddDays(days-1))
	if err != nil {
		t.Fatal(err)
	}
	p.Number, p.Complete = 2, false
	if err := lake.PutPublication(t.Context(), l.st, p); err != nil {
		t.Fatal(err)
	}
	if r := resultsOf(t, l, ""); r.Champion.Days != 9 {
		t.Errorf("%+v", r.Champion)
	}
}

// TestResultsThatCannotBeRead leave the forecasts alone.
func TestResultsThatCannotBeRead(t *testing.T) {
	l := newLake(t)
	l.began(t, 80)
	if err := l.st.Put(t.Context(), lake.GoldName("demand_predictions", firstSale.AddDays(90)), []byte("no Parquet")); err != nil {
		t.Fatal(err)
	}
	var log *lines
	s := l.server(t, func(o *Options) { log = logOf(o) })
	if w := get(t, s.Handler(), "/v1/experiment/results"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
	if w := get(t, s.Handler(), "/v1/predictions"); w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
	if !log.has("cannot be scored", "demand_predictions") {
		t.Error("the log does not say so")
	}
}
