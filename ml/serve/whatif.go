package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/ml/forecast"
)

// whatIfQuestion is a valid body of POST /v1/what-if.
type whatIfQuestion struct {
	product string
	unit    string
	price   shop.Money // above 0
}

// whatIfAnswer is its answer.
type whatIfAnswer struct {
	Product         string            `json:"product"`
	Arm             string            `json:"arm"`
	ModelVersion    string            `json:"model_version"`
	Origin          forecast.Day      `json:"origin"`
	Currency        string            `json:"currency"`
	Price           string            `json:"price"`
	CurrentPrice    string            `json:"current_price"`
	LowestPrice     string            `json:"lowest_price"`
	HighestPrice    string            `json:"highest_price"`
	OutsideObserved bool              `json:"outside_observed"` // the model extrapolates
	Fallback        forecast.Fallback `json:"fallback,omitempty"`
	Days            []whatIfDay       `json:"days"`
	Total           whatIfTotal       `json:"total"`
}

type whatIfDay struct {
	Date          forecast.Day `json:"date"`
	Horizon       int          `json:"horizon"`
	Base          prediction   `json:"base"`
	Changed       prediction   `json:"changed"`
	Ratio         number       `json:"ratio"`          // of the means; null if the base is 0
	RevenueChange number       `json:"revenue_change"` // means times prices
}

type whatIfTotal struct {
	BaseUnits      number `json:"base_units"` // sums of means
	ChangedUnits   number `json:"changed_units"`
	Ratio          number `json:"ratio"`
	BaseRevenue    number `json:"base_revenue"`
	ChangedRevenue number `json:"changed_revenue"`
	RevenueChange  number `json:"revenue_change"`
}

// postWhatIf answers POST /v1/what-if.
func postWhatIf(s *snapshot, r *http.Request) (answer, *problem) {
	q := newQuery(r)
	unit := q.unit(r)
	if p := q.finish(); p != nil {
		return answer{}, p
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != jsonType {
		return answer{}, wrongType.because("header", "Content-Type", fmt.Sprintf("expected %s, found %q", jsonType, clip(r.Header.Get("Content-Type"))))
	}
	body, p := readBody(r)
	if p != nil {
		return answer{}, p
	}
	question, p := parseWhatIf(body)
	if p != nil {
		return answer{}, p
	}
	if question.unit == "" {
		question.unit = unit
	}
	return s.whatIf(r.Context(), question)
}

// readBody reads the body, which the server has bounded.
func readBody(r *http.Request) ([]byte, *problem) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &large):
		return nil, tooLarge.because("body", "", fmt.Sprintf("expected at most %d bytes", large.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, slowRequest.because("body", "", "expected the whole body sooner")
	}
	return nil, badRequest.because("body", "", "it ended early: "+err.Error())
}

