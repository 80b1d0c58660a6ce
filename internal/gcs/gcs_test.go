package gcs

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for uri, want := range map[string][]string{
		"gs://b": {"b", ""}, "gs://b/": {"b", ""}, "gs://b/lake": {"b", "lake/"}, "gs://b/a/lake/": {"b", "a/lake/"},
		"": nil, "b/lake": nil, "gs://": nil, "gs:///lake": nil, "gs://b//lake": nil, "s3://b": nil, "gs://b*/x": nil,
	} {
		bucket, prefix, err := Split(uri)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "expected gs://bucket") {
				t.Errorf("%q: error %v", uri, err)
			}
			continue
		}
		if err != nil || bucket != want[0] || prefix != want[1] {
			t.Errorf("%q: %q, %q, %v; expected %q", uri, bucket, prefix, err, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("gs://b/lake")
	f.Fuzz(func(t *testing.T, uri string) {
		bucket, prefix, err := Split(uri)
		if err != nil {
			return
		}
		b, p, err := Split("gs://" + bucket + "/" + prefix)
		if err != nil || b != bucket || p != prefix {
			t.Errorf("%q is %q and %q, which are %q and %q, %v", uri, bucket, prefix, b, p, err)
		}
	})
}

func open(t *testing.T, host string) *Client {
	t.Helper()
	t.Setenv("STORAGE_EMULATOR_HOST", host)
	c, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestCopy(t *testing.T) {
	gcs, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gcs.Stop)
	for _, name := range []string{"from", "to"} {
		gcs.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	}
	put := func(bucket, name, content string) {
		gcs.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: bucket, Name: name}, Content: []byte(content)})
	}
	for name, content := range map[string]string{"lake/a": "1", "lake/b/c%20d": "22", "lake2/x": "not this one"} {
		put("from", name, content)
	}
	put("to", "backup/old", "stays")
	put("to", "backup/a", "another")
	c := open(t, strings.TrimPrefix(gcs.URL(), "http://"))
	var told []string
	tell := func(o Object) { told = append(told, o.Name) }
	done, err := c.Copy(t.Context(), "gs://from/lake", "gs://to/backup", tell)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(told)
	if diff := cmp.Diff([]string{"lake/a", "lake/b/c%20d"}, told); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Copied{Objects: 2, Bytes: 3}, done); diff != "" {
		t.Error(diff)
	}
	got := map[string]int64{}
	for o, err := range c.List(t.Context(), "gs://to/backup") {
		if err != nil {
			t.Fatal(err)
		}
		got[o.Name] = o.Size
	}
	if diff := cmp.Diff(map[string]int64{"backup/a": 1, "backup/b/c%20d": 2, "backup/old": 5}, got); diff != "" {
		t.Error(diff)
	}
	if done, err := c.Copy(t.Context(), "gs://from/lake", "gs://to/backup", nil); err != nil || done != (Copied{Same: 2}) {
		t.Errorf("again: %+v, %v", done, err)
	}
	for _, pair := range [][2]string{{"gs://from", "gs://from/lake"}, {"gs://from/lake/b", "gs://from/lake"}, {"from", "gs://to"}, {"gs://from", "to"}} {
		if _, err := c.Copy(t.Context(), pair[0], pair[1], nil); err == nil {
			t.Errorf("%v: expected an error", pair)
		}
	}
	if _, err := c.Copy(t.Context(), "gs://nowhere/x", "gs://to/y", nil); err == nil || !strings.Contains(err.Error(), "bucket does not exist") {
		t.Errorf("error %v of a bucket that does not exist", err)
	}
}

