package serve

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is an error as RFC 9457 describes it ("Problem Details for HTTP APIs").
type problem struct {
	Type     string   `json:"type"` // a tag URI, which names a kind and leads nowhere
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Instance string   `json:"instance"` // the path that was asked for
	Errors   []fault  `json:"errors,omitempty"`
	header   []string // names and values of the answer's header
}

// fault is one wrong value of a request.
type fault struct {
	In      string   `json:"in"` // query, path, header or body
	Name    string   `json:"name"`
	Detail  string   `json:"detail"`
	Closest []string `json:"closest,omitempty"` // names that are like an unknown one
}

const problemType = "application/problem+json"

// kind is a kind of problem: its name, and its title for people.
type kind struct {
	name, title string
	status      int
}

// The kinds. openapi.yaml lists them.
var (
	badRequest     = kind{"invalid-request", "The request is not valid", http.StatusBadRequest}
	unauthorised   = kind{"unauthorised", "A valid token is needed", http.StatusUnauthorized}
	unknownRoute   = kind{"unknown-route", "There is nothing at this path", http.StatusNotFound}
	unknownSeries  = kind{"unknown-series", "There is no such series", http.StatusNotFound}
	unknownVersion = kind{"unknown-version", "There is no such version of the model", http.StatusNotFound}
	notCovered     = kind{"outside-outlook", "The forecast does not reach these days", http.StatusNotFound}
	wrongMethod    = kind{"wrong-method", "The path does not take this method", http.StatusMethodNotAllowed}
	slowRequest    = kind{"slow-request", "The request did not arrive in time", http.StatusRequestTimeout}
	cannotPrice    = kind{"cannot-price", "The model has not learnt from prices", http.StatusConflict}
	wrongHost      = kind{"wrong-host", "The server does not go by this name", http.StatusMisdirectedRequest}
	tooLarge       = kind{"too-large", "The body is too large", http.StatusRequestEntityTooLarge}
	wrongType      = kind{"wrong-media-type", "The body is not JSON", http.StatusUnsupportedMediaType}
	noPrice        = kind{"no-price", "The product has no price to change", http.StatusUnprocessableEntity}
	tooMany        = kind{"too-many-requests", "There are too many requests a second", http.StatusTooManyRequests}
	internalError  = kind{"internal-error", "The server failed", http.StatusInternalServerError}
	busy           = kind{"busy", "The server is busy", http.StatusServiceUnavailable}
	noResults      = kind{"no-results", "There are no results now", http.StatusServiceUnavailable}
)

func (k kind) with(detail string, faults ...fault) *problem {
	return &problem{Type: "tag:example.com,2026:shopstream/" + k.name, Title: k.title, Status: k.status, Detail: detail, Errors: faults}
}

// because is with a single wrong value, which is also the detail.
func (k kind) because(in, name, detail string) *problem {
	return k.with(name+": "+detail, fault{In: in, Name: name, Detail: detail})
}

// retryAfter tells the client when to come again.
func (p *problem) retryAfter(seconds int) *problem {
	p.header = append(p.header, "Retry-After", strconv.Itoa(seconds))
	return p
}

// answer is the problem as an answer to a request for the path.
func (p *problem) answer(path string) answer {
	p.Instance = path
	body, err := json.Marshal(p)
	if err != nil { // strings and numbers only: it cannot fail
		body = []byte(`{"type":"about:blank"}`)
	}
	return answer{status: p.Status, contentType: problemType, body: body, header: p.header}
}
