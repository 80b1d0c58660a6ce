//go:build integration

package bigquery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestProgram runs pipelines/cmd/warehouse, built without cgo, as a person would.
func TestProgram(t *testing.T) {
	endpoint := emulated(t)
	t.Setenv("BIGQUERY_EMULATOR_HOST", endpoint)
	program := filepath.Join(t.TempDir(), "warehouse")
	build := exec.Command("go", "build", "-o", program, "../../../pipelines/cmd/warehouse")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	uri := "gs://lake/" + uuid.NewString()
	writeGold(t, uri, 3)
	at := time.Date(2026, 3, 1, 23, 50, 0, 0, time.UTC)
	metricsLake(t, openLocalLake(t, uri), at, at.Add(5*time.Minute), at.Add(10*time.Minute))
	dataset := "--warehouse=bigquery://my-project/shop_" + uuid.NewString()[:8]
	run := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command(program, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("warehouse %v: %v, printed %s; expected %q", args, err, out, want)
		}
	}
	run("daily_sales: would be made", "tables", dataset, "--dry-run")
	run("daily_sales: made", "tables", dataset)
	run("daily_sales: as it should be", "tables", dataset)
	tables := "--table=daily_sales,product_catalogue"
	run("would load 6 partitions", "publish", dataset, "--lake="+uri, tables, "--dry-run")
	run("loaded 2 partitions", "publish", dataset, "--lake="+uri, tables, "--from=2026-03-02", "--to=2026-03-02")
	run("loaded 4 partitions", "publish", dataset, "--lake="+uri, tables)
	run("loaded 0 partitions with 0 rows", "publish", dataset, "--lake="+uri, tables)
	run("loaded metrics_5m 2026-03-01: 2 rows from 2 files", "metrics", dataset, "--lake="+uri)
	run("2 are unchanged", "metrics", dataset, "--lake="+uri)
	run("copied", "bucket", "copy", uri, "gs://lake/copies/"+uuid.NewString())
}
