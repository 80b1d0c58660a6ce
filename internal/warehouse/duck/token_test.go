package duck

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/warehouse"
)

func TestTokenize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"SELECT a.b1, 1.5e-3+.5":        {"SELECT", " ", "a", ".", "b1", ",", " ", "1.5e-3", "+", ".5"},
		"0xFe-1":                        {"0xFe", "-", "1"},
		"@a=@b_2":                       {"@a", "=", "@b_2"},
		"a--b @c\n#d 'x\n/* @e\n'' */f": {"a", " ", "\n", " ", "\n", " \n", "f"},
		`'it\'s' "a\"b" 'say "x"'`:      {"'it's'", " ", `'a"b'`, " ", `'say "x"'`},
		"'''a'b\nc''' r'\\d\\''":        {"'a'b\nc'", " ", `'\d\''`},
		`"""x""" R"a\n"`:                {"'x'", " ", `'a\n'`},
		`'\x41\u00e9\U0001F600\101\n'`:  {"'Aé😀A\n'"},
		"`a b`.`c\\`d`":                 {"`a b`", ".", "`c`d`"},
		"''":                            {"''"},
		"'@a -- /* ;'":                  {"'@a -- /* ;'"},
	} {
		tokens, err := tokenize(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, token := range tokens {
			switch token.kind {
			case literal:
				got = append(got, "'"+token.text+"'")
			case quoted:
				got = append(got, "`"+token.text+"`")
			case param:
				got = append(got, "@"+token.text)
			default:
				got = append(got, token.text)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestTokenizeRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT\n  'a": "line 2, column 3: what begins here with ' does not end",
		"SELECT 'a\n'": "expected a closing ' on the same line",
		"'''a''":       "does not end",
		`'\q'`:         `the escape sequence \q`,
		`'\ud800'`:     `the escape sequence \u`,
		`'\000'`:       "without a zero byte",
		"'it''s'":      `a quote within a string is written \'`,
		"b'x'":         "bytes",
		"rb'x'":        "bytes",
		"/* a":         "a comment begins here",
		"@":            "the name of a parameter",
		"@@x":          "the name of a parameter",
		"@1":           "the name of a parameter",
		"$1":           "found '$'",
		"?":            "found '?'",
		"SELECT é":     "found 'é'",
		"``":           "expected a name between backticks",
		"\xff":         "UTF-8",
		`r'\`:          "expected a closing '",
	} {
		if _, err := tokenize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected one with %q", text, err, want)
		}
	}
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	params := warehouse.Params{"n": int64(1), "d": nil}
	for text, want := range map[string]string{
		"SELECT @n, @d, @n;\n -- end":                              "SELECT (CAST($n AS BIGINT)), $d, (CAST($n AS BIGINT))",
		"SELECT CAST(@n AS NUMERIC), @d":                           "SELECT CAST((CAST($n AS BIGINT)) AS DECIMAL(38, 9)), $d",
		"SELECT CAST(f(a) AS FLOAT64) AS numeric, @n, @d":          "SELECT CAST(f(a) AS DOUBLE) AS numeric, (CAST($n AS BIGINT)), $d",
		"SELECT NUMERIC '1.5', TIMESTAMP\n\"2026-01-01\", @n, @d":  "SELECT CAST( '1.5' AS DECIMAL(38, 9)), CAST(\n'2026-01-01' AS TIMESTAMPTZ), (CAST($n AS BIGINT)), $d",
		"SELECT e'a', x\"b\", `c\"`, @n, @d":                       `SELECT e 'a', x 'b', "c""", (CAST($n AS BIGINT)), $d`,
		"(SELECT (SELECT 'a' AS timestamp), @n, @d)":               "(SELECT (SELECT 'a' AS timestamp), (CAST($n AS BIGINT)), $d)",
		"WITH a AS (SELECT 1) SELECT @n, @d FROM a # it's @x; yes": "WITH a AS (SELECT 1) SELECT (CAST($n AS BIGINT)), $d FROM a",
	} {
		got, err := translate(text, params)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got.text != want {
			t.Errorf("%s:\nexpected %s\nfound    %s", text, want, got.text)
		}
	}
	for text, want := range map[string]string{
		"SELECT 1; SELECT 2":       "several statements",
		"SELECT @x":                "the parameter @x has no value: given are [d n]",
		"SELECT @n":                "the text has no parameter @d",
		"":                         "found nothing",
		"-- SELECT":                "found nothing",
		"COPY a TO 'b'":            `begins with "COPY"`,
		"'SELECT'":                 `begins with "SELECT"`,
		"(PRAGMA version)":         `begins with "PRAGMA"`,
		"FROM a SELECT b":          `begins with "FROM"`,
		"INSERT INTO a SELECT 1":   `begins with "INSERT"`,
		"EXPLAIN SELECT 1":         `begins with "EXPLAIN"`,
		"SET a = 1; SELECT 1":      "several statements",
		"SELECT 1 /* ; */; DROP a": "several statements",
	} {
		if _, err := translate(text, params); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected one with %q", text, err, want)
		}
	}
}

// TestStrings wants DuckDB to read each text that GoogleSQL can write.
func TestStrings(t *testing.T) {
	t.Parallel()
	d := openTest(t, nil)
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune{'\'', '"', '\\', '\n', '`', '@', ';', '-', '$', '\r'}), rapid.Rune())).
			Filter(func(s string) bool { return !strings.Contains(s, "\x00") && strings.ToValidUTF8(s, "") == s }).Draw(t, "text")
		rows, err := d.Query(t.Context(), "SELECT '"+quote.Replace(want)+"' AS a, @b AS b", warehouse.Params{"b": want})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]any{{want, want}}, rows.Rows); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// FuzzTranslate wants tokens that cover the text, and a translation that is one
// statement with no parameter but those given: nothing in a string or a comment
// comes out of it.
func FuzzTranslate(f *testing.F) {
	for _, seed := range []string{
		"SELECT @a, 'x@b' -- @c\n", "WITH a AS (SELECT CAST(x AS NUMERIC)) SELECT * FROM a;", "SELECT NUMERIC '1', r'\\', '''a''', `b`",
		"SELECT e'\\'; DROP", "SELECT 1e5x'a'", "SELECT /* '*/ 1 /**/", "SELECT \"a\\\"b\" # ;", "(((SELECT",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := tokenize(text)
		if err != nil {
			return
		}
		at := -1
		for _, token := range tokens {
			if token.at <= at || token.at >= len(text) {
				t.Fatalf("token %+v is after byte %d", token, at)
			}
			at = token.at
		}
		q, err := translate(text, warehouse.Params{"a": "v"})
		if err != nil {
			return
		}
		// DuckDB's own rules, as far as this translation uses them: what is outside
		// of quotes has no comment, no parameter but $a, and no second statement.
		rest := q.text
		for rest != "" {
			switch c := rest[0]; c {
			case '\'', '"':
				end := 1
				for end < len(rest) && (rest[end] != c || end+1 < len(rest) && rest[end+1] == c) {
					if rest[end] == c {
						end++
					}
					end++
				}
				if end >= len(rest) {
					t.Fatalf("a quote does not end in %q", q.text)
				}
				rest = rest[end+1:]
				continue
			case ';', '@', '`', '#', '\\':
				t.Fatalf("%q is left in %q", c, q.text)
			case '$':
				if !strings.HasPrefix(rest, "$a ") {
					t.Fatalf("a parameter of its own in %q", q.text)
				}
			}
			if strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") {
				t.Fatalf("a comment is left in %q", q.text)
			}
			rest = rest[1:]
		}
	})
}
