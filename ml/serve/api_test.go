package serve

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"example.com/shopstream/ml/forecast"
)

// predictionsAnswer is the answer of /v1/predictions, for the tests to read.
type predictionsAnswer struct {
	Outlook              outlookHead
	Total, Limit, Offset int
	Predictions          []struct {
		Level, Series, Category, Target, Arm string
		ModelVersion                         string `json:"model_version"`
		Fallback                             string
		Forecasts                            []struct {
			Date    string
			Horizon int
			Point   float64
			Mean    float64
			Lower80 *float64 `json:"lower_80"`
			Upper80 *float64 `json:"upper_80"`
			Lower95 *float64 `json:"lower_95"`
			Upper95 *float64 `json:"upper_95"`
		}
	}
}

// TestPredictionsAreTheOutlook compares all answers with the forecast itself.
func TestPredictionsAreTheOutlook(t *testing.T) {
	l := commonLake(t)
	h := l.server(t).Handler()
	sales, err := forecast.ReadLakeSales(t.Context(), l.st, "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.models.Get(t.Context(), "demand", l.champion)
	if err != nil {
		t.Fatal(err)
	}
	f, err := forecast.Load(func(name string) ([]byte, error) { return l.models.File(t.Context(), m, name) })
	if err != nil {
		t.Fatal(err)
	}
	want, err := forecast.NewOutlook(t.Context(), sales, forecast.OutlookOptions{Horizon: 7, Model: f, Catalogue: map[string]string{"unsold/new": "c1"}})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, level := range levels {
		for offset := 0; ; offset += 7 {
			got := decode[predictionsAnswer](t, get(t, h, "/v1/predictions?limit=7&level="+string(level)+"&offset="+number(offset).text()).Body.Bytes())
			if len(got.Predictions) == 0 {
				if offset < got.Total {
					t.Fatalf("no series at %d of %d", offset, got.Total)
				}
				break
			}
			for _, p := range got.Predictions {
				for _, d := range p.Forecasts {
					w := want.Lines[next]
					next++
					if string(w.Level) != p.Level || w.Series != p.Series || w.Category != p.Category || string(w.Target) != p.Target || string(w.Fallback) != p.Fallback ||
						w.Day.String() != d.Date || w.Horizon != d.Horizon || p.Arm != "champion" || p.ModelVersion != l.champion {
						t.Fatalf("found %+v of %+v, expected %+v", d, p, w)
					}
					for _, pair := range [][2]float64{{d.Point, w.Point}, {d.Mean, w.Mean}, {known(d.Lower80), w.Lower80}, {known(d.Upper80), w.Upper80}, {known(d.Lower95), w.Lower95}, {known(d.Upper95), w.Upper95}} {
						if math.IsNaN(pair[0]) != math.IsNaN(pair[1]) || math.Abs(pair[0]-pair[1]) > 0.5001e-4 {
							t.Errorf("%s %s on %s: found %v, expected %v", p.Level, p.Series, d.Date, pair[0], pair[1])
						}
					}
				}
			}
		}
	}
	if next != len(want.Lines) || next != 2*7*(products+1+3+1) {
		t.Errorf("%d forecasts were answered, of %d", next, len(want.Lines))
	}
}

func (n number) text() string { b, _ := n.MarshalJSON(); return string(b) }

func known(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func TestPredictions(t *testing.T) {
	h := commonLake(t).server(t).Handler()
	origin := forecast.DayOf(firstSale) + days
	for target, want := range map[string]string{ // series/target/first day/last day of each
		"/v1/predictions?series=p3&series=p1&target=units":                                 "p3/units/0/6 p1/units/0/6",
		"/v1/predictions?level=category&series=c1":                                         "c1/units/0/6 c1/revenue/0/6",
		"/v1/predictions?level=shop&target=revenue":                                        "shop/revenue/0/6",
		"/v1/predictions/shop/shop?target=units":                                           "shop/units/0/6",
		"/v1/predictions/product/p2?from=" + (origin + 2).String():                         "p2/units/2/6 p2/revenue/2/6",
		"/v1/predictions/product/p2?target=units&to=" + origin.String():                    "p2/units/0/0",
		"/v1/predictions/product/p2?target=units&from=2020-01-01&to=2030-01-01":            "p2/units/0/6",
		"/v1/predictions/product/unsold%2Fnew?target=units":                                "unsold/new/units/0/6",
		"/v1/predictions?target=units&limit=1&offset=20":                                   "unsold/new/units/0/6",
		"/v1/predictions?limit=5&offset=1000000000":                                        "",
		"/v1/predictions/product/p2?target=units&from=" + (origin + 6).String() + "&unit=": "400",
	} {
		w := get(t, h, target)
		if want == "400" {
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s: status %d", target, w.Code)
			}
			continue
		}
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", target, w.Code, w.Body)
			continue
		}
		var got []string
		for _, p := range decode[predictionsAnswer](t, w.Body.Bytes()).Predictions {
			first, last := p.Forecasts[0], p.Forecasts[len(p.Forecasts)-1]
			got = append(got, p.Series+"/"+p.Target+"/"+number(first.Horizon-1).text()+"/"+number(last.Horizon-1).text())
			if first.Date != (origin + forecast.Day(first.Horizon) - 1).String() {
				t.Errorf("%s: the first day is %s", target, first.Date)
			}
		}
		if found := strings.Join(got, " "); found != want {
			t.Errorf("%s: found %s, expected %s", target, found, want)
		}
	}
	if w := get(t, h, "/v1/predictions"); len(decode[predictionsAnswer](t, w.Body.Bytes()).Predictions) != 2*defaultSeries {
		t.Errorf("a page of %d", len(decode[predictionsAnswer](t, w.Body.Bytes()).Predictions))
	}
	head, body := ask(t, h, http.MethodHead, "/v1/predictions/product/p1", ""), get(t, h, "/v1/predictions/product/p1")
	if head.Code != http.StatusOK || head.Header().Get("ETag") != body.Header().Get("ETag") {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
}

// TestRefused asks for what there is not.
func TestRefused(t *testing.T) {
	h := commonLake(t).server(t).Handler()
	many := "/v1/predictions?series=" + strings.Repeat("p1&series=", 100) + "p1"
	long := strings.Repeat("x", longestID+1)
	for target, want := range map[string]string{ // status, kind, name of the value, a closest name
		"/v1/predictions?level=total":                             "400 invalid-request level",
		"/v1/predictions?target=money":                            "400 invalid-request target",
		"/v1/predictions?levels=product":                          "400 invalid-request levels level",
		"/v1/predictions?level=product&level=shop":                "400 invalid-request level",
		"/v1/predictions?level=":                                  "400 invalid-request level",
		"/v1/predictions?limit=0":                                 "400 invalid-request limit",
		"/v1/predictions?limit=101":                               "400 invalid-request limit",
		"/v1/predictions?limit=ten":                               "400 invalid-request limit",
		"/v1/predictions?offset=-1":                               "400 invalid-request offset",
		"/v1/predictions?offset=99999999999999999999":             "400 invalid-request offset",
		"/v1/predictions?series=p1&limit=3":                       "400 invalid-request series",
		"/v1/predictions?series=" + long:                          "400 invalid-request series",
		"/v1/predictions?series=":                                 "400 invalid-request series",
		many:                                                      "400 invalid-request series",
		"/v1/predictions?from=1.3.2026":                           "400 invalid-request from",
		"/v1/predictions?to=2026-02-30":                           "400 invalid-request to",
		"/v1/predictions?from=2026-04-22&to=2026-04-21":           "400 invalid-request to",
		"/v1/predictions?unit=" + strings.Repeat("u", 201):        "400 invalid-request unit",
		"/v1/predictions?a=%zz":                                   "400 invalid-request ",
		"/v1/predictions?series=p22":                              "404 unknown-series series p2",
		"/v1/predictions?level=category&series=c1&series=C9":      "404 unknown-series series c0",
		"/v1/predictions?from=2026-01-01&to=2026-01-02":           "404 outside-outlook",
		"/v1/predictions?from=2027-01-01":                         "404 outside-outlook",
		"/v1/predictions?to=2026-01-01":                           "404 outside-outlook",
		"/v1/predictions/total/shop":                              "400 invalid-request level",
		"/v1/predictions/product/nothing-like-it":                 "404 unknown-series series",
		"/v1/predictions/product/P1":                              "404 unknown-series series p1",
		"/v1/predictions/product/" + long:                         "400 invalid-request series",
		"/v1/predictions/product/p1?limit=2":                      "400 invalid-request limit",
		"/v1/predictions/product/":                                "404 unknown-route",
		"/v1/models?x=1":                                          "400 invalid-request x",
		"/v1/models/20260301T120000Z-1a2b3c4d":                    "404 unknown-version version",
		"/v1/models/..%2Fmanifest":                                "404 unknown-version version",
		"/v1/models/20260301T120000Z-1a2b3c4d?x=1":                "400 invalid-request x",
		"/v1/experiment?who=1":                                    "400 invalid-request who",
		"/v1/experiment/results?level=total":                      "400 invalid-request level",
		"/v2/predictions":                                         "404 unknown-route",
		"/":                                                       "404 unknown-route",
		"/v1/predictions?" + strings.Repeat("y", 300) + "=1":      "400 invalid-request " + strings.Repeat("y", 80) + "…",
		"/v1/predictions?level=product&target=units&unknown=shop": "400 invalid-request unknown",
	} {
		w := get(t, h, target)
		p := decode[problem](t, w.Body.Bytes())
		found := []string{number(w.Code).text(), strings.TrimPrefix(p.Type, "tag:example.com,2026:shopstream/")}
		if len(p.Errors) > 0 {
			e := p.Errors[len(p.Errors)-1]
			found = append(found, e.Name)
			if fields := strings.Fields(want); len(fields) == 4 && slices.Contains(e.Closest, fields[3]) {
				found = append(found, fields[3])
			}
			if e.Detail == "" {
				t.Errorf("%s: nothing is said of %s", target, e.Name)
			}
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s:\n found %q\n expected %q\n%s", clip(target), got, want, w.Body)
		}
	}
}

func TestWrongMethod(t *testing.T) {
	h := commonLake(t).server(t).Handler()
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodPost, "/v1/predictions", "GET, HEAD"},
		{http.MethodDelete, "/v1/predictions/product/p1", "GET, HEAD"},
		{http.MethodGet, "/v1/what-if", "POST"},
		{http.MethodPut, "/healthz", "GET, HEAD"},
	} {
		if w := ask(t, h, c.method, c.path, ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: status %d, allowed %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestETag(t *testing.T) {
	l := newLake(t)
	l.challenge(t, l.other, 0.5)
	s := l.server(t)
	h := s.Handler()
	const target = "/v1/predictions?target=units"
	first := get(t, h, target)
	tag := first.Header().Get("ETag")
	for _, field := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		w := get(t, h, target, "If-None-Match", field)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match %s: status %d, %d bytes", field, w.Code, w.Body.Len())
		}
	}
	if w := get(t, h, target, "If-None-Match", `"other"`); w.Code != http.StatusOK || w.Body.String() != first.Body.String() {
		t.Errorf("another tag: status %d", w.Code)
	}
	// The same path has another answer for a unit of the other arm, and so another tag.
	tags := map[string]string{}
	for _, unit := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		w := get(t, h, target, unitHeader, unit)
		arm := decode[predictionsAnswer](t, w.Body.Bytes()).Predictions[0].Arm
		if before, ok := tags[arm]; ok && before != w.Header().Get("ETag") {
			t.Errorf("one arm has two tags")
		}
		tags[arm] = w.Header().Get("ETag")
		if get(t, h, target, unitHeader, unit, "If-None-Match", tag).Code == http.StatusNotModified {
			t.Errorf("the tag of an answer without a unit stands for one with")
		}
	}
	if len(tags) != 2 || tags["champion"] == tags["challenger"] {
		t.Errorf("the tags by arm are %v", tags)
	}
	// A server that starts again gives the same tag; other sales give another.
	again := l.server(t)
	if get(t, again.Handler(), target).Header().Get("ETag") != tag {
		t.Error("the same forecast has another tag")
	}
	if err := addDay(t.Context(), l.st, days); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(t.Context()); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if get(t, h, target, "If-None-Match", tag).Code != http.StatusOK {
		t.Error("another forecast has the same tag")
	}
}

