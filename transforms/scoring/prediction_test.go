package scoring

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/shopstream/ml/forecast"
)

func onePrediction() Prediction {
	return Prediction{
		Series: "22423", Category: "home", Short: true, Origin: -3,
		Days: []forecast.Prediction{{Point: 1.25, Mean: 2, Lower80: 0, Upper80: 5, Lower95: 0, Upper95: 9}, {}, {Point: 1, Upper95: math.NaN()}},
	}
}

func TestPredictionsComeBack(t *testing.T) {
	want := onePrediction()
	got, err := DecodePrediction(EncodePrediction(&want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Error(diff)
	}
	good := EncodePrediction(&want)
	for n := range good {
		if _, err := DecodePrediction(good[:n]); err == nil {
			t.Errorf("the first %d bytes of %d are a prediction", n, len(good))
		}
	}
	if _, err := DecodePrediction(append(good, 0)); err == nil {
		t.Error("a byte more is a prediction")
	}
}

func FuzzDecodePrediction(f *testing.F) {
	p := onePrediction()
	f.Add(EncodePrediction(&p))
	f.Add([]byte{predictionFormat, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePrediction(b)
		if err != nil {
			return
		}
		packed := EncodePrediction(&p)
		again, err := DecodePrediction(packed)
		if err != nil || !bytes.Equal(EncodePrediction(&again), packed) {
			t.Fatalf("%+v does not come back: %v", p, err)
		}
	})
}

// FuzzUnpack holds what crosses shuffles to its bounds: damage is an error, and
// no more is allocated than there are bytes for.
func FuzzUnpack(f *testing.F) {
	g := newSums(2, 1)
	g.past[0].add(0.1)
	g.past[0].add(1e15)
	f.Add(g.append(nil))
	f.Add(appendPlaces(nil, []place{{12, "a"}, {0.1, "b"}}))
	f.Add(appendSolution([]byte{1}, forecast.Solution{Tau: 0.5, Taus: []float64{0.6}, Scale: []float64{1}}))
	f.Add(appendDraft(nil, draft{id: "a", Draft: forecast.Draft{Days: make([]forecast.DraftDay, 1)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if places, err := unpackPlaces(b); err == nil {
			if again, err := unpackPlaces(appendPlaces(nil, places)); err != nil || len(again) != len(places) {
				t.Fatalf("%v does not come back: %v", places, err)
			}
		}
		if all, err := unpackSolutions(b, 1); err == nil {
			for _, s := range all {
				if len(s.Taus) != 1 || len(s.Scale) != 1 {
					t.Fatalf("a solution of other days: %+v", s)
				}
			}
		}
		u := &unpacker{in: b}
		merged := newSums(2, 1)
		merged.merge(u)
		if v := merged.past[0].value(); u.done() == nil && math.Abs(v) < maxPart/1e3 {
			again := newSums(2, 1)
			again.merge(&unpacker{in: merged.append(nil)})
			if again.past[0].value() != v {
				t.Fatalf("the sum %v comes back as %v", v, again.past[0].value())
			}
		}
		u = &unpacker{in: b}
		if d := u.draft(1); u.done() == nil {
			u = &unpacker{in: appendDraft(nil, d)}
			if diff := cmp.Diff(d, u.draft(1), cmp.AllowUnexported(draft{})); diff != "" || u.done() != nil {
				t.Fatal(diff)
			}
		}
	})
}
