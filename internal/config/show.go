package config

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Show prints every key, its value and its origin, one a line, as Load found
// them.
func (l *Loader) Show(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "KEY\tVALUE\tORIGIN")
	for _, f := range fields {
		value := formatValue(f.of(&l.loaded))
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", f.key(), value, l.Origin(f.key()))
	}
	return tw.Flush()
}

// ShowJSON prints the same as one JSON array of objects with key, value and
// origin. Numbers, booleans and lists are JSON's; durations and sizes are texts.
func (l *Loader) ShowJSON(w io.Writer) error {
	type entry struct {
		Key    string `json:"key"`
		Value  any    `json:"value"`
		Origin string `json:"origin"`
	}
	entries := make([]entry, 0, len(fields))
	for _, f := range fields {
		v := f.of(&l.loaded)
		e := entry{Key: f.key(), Value: formatValue(v), Origin: l.Origin(f.key())}
		switch x := v.Interface().(type) {
		case int, int64, float64, bool, []string:
			e.Value = x
		}
		entries = append(entries, e)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(entries)
}
