package shop

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may be nested; the event itself is 1.
const MaxDepth = 64

// kind is the JSON type of a value; the zero kind is a member that is not there.
type kind uint8

const (
	absent kind = iota
	null
	boolean
	number
	text
	array
	object
)

var kindNames = [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}

// token is a JSON value: the text of a number, the decoded text of a string,
// nothing more of the others.
type token struct {
	kind kind
	text []byte
}

// scanner is one strict pass over a JSON object (RFC 8259): it keeps the
// contract's members of the top level and checks everything else. Its input is
// valid UTF-8.
type scanner struct {
	data []byte
	pos  int

	fields [numFields]token
	seen   uint32 // bit set of the fields

	keys [][]byte // keys of the objects that are open, but for the contract's
	buf  []byte   // decoded text of strings with escapes

	problem string // the first error; pos is where
	twice   []byte // a key that an object has twice
}

// scan reads data; it reports whether data is one well-formed object. A key
// that is there twice is no syntax error: see twice.
func (s *scanner) scan(data []byte) bool {
	s.data, s.pos = data, 0
	s.fields, s.seen = [numFields]token{}, 0
	s.keys, s.buf = s.keys[:0], s.buf[:0]
	s.problem, s.twice = "", nil

	if s.peek() != '{' {
		return s.fail("expected one JSON object")
	}
	if !s.object(1) {
		return false
	}
	s.peek()
	return s.pos == len(data) || s.fail("expected nothing behind the object")
}

func (s *scanner) fail(problem string) bool {
	s.problem = problem
	return false
}

// peek skips white space and returns the byte there, 0 at the end. A NUL in
// the data is no JSON either, wherever peek is asked.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		if c := s.data[s.pos]; !isSpace(c) {
			return c
		}
		s.pos++
	}
	return 0
}

// value reads any value.
func (s *scanner) value(depth int) (t token, ok bool) {
	switch c := s.peek(); {
	case c == '"':
		t.kind = text
		t.text, ok = s.str()
	case c == '-' || isDigit(c):
		t.kind = number
		t.text, ok = s.num()
	case c == '{':
		t.kind, ok = object, s.object(depth+1)
	case c == '[':
		t.kind, ok = array, s.array(depth+1)
	case c == 't':
		t.kind, ok = boolean, s.literal("true")
	case c == 'f':
		t.kind, ok = boolean, s.literal("false")
	case c == 'n':
		t.kind, ok = null, s.literal("null")
	default:
		return t, s.fail("expected a value")
	}
	return t, ok
}

func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.fail("expected a value")
	}
	s.pos += len(word)
	return true
}

// object reads the object that begins at pos.
func (s *scanner) object(depth int) bool {
	if depth > MaxDepth {
		return s.fail("nested too deep")
	}
	first := len(s.keys)
	s.pos++
	if s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		if s.peek() != '"' {
			return s.fail("expected a key in double quotes")
		}
		key, ok := s.str()
		if !ok {
			return false
		}
		if s.peek() != ':' {
			return s.fail("expected a colon behind a key")
		}
		s.pos++
		val, ok := s.value(depth)
		if !ok {
			return false
		}
		if f := fieldOf(key); depth == 1 && f < numFields {
			if s.seen&(1<<f) != 0 {
				s.twice = key
			}
			s.seen |= 1 << f
			s.fields[f] = val
		} else {
			s.keys = append(s.keys, key)
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			s.checkKeys(first)
			return true
		default:
			return s.fail("expected a comma or the end of an object")
		}
	}
}

// checkKeys looks for a repeated key among those of the innermost object, which
// begin at first, and forgets them. Sorting bounds the cost for objects of many
// keys.
func (s *scanner) checkKeys(first int) {
	keys := s.keys[first:]
	s.keys = s.keys[:first]
	if len(keys) < 2 {
		return
	}
	slices.SortFunc(keys, bytes.Compare)
	for i, k := range keys[1:] {
		if bytes.Equal(k, keys[i]) {
			s.twice = k
		}
	}
}

// array reads the array that begins at pos.
func (s *scanner) array(depth int) bool {
	if depth > MaxDepth {
		return s.fail("nested too deep")
	}
	s.pos++
	if s.peek() == ']' {
		s.pos++
		return true
	}
	for {
		if _, ok := s.value(depth); !ok {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return true
		default:
			return s.fail("expected a comma or the end of an array")
		}
	}
}

// num reads the number that begins at pos.
func (s *scanner) num() ([]byte, bool) {
	start := s.pos
	if s.at() == '-' {
		s.pos++
	}
	switch c := s.at(); {
	case c == '0':
		s.pos++
	case isDigit(c):
		s.digits()
	default:
		return nil, s.fail("expected a digit")
	}
	if s.at() == '.' {
		s.pos++
		if !s.digits() {
			return nil, s.fail("expected a digit behind the point")
		}
	}
	if c := s.at(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.at(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return nil, s.fail("expected a digit in the exponent")
		}
	}
	return s.data[start:s.pos], true
}

// at is the byte at pos, 0 at the end.
func (s *scanner) at() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// digits skips digits; it reports whether there was one.
func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.at()) {
		s.pos++
	}
	return s.pos > start
}

// str reads the string that begins at pos and decodes it.
func (s *scanner) str() ([]byte, bool) {
	start := s.pos + 1
	for i, c := range s.data[start:] {
		switch {
		case c == '"':
			s.pos = start + i + 1
			return s.data[start : start+i], true
		case c == '\\':
			return s.escaped(start, start+i)
		case c < ' ':
			s.pos = start + i
			return nil, s.fail("control character in a string")
		}
	}
	s.pos = len(s.data)
	return nil, s.fail("string without an end")
}

// escaped goes on with a string of start whose first backslash is at pos.
func (s *scanner) escaped(start, pos int) ([]byte, bool) {
	// Strings decoded before keep their memory if buf has to move.
	out := len(s.buf)
	s.buf = append(s.buf, s.data[start:pos]...)
	s.pos = pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.buf[out:len(s.buf):len(s.buf)], true
		case c < ' ':
			return nil, s.fail("control character in a string")
		case c != '\\':
			s.buf = append(s.buf, c)
			s.pos++
		case !s.escape():
			return nil, false
		}
	}
	return nil, s.fail("string without an end")
}

// escape decodes the escape at pos.
func (s *scanner) escape() bool {
	s.pos++
	c := s.at()
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicode()
	default:
		return s.fail("unknown escape in a string")
	}
	s.buf = append(s.buf, c)
	s.pos++
	return true
}

// unicode decodes the \uXXXX or the pair of them whose first u is at pos.
func (s *scanner) unicode() bool {
	r, ok := s.hex4()
	if !ok {
		return false
	}
	if utf16.IsSurrogate(r) {
		if !bytes.HasPrefix(s.data[s.pos:], []byte(`\u`)) {
			return s.fail("half of a surrogate pair in a string")
		}
		s.pos++
		low, ok := s.hex4()
		if !ok {
			return false
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return s.fail("half of a surrogate pair in a string")
		}
	}
	s.buf = utf8.AppendRune(s.buf, r)
	return true
}

// hex4 reads the four hexadecimal digits behind the u at pos.
func (s *scanner) hex4() (rune, bool) {
	s.pos++
	if len(s.data)-s.pos < 4 {
		s.pos = len(s.data)
		return 0, s.fail("string without an end")
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		r <<= 4
		switch {
		case isDigit(c):
			r |= rune(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, s.fail("expected four hexadecimal digits behind \\u")
		}
	}
	s.pos += 4
	return r, true
}
