package shop

import _ "embed"

//go:embed event.schema.json
var schema string

// Schema is the published contract, a JSON Schema (2020-12). Parse holds to
// rules that a schema cannot express as well; the descriptions name them.
func Schema() string { return schema }
