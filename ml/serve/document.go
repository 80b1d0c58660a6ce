package serve

import (
	_ "embed"
	"fmt"

	"github.com/goccy/go-yaml"
)

// documentYAML is the description of the API (OpenAPI 3.0).
//
//go:embed openapi.yaml
var documentYAML []byte

// documentJSON is the same in JSON.
var documentJSON = mustJSON(documentYAML)

// mustJSON converts the embedded document, which the tests have read.
func mustJSON(text []byte) []byte {
	out, err := yaml.YAMLToJSON(text)
	if err != nil {
		panic(fmt.Sprintf("openapi.yaml: %v", err))
	}
	return out
}
