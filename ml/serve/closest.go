package serve

import (
	"cmp"
	"slices"
	"strings"
)

const (
	mostClosest   = 3  // names that are offered
	longestLikely = 64 // bytes of a name that others are compared with
)

// closest returns the names most like an unknown one, nearest first: those
// within a third of its length in edits, or that begin with it.
func closest(unknown string, names []string) []string {
	if len(unknown) > longestLikely {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	wanted := strings.ToLower(unknown)
	most := (len(wanted) + 2) / 3
	for _, name := range names {
		lower := strings.ToLower(name)
		switch {
		case wanted != "" && strings.HasPrefix(lower, wanted):
			found = append(found, candidate{name, 1})
		case len(lower)-len(wanted) <= most && len(wanted)-len(lower) <= most:
			if d := edits(wanted, lower); d <= most {
				found = append(found, candidate{name, d})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var out []string
	for _, c := range found[:min(mostClosest, len(found))] {
		out = append(out, c.name)
	}
	return out
}

// edits is the number of bytes to insert, delete or replace to make b of a
// (Levenshtein 1966).
func edits(a, b string) int {
	row := make([]int, len(b)+1) // distances of a's beginning to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
