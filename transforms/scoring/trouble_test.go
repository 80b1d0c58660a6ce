package scoring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// TestNoElementIsLost: what is no series becomes a dead letter with its bytes,
// and changes no forecast.
func TestNoElementIsLost(t *testing.T) {
	f := testShop(t)
	damaged, other, none := f.panel.Series[7], f.panel.Series[8], f.panel.Series[9]
	negative := other
	negative.Y = append([]float64(nil), other.Y...)
	negative.Y[len(negative.Y)-1] = -5
	none.First = len(none.Y)
	bad := [][]byte{mustEncode(t, damaged), mustEncode(t, negative), mustEncode(t, none), nil, []byte("22423,6")}
	bad[0][10] ^= 0x40
	want := []Reason{Damaged, BadNumber, NoSale, Damaged, Damaged}
	for _, runner := range []string{"direct", "prism"} {
		t.Run(runner, func(t *testing.T) {
			got, dead := runScore(t, runner, f.options, given(shuffled(append(encoded(t, f.panel), bad...), 5)))
			sameForecast(t, f.panel, f.want, got)
			if len(dead) != len(bad) {
				t.Fatalf("%d dead letters of %d: %+v", len(dead), len(bad), dead)
			}
			for i, b := range bad {
				found := 0
				for _, d := range dead {
					if bytes.Equal(d.Element, b) && d.Reason == want[i] && d.Detail != "" {
						found++
					}
				}
				if found != 1 {
					t.Errorf("element %d, which is %s, is %d times among %+v", i, want[i], found, dead)
				}
			}
		})
	}
}

// TestOnlyBadElements: nothing waits for a group that has no series.
func TestOnlyBadElements(t *testing.T) {
	f := testShop(t)
	for _, runner := range []string{"direct", "prism"} {
		t.Run(runner, func(t *testing.T) {
			got, dead := runScore(t, runner, f.options, given([][]byte{[]byte("a"), []byte("b")}))
			if len(got) != 0 || len(dead) != 2 {
				t.Errorf("%d forecasts and %d dead letters", len(got), len(dead))
			}
		})
	}
}

// TestShortSeriesAreFlagged, and forecast.
func TestShortSeriesAreFlagged(t *testing.T) {
	f := testShop(t)
	got := inBundles(t, f.options, encoded(t, f.panel), 1)
	flagged := 0
	for i := range f.panel.Series {
		s := &f.panel.Series[i]
		open := 0
		for day := s.First; day < len(s.Y); day++ {
			if f.panel.Sold[day] {
				open++
			}
		}
		if got[s.ID].Short != (open < 12) {
			t.Errorf("%s was sold for %d open days, and is flagged: %t", s.ID, open, got[s.ID].Short)
		}
		if open < 12 {
			flagged++
		}
	}
	if flagged == 0 || flagged == len(got) {
		t.Errorf("%d of %d series are short: the shop tests nothing", flagged, len(got))
	}
}

// TestShopTestsSomething: three groups, each at a τ of its own between the ends.
func TestShopTestsSomething(t *testing.T) {
	f := testShop(t)
	axis, err := f.options.Axis.panel()
	if err != nil {
		t.Fatal(err)
	}
	b, err := forecast.NewBatch(f.fit, axis, f.options.Horizon)
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := b.Drafts(t.Context(), f.panel.Series)
	if err != nil {
		t.Fatal(err)
	}
	var all leaders
	for i := range f.panel.Series {
		all.add(placeOf(&f.panel.Series[i]))
	}
	cuts := all.cuts()
	groups := []*sums{newSums(len(b.OpenDays()), 7), newSums(len(b.OpenDays()), 7), newSums(len(b.OpenDays()), 7)}
	for i := range drafts {
		s := &f.panel.Series[i]
		groups[cuts.group(placeOf(s))].add(s, b.OpenDays(), &drafts[i])
	}
	seen := map[float64]bool{}
	for _, g := range groups {
		s, err := b.Solve(g.totals())
		if err != nil {
			t.Fatal(err)
		}
		for h, open := range b.Open() {
			if tau := s.Taus[h]; open && tau > 0.501 && tau < 0.799 {
				seen[tau] = true
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d days of all groups are solved within the quantiles: %v", len(seen), seen)
	}
}

func TestModelThatCannotBeRead(t *testing.T) {
	f := testShop(t)
	o := f.options
	o.Version = "20200101T000000Z-00000000"
	err := (&draftFn{Options: o}).Setup(t.Context())
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), o.Version) {
		t.Errorf("got %v", err)
	}
	for _, runner := range []string{"direct", "prism"} {
		p, s := beam.NewPipelineWithRoot()
		predictions, _, err := Score(s, o, beam.CreateList(s, encoded(t, f.panel)[:3]))
		if err != nil {
			t.Fatal(err)
		}
		collect(s, t.Name(), predictions)
		if _, err := beam.Run(context.WithoutCancel(t.Context()), runner, p); err == nil {
			t.Errorf("%s: the job has succeeded without a model", runner)
		}
	}
}

