//go:build integration

package bigquery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// emulated starts a bucket of the name lake, and what stands between this
// package and the emulator of BigQuery (.ci/bigquery) that reads that bucket.
func emulated(t *testing.T) (endpoint string) {
	t.Helper()
	emulator, root := os.Getenv("SHOPSTREAM_TEST_BIGQUERY"), os.Getenv("SHOPSTREAM_TEST_GCS")
	if emulator == "" || root == "" {
		t.Fatal("SHOPSTREAM_TEST_BIGQUERY and SHOPSTREAM_TEST_GCS are not set: run this by .ci/bigquery DIR go test …")
	}
	gcs, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", StorageRoot: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gcs.Stop)
	gcs.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "lake"})
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(gcs.URL(), "http://"))
	target, err := url.Parse("http://" + emulator)
	if err != nil {
		t.Fatal(err)
	}
	d := &decorators{target: target, next: httputil.NewSingleHostReverseProxy(target)}
	d.next.ModifyResponse = d.modified
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return server.URL
}

// decorators gives the emulator what it lacks: partition decorators, that a
// job's id is taken, and that a load changes a table's lastModifiedTime. A load
// that replaces table$20260301 becomes a DELETE of that day's rows and a load
// that appends to the table; its answer says how many rows the day then has. (So
// it is not one step here, as it is in BigQuery.)
type decorators struct {
	target *url.URL
	next   *httputil.ReverseProxy
	loads  atomic.Int64
}

// modified lets every load change the time of every table.
func (d *decorators) modified(r *http.Response) error {
	if r.Request.Method != http.MethodGet || !strings.Contains(r.Request.URL.Path, "/tables/") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	text := regexp.MustCompile(`"lastModifiedTime":\s*"\d+"`).ReplaceAllString(string(body), fmt.Sprintf(`"lastModifiedTime":"%d"`, 1_700_000_000_000+d.loads.Load()))
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}

var decorated = regexp.MustCompile(`"tableId":"(\w+)\$(\d{4})(\d{2})(\d{2})"`)

func (d *decorators) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	m := decorated.FindSubmatch(body)
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/jobs") || m == nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		d.next.ServeHTTP(w, r)
		return
	}
	table, date := string(m[1]), fmt.Sprintf("%s-%s-%s", m[2], m[3], m[4])
	job := regexp.MustCompile(`"jobId":"([^"]+)"`).FindSubmatch(body)[1]
	dataset := string(regexp.MustCompile(`"datasetId":"([^"]+)"`).FindSubmatch(body)[1])
	project := strings.Split(r.URL.Path[strings.Index(r.URL.Path, "/projects/")+1:], "/")[1]
	if d.get(r.Context(), "/bigquery/v2/projects/"+project+"/jobs/"+string(job), nil) == http.StatusOK {
		fail(w, http.StatusConflict, "duplicate", "there is a job "+string(job))
		return
	}
	var meta struct{ TimePartitioning struct{ Field string } }
	d.get(r.Context(), "/bigquery/v2/projects/"+project+"/datasets/"+dataset+"/tables/"+table, &meta)
	where := fmt.Sprintf(" FROM `%s.%s` WHERE DATE(%s) = DATE '%s'", dataset, table, meta.TimePartitioning.Field, date)
	d.query(r.Context(), project, "DELETE"+where)
	body = bytes.Replace(body, m[0], []byte(`"tableId":"`+table+`"`), 1)
	body = bytes.Replace(body, []byte(`"WRITE_TRUNCATE"`), []byte(`"WRITE_APPEND"`), 1)
	forward := r.Clone(r.Context())
	forward.Body, forward.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	forward.Header.Del("Content-Length")
	d.loads.Add(1)
	answer := httptest.NewRecorder()
	d.next.ServeHTTP(answer, forward)
	rows := d.query(r.Context(), project, "SELECT COUNT(*)"+where)
	text := regexp.MustCompile(`"outputRows":\s*"\d+"`).ReplaceAllString(answer.Body.String(), `"outputRows":"`+rows+`"`)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Code)
	fmt.Fprint(w, text)
}

func (d *decorators) get(ctx context.Context, path string, v any) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.target.String()+path, nil)
	if err != nil {
		panic(err)
	}
	return d.do(r, v)
}

func (d *decorators) do(r *http.Request, v any) int {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	if v != nil {
		if err := json.NewDecoder(response.Body).Decode(v); err != nil {
			panic(err)
		}
	}
	return response.StatusCode
}

// query returns the first value of the answer.
func (d *decorators) query(ctx context.Context, project, text string) string {
	body, _ := json.Marshal(map[string]any{"query": text, "useLegacySql": false})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.target.String()+"/bigquery/v2/projects/"+project+"/queries", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	var answer struct {
		Rows   []struct{ F []struct{ V string } }
		Errors []any
	}
	if code := d.do(r, &answer); code != http.StatusOK || answer.Errors != nil {
		panic("emulator: " + text + ": " + strconv.Itoa(code) + fmt.Sprint(answer.Errors))
	}
	if len(answer.Rows) == 0 {
		return ""
	}
	return answer.Rows[0].F[0].V
}
