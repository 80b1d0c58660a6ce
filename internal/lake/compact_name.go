package lake

import (
	"fmt"
	"strings"
	"time"
)

// Compacted silver files lie beside those that they replace:
//
//	silver/date=2026-03-01/category-toys/compacted-0-0.parquet   generation, part
//
// They hold many base windows, so that no window is in their names, and a run
// that goes on with the lake leaves them alone.

const compactedPrefix = "compacted-"

// compactedName is the name of one part of a category's compacted events of a
// UTC date.
func compactedName(date, category string, generation, part int) string {
	b := append(make([]byte, 0, 96), Silver...)
	b = append(b, "/date="...)
	b = append(b, date...)
	b = append(append(b, '/'), categoryFolder...)
	b = appendHive(b, category)
	return string(b) + fmt.Sprintf("/%s%d-%d%s", compactedPrefix, generation, part, extension)
}

// silverCategory returns the category of a silver file, compacted or not, from
// its name.
func silverCategory(name string) (category string, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[0] != string(Silver) {
		return "", false
	}
	return parseCategory(parts[2])
}

// silverSpan returns the event times [from, to), µs, that a silver file can
// hold, from its name and the length of a base window in ms, 0 if that is not
// known: then to is not, either.
func silverSpan(name string, baseWindow int64) (from, to int64, ok bool) {
	if window, ok := parseWindow(name); ok {
		return window * 1000, (window + baseWindow) * 1000, true
	}
	date, ok := silverDate(name)
	if !ok {
		return 0, 0, false
	}
	t, err := time.Parse(dateFormat, date)
	if err != nil {
		return 0, 0, false
	}
	// A window belongs to the date in which it starts.
	return t.UnixMicro(), t.AddDate(0, 0, 1).UnixMicro() + baseWindow*1000, true
}

// silverDate returns the UTC date of a silver file from its name.
func silverDate(name string) (date string, ok bool) {
	parts := strings.SplitN(name, "/", 3)
	if len(parts) != 3 || parts[0] != string(Silver) {
		return "", false
	}
	return strings.CutPrefix(parts[1], "date=")
}
