package duck

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind says what a token of GoogleSQL is.
type kind int

const (
	space   kind = iota // blanks and comments; text is blanks and line ends
	word                // a keyword or an identifier
	quoted              // an identifier in backticks; text is what is between them
	literal             // a string; text is its value
	number
	param // @name; text is the name
	symbol
)

// token is one part of a GoogleSQL text.
type token struct {
	kind kind
	text string
	at   int // byte in the text
}

// tokenize cuts a GoogleSQL text by the lexical rules of GoogleSQL: all of its
// forms of strings and comments are known. What it refuses: bytes literals,
// system variables, positional parameters, $, control characters, anything but
// ASCII outside of quotes and comments, and strings that hold a zero byte.
func tokenize(text string) ([]token, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("expected a text in UTF-8, found other bytes")
	}
	var out []token
	for at := 0; at < len(text); {
		t, n, err := next(text[at:])
		if err != nil {
			line := 1 + strings.Count(text[:at], "\n")
			column := 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:at], '\n')+1:at])
			return nil, fmt.Errorf("line %d, column %d: %w", line, column, err)
		}
		t.at = at
		out = append(out, t)
		at += n
	}
	return out, nil
}

// next returns the first token of a text that is not empty, and its length.
func next(s string) (token, int, error) {
	c := s[0]
	switch {
	case isSpace(c):
		n := 1
		for n < len(s) && isSpace(s[n]) {
			n++
		}
		return token{kind: space, text: s[:n]}, n, nil
	case c == '#' || strings.HasPrefix(s, "--"):
		n := strings.IndexByte(s, '\n')
		if n < 0 {
			n = len(s)
		}
		return token{kind: space, text: " "}, n, nil
	case strings.HasPrefix(s, "/*"):
		n := strings.Index(s[2:], "*/")
		if n < 0 {
			return token{}, 0, errors.New("a comment begins here and does not end: expected */")
		}
		n += len("/**/")
		return token{kind: space, text: " " + strings.Repeat("\n", strings.Count(s[:n], "\n"))}, n, nil
	case isLetter(c):
		n := 1
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
			n++
		}
		if n < len(s) && (s[n] == '\'' || s[n] == '"') {
			switch strings.ToLower(s[:n]) {
			case "r":
				return str(s, n, true)
			case "b", "br", "rb":
				return token{}, 0, errors.New("expected a string, found bytes (b'…'): they are not supported")
			}
		}
		return token{kind: word, text: s[:n]}, n, nil
	case isDigit(c) || c == '.' && len(s) > 1 && isDigit(s[1]):
		n := numeral(s)
		return token{kind: number, text: s[:n]}, n, nil
	case c == '\'' || c == '"':
		return str(s, 0, false)
	case c == '`':
		value, n, err := unquote(s, "`", false)
		if err == nil && value == "" {
			err = errors.New("expected a name between backticks, found none")
		}
		return token{kind: quoted, text: value}, n, err
	case c == '@':
		n := 1
		for n < len(s) && (isLetter(s[n]) || n > 1 && isDigit(s[n])) {
			n++
		}
		if n == 1 {
			return token{}, 0, errors.New("expected the name of a parameter after @")
		}
		return token{kind: param, text: s[1:n]}, n, nil
	case c == '?' || c == '$' || c < ' ' || c == 0x7f || c == '\\' || c >= utf8.RuneSelf:
		r, _ := utf8.DecodeRuneInString(s)
		return token{}, 0, fmt.Errorf("expected GoogleSQL, found %q (a parameter is written @name)", r)
	default:
		return token{kind: symbol, text: s[:1]}, 1, nil
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// numeral returns the length of the number that s begins with.
func numeral(s string) int {
	n := 0
	for n < len(s) {
		switch c := s[n]; {
		case isDigit(c) || isLetter(c) || c == '.':
		case (c == '+' || c == '-') && n > 0 && (s[n-1] == 'e' || s[n-1] == 'E') && !strings.HasPrefix(strings.ToLower(s), "0x"):
		default:
			return n
		}
		n++
	}
	return n
}

// str reads a string whose quote is at s[start], after its prefix.
func str(s string, start int, raw bool) (token, int, error) {
	quote := s[start : start+1]
	if strings.HasPrefix(s[start:], strings.Repeat(quote, 3)) {
		quote = s[start : start+3]
	}
	value, n, err := unquote(s[start:], quote, raw)
	if err != nil {
		return token{}, 0, err
	}
	if strings.IndexByte(value, 0) >= 0 {
		return token{}, 0, errors.New("expected a string without a zero byte")
	}
	n += start
	if n < len(s) && (s[n] == '\'' || s[n] == '"') {
		return token{}, 0, errors.New(`expected no second string right after the first: a quote within a string is written \'`)
	}
	return token{kind: literal, text: value}, n, nil
}

// unquote returns the value of what stands in quotes, and its length with them.
func unquote(s, quote string, raw bool) (string, int, error) {
	var b strings.Builder
	for n := len(quote); n < len(s); {
		switch {
		case strings.HasPrefix(s[n:], quote):
			return b.String(), n + len(quote), nil
		case s[n] == '\n' && len(quote) == 1:
			return "", 0, fmt.Errorf("expected a closing %s on the same line", quote)
		case s[n] != '\\':
			b.WriteByte(s[n])
			n++
		case raw:
			// The character after a backslash belongs to the string, as it does.
			if n+1 == len(s) || s[n+1] == '\n' && len(quote) == 1 {
				return "", 0, fmt.Errorf("expected a closing %s", quote)
			}
			b.WriteString(s[n : n+2])
			n += 2
		default:
			r, size, err := escape(s[n:])
			if err != nil {
				return "", 0, err
			}
			b.WriteRune(r)
			n += size
		}
	}
	return "", 0, fmt.Errorf("what begins here with %s does not end", quote)
}

var escapes = map[byte]rune{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
	'\\': '\\', '?': '?', '"': '"', '\'': '\'', '`': '`',
}

// escape reads an escape sequence: its character and its length.
func escape(s string) (rune, int, error) {
	if len(s) < 2 {
		return 0, 0, errors.New(`a text ends with a backslash`)
	}
	if r, ok := escapes[s[1]]; ok {
		return r, 2, nil
	}
	digits, start, base := 0, 2, 16
	switch c := s[1]; {
	case c == 'x' || c == 'X':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case isDigit(c):
		digits, start, base = 3, 1, 8
	}
	if digits > 0 && len(s) >= start+digits {
		if v, err := strconv.ParseUint(s[start:start+digits], base, 32); err == nil && v <= utf8.MaxRune && utf8.ValidRune(rune(v)) {
			return rune(v), start + digits, nil
		}
	}
	shown, _ := utf8.DecodeRuneInString(s[1:])
	return 0, 0, fmt.Errorf(`the escape sequence \%c is not one of GoogleSQL`, shown)
}
