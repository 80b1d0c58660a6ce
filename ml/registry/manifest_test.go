package registry

import (
	"encoding/json"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	anyDate  = rapid.Map(rapid.IntRange(0, 20_000), func(n int) string { return time.Unix(int64(n)*86400, 0).UTC().Format(time.DateOnly) })
	anyHash  = rapid.StringMatching(`[0-9a-f]{64}`)
	anyWord  = rapid.StringMatching(`[a-zé<&" _\t]{0,12}`)
	anyScore = rapid.MapOfN(anyWord, rapid.Float64Range(-1e300, 1e300), 0, 4)
	anyRaw   = rapid.SampledFrom([]string{``, `null`, `{}`, ` { "a" : [ 1, 2.50, "x<y" ] } `, `[]`, `"é"`, `12345678901234567890`})

	anyManifest = rapid.Custom(func(t *rapid.T) Manifest {
		m := Manifest{
			Name: rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?`).Draw(t, "name"), Kind: "k" + anyWord.Draw(t, "kind"),
			Created: time.Unix(rapid.Int64Range(946_684_800, 250_000_000_000).Draw(t, "created"), 0).UTC(),
			Target:  anyWord.Draw(t, "target"), Level: anyWord.Draw(t, "level"), CodeVersion: anyWord.Draw(t, "code"), GoVersion: anyWord.Draw(t, "go"),
			Features: rapid.SliceOfN(anyWord, 0, 4).Draw(t, "features"), FeatureSpec: json.RawMessage(anyRaw.Draw(t, "spec")),
			Parameters: json.RawMessage(anyRaw.Draw(t, "parameters")), Seed: rapid.Uint64().Draw(t, "seed"),
			Origins: rapid.SliceOfN(anyDate, 0, 3).Draw(t, "origins"), Metrics: anyScore.Draw(t, "metrics"),
			Baselines: rapid.MapOfN(anyWord, anyScore, 0, 2).Draw(t, "baselines"), Seconds: rapid.Float64Range(0, 1e9).Draw(t, "seconds"),
		}
		if rapid.Bool().Draw(t, "data") {
			m.DataFrom, m.DataTo = anyDate.Draw(t, "from"), anyDate.Draw(t, "to")
			if m.DataFrom > m.DataTo {
				m.DataFrom, m.DataTo = m.DataTo, m.DataFrom
			}
			m.DataFingerprint = anyHash.Draw(t, "fingerprint")
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-l][a-z0-9._-]{0,9}`), 1, 3, rapid.ID).Draw(t, "files") {
			m.Files = append(m.Files, File{name, rapid.Int64Range(0, maxFileBytes).Draw(t, "bytes"), anyHash.Draw(t, "hash")})
		}
		slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
		return m
	})
)

func TestManifestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := anyManifest.Draw(t, "manifest")
		text, err := encodeManifest(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseManifest(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		for _, raw := range []*json.RawMessage{&m.FeatureSpec, &m.Parameters} {
			if err := compact(raw); err != nil { // blanks in JSON are not kept
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-encoded +parsed:\n%s", diff)
		}
		again, err := encodeManifest(got)
		if err != nil || string(again) != string(text) {
			t.Errorf("encoded again it differs: %v", err)
		}
		if diff := Diff(m, m); len(diff) != 0 {
			t.Errorf("it differs from itself: %v", diff)
		}
	})
}

