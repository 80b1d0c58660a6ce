package serve

import (
	"fmt"
	"math"
	"net/http"
	"testing"

	"pgregory.net/rapid"
)

// TestSplit: the challenger's units are close to its share, always the same, and
// stay its own when the share grows.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		salt := rapid.StringMatching(`[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}`).Draw(t, "version")
		small, large := rapid.Float64Range(0.01, 0.5).Draw(t, "share"), rapid.Float64Range(0.51, 0.99).Draw(t, "larger")
		const n = 5000
		counts := map[float64]int{}
		for i := range n {
			unit := fmt.Sprintf("unit %d", i)
			a, b := split{salt, small}.of(unit), split{salt, large}.of(unit)
			if a != (split{salt, small}).of(unit) {
				t.Fatal("the same unit has two arms")
			}
			if a == challenger && b != challenger {
				t.Fatalf("%s leaves the challenger as its share grows", unit)
			}
			counts[small] += int(a)
			counts[large] += int(b)
		}
		for share, count := range counts {
			if sd := math.Sqrt(share * (1 - share) / n); math.Abs(float64(count)/n-share) > 6*sd {
				t.Errorf("the challenger has %d of %d units: its share is %v", count, n, share)
			}
		}
	})
}

// TestSplitIsOfTheExperiment: another challenger draws other units, and the arms
// are the same on every machine.
func TestSplitIsOfTheExperiment(t *testing.T) {
	const n = 2000
	same := 0
	for i := range n {
		unit := fmt.Sprint(i)
		if (split{"20260301T120000Z-00000000", 0.5}).of(unit) == (split{"20260301T120000Z-00000001", 0.5}).of(unit) {
			same++
		}
	}
	if same < n*4/10 || same > n*6/10 {
		t.Errorf("two experiments give %d of %d units the same arm", same, n)
	}
	text := ""
	for i := range 24 {
		text += fmt.Sprint(int((split{"20260301T120000Z-1a2b3c4d", 0.5}).of(fmt.Sprint(i))))
	}
	if want := "011110100001110101011001"; text != want {
		t.Errorf("the arms of units are %s: expected %s, or all running experiments are drawn anew", text, want)
	}
	if (split{}).of("x") != champion {
		t.Error("without a challenger another than the champion answers")
	}
}

// TestExperiment compares what the API says of units with who answers them.
func TestExperiment(t *testing.T) {
	l := newLake(t)
	h := l.server(t).Handler()
	alone := decode[experiment](t, get(t, h, "/v1/experiment?unit=a").Body.Bytes())
	if alone.Challenger != nil || alone.Champion != (share{l.champion, 1}) || alone.Since == nil || *alone.Unit != (unitArm{"a", "champion", l.champion}) {
		t.Errorf("%+v", alone)
	}
	l.challenge(t, l.other, 0.5)
	l.began(t, 95)
	h = l.server(t).Handler()
	e := decode[experiment](t, get(t, h, "/v1/experiment").Body.Bytes())
	if e.Unit != nil || *e.Challenger != (share{l.other, 0.5}) || e.Champion != (share{l.champion, 0.5}) || e.Since.Format("2006-01-02") != firstSale.AddDays(95).String() {
		t.Errorf("%+v", e)
	}
	versions := map[string]string{"champion": l.champion, "challenger": l.other}
	counts := map[string]int{}
	for i := range 40 {
		unit := fmt.Sprint(i)
		u := decode[experiment](t, get(t, h, "/v1/experiment", unitHeader, unit).Body.Bytes()).Unit
		counts[u.Arm]++
		for _, p := range decode[predictionsAnswer](t, get(t, h, "/v1/predictions?unit="+unit, unitHeader, "other").Body.Bytes()).Predictions {
			if p.Arm != u.Arm || p.ModelVersion != versions[u.Arm] || u.ModelVersion != p.ModelVersion {
				t.Fatalf("unit %s has the arm %+v, and %s by %s answers", unit, u, p.Arm, p.ModelVersion)
			}
		}
	}
	if counts["champion"] < 8 || counts["challenger"] < 8 {
		t.Errorf("of 40 units: %v", counts)
	}
	// Without a unit the series decides, in a list as alone.
	list := decode[predictionsAnswer](t, get(t, h, "/v1/predictions?target=units&limit=100").Body.Bytes())
	arms := map[string]int{}
	for _, p := range list.Predictions {
		arms[p.Arm]++
		if p.Series == "unsold/new" {
			continue
		}
		if one := decode[predictionsAnswer](t, get(t, h, "/v1/predictions/product/"+p.Series).Body.Bytes()).Predictions[0]; one.Arm != p.Arm {
			t.Errorf("%s is answered by the %s alone, and by the %s in a list", p.Series, one.Arm, p.Arm)
		}
	}
	if arms["champion"] == 0 || arms["challenger"] == 0 {
		t.Errorf("series by arm: %v", arms)
	}
	if w := get(t, h, "/metrics"); w.Code != http.StatusOK || !contains(w.Body.String(), `arm="both"`, `arm="champion"`, `arm="challenger",version="`+l.other) {
		t.Error("the metrics do not tell the arms apart")
	}
}
