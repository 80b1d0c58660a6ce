package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"example.com/shopstream/internal/lake"
)

// TestJSONIsWhole: what verify writes parses, come to its end or not.
func TestJSONIsWhole(t *testing.T) {
	for _, whole := range []bool{true, false} {
		for n := range 3 {
			var b bytes.Buffer
			r, err := newReport(&b, "json")
			if err != nil {
				t.Fatal(err)
			}
			for range n {
				r.found(lake.Finding{Verdict: lake.Damaged, Object: "silver/x", Found: "expected, found", Do: "restore it"})
			}
			end := r.flush
			if whole {
				end = func() error { return r.end(lake.Checked{Objects: 7}, time.Second) }
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			var got struct {
				Findings   []lake.Finding
				Damaged    int
				Incomplete bool
			}
			if err := json.Unmarshal(b.Bytes(), &got); err != nil {
				t.Fatalf("%v in\n%s", err, b.String())
			}
			if len(got.Findings) != n || got.Incomplete == whole || whole && got.Damaged != n || n > 0 && got.Findings[0].Verdict != lake.Damaged {
				t.Errorf("%d findings, whole %v: %+v", n, whole, got)
			}
		}
	}
}
