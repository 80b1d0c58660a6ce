package config

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. Its text is a whole number with a unit, B, KB, MB,
// GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), or without
// one: bytes.
type Size int64

// sizeUnits is in the order in which String tries them.
var sizeUnits = []struct {
	name  string
	bytes Size
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// String returns the shortest exact text: "256MiB", "16MB", "1000001B".
func (s Size) String() string {
	best := strconv.FormatInt(int64(s), 10) + "B"
	for _, u := range sizeUnits {
		if s == 0 || s%u.bytes != 0 {
			continue
		}
		if text := strconv.FormatInt(int64(s/u.bytes), 10) + u.name; len(text) < len(best) {
			best = text
		}
	}
	return best
}

// ParseSize reads the text of a Size.
func ParseSize(text string) (Size, error) {
	number, unit := text, Size(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = rest, u.bytes
			break
		}
	}
	if !wholeNumber.MatchString(number) {
		return 0, fmt.Errorf("size %q: expected a whole number with a unit, such as 256MiB, 16MB or 4096B", text)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
		return 0, fmt.Errorf("size %q: expected at most %d bytes", text, int64(math.MaxInt64))
	}
	return Size(n) * unit, nil
}

// Numbers are decimal and plain: YAML's 010 and 0x10 mean different things to
// different readers, so they are refused.
var (
	wholeNumber   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	decimalNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
)

// parseValue reads the text of a value of type t: the same text in a flag, an
// environment variable, a default and a scalar of the file.
func parseValue(t reflect.Type, text string) (reflect.Value, bool) {
	v := reflect.New(t).Elem()
	switch v.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		v.SetInt(int64(d))
		return v, err == nil
	case Size:
		s, err := ParseSize(text)
		v.SetInt(int64(s))
		return v, err == nil
	case []string:
		list := []string{}
		if text != "" {
			for item := range strings.SplitSeq(text, ",") {
				list = append(list, strings.TrimSpace(item))
			}
		}
		v.Set(reflect.ValueOf(list))
		return v, true
	case string:
		v.SetString(text)
		return v, true
	case bool:
		v.SetBool(text == "true")
		return v, text == "true" || text == "false"
	case int, int64:
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return v, err == nil && wholeNumber.MatchString(text)
	case float64:
		x, err := strconv.ParseFloat(text, 64)
		v.SetFloat(x)
		return v, err == nil && decimalNumber.MatchString(text)
	}
	panic("config: a field of type " + t.String() + " has no text form")
}

// formatValue is the inverse of parseValue.
func formatValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case []string:
		return strings.Join(x, ",")
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return fmt.Sprint(x)
	}
}

// formatDuration drops the zero units of time.Duration's text: 1m, not 1m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// compareValues orders two values of the same type; only numbers have ranges.
func compareValues(a, b reflect.Value) int {
	if a.CanFloat() {
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(a.Int(), b.Int())
}