// parseWhatIf reads a body, strictly.
func parseWhatIf(body []byte) (q whatIfQuestion, p *problem) {
	var fields struct {
		Product *string         `json:"product"`
		Price   json.RawMessage `json:"price"` // a string or a number, which must not pass through a float64
		Unit    string          `json:"unit"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	const expected = `expected a JSON object such as {"product": "p1", "price": "3.50"}`
	if err := d.Decode(&fields); err != nil {
		return q, badRequest.because("body", "", expected+": "+clip(err.Error()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, badRequest.because("body", "", expected+", found more behind it")
	}
	var faults []fault
	fail := func(name, detail string) { faults = append(faults, fault{In: "body", Name: name, Detail: detail}) }
	switch {
	case fields.Product == nil || *fields.Product == "":
		fail("product", "expected a product_id, found nothing")
	case len(*fields.Product) > longestID:
		fail("product", fmt.Sprintf("expected at most %d bytes, found %d", longestID, len(*fields.Product)))
	default:
		q.product = *fields.Product
	}
	if len(fields.Unit) > longestName {
		fail("unit", fmt.Sprintf("expected at most %d bytes, found %d", longestName, len(fields.Unit)))
	}
	q.unit = fields.Unit
	var detail string
	if q.price, detail = parsePrice(fields.Price); detail != "" {
		fail("price", detail)
	}
	if len(faults) > 0 {
		return q, badRequest.with(faults[0].Name+": "+faults[0].Detail, faults...)
	}
	return q, nil
}

// parsePrice reads an exact decimal above 0; detail says what is wrong.
func parsePrice(raw json.RawMessage) (m shop.Money, detail string) {
	const expected = `expected an exact decimal above 0 with at most 6 decimals, such as "3.50" or 3.5`
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, expected
		}
	}
	if text == "" || text == "null" {
		return 0, expected + ", found nothing"
	}
	m, err := shop.ParseMoney(text)
	switch {
	case err != nil:
		return 0, expected + ": " + err.Error()
	case m <= 0:
		return 0, expected + ", found " + m.String()
	}
	return m, ""
}

// whatIf asks the model of the arm.
func (s *snapshot) whatIf(ctx context.Context, q whatIfQuestion) (answer, *problem) {
	known := s.levels[forecast.Product]
	places, p := known.find(forecast.Product, "body", []string{q.product})
	if p != nil {
		p.Errors[0].Name = "product"
		return answer{}, p
	}
	a := s.armOf(q.unit, q.product)
	v := s.sides[a]
	if v.prices == nil {
		return answer{}, cannotPrice.with(fmt.Sprintf("version %s of model %s, the %s, has not learnt what a price does: ask for predictions, or promote a version of the kind recipe", v.manifest.Version, s.model, a))
	}
	price := amount(q.price)
	w, err := v.prices.WhatIf(ctx, q.product, price)
	switch {
	case err != nil && ctx.Err() != nil:
		return answer{}, busy.with("there was no answer in time").retryAfter(1)
	case err != nil:
		return answer{}, noPrice.with(err.Error(), fault{In: "body", Name: "product", Detail: err.Error()})
	}
	out := whatIfAnswer{
		Product: q.product, Arm: a.String(), ModelVersion: v.manifest.Version, Origin: s.origin, Currency: s.currency,
		Price: q.price.String(), CurrentPrice: money(w.Price).String(), LowestPrice: money(w.LowPrice).String(), HighestPrice: money(w.TopPrice).String(),
		OutsideObserved: q.price < money(w.LowPrice) || q.price > money(w.TopPrice), Fallback: known.fallbacks[places[0]],
	}
	var base, changed float64
	scale := v.scale[w.Category] // as predictions have it
	for h := range w.Base {
		w.Base[h].Mean *= scale[h]
		w.Changed[h].Mean *= scale[h]
		b, c := w.Base[h].Mean, w.Changed[h].Mean
		base, changed = base+b, changed+c
		out.Days = append(out.Days, whatIfDay{
			Date: s.origin + forecast.Day(h), Horizon: h + 1, Base: prediction(w.Base[h]), Changed: prediction(w.Changed[h]),
			Ratio: ratio(c, b), RevenueChange: number(c*price - b*w.Price),
		})
	}
	out.Total = whatIfTotal{
		BaseUnits: number(base), ChangedUnits: number(changed), Ratio: ratio(changed, base),
		BaseRevenue: number(base * w.Price), ChangedRevenue: number(changed * price), RevenueChange: number(changed*price - base*w.Price),
	}
	body, err := json.Marshal(out)
	if err != nil {
		return answer{}, internalError.with("the answer cannot be encoded: " + err.Error())
	}
	found := jsonAnswer(body)
	found.arm = a.String()
	return found, nil
}

const micros = 1e6

// amount is a price as models take it: this is no sum of money any more.
func amount(m shop.Money) float64 { return float64(m) / micros }

// money is a price that was computed from revenue and units, which has more
// decimals than a price can have.
func money(v float64) shop.Money {
	return shop.Money(math.Round(min(v*micros, float64(shop.MaxMoney))))
}

func ratio(a, b float64) number {
	if b == 0 {
		return number(math.NaN())
	}
	return number(a / b)
}
