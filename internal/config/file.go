package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// setting is one checked value from one source.
type setting struct {
	field  field
	value  reflect.Value
	origin string // for Show: "config.yaml:3"
	where  string // for errors: "config.yaml:3:12"
}

// maxFileBytes bounds the work of the YAML parser.
const maxFileBytes = 1 << 20

// readYAML reads a whole configuration file. It walks the syntax tree instead of
// letting the library decode into Config, because decoding stops at the first
// mistake, guesses types (010 is 8) and forgets the lines of good values.
func readYAML(name string, data []byte) ([]setting, []*Error) {
	r := yamlReader{name: name}
	if len(data) > maxFileBytes {
		r.fail(nil, "", fmt.Sprintf("a file of %d bytes", len(data)), fmt.Sprintf("at most %d", maxFileBytes))
		return nil, r.errs
	}
	// Keys given twice are found here, together with the other mistakes.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		const allowed = "well-formed YAML: indented with spaces, texts with : or # in quotes"
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			r.fail(syntax.GetToken(), "", "a syntax error: "+syntax.GetMessage(), allowed)
		} else {
			r.fail(nil, "", "a syntax error: "+err.Error(), allowed)
		}
		return nil, r.errs
	}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			r.fail(doc.Body.GetToken(), "", "a second document", "one document a file")
			break
		}
		r.document(doc.Body)
	}
	return r.settings, r.errs
}

type yamlReader struct {
	name     string
	settings []setting
	errs     []*Error
}

// at words a position; a token may be missing where the parser keeps none.
func (r *yamlReader) at(t *token.Token, column bool) string {
	if t == nil || t.Position == nil {
		return r.name
	}
	s := r.name + ":" + strconv.Itoa(t.Position.Line)
	if column {
		s += ":" + strconv.Itoa(t.Position.Column)
	}
	return s
}

func (r *yamlReader) fail(t *token.Token, key, found, allowed string) {
	r.errs = append(r.errs, &Error{Where: r.at(t, true), Key: key, Found: found, Allowed: allowed})
}

func (r *yamlReader) document(body ast.Node) {
	if isNothing(body) {
		return
	}
	m, ok := body.(ast.MapNode)
	if !ok {
		r.fail(body.GetToken(), "", describe(body), "the sections "+strings.Join(sections(), ", "))
		return
	}
	r.each(m, "", func(name string, key *token.Token, value ast.Node) {
		for _, s := range sections() {
			if s == name {
				r.section(s, value)
				return
			}
		}
		hint := "the sections " + strings.Join(sections(), ", ")
		if near, ok := nearest(name, sections()); ok {
			hint += " (did you mean " + near + "?)"
		} else if f, ok := fieldByName(name); ok {
			hint += " (did you mean " + f.key() + "?)"
		}
		r.fail(key, name, "an unknown section", hint)
	})
}

func (r *yamlReader) section(section string, body ast.Node) {
	if isNothing(body) { // all its keys are comments
		return
	}
	m, ok := body.(ast.MapNode)
	if !ok {
		r.fail(body.GetToken(), section, describe(body), "keys and values, one a line, indented")
		return
	}
	r.each(m, section+".", func(name string, key *token.Token, value ast.Node) {
		f, ok := fieldByKey(section + "." + name)
		if !ok {
			r.fail(key, section+"."+name, "an unknown key", suggestKey(section, name))
			return
		}
		r.value(f, key, value)
	})
}

// each calls visit for each key of a mapping, once.
func (r *yamlReader) each(m ast.MapNode, prefix string, visit func(name string, key *token.Token, value ast.Node)) {
	first := map[string]*token.Token{}
	for it := m.MapRange(); it.Next(); {
		t := it.Key().GetToken()
		if t == nil {
			r.fail(nil, "", "a key without a name", "a name")
			continue
		}
		if earlier, ok := first[t.Value]; ok {
			r.fail(t, prefix+t.Value, fmt.Sprintf("the key again, after line %d", earlier.Position.Line), "each key once")
			continue
		}
		first[t.Value] = t
		visit(t.Value, t, it.Value())
	}
}

func (r *yamlReader) value(f field, key *token.Token, n ast.Node) {
	text, found, ok := scalar(f, n)
	t := key
	if n != nil && !isNothing(n) && n.GetToken() != nil {
		t = n.GetToken()
	}
	var v reflect.Value
	if ok {
		v, ok = f.parse(text)
	}
	if !ok {
		allowed := f.allowed()
		switch n.(type) {
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			if f.typ.Kind() == reflect.String {
				allowed += "; in quotes, because YAML takes it for another type"
			}
		}
		r.fail(t, f.key(), found, allowed)
		return
	}
	r.settings = append(r.settings, setting{field: f, value: v, origin: r.at(key, false), where: r.at(t, true)})
}

// scalar returns the text of a node if its YAML type fits the field, and how to
// call the node in a message. A number in quotes is a text, and a text that
// YAML takes for a number needs quotes: what a reader sees is what holds.
func scalar(f field, n ast.Node) (text, found string, ok bool) {
	found = describe(n)
	_, isList := reflect.Zero(f.typ).Interface().([]string)
	switch n := n.(type) {
	case *ast.StringNode:
		switch reflect.Zero(f.typ).Interface().(type) {
		case string, []string, time.Duration, Size:
			return n.Value, found, true
		case float64: // the library takes 1e+06 for a text
			return n.Value, found, n.Token.Type == token.StringType
		}
	case *ast.IntegerNode:
		switch reflect.Zero(f.typ).Interface().(type) {
		case int, int64, float64, Size:
			return n.Token.Value, found, true
		}
	case *ast.FloatNode:
		if f.typ.Kind() == reflect.Float64 {
			return n.Token.Value, found, true
		}
	case *ast.BoolNode:
		if f.typ.Kind() == reflect.Bool {
			return n.Token.Value, found, true
		}
	case *ast.SequenceNode:
		if !isList {
			break
		}
		items := make([]string, len(n.Values))
		for i, item := range n.Values {
			s, ok := item.(*ast.StringNode)
			if !ok || strings.Contains(s.Value, ",") {
				return "", describe(item) + " in the list", false
			}
			items[i] = s.Value
		}
		return strings.Join(items, ","), "[" + strings.Join(items, ", ") + "]", true
	}
	return "", found, false
}

// isNothing holds for a value that is not there: null, or only comments.
func isNothing(n ast.Node) bool {
	switch n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return true
	}
	return false
}

// describe calls a node by what a person sees in the file.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return "nothing"
	case *ast.StringNode:
		return shorten(n.Value)
	case *ast.LiteralNode:
		return "a text of several lines"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	case *ast.AnchorNode:
		return "an anchor (&)"
	case *ast.AliasNode:
		return "an alias (*)"
	case *ast.TagNode:
		return "a tag (!)"
	}
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return "something else"
}

// shorten quotes a text, cut to what fits in a message.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}