// postPrice asks what another price would do.
func postPrice(t *testing.T, h http.Handler, body string) (int, []byte) {
	t.Helper()
	w := ask(t, h, http.MethodPost, "/v1/what-if", body, "Content-Type", "application/json; charset=utf-8")
	return w.Code, w.Body.Bytes()
}

func TestWhatIf(t *testing.T) {
	l := commonLake(t)
	h := l.server(t).Handler()
	type reply struct {
		Product, Arm    string
		Price           string
		CurrentPrice    string `json:"current_price"`
		LowestPrice     string `json:"lowest_price"`
		HighestPrice    string `json:"highest_price"`
		OutsideObserved bool   `json:"outside_observed"`
		ModelVersion    string `json:"model_version"`
		Days            []struct {
			Base, Changed struct{ Mean float64 }
			RevenueChange float64 `json:"revenue_change"`
		}
		Total struct {
			BaseUnits      float64 `json:"base_units"`
			ChangedUnits   float64 `json:"changed_units"`
			Ratio          float64
			BaseRevenue    float64 `json:"base_revenue"`
			ChangedRevenue float64 `json:"changed_revenue"`
			RevenueChange  float64 `json:"revenue_change"`
		}
	}
	predicted := decode[struct {
		Predictions []struct{ Forecasts []struct{ Mean float64 } }
	}](t, get(t, h, "/v1/predictions/product/p0?target=units").Body.Bytes()).Predictions[0].Forecasts
	moved := false
	for _, price := range []string{`"1.60"`, `2`, `2.0`, `"0.01"`, `1e2`, `2.000001`} {
		status, body := postPrice(t, h, `{"product":"p0","price":`+price+`}`)
		if status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", price, status, body)
		}
		w := decode[reply](t, body)
		var base, changed, revenue float64
		for i, d := range w.Days {
			if d.Base.Mean != predicted[i].Mean {
				t.Errorf("day %d: the base is %v, and the prediction %v", i+1, d.Base.Mean, predicted[i].Mean)
			}
			base, changed, revenue = base+d.Base.Mean, changed+d.Changed.Mean, revenue+d.RevenueChange
		}
		var asked float64
		if err := json.Unmarshal([]byte(strings.Trim(price, `"`)), &asked); err != nil {
			t.Fatal(err)
		}
		var now float64
		if err := json.Unmarshal([]byte(w.CurrentPrice), &now); err != nil {
			t.Fatal(err)
		}
		near := func(what string, a, b float64) {
			if math.Abs(a-b) > 0.01 {
				t.Errorf("%s: %s: found %v, expected %v", price, what, a, b)
			}
		}
		near("base units", w.Total.BaseUnits, base)
		near("changed units", w.Total.ChangedUnits, changed)
		near("ratio", w.Total.Ratio, changed/base)
		near("base revenue", w.Total.BaseRevenue, base*now)
		near("changed revenue", w.Total.ChangedRevenue, changed*asked)
		near("revenue change", w.Total.RevenueChange, changed*asked-base*now)
		near("revenue change of days", revenue, w.Total.RevenueChange)
		moved = moved || base != changed
		if w.LowestPrice != "1.6" && w.LowestPrice != "1.600000" || len(w.Days) != 7 || w.Product != "p0" || w.Arm != "champion" || w.ModelVersion != l.champion {
			t.Errorf("%s: %s", price, body)
		}
		if outside := asked < 1.6 || asked > 2; w.OutsideObserved != outside {
			t.Errorf("%s: outside of what was observed is %v", price, w.OutsideObserved)
		}
	}
	if !moved {
		t.Error("no price changes anything")
	}
	for body, want := range map[string]int{
		`{"product":"p0"}`:                     http.StatusBadRequest,
		`{"price":"3"}`:                        http.StatusBadRequest,
		`{"product":"","price":3}`:             http.StatusBadRequest,
		`{"product":"p0","price":0}`:           http.StatusBadRequest,
		`{"product":"p0","price":"-1"}`:        http.StatusBadRequest,
		`{"product":"p0","price":"0.0000001"}`: http.StatusBadRequest,
		`{"product":"p0","price":1e300}`:       http.StatusBadRequest,
		`{"product":"p0","price":"3,50"}`:      http.StatusBadRequest,
		`{"product":"p0","price":null}`:        http.StatusBadRequest,
		`{"product":"p0","price":[3]}`:         http.StatusBadRequest,
		`{"product":7,"price":3}`:              http.StatusBadRequest,
		`{"product":"p0","price":3,"prise":4}`: http.StatusBadRequest,
		`{"product":"p0","price":3}{}`:         http.StatusBadRequest,
		`[]`:                                   http.StatusBadRequest,
		``:                                     http.StatusBadRequest,
		`{"product":"p0","price":3,"unit":"` + strings.Repeat("u", 201) + `"}`: http.StatusBadRequest,
		`{"product":"` + strings.Repeat("p", 501) + `","price":3}`:             http.StatusBadRequest,
		`{"product":"nothing","price":3}`:                                      http.StatusNotFound,
		`{"product":"unsold/new","price":3}`:                                   http.StatusUnprocessableEntity,
		`{"product":"` + strings.Repeat("p", 70_000) + `"}`:                    http.StatusRequestEntityTooLarge,
	} {
		if status, answer := postPrice(t, h, body); status != want {
			t.Errorf("%s: status %d, expected %d: %s", clip(body), status, want, answer)
		}
	}
	if w := ask(t, h, http.MethodPost, "/v1/what-if", `{"product":"p0","price":3}`); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("without a type: status %d", w.Code)
	}
	if w := ask(t, h, http.MethodPost, "/v1/what-if?x=1", `{"product":"p0","price":3}`, "Content-Type", jsonType); w.Code != http.StatusBadRequest {
		t.Errorf("with a parameter: status %d", w.Code)
	}
}