// TestModelsThatLookAtOthers are refused, as are those without steps.
func TestModelsThatLookAtOthers(t *testing.T) {
	p, err := randomShop(3, 20, 120)
	if err != nil {
		t.Fatal(err)
	}
	m := quick()
	if m.Features, err = forecast.ParseSpec([]string{"mean(y,6)", "category_mean(6)"}); err != nil {
		t.Fatal(err)
	}
	fit, err := m.Fit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for want, model := range map[string]forecast.Forecaster{"category_mean(6)": fit, "forecast.Index": forecast.Index{}} {
		if _, err := forecast.NewBatch(model, p, 7); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v: expected an error with %s", err, want)
		}
	}
	dir := t.TempDir()
	st, err := lake.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := forecast.Save(fit)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Lake: dir, Model: modelName, Horizon: 7, Axis: AxisOf(p)}
	if o.Version, err = registry.Open(st).Put(t.Context(), registry.Manifest{Name: modelName, Kind: "recipe"}, files); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (&solveFn{Options: o}).Setup(t.Context()); err == nil || !strings.Contains(err.Error(), "category_mean(6)") || !strings.Contains(err.Error(), o.Version) {
		t.Errorf("got %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Lake: "lake", Model: modelName, Version: "1", Horizon: 7, Axis: Axis{Open: []bool{true}}}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(o *Options){
		"there is no lake":               func(o *Options) { o.Lake = "" },
		`version ""`:                     func(o *Options) { o.Version = "" },
		`the model is ""`:                func(o *Options) { o.Model = "" },
		"the horizon is 0 days":          func(o *Options) { o.Horizon = 0 },
		"the horizon is 367 days":        func(o *Options) { o.Horizon = 367 },
		"there are -1 shards":            func(o *Options) { o.Shards = -1 },
		"there are 65537 shards":         func(o *Options) { o.Shards = 65537 },
		"the axis has no days":           func(o *Options) { o.Axis.Open = nil },
		"the axis has 73201 days":        func(o *Options) { o.Axis.Open = make([]bool, maxDays+1) },
		`calendar of the country "ZZ"`:   func(o *Options) { o.Axis.Country = "zz" },
		"0 days: expected 1 to 366\nthe": func(o *Options) { o.Horizon, o.Axis.Open = 0, nil },
	} {
		o := good
		change(&o)
		_, s := beam.NewPipelineWithRoot()
		_, _, err := Score(s, o, beam.CreateList(s, [][]byte{{}}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v: expected an error with %q", err, want)
		}
	}
}

// TestBatchRefuses what is of another shop.
func TestBatchRefuses(t *testing.T) {
	f := testShop(t)
	axis, err := f.options.Axis.panel()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(p *forecast.Panel, horizon *int){
		"horizon": func(_ *forecast.Panel, horizon *int) { *horizon = 0 },
		"days":    func(p *forecast.Panel, _ *int) { p.Sold = p.Sold[1:] },
	} {
		p, horizon := *axis, 7
		change(&p, &horizon)
		if _, err := forecast.NewBatch(f.fit, &p, horizon); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	b, err := forecast.NewBatch(f.fit, axis, 7)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]forecast.Series{
		"short": {Y: []float64{1}, Orders: []float64{1}, Price: []float64{1}},
		"never": {First: shopDays, Y: make([]float64, shopDays), Orders: make([]float64, shopDays), Price: make([]float64, shopDays)},
	} {
		if _, err := b.Drafts(t.Context(), []forecast.Series{s}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := b.Solve(forecast.GroupTotals{}); err == nil {
		t.Error("a group without totals is solved")
	}
	if _, err := b.Finish(forecast.Draft{}, forecast.Solution{}); err == nil {
		t.Error("a draft without days is finished")
	}
}

// TestDeadLettersComeBack also with bytes that are no text.
func TestDeadLettersComeBack(t *testing.T) {
	var got []byte
	check := &checkFn{Axis: Axis{Open: smallOpen}, Shards: 1}
	never := func(int64, []byte) { t.Error("it is no series") }
	element := []byte{0xff, 0x00, '"', math.MaxUint8}
	if err := check.ProcessElement(element, never, never, func(b []byte) { got = b }); err != nil {
		t.Fatal(err)
	}
	d, err := DecodeDeadLetter(got)
	if err != nil || d.Reason != Damaged || !bytes.Equal(d.Element, element) {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := DecodeDeadLetter(got[1:]); err == nil {
		t.Error("half a dead letter is one")
	}
	if text := fmt.Sprint(&Invalid{Damaged, "so"}); text != "scoring: damaged: so" {
		t.Error(text)
	}
}
