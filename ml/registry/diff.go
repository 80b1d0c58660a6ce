package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Change is a difference between two manifests.
type Change struct {
	Field string // such as data_to, parameters.trees, metrics.wape, features.lag_7
	A, B  string // the values as text; empty: there is none
}

// Diff returns what differs between two versions of a model: data, code, features,
// parameters, metrics and files, in that order, and by name within each. It says
// nothing on name, version and duration, which always differ or never do.
func Diff(a, b Manifest) []Change {
	var out []Change
	compare := func(section string, a, b map[string]string) {
		names := slices.Sorted(maps.Keys(a))
		for name := range b {
			if _, ok := a[name]; !ok {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if a[name] != b[name] {
				out = append(out, Change{section + name, a[name], b[name]})
			}
		}
	}
	left, right := about(a), about(b)
	for i := range left {
		if left[i].text != right[i].text {
			out = append(out, Change{left[i].name, left[i].text, right[i].text})
		}
	}
	compare("features.", places(a.Features), places(b.Features))
	compare("feature_spec", flatten(a.FeatureSpec), flatten(b.FeatureSpec))
	compare("parameters", flatten(a.Parameters), flatten(b.Parameters))
	compare("metrics.", numbers(a.Metrics), numbers(b.Metrics))
	baselines := func(m Manifest) map[string]string {
		out := map[string]string{}
		for model, metrics := range m.Baselines {
			for name, text := range numbers(metrics) {
				out[model+"."+name] = text
			}
		}
		return out
	}
	compare("baselines.", baselines(a), baselines(b))
	files := func(m Manifest) map[string]string {
		out := map[string]string{}
		for _, f := range m.Files {
			out[f.Name] = fmt.Sprintf("%d bytes, SHA-256 %s", f.Bytes, f.SHA256)
		}
		return out
	}
	compare("files.", files(a), files(b))
	return out
}

type field struct{ name, text string }

func about(m Manifest) []field {
	return []field{
		{"created", m.Created.UTC().Format(time.RFC3339)},
		{"kind", m.Kind},
		{"target", m.Target},
		{"level", m.Level},
		{"data_from", m.DataFrom},
		{"data_to", m.DataTo},
		{"data_fingerprint", m.DataFingerprint},
		{"origins", strings.Join(m.Origins, ", ")},
		{"code_version", m.CodeVersion},
		{"go_version", m.GoVersion},
		{"seed", strconv.FormatUint(m.Seed, 10)},
	}
}

// places says where in the model's order each feature is: a model whose features
// changed places is another one.
func places(features []string) map[string]string {
	out := map[string]string{}
	for i, f := range features {
		out[f] = "feature " + strconv.Itoa(i+1)
	}
	return out
}

func numbers(metrics map[string]float64) map[string]string {
	out := map[string]string{}
	for name, v := range metrics {
		out[name] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return out
}

// flatten returns the values in JSON by their path: ".trees.depth", ".lags[2]".
// Text that is no JSON, which no stored manifest has, is one value.
func flatten(raw json.RawMessage) map[string]string {
	out := map[string]string{}
	if len(raw) == 0 {
		return out
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // 0.10 and large seeds stay as they are written
	var v any
	if err := d.Decode(&v); err != nil {
		out[""] = string(raw)
		return out
	}
	walk(out, "", v)
	return out
}

func walk(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, v := range v {
			walk(out, path+"."+key, v)
		}
		if len(v) == 0 {
			out[path] = "{}"
		}
	case []any:
		for i, v := range v {
			walk(out, path+"["+strconv.Itoa(i)+"]", v)
		}
		if len(v) == 0 {
			out[path] = "[]"
		}
	case nil:
		out[path] = "null"
	case string:
		out[path] = strconv.Quote(v) // an empty text is not none
	default:
		out[path] = fmt.Sprint(v)
	}
}