// TestCannotPrice: the champion prices, and the challenger cannot.
func TestCannotPrice(t *testing.T) {
	l := newLake(t)
	l.challenge(t, l.tweedie, 0.5)
	s := l.server(t)
	seen := map[int]bool{}
	for _, unit := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		status, body := postPrice(t, s.Handler(), `{"product":"p0","price":"1.9","unit":"`+unit+`"}`)
		seen[status] = true
		want := http.StatusOK
		if s.snapshot.Load().split.of(unit) == challenger {
			want = http.StatusConflict
		}
		if status != want {
			t.Errorf("unit %s: status %d, expected %d: %s", unit, status, want, body)
		}
	}
	if len(seen) != 2 {
		t.Errorf("the statuses are %v", seen)
	}
}

func TestModels(t *testing.T) {
	l := newLake(t)
	l.challenge(t, l.tweedie, 0.25)
	h := l.server(t).Handler()
	list := decode[modelList](t, get(t, h, "/v1/models").Body.Bytes())
	var got []string
	for _, m := range list.Models {
		got = append(got, m.Version+" "+m.Role)
		detail := decode[modelDetail](t, get(t, h, "/v1/models/"+m.Version).Body.Bytes())
		if detail.Version != m.Version || detail.Role != m.Role || detail.Kind != m.Kind || len(detail.Files) == 0 || detail.Metrics["wape"] != 0.8 {
			t.Errorf("%+v", detail)
		}
	}
	want := []string{l.tweedie + " challenger", l.other + " ", l.champion + " champion"}
	if list.Model != "demand" || list.Total != 3 || !slices.Equal(got, want) {
		t.Errorf("found %v, expected %v", got, want)
	}
}

