package serve

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

//go:embed docs.html
var docsHTML string

// docsPage is the document as a page that needs nothing else.
var docsPage = mustPage(documentJSON)

// document is what the page shows of the description.
type document struct {
	Info struct {
		Title, Version, Description string
	}
	Paths      map[string]map[string]operation // by path and method
	Components struct {
		Parameters map[string]parameter
	}
}

type operation struct {
	Summary, Description string
	Parameters           []parameter
	RequestBody          *struct {
		Description string
	}
	Responses map[string]struct{ Description string }
}

type parameter struct {
	Ref         string `json:"$ref"`
	Name, In    string
	Required    bool
	Description string
}

// section is an operation on the page.
type section struct {
	ID, Method, Path string
	operation
	Statuses []string
}

func mustPage(text []byte) []byte {
	page, err := renderPage(text)
	if err != nil {
		panic(fmt.Sprintf("openapi.yaml as a page: %v", err)) // embedded, and read by the tests
	}
	return page
}

func renderPage(text []byte) ([]byte, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	var sections []section
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			for i, p := range o.Parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					o.Parameters[i] = d.Components.Parameters[name]
				}
			}
			sections = append(sections, section{
				ID: method + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path), Method: strings.ToUpper(method), Path: path,
				operation: o, Statuses: slices.Sorted(maps.Keys(o.Responses)),
			})
		}
	}
	page, err := template.New("docs").Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, struct {
		document
		Sections []section
	}{d, sections})
	return b.Bytes(), err
}

// getDocs answers GET /docs.
func getDocs(*snapshot, *http.Request) (answer, *problem) {
	a := jsonAnswer(docsPage)
	a.contentType = "text/html; charset=utf-8"
	a.header = []string{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
	return a, nil
}

// fixed is an endpoint that always answers the same.
func fixed(contentType string, body []byte) endpoint {
	return func(*snapshot, *http.Request) (answer, *problem) {
		return answer{status: http.StatusOK, contentType: contentType, body: body}, nil
	}
}
