package serve

import (
	"encoding/json"
	"net/http"
	"time"

	"example.com/shopstream/ml/forecast"
)

// readiness is the answer of /readyz.
type readiness struct {
	Status     string       `json:"status"` // ready or draining
	Model      string       `json:"model"`
	Champion   string       `json:"champion"`
	Challenger string       `json:"challenger,omitempty"`
	Outlook    string       `json:"outlook"` // its version
	Origin     forecast.Day `json:"origin"`
	Loaded     time.Time    `json:"loaded"`
	Reload     reloadState  `json:"reload"`
}

// reloadState says how the newest look at the lake went.
type reloadState struct {
	Failing bool       `json:"failing"`
	Since   *time.Time `json:"since,omitempty"`
	Error   string     `json:"error,omitempty"` // only for who has a token, where one is needed: it may name the lake
}

func getHealth(*snapshot, *http.Request) (answer, *problem) {
	return jsonAnswer([]byte(`{"status":"ok"}`)), nil
}

// getReady answers GET /readyz: 200 as long as there is a forecast to answer
// from, be it an older one, and 503 once the server ends.
func (s *Server) getReady(v *snapshot, r *http.Request) (answer, *problem) {
	out := readiness{
		Status: "ready", Model: v.model, Champion: v.pointer.Champion, Challenger: v.pointer.Challenger,
		Outlook: v.version, Origin: v.origin, Loaded: v.loaded.Truncate(time.Second),
	}
	if f := s.failure.Load(); f != nil {
		since := f.since.UTC().Truncate(time.Second)
		out.Reload = reloadState{Failing: true, Since: &since}
		if s.trusts(r) {
			out.Reload.Error = f.err.Error()
		}
	}
	status := http.StatusOK
	if s.draining.Load() {
		out.Status, status = "draining", http.StatusServiceUnavailable
	}
	body, err := json.Marshal(out)
	if err != nil {
		return answer{}, internalError.with("the answer cannot be encoded: " + err.Error())
	}
	a := jsonAnswer(body)
	a.status = status
	return a, nil
}
