package producer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is a text of somebody else's as it may be shown on a terminal:
// control characters, which could move the cursor, rename the window or paste
// into a shell, those that turn the direction of writing, and all others that
// show nothing are written as Go writes them ("\x1b", "\u202e"), as are bytes
// that are no UTF-8. A backslash is doubled, so that nothing else looks like that.
func Printable(s string) string {
	var b strings.Builder
	rest := s
	for len(rest) > 0 {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case r == '\\':
			b.WriteString(`\\`)
		case unicode.IsPrint(r):
			b.WriteString(rest[:size])
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		rest = rest[size:]
	}
	return b.String()
}

// printableJSON is a JSON text with the characters that Printable writes in
// another way as JSON does ("\u009b"): the same value. JSON has them only in
// strings, and those below 0x20 it does not have at all, except between values.
func printableJSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < ' ', unicode.IsPrint(r), r == utf8.RuneError:
			out = append(out, text[:size]...)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}
