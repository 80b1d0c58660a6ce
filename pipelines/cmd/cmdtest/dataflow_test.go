//go:build unix

package cmdtest

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
)

// TestDataflowDryRun builds the job for Dataflow with the program that would
// submit it, without a network and without credentials.
func TestDataflowDryRun(t *testing.T) {
	cmd := program(t, "streaming", "--runner=dataflow", "--dry_run", "--project=shop", "--region=europe-west1", "--staging_location=gs://bucket/staging",
		"--brokers=kafka.example:9092", "--lake=gs://bucket/lake", "--metrics-listen=", "--log-format=json")
	withoutNetwork(cmd)
	r := run(t, cmd)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	var graph string
	var job struct {
		Type string `json:"type"`
	}
	logs := bufio.NewScanner(strings.NewReader(r.stderr))
	logs.Buffer(nil, 1<<20)
	for logs.Scan() {
		var entry struct{ Msg string }
		if err := json.Unmarshal(logs.Bytes(), &entry); err != nil {
			t.Fatalf("not a line of a JSON log: %s", logs.Bytes())
		}
		switch {
		case strings.HasPrefix(entry.Msg, "components:"): // the graph
			graph = entry.Msg
		case strings.HasPrefix(entry.Msg, "{"): // the job
			if err := json.Unmarshal([]byte(entry.Msg), &job); err != nil {
				t.Fatalf("the job is not JSON: %v\n%s", err, entry.Msg)
			}
		}
	}
	if err := logs.Err(); err != nil {
		t.Fatal(err)
	}
	if job.Type != "JOB_TYPE_STREAMING" {
		t.Errorf("the job's type is %q:\n%s", job.Type, r.stderr)
	}
	for _, step := range []string{"kafkaio.Read", "ingest.Split", "ingest.Write", "ingest.Commit", "metrics.Publish"} {
		if !strings.Contains(graph, `unique_name:"`+step+`"`) {
			t.Errorf("the job has no step %s", step)
		}
	}
}
