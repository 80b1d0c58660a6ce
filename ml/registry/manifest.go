package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

const (
	// manifestFormat is the version of the manifest's own form. A reader refuses a
	// newer one.
	manifestFormat   = 1
	maxManifestBytes = 1 << 20
	maxFileBytes     = 1 << 30
)

// Manifest says what a version is, what it was made of, and how good it was.
type Manifest struct {
	Name string `json:"name"` // of the model: lower-case letters, digits, hyphens
	// Version is not in the stored manifest, whose hash is part of it.
	Version string    `json:"version,omitempty"`
	Created time.Time `json:"created"` // UTC, whole seconds
	Kind    string    `json:"kind"`    // which program reads the files, such as recipe
	Target  string    `json:"target,omitempty"`
	Level   string    `json:"level,omitempty"`

	DataFrom        string `json:"data_from,omitempty"`        // YYYY-MM-DD, the first day it was trained on
	DataTo          string `json:"data_to,omitempty"`          // and the last one, inclusive
	DataFingerprint string `json:"data_fingerprint,omitempty"` // SHA-256 of the prepared series, hexadecimal

	CodeVersion string          `json:"code_version"` // see CodeVersion
	GoVersion   string          `json:"go_version"`
	Features    []string        `json:"features,omitempty"` // in the model's order
	FeatureSpec json.RawMessage `json:"feature_spec,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Seed        uint64          `json:"seed"`

	Origins   []string                      `json:"origins,omitempty"`   // of the backtest, YYYY-MM-DD
	Metrics   map[string]float64            `json:"metrics,omitempty"`   // in the backtest, by name; finite
	Baselines map[string]map[string]float64 `json:"baselines,omitempty"` // the same of simpler models, by model

	Seconds float64 `json:"seconds"` // that training took
	Files   []File  `json:"files"`   // by name
}

// File is a file of a version.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// stored is a manifest as it is written.
type stored struct {
	Format int `json:"format"`
	Manifest
}

// encodeManifest returns the text of a valid manifest: the same of equal ones.
func encodeManifest(m Manifest) ([]byte, error) {
	m.Version = ""
	for _, raw := range []*json.RawMessage{&m.FeatureSpec, &m.Parameters} {
		if err := compact(raw); err != nil {
			return nil, fmt.Errorf("manifest: expected valid JSON in feature_spec and parameters: %w", err)
		}
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // JSON given stays as it is
	e.SetIndent("", "  ")
	if err := e.Encode(stored{manifestFormat, m}); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if b.Len() > maxManifestBytes {
		return nil, fmt.Errorf("manifest: expected at most %d bytes, found %d: put long lists into a file of the version", maxManifestBytes, b.Len())
	}
	return b.Bytes(), nil
}

// parseManifest reads the text of a manifest, strictly.
func parseManifest(text []byte) (Manifest, error) {
	if len(text) > maxManifestBytes {
		return Manifest{}, fmt.Errorf("manifest: expected at most %d bytes, found %d", maxManifestBytes, len(text))
	}
	var s stored
	if err := decode(text, &s, manifestFormat, manifestFormat); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	m := s.Manifest
	if m.Version != "" {
		return Manifest{}, fmt.Errorf("manifest: expected no version, which is the name of its folder, found %q", m.Version)
	}
	if err := errors.Join(compact(&m.FeatureSpec), compact(&m.Parameters)); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	return m, m.validate()
}

// decode reads one JSON object of these formats, strictly. The format is looked at
// first: a newer one may have more fields.
func decode(text []byte, v any, oldest, newest int) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("expected a JSON object: %w", err)
	}
	switch {
	case head.Format > newest:
		return fmt.Errorf("expected format %d, found %d: use a newer program", newest, head.Format)
	case head.Format < oldest:
		return fmt.Errorf("expected format %d, found %d", newest, head.Format)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("expected one JSON object, found more behind it")
	}
	return nil
}

// compact gives JSON one form. null is none.
func compact(raw *json.RawMessage) error {
	if len(*raw) == 0 {
		*raw = nil
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, *raw); err != nil {
		return err
	}
	*raw = b.Bytes()
	if b.String() == "null" {
		*raw = nil
	}
	return nil
}

func (m Manifest) validate() error {
	if err := m.check(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

func (m Manifest) check() error {
	if err := checkName(m.Name); err != nil {
		return err
	}
	if m.Created.Year() < 2000 || m.Created.Year() > 9999 || m.Created.Nanosecond() != 0 || m.Created.Location() != time.UTC {
		return fmt.Errorf("created: expected a time in UTC with whole seconds, found %s", m.Created)
	}
	if m.Kind == "" {
		return errors.New("kind: expected what reads the files, found nothing")
	}
	if err := m.checkData(); err != nil {
		return err
	}
	if err := checkMetrics("metrics", m.Metrics); err != nil {
		return err
	}
	for name, metrics := range m.Baselines {
		if err := checkMetrics("baselines of "+name, metrics); err != nil {
			return err
		}
	}
	if !(m.Seconds >= 0) || math.IsInf(m.Seconds, 0) {
		return fmt.Errorf("seconds: expected 0 or more, found %g", m.Seconds)
	}
	return checkFiles(m.Files)
}

func (m Manifest) checkData() error {
	from, to := m.DataFrom, m.DataTo
	if from != "" || to != "" {
		if !isDate(from) || !isDate(to) || from > to {
			return fmt.Errorf("data_from, data_to: expected two dates YYYY-MM-DD in order, or none, found %q and %q", from, to)
		}
	}
	if m.DataFingerprint != "" && !hashPattern.MatchString(m.DataFingerprint) {
		return fmt.Errorf("data_fingerprint: expected a SHA-256 in hexadecimal, or none, found %q", m.DataFingerprint)
	}
	for _, origin := range m.Origins {
		if !isDate(origin) {
			return fmt.Errorf("origins: expected dates YYYY-MM-DD, found %q", origin)
		}
	}
	return nil
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func checkMetrics(what string, metrics map[string]float64) error {
	for name, v := range metrics {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: expected finite numbers, found %s = %g: leave out what is not known", what, name, v)
		}
	}
	return nil
}

func checkFiles(files []File) error {
	if len(files) == 0 {
		return errors.New("files: expected one or more, found none")
	}
	for i, f := range files {
		if err := f.validate(); err != nil {
			return err
		}
		if i > 0 && files[i-1].Name >= f.Name {
			return fmt.Errorf("files: expected each once, by name, found %s behind %s", f.Name, files[i-1].Name)
		}
	}
	return nil
}

func (f File) validate() error {
	if err := checkFile(f.Name); err != nil {
		return err
	}
	if f.Bytes < 0 || f.Bytes > maxFileBytes {
		return fmt.Errorf("file %s: expected 0 to %d bytes, found %d", f.Name, maxFileBytes, f.Bytes)
	}
	if !hashPattern.MatchString(f.SHA256) {
		return fmt.Errorf("file %s: expected a SHA-256 in hexadecimal, found %q", f.Name, f.SHA256)
	}
	return nil
}
