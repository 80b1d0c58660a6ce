package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"example.com/shopstream/pipelines"
)

// stoppedCode is the exit code when a quality rule has stopped a day.
const stoppedCode = 3

// print writes the report and returns the exit code.
func print(w io.Writer, format string, report pipelines.GoldReport) int {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(report); err != nil {
			fmt.Fprintln(os.Stderr, "gold:", err)
			return 1
		}
	} else {
		report.Write(w)
	}
	if len(report.Failed) > 0 {
		return stoppedCode
	}
	return 0
}
