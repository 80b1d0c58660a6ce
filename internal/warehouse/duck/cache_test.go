package duck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/sql/sqltest"
)

// TestBucket reads gold from a bucket: each version of a file is fetched once,
// and old ones are removed.
func TestBucket(t *testing.T) {
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "shop"})
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(server.URL(), "http://"))
	st, err := lake.OpenStore(t.Context(), "gs://shop/lake")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const name = "gold/daily_sales/2026-03-01.parquet"
	put := func(rows string) {
		t.Helper()
		folder := t.TempDir()
		if err := sqltest.WriteLake(t.Context(), folder, map[string]string{"daily_sales": "date, product_id\n" + rows}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := sqltest.Publish(t.Context(), st, "daily_sales", civil.Date{Year: 2026, Month: 3, Day: 1}, data); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()
	copies := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(cache, "*", name+"@*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	count := func(d *Duck) int {
		t.Helper()
		return len(ask1(t, d, "SELECT * FROM daily_sales", nil).Rows)
	}
	d := openAt(t, "gs://shop/lake", Options{Cache: cache})
	if n := count(d); n != 0 {
		t.Errorf("%d rows in an empty bucket", n)
	}
	put("2026-03-01, A\n")
	if n := count(d); n != 1 || len(copies()) != 1 {
		t.Errorf("%d rows, copies %v", n, copies())
	}
	first := copies()[0]
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(openAt(t, "gs://shop/lake", Options{Cache: cache})); n != 1 {
		t.Errorf("%d rows, expected 1", n)
	}
	if after, err := os.Stat(first); err != nil || !os.SameFile(before, after) {
		t.Errorf("the copy was fetched again, error %v", err)
	}
	// A new version; the old copy is in use, perhaps, and removed later.
	put("2026-03-01, A\n2026-03-01, B\n")
	if n := count(d); n != 2 || len(copies()) != 2 {
		t.Errorf("%d rows, copies %v", n, copies())
	}
	old := time.Now().Add(-2 * keep)
	if err := os.Chtimes(first, old, old); err != nil {
		t.Fatal(err)
	}
	put("2026-03-01, A\n2026-03-01, B\n2026-03-01, C\n")
	if n := count(d); n != 3 || len(copies()) != 2 {
		t.Errorf("%d rows, copies %v", n, copies())
	}
	if _, err := os.Stat(first); err == nil {
		t.Errorf("%s is left", first)
	}
	if _, err := d.Query(t.Context(), "SELECT * FROM read_text('/etc/passwd')", nil); err == nil {
		t.Error("expected an error for a file outside of the copies")
	}
}
