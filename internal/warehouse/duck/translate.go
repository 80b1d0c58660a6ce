package duck

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/warehouse"
)

// query is a GoogleSQL text as DuckDB takes it.
type query struct {
	text   string
	params []string        // the parameters that are in it, each once
	words  map[string]bool // its identifiers and keywords in lower case: tables are among them
}

// types are what DuckDB calls types of GoogleSQL whose names it does not know,
// or takes for something else: its NUMERIC has three decimals, its TIMESTAMP no
// time zone.
var types = map[string]string{
	"numeric": "DECIMAL(38, 9)", "float64": "DOUBLE", "timestamp": "TIMESTAMPTZ",
}

// translate rewrites the words of a text, not its meaning: strings and names in
// DuckDB's quotes, parameters with their type, types by DuckDB's name. Lines
// stay, so that an error's line is right. It accepts one SELECT only.
func translate(text string, params warehouse.Params) (query, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return query{}, err
	}
	if tokens, err = single(tokens); err != nil {
		return query{}, err
	}
	q := query{words: map[string]bool{}}
	var b strings.Builder
	var casts []bool // by open parenthesis: whether it is that of a CAST
	var typed string // type of the literal that comes next
	for i, t := range tokens {
		if i > 0 && t.kind != space && t.kind != symbol && tokens[i-1].kind != space && tokens[i-1].kind != symbol {
			b.WriteByte(' ') // two tokens are two in DuckDB, too: e'…' is one there
		}
		switch t.kind {
		case literal:
			b.WriteString(sqlString(t.text))
			if typed != "" {
				b.WriteString(" AS " + typed + ")")
				typed = ""
			}
		case quoted:
			q.words[strings.ToLower(t.text)] = true
			b.WriteString(sqlName(t.text))
		case param:
			value, ok := params[t.text]
			if !ok {
				return query{}, fmt.Errorf("the parameter @%s has no value: given are %v", t.text, slices.Sorted(maps.Keys(params)))
			}
			if !slices.Contains(q.params, t.text) {
				q.params = append(q.params, t.text)
			}
			typ, _, err := bind(value)
			if err != nil {
				return query{}, fmt.Errorf("parameter @%s: %w", t.text, err)
			}
			if typ == "" {
				b.WriteString("$" + t.text)
			} else {
				b.WriteString("(CAST($" + t.text + " AS " + typ + "))")
			}
		case word:
			lower := strings.ToLower(t.text)
			q.words[lower] = true
			typ, isType := types[lower]
			switch {
			case isType && len(casts) > 0 && casts[len(casts)-1] && isWord(neighbour(tokens, i, -1), "as"):
				b.WriteString(typ)
			case isType && neighbour(tokens, i, +1).kind == literal:
				typed = typ
				b.WriteString("CAST(")
			default:
				b.WriteString(t.text)
			}
		case symbol:
			switch t.text {
			case "(":
				casts = append(casts, isWord(neighbour(tokens, i, -1), "cast"))
			case ")":
				casts = casts[:max(len(casts)-1, 0)]
			}
			b.WriteString(t.text)
		default:
			b.WriteString(t.text)
		}
	}
	for name := range params {
		if !slices.Contains(q.params, name) {
			return query{}, fmt.Errorf("the text has no parameter @%s: it has %v", name, q.params)
		}
	}
	q.text = b.String()
	return q, nil
}

// single wants one SELECT, and takes the semicolon from its end.
func single(tokens []token) ([]token, error) {
	end := len(tokens)
	for end > 0 && (tokens[end-1].kind == space || tokens[end-1].text == ";" && tokens[end-1].kind == symbol) {
		end--
	}
	tokens = tokens[:end]
	if slices.ContainsFunc(tokens, func(t token) bool { return t.kind == symbol && t.text == ";" }) {
		return nil, errors.New("expected one SELECT, found several statements: give them one by one")
	}
	for _, t := range tokens {
		if t.kind == space || t.kind == symbol && t.text == "(" {
			continue
		}
		if isWord(t, "select") || isWord(t, "with") {
			return tokens, nil
		}
		return nil, fmt.Errorf("expected SELECT or WITH … SELECT, found a statement that begins with %q: tables are only read here", t.text)
	}
	return nil, errors.New("expected a SELECT, found nothing")
}

// neighbour returns the nearest token before (-1) or after (+1) i that is not
// space.
func neighbour(tokens []token, i, step int) token {
	for i += step; i >= 0 && i < len(tokens); i += step {
		if tokens[i].kind != space {
			return tokens[i]
		}
	}
	return token{kind: space}
}

func isWord(t token, lower string) bool {
	return t.kind == word && strings.EqualFold(t.text, lower)
}

func sqlString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func sqlName(s string) string   { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// numericLimit is what a NUMERIC stays below: it has 29 digits before the point.
var numericLimit = new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(29), nil))

// bind returns how a parameter's value is handed to DuckDB, and the type that
// it is cast to in the text; none for NULL, which the text casts.
func bind(value any) (typ string, bound any, err error) {
	switch v := value.(type) {
	case nil:
		return "", nil, nil
	case bool:
		return "BOOLEAN", v, nil
	case int64:
		return "BIGINT", v, nil
	case float64:
		return "DOUBLE", v, nil
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return "", nil, errors.New("expected a text without a zero byte")
		}
		return "VARCHAR", v, nil
	case civil.Date:
		if !v.IsValid() {
			return "", nil, fmt.Errorf("expected a date, found %v", v)
		}
		return "DATE", v.String(), nil
	case time.Time:
		return "TIMESTAMPTZ", v.UTC().Format("2006-01-02 15:04:05.999999") + "+00", nil
	case *big.Rat:
		if v == nil {
			return "", nil, errors.New("expected a NUMERIC or nil, found a nil *big.Rat")
		}
		text := v.FloatString(9)
		if back, _ := new(big.Rat).SetString(text); back.Cmp(v) != 0 || new(big.Rat).Abs(v).Cmp(numericLimit) >= 0 {
			return "", nil, fmt.Errorf("expected a NUMERIC with at most 29 digits before and 9 after the point, found %v", v.RatString())
		}
		return "DECIMAL(38, 9)", text, nil
	default:
		return "", nil, fmt.Errorf("expected nil, bool, int64, float64, string, civil.Date, time.Time or *big.Rat, found %T", value)
	}
}