func TestDiff(t *testing.T) {
	a, b := full(), full()
	a.Files, b.Files = []File{{"forest.json", 3, strings.Repeat("a", 64)}}, []File{{"forest.json", 4, strings.Repeat("b", 64)}, {"small.json", 1, strings.Repeat("c", 64)}}
	b.Created = start.Add(time.Hour)
	b.Version, b.Seconds = "20260301T130000Z-1a2b3c4d", 99
	b.DataTo, b.Seed = "2026-03-07", 7
	b.Features = []string{"mean_14", "lag_7", "price"}
	b.FeatureSpec = json.RawMessage(`{"lags":[7,14],"note":"a<b & c","kept":""}`)
	b.Parameters = json.RawMessage(`{"rate":0.060,"trees":150,"leaves":{"small":7,"big":null}}`)
	b.Metrics = map[string]float64{"wape": 0.75, "bias": -0.05, "mase": 0.95}
	b.Baselines = map[string]map[string]float64{"tsb": {"wape": 0.81}, "ets": {"wape": 0.8}}
	want := []Change{
		{"created", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"},
		{"data_to", "2026-02-28", "2026-03-07"},
		{"seed", "18446744073709551615", "7"},
		{"features.lag_7", "feature 1", "feature 2"},
		{"features.mean_14", "feature 2", "feature 1"},
		{"features.price", "", "feature 3"},
		{"feature_spec.kept", "", `""`},
		{"feature_spec.lags[1]", "", "14"},
		{"parameters.leaves.big", "", "null"},
		{"parameters.leaves.small", "", "7"},
		{"parameters.rate", "0.06", "0.060"},
		{"metrics.mase", "", "0.95"},
		{"metrics.wape", "0.7551234567890123", "0.75"},
		{"baselines.ets.wape", "", "0.8"},
		{"baselines.tsb.wape", "0.8", "0.81"},
		{"files.forest.json", "3 bytes, SHA-256 " + strings.Repeat("a", 64), "4 bytes, SHA-256 " + strings.Repeat("b", 64)},
		{"files.small.json", "", "1 bytes, SHA-256 " + strings.Repeat("c", 64)},
	}
	if diff := cmp.Diff(want, Diff(a, b)); diff != "" {
		t.Error(diff)
	}
	for i, c := range want {
		want[i] = Change{c.Field, c.B, c.A}
	}
	if diff := cmp.Diff(want, Diff(b, a)); diff != "" {
		t.Errorf("the other way round: %s", diff)
	}
}

func TestCodeVersion(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for want, info := range map[string]debug.BuildInfo{
		"abc":       {Settings: []debug.BuildSetting{setting("vcs.modified", "false"), setting("vcs.revision", "abc")}, Main: debug.Module{Version: "v1.2.3"}},
		"abc-dirty": {Settings: []debug.BuildSetting{setting("vcs.modified", "true"), setting("vcs.revision", "abc")}},
		"v1.2.3":    {Main: debug.Module{Version: "v1.2.3"}},
		"unknown":   {Main: debug.Module{Version: "(devel)"}},
	} {
		if got := codeVersion(&info); got != want {
			t.Errorf("expected %s, found %s", want, got)
		}
	}
	if CodeVersion() == "" {
		t.Error("nothing")
	}
}

// FuzzManifest: a text is refused, or is a manifest that stays what it is.
func FuzzManifest(f *testing.F) {
	m := full()
	m.Files = []File{{"forest.json", 3, strings.Repeat("a", 64)}}
	text, err := encodeManifest(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"name":"m","created":"2026-03-01T12:00:00+00:00","kind":"k","seed":1,"seconds":1e400}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		again, err := encodeManifest(m)
		if err != nil {
			if strings.Contains(err.Error(), "expected at most") { // indented it is longer
				return
			}
			t.Fatal(err)
		}
		back, err := parseManifest(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, back, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzPointer is FuzzManifest for pointers.
func FuzzPointer(f *testing.F) {
	const a, b = "20260301T120000Z-1a2b3c4d", "20260302T120000Z-1a2b3c4d"
	p := Pointer{Champion: b, Challenger: a, Share: 0.5, Earlier: []string{a}}
	p = p.then(Entry{Action: Promoted, Changed: start, Reason: "why"}).then(Entry{Action: Pruned, Changed: start, Reason: "why", Removed: []string{a}})
	at := pointerName("m", p.Number)
	text, err := encodePointer(at, p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1,"number":1,"history":[{"number":1,"action":"promote","changed":"2026-03-01T12:00:00Z","reason":"x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePointer(at, text)
		if err != nil {
			return
		}
		p.Since()
		again, err := encodePointer(at, p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parsePointer(at, again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, back, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
