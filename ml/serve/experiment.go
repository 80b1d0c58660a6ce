package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"example.com/shopstream/ml/forecast"
	"example.com/shopstream/ml/registry"
)

// experiment is the answer of /v1/experiment.
type experiment struct {
	Model      string     `json:"model"`
	Since      *time.Time `json:"since"` // both arms are what they are; null if that is longer ago than the registry remembers
	Champion   share      `json:"champion"`
	Challenger *share     `json:"challenger"`
	Unit       *unitArm   `json:"unit,omitempty"`
}

// share is what an arm answers.
type share struct {
	ModelVersion string  `json:"model_version"`
	Share        float64 `json:"share"` // of units
}

// unitArm says who answers for a unit.
type unitArm struct {
	ID           string `json:"id"`
	Arm          string `json:"arm"`
	ModelVersion string `json:"model_version"`
}

// getExperiment answers GET /v1/experiment.
func getExperiment(s *snapshot, r *http.Request) (answer, *problem) {
	q := newQuery(r)
	unit := q.unit(r)
	if p := q.finish(); p != nil {
		return answer{}, p
	}
	e := experiment{Model: s.model, Champion: share{s.pointer.Champion, 1 - s.pointer.Share}}
	if since, ok := sinceOf(s.pointer); ok {
		e.Since = &since
	}
	if s.pointer.Challenger != "" {
		e.Challenger = &share{s.pointer.Challenger, s.pointer.Share}
	}
	if unit != "" {
		a := s.split.of(unit)
		e.Unit = &unitArm{unit, a.String(), s.sides[a].manifest.Version}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return answer{}, internalError.with("the answer cannot be encoded: " + err.Error())
	}
	return jsonAnswer(body), nil
}

// sinceOf returns since when both arms have been what they are; false if the
// history does not reach back that far. A change of the share is none of these.
func sinceOf(p registry.Pointer) (since time.Time, ok bool) {
	for i, e := range slices.Backward(p.History) {
		if e.Champion != p.Champion || e.Challenger != p.Challenger {
			return since, ok
		}
		since, ok = e.Changed, i > 0 || e.Number == 1
	}
	return since, ok
}

// getResults answers GET /v1/experiment/results.
func getResults(s *snapshot, r *http.Request) (answer, *problem) {
	q := newQuery(r)
	c := cut{q.level(), forecast.Units}
	if from, to := q.target(); to == from+1 {
		c.target = targets[from]
	}
	if p := q.finish(); p != nil {
		return answer{}, p
	}
	results := s.results.Load()
	switch {
	case results == nil:
		return answer{}, noResults.with(fmt.Sprintf("the stored forecasts of model %s are being scored: come again", s.model)).retryAfter(5)
	case results.err != nil:
		return answer{}, noResults.with(fmt.Sprintf("the stored forecasts of model %s cannot be scored: the server's log says why", s.model)).retryAfter(60)
	}
	return jsonAnswer(results.answers[c]), nil
}