// TestCopyPreconditions: an object that somebody wrote since it was listed is
// not replaced, unless it is this copy's own, whose answer got lost.
func TestCopyPreconditions(t *testing.T) {
	for _, tt := range []struct {
		name, crc string
		wantErr   bool
	}{{"another's", "AAAAAA==", true}, {"its own", "sYjYlQ==", false}} {
		t.Run(tt.name, func(t *testing.T) {
			var query string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				object := map[string]any{"name": "lake/a", "size": "3", "generation": "7", "crc32c": "sYjYlQ=="}
				switch {
				case strings.Contains(r.URL.Path, "/rewriteTo/"):
					query = r.URL.RawQuery
					w.WriteHeader(http.StatusPreconditionFailed)
					_, _ = w.Write([]byte(`{"error":{"code":412,"message":"changed"}}`))
				case strings.HasSuffix(r.URL.Path, "/b/from/o"):
					_ = json.NewEncoder(w).Encode(map[string]any{"items": []any{object}})
				case strings.HasSuffix(r.URL.Path, "/b/to/o"):
					object["name"], object["size"], object["generation"] = "lake/a", "9", "5"
					_ = json.NewEncoder(w).Encode(map[string]any{"items": []any{object}})
				default:
					object["crc32c"] = tt.crc
					_ = json.NewEncoder(w).Encode(object)
				}
			}))
			t.Cleanup(server.Close)
			done, err := open(t, strings.TrimPrefix(server.URL, "http://")).Copy(t.Context(), "gs://from", "gs://to", nil)
			if (err != nil) != tt.wantErr || (err == nil && done.Objects != 1) {
				t.Errorf("%+v, %v", done, err)
			}
			if !strings.Contains(query, "ifGenerationMatch=5") || !strings.Contains(query, "sourceGeneration=7") {
				t.Errorf("the request was %s", query)
			}
		})
	}
}

// lifecycleServer keeps one bucket's attributes; the emulator of the other tests
// does not know rules.
type lifecycleServer struct {
	mu      sync.Mutex
	bucket  map[string]any
	changes int
	before  func(*lifecycleServer)
}

func (s *lifecycleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodPatch {
		if s.before != nil {
			s.before(s)
		}
		if r.URL.Query().Get("ifMetagenerationMatch") != s.bucket["metageneration"] {
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = w.Write([]byte(`{"error":{"code":412,"message":"changed"}}`))
			return
		}
		var patch map[string]any
		_ = json.NewDecoder(r.Body).Decode(&patch)
		maps.Copy(s.bucket, patch)
		s.changes++
		s.bucket["metageneration"] = "2"
	}
	_ = json.NewEncoder(w).Encode(s.bucket)
}

func TestLifecycle(t *testing.T) {
	s := &lifecycleServer{bucket: map[string]any{
		"name": "b", "metageneration": "1",
		"lifecycle": map[string]any{"rule": []any{
			map[string]any{"action": map[string]any{"type": "Delete"}, "condition": map[string]any{"age": 9, "matchesPrefix": []any{"x/", "y/"}}},
			map[string]any{"action": map[string]any{"type": "Delete"}, "condition": map[string]any{"numNewerVersions": 3}},
			map[string]any{"action": map[string]any{"type": "Delete"}, "condition": map[string]any{"age": 9, "isLive": false}},
		}},
	}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c := open(t, strings.TrimPrefix(server.URL, "http://"))
	check := func(wantOthers int, want ...string) {
		t.Helper()
		rules, others, err := c.Lifecycle(t.Context(), "gs://b")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rules {
			got = append(got, r.String())
		}
		if diff := cmp.Diff(want, got); diff != "" || others != wantOthers {
			t.Errorf("%d others, %s", others, diff)
		}
	}
	check(2, "x/=delete@9", "y/=delete@9")
	rules := []Rule{{Prefix: "lake/bronze/", Action: "nearline", Days: 30}, {Action: "delete", Days: 365}}
	if err := c.SetLifecycle(t.Context(), "gs://b", rules); err != nil {
		t.Fatal(err)
	}
	check(2, "lake/bronze/=nearline@30", "=delete@365")
	s.before = func(s *lifecycleServer) { s.bucket["metageneration"] = "3" }
	if err := c.SetLifecycle(t.Context(), "gs://b", nil); err == nil || s.changes != 1 {
		t.Errorf("error %v of a bucket that changed meanwhile, %d changes", err, s.changes)
	}
	if err := c.SetLifecycle(t.Context(), "gs://b/lake", rules); err == nil || !strings.Contains(err.Error(), "whole bucket") {
		t.Errorf("error %v", err)
	}
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Rule{
		"tmp/=delete@7": {"tmp/", "delete", 7}, "=archive@3650": {"", "archive", 3650},
		"tmp/": {}, "tmp/=delete": {}, "tmp/=delete@0": {}, "tmp/=standard@3": {}, "a=b=delete@3": {}, "x=delete@123456": {}, "x=delete@-1": {},
	} {
		got, err := ParseRule(text)
		if got != want || (err == nil) != (want != Rule{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add("lake/bronze/=nearline@30")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		if r.String() != text {
			t.Errorf("%q is %+v, written %q", text, r, r)
		}
		if back := rulesOf(r.rule()); len(back) != 1 || back[0] != r {
			t.Errorf("%q comes back as %v", text, back)
		}
	})
}
