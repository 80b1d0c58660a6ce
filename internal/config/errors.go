package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in the configuration.
type Error struct {
	Where   string // "config.yaml:3:12" (line, column), "env SHOPSTREAM_KAFKA_TOPIC", "flag --topic"
	Key     string // "kafka.topic"; empty if the mistake is not in one key
	Found   string // the value as it stands, or what is wrong with it
	Allowed string // what may stand there, or what to do
}

func (e *Error) Error() string {
	key := ""
	if e.Key != "" {
		key = e.Key + ": "
	}
	return fmt.Sprintf("%s: %sfound %s; allowed: %s", e.Where, key, e.Found, e.Allowed)
}

// joinErrors makes one error, a line each; nil for none.
func joinErrors(errs []*Error) error {
	plain := make([]error, len(errs))
	for i, e := range errs {
		plain[i] = e
	}
	return errors.Join(plain...)
}

// nearest returns the candidate that name is most likely a misspelling of, or
// false if none is close: a third of its letters may be wrong, at least one.
func nearest(name string, candidates []string) (string, bool) {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best, best != ""
}

// editDistance counts the insertions, deletions and replacements of bytes, and
// swaps of neighbours (the most frequent slip), between a and b.
func editDistance(a, b string) int {
	var before []int // the row before previous
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replace := previous[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, previous[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, previous = previous, row
	}
	return previous[len(b)]
}

// suggestKey words the hint for an unknown key of a section.
func suggestKey(section, name string) string {
	var here []string
	for _, f := range fields {
		if f.section == section {
			here = append(here, f.name)
		}
	}
	list := "the keys of " + section + ": " + strings.Join(here, ", ")
	if near, ok := nearest(name, here); ok {
		return fmt.Sprintf("%s (did you mean %s?)", list, near)
	}
	if f, ok := fieldByName(name); ok {
		return fmt.Sprintf("%s (did you mean %s?)", list, f.key())
	}
	return list
}

// sections lists the names of the sections in order.
func sections() []string {
	var names []string
	for _, f := range fields {
		if !slices.Contains(names, f.section) {
			names = append(names, f.section)
		}
	}
	return names
}