func TestPages(t *testing.T) {
	h := commonLake(t).server(t).Handler()
	for path, want := range map[string]string{
		"/healthz": `{"status":"ok"}`, "/readyz": `"status":"ready"`, "/docs": "What another", "/openapi.json": `"openapi"`, "/openapi.yaml": "openapi: 3",
		"/metrics": `shopstream_api_model_info{arm="champion"`,
	} {
		w := get(t, h, path)
		if path == "/docs" {
			want = "/v1/what-if"
			if body := w.Body.String(); strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, "<script") {
				t.Error("the page needs something else")
			}
		}
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: status %d, expected %q in it", path, w.Code, want)
		}
	}
}

func TestClosest(t *testing.T) {
	names := []string{"apple", "apply", "banana", "pear"}
	for unknown, want := range map[string][]string{
		"aple": {"apple", "apply"}, "APPLE": {"apple", "apply"}, "ban": {"banana"}, "xyz": nil, "": nil, "bananas": {"banana"}, strings.Repeat("a", 100): nil,
	} {
		if got := closest(unknown, names); !slices.Equal(got, want) {
			t.Errorf("%q: found %v, expected %v", unknown, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"flaw", "lawn", 2}} {
		if edits(c.a, c.b) != c.want || edits(c.b, c.a) != c.want {
			t.Errorf("%q to %q: %d edits, expected %d", c.a, c.b, edits(c.a, c.b), c.want)
		}
	}
}

func FuzzWhatIf(f *testing.F) {
	for _, seed := range []string{
		`{"product":"p0","price":"3.50"}`, `{"product":"p0","price":3.5,"unit":"u"}`, `{"product":"p0","price":1e-3}`, `{"price":"\u0031"}`, `[]`, `{"product":"p","price":"1"}x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, p := parseWhatIf(body)
		if p != nil {
			if p.Status != http.StatusBadRequest || len(p.Errors) == 0 {
				t.Errorf("%+v", p)
			}
			return
		}
		if q.price <= 0 || q.product == "" || len(q.product) > longestID || len(q.unit) > longestName {
			t.Errorf("%q was taken as %+v", body, q)
		}
		again, err := json.Marshal(map[string]any{"product": q.product, "price": q.price.String(), "unit": q.unit})
		if err != nil {
			t.Fatal(err)
		}
		if r, p := parseWhatIf(again); p != nil || r != q {
			t.Errorf("%q was taken as %+v, and %s as %+v", body, q, again, r)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"level=product&series=a&series=b", "limit=3&offset=4", "from=2026-01-01&to=2026-01-09&unit=x", "a=%zz", ";"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &http.Request{URL: &url.URL{RawQuery: text}, Header: http.Header{}}
		q := newQuery(r)
		level, limit, unit, series := q.level(), q.whole("limit", 1, mostSeries, 0), q.unit(r), q.many("series", mostSeries, longestID)
		from, to := q.target()
		first, last := q.days(&snapshot{origin: 20000, horizon: 7})
		if q.finish() != nil {
			return
		}
		if !slices.Contains(levels[:], level) || limit < 0 || limit > mostSeries || len(unit) > longestName || len(series) > mostSeries || from >= to || last < first {
			t.Errorf("%q was taken as %v %d %q %q %d-%d %v-%v", text, level, limit, unit, series, from, to, first, last)
		}
	})
}
