package pipelines

import (
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/telemetry"
)

// TestWideWindows: windows with more categories than the bound in the mean are
// told, at most once in a period, whatever the shards; few wide ones among many
// are not.
func TestWideWindows(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name           string
		bound, shards  int
		windows, files int64
		want           string
	}{
		{"none", 5, 1, 0, 0, ""},
		{"as many as may be", 5, 1, 10, 59, ""},
		{"more", 5, 1, 10, 60, "10 windows have 6 categories each in the mean, expected at most 5 (stream.max_categories)"},
		{"shards", 5, 2, 10, 119, ""},
		{"more, with shards", 5, 2, 10, 120, "10 windows have 6 categories"},
		{"never", 0, 1, 10, 1000, ""},
	} {
		w := watch[*WideWindows]{between: wideBetween(tc.bound, tc.shards), period: time.Minute, since: start, before: telemetry.Progress{Windows: 3, SilverFiles: 3000}}
		p := telemetry.Progress{Windows: 3 + tc.windows, SilverFiles: 3000 + tc.files}
		found, tell, _ := w.observe(start.Add(5*time.Second), p)
		if tell != (tc.want != "") || tell && !strings.Contains(found.Error(), tc.want) {
			t.Errorf("%s: told %v, %q; expected %q", tc.name, tell, found.Error(), tc.want)
		}
		if _, again, _ := w.observe(start.Add(10*time.Second), telemetry.Progress{Windows: p.Windows + 1, SilverFiles: p.SilverFiles + 9999}); again && tell {
			t.Errorf("%s: told twice within a period", tc.name)
		}
	}
}
