package serve

import (
	"encoding/json"
	"net/http"
	"time"

	"example.com/shopstream/ml/registry"
)

// mostModels is how many versions are listed.
const mostModels = 100

// modelSummary is a version in the list of all.
type modelSummary struct {
	Version string             `json:"version"`
	Role    string             `json:"role,omitempty"` // champion, challenger, or neither
	Created time.Time          `json:"created"`
	Kind    string             `json:"kind"`
	From    string             `json:"data_from,omitempty"`
	To      string             `json:"data_to,omitempty"`
	Metrics map[string]float64 `json:"metrics,omitempty"` // in its backtest
}

// modelDetail is all that is known of a version.
type modelDetail struct {
	Role string `json:"role,omitempty"`
	registry.Manifest
}

// modelList is the answer of /v1/models.
type modelList struct {
	Model  string         `json:"model"`
	Total  int            `json:"total"`
	Models []modelSummary `json:"models"` // the newest, newest first
}

func (s *snapshot) role(version string) string {
	switch version {
	case s.pointer.Champion:
		return champion.String()
	case s.pointer.Challenger:
		return challenger.String()
	}
	return ""
}

// encodeModels encodes the answers about models.
func (s *snapshot) encodeModels(versions []registry.Manifest) (err error) {
	list := modelList{Model: s.model, Total: len(versions), Models: []modelSummary{}}
	s.manifests = make(map[string][]byte, len(versions))
	for i, m := range newestFirst(versions) {
		role := s.role(m.Version)
		if s.manifests[m.Version], err = json.Marshal(modelDetail{role, m}); err != nil {
			return err
		}
		if i < mostModels {
			list.Models = append(list.Models, modelSummary{
				Version: m.Version, Role: role, Created: m.Created, Kind: m.Kind, From: m.DataFrom, To: m.DataTo, Metrics: m.Metrics,
			})
		}
	}
	s.models, err = json.Marshal(list)
	return err
}

func getModels(s *snapshot, r *http.Request) (answer, *problem) {
	if p := newQuery(r).finish(); p != nil {
		return answer{}, p
	}
	return jsonAnswer(s.models), nil
}

func getModel(s *snapshot, r *http.Request) (answer, *problem) {
	if p := newQuery(r).finish(); p != nil {
		return answer{}, p
	}
	version := r.PathValue("version")
	body, ok := s.manifests[version]
	if !ok {
		return answer{}, unknownVersion.because("path", "version", "the model "+s.model+" has no such version: /v1/models lists those that are there")
	}
	return jsonAnswer(body), nil
}
