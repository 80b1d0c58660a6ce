package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
)

// contract is the document, which every answer of every test is held to.
var contract = sync.OnceValues(func() (routers.Router, error) {
	openapi3filter.RegisterBodyDecoder("text/html", func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		text, err := io.ReadAll(body)
		return string(text), err
	})
	doc, err := openapi3.NewLoader().LoadFromData(documentYAML)
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// keep fails the test if an answer is not what the document says.
func keep(t testing.TB, r *http.Request, sent []byte, status int, header http.Header, body []byte) {
	t.Helper()
	router, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	r = r.Clone(t.Context())
	r.Body = io.NopCloser(bytes.NewReader(sent))
	head := r.Method == http.MethodHead
	if head {
		r.Method = http.MethodGet // the document leaves HEAD unsaid
	}
	route, params, err := router.FindRoute(r)
	if err != nil { // no path, or no method, of the document
		if status < 400 {
			t.Errorf("%s %s: %v, and the status %d", r.Method, r.URL, err, status)
		}
		checkProblem(t, header, body, status)
		return
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	request := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if status < 400 {
		if err := openapi3filter.ValidateRequest(t.Context(), request); err != nil {
			t.Errorf("%s %s was answered, and the document does not allow it: %v", r.Method, r.URL, err)
		}
	}
	if head {
		return
	}
	response := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: options}
	if err := openapi3filter.ValidateResponse(t.Context(), response); err != nil {
		t.Errorf("%s %s: the answer is not what the document says: %v\n%.500s", r.Method, r.URL, err, body)
	}
	if status >= 400 && !strings.HasPrefix(r.URL.Path, "/readyz") {
		checkProblem(t, header, body, status)
	}
}

// checkProblem holds a problem to its schema, and to its own status.
func checkProblem(t testing.TB, header http.Header, body []byte, status int) {
	t.Helper()
	if got := header.Get("Content-Type"); got != problemType {
		t.Errorf("status %d with the type %q: expected %s", status, got, problemType)
	}
	doc, err := openapi3.NewLoader().LoadFromData(documentYAML)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if err := doc.Components.Schemas["Problem"].Value.VisitJSON(value); err != nil {
		t.Errorf("%.300v: %.300s", err, body)
	}
	if p := decode[problem](t, body); p.Status != status || p.Instance == "" {
		t.Errorf("a problem of status %d has the status %d, for %q", status, p.Status, p.Instance)
	}
}

func decode[T any](t testing.TB, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// ask sends a request to a handler; header are names and values.
func ask(t testing.TB, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	keep(t, r, []byte(body), w.Code, w.Header(), w.Body.Bytes())
	return w
}

func get(t testing.TB, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, h, http.MethodGet, target, "", header...)
}

// TestDocument: the document is valid, and has the routes, and no others.
func TestDocument(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(documentYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fromJSON, err := openapi3.NewLoader().LoadFromData(documentJSON)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			documented[method+" "+path] = true
			if fromJSON.Paths.Value(path).GetOperation(method).OperationID != o.OperationID {
				t.Errorf("%s %s is another one in JSON", method, path)
			}
		}
	}
	for _, r := range (&Server{metrics: newInstruments(&Server{})}).routes() {
		name := r.method + " " + r.path
		if !documented[name] {
			t.Errorf("%s is not in the document", name)
		}
		if open := doc.Paths.Value(r.path).GetOperation(r.method).Security; (open != nil && len(*open) == 0) != r.open {
			t.Errorf("%s: the document and the server differ on whether it needs a token", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is in the document only", name)
	}
	var kinds []any
	for _, k := range []kind{
		badRequest, unauthorised, unknownRoute, unknownSeries, unknownVersion, notCovered, wrongMethod, slowRequest,
		cannotPrice, wrongHost, tooLarge, wrongType, noPrice, tooMany, internalError, busy, noResults,
	} {
		kinds = append(kinds, k.with("").Type)
	}
	if diff := cmp.Diff(kinds, doc.Components.Schemas["Problem"].Value.Properties["type"].Value.Enum); diff != "" {
		t.Errorf("kinds of problems (-server +document):\n%s", diff)
	}
}

// TestContractIsHeld shows that an answer that breaks the document is noticed.
func TestContractIsHeld(t *testing.T) {
	for name, body := range map[string]string{
		"a field too many": `{"status":"ok","more":1}`,
		"a field missing":  `{}`,
		"another value":    `{"status":"fine"}`,
	} {
		router, err := contract()
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Fatal(err)
		}
		err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
			Status:                 http.StatusOK, Header: http.Header{"Content-Type": {jsonType}}, Body: io.NopCloser(strings.NewReader(body)),
		})
		if err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
}
