package guard

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
)

// shortestToken is in bytes: 128 random bits in base 64 have 22.
const shortestToken = 16

// Tokens are the hashes of the bearer tokens that open a server; none let
// everyone in. They are hashes so that comparing two takes the same time
// whatever they are, and how long they are.
type Tokens [][sha256.Size]byte

// ReadTokens reads a file of one token a line; lines that begin with # are
// comments. With more than one, clients can change to a new token one by one.
func ReadTokens(file string) (Tokens, error) {
	data, err := ReadSecret(file)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	t, err := ParseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("tokens: %s: %w", file, err)
	}
	return t, nil
}

// ParseTokens reads the text of such a file.
func ParseTokens(data []byte) (Tokens, error) {
	var t Tokens
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		token := strings.TrimSpace(lines.Text())
		switch {
		case token == "" || token[0] == '#':
		case len(token) < shortestToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("line %d: expected a token of at least %d printable ASCII characters: make one with `openssl rand -base64 24`", n, shortestToken)
		default:
			t = append(t, sha256.Sum256([]byte(token)))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(t) == 0 {
		return nil, fmt.Errorf("expected one token or more, each on a line of its own, found none")
	}
	return t, nil
}

// Admit reports whether a field Authorization holds one of the tokens.
func (t Tokens) Admit(field string) bool {
	scheme, token, _ := strings.Cut(field, " ")
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(t[i][:], given[:])
	}
	return found == 1 && strings.EqualFold(scheme, "Bearer")
}
