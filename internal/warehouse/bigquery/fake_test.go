package bigquery

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"
	bq "google.golang.org/api/bigquery/v2"
)

// fakeService speaks the part of BigQuery's REST API that this package uses,
// and fails as told. A load job is done some looks at it later; it then replaces
// its partition whole, by what its files have at that time.
type fakeService struct {
	URL string

	mu       sync.Mutex
	now      int64 // ms; grows with everything that happens
	datasets map[string]bool
	tables   map[string]*fakeTable
	jobs     map[string]*fakeJob
	order    []string          // of jobs, as they were made
	objects  map[string]object // by gs:// URI
	faults   []fault
	pick     func(op string) string // a fault for a request without a scripted one, or ""
	jobFails func() *jobFault       // how the next load job goes; nil: well, at once
	answer   *bq.QueryResponse      // of queries
	count    map[string]int         // requests by operation
	early    bool                   // jobs read their files when they start, not when they end
}

type object struct {
	content string
	rows    int64
}

type fakeTable struct {
	bq.Table
	partitions map[string]string
}

type fakeJob struct {
	bq.Job
	looks  int
	fault  *jobFault
	upload []byte
	read   map[string]object // by URI, where files were read early
}

// fault happens to the next request of an operation.
type fault struct{ op, kind string }

type jobFault struct {
	looks  int    // until it is done
	reason string // "": it succeeds
	rows   int64  // how many less it says it loaded
}

// The kinds of faults. The service has done nothing, unless they say so.
const (
	tooMany     = "429"
	internal    = "500"
	unavailable = "503"
	reset       = "connection reset"
	resetAfter  = "connection reset, all done"
	lostAnswer  = "503, all done"
	cutAnswer   = "answer cut, all done"
	rateLimit   = "403 rateLimitExceeded"
	quota       = "403 quotaExceeded"
	denied      = "403 accessDenied"
	invalid     = "400 invalid"
	hang        = "no answer"
)

var passing = []string{tooMany, internal, unavailable, reset, resetAfter, lostAnswer, cutAnswer, rateLimit, hang}

func startFake(t tb) *fakeService {
	f := &fakeService{
		now: 1_700_000_000_000, datasets: map[string]bool{}, tables: map[string]*fakeTable{}, jobs: map[string]*fakeJob{},
		objects: map[string]object{}, count: map[string]int{},
	}
	server := httptest.NewServer(f)
	f.URL = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return f
}

// quick are retries that do not wait.
var quick = retry{attempts: 5, limit: 100 * time.Millisecond, wait: time.Millisecond, longest: 2 * time.Millisecond, poll: time.Millisecond}

func (f *fakeService) open(t tb) *Warehouse {
	w, err := Open(context.Background(), Options{Project: "project", Dataset: "shop", Endpoint: f.URL, retry: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// fail lets the next requests of an operation fail, one each.
func (f *fakeService) fail(op string, kinds ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, kind := range kinds {
		f.faults = append(f.faults, fault{op, kind})
	}
}

// jobsGo says how the next load jobs go, one each; those after them go well.
func (f *fakeService) jobsGo(faults ...*jobFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobFails = func() *jobFault {
		if len(faults) == 0 {
			return nil
		}
		next := faults[0]
		faults = faults[1:]
		return next
	}
}

func (f *fakeService) set(uri, content string, rows int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[uri] = object{content, rows}
}

func (f *fakeService) partition(table, date string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tables[table]; t != nil {
		return t.partitions[date]
	}
	return ""
}

// finish lets all jobs end.
func (f *fakeService) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.order {
		f.jobs[id].looks = 0
		f.look(f.jobs[id])
	}
}

func (f *fakeService) requests(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[op]
}

func (f *fakeService) jobCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.jobs)
}

func (f *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	op := operation(r)
	f.count[op]++
	kind := ""
	if i := slices.IndexFunc(f.faults, func(x fault) bool { return x.op == op }); i >= 0 {
		kind = f.faults[i].kind
		f.faults = slices.Delete(f.faults, i, i+1)
	} else if f.pick != nil {
		kind = f.pick(op)
	}
	answer := httptest.NewRecorder()
	switch kind {
	case tooMany, internal, unavailable:
		code, _ := strconv.Atoi(kind)
		fail(answer, code, "", "not now")
	case rateLimit, quota, denied:
		fail(answer, 403, strings.TrimPrefix(kind, "403 "), "no more of this")
	case invalid:
		fail(answer, 400, "invalid", "not like this")
	case reset, hang:
	default:
		f.serve(answer, r, body, op)
	}
	f.mu.Unlock()
	switch kind {
	case reset, resetAfter:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
		return
	case hang:
		<-r.Context().Done()
		return
	case lostAnswer:
		answer = httptest.NewRecorder()
		fail(answer, 503, "", "not now")
	case cutAnswer:
		w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()+1))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// operation is the last folder of a request's path and its method, such as "POST jobs".
func operation(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := parts[len(parts)-1]
	if !slices.Contains([]string{"datasets", "tables", "jobs", "queries"}, last) {
		last = parts[len(parts)-2] + "/"
	}
	return r.Method + " " + last
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": code, "message": message, "errors": []map[string]string{{"reason": reason, "message": message}},
	}})
}

func (f *fakeService) serve(w http.ResponseWriter, r *http.Request, body []byte, op string) {
	f.now++
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	send := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch op {
	case "GET datasets/":
		if !f.datasets[name] {
			fail(w, 404, "notFound", "no dataset "+name)
			return
		}
		send(&bq.Dataset{Id: name})
	case "POST datasets":
		var d bq.Dataset
		_ = json.Unmarshal(body, &d)
		if f.datasets[d.DatasetReference.DatasetId] {
			fail(w, 409, "duplicate", "it is there")
			return
		}
		f.datasets[d.DatasetReference.DatasetId] = true
		send(&d)
	case "GET tables/", "PATCH tables/":
		t := f.tables[name]
		switch {
		case t == nil:
			fail(w, 404, "notFound", "no table "+name)
			return
		case op == "PATCH tables/" && r.Header.Get("If-Match") != t.Etag:
			fail(w, 412, "conditionNotMet", "changed meanwhile")
			return
		case op == "PATCH tables/":
			var patch bq.Table
			_ = json.Unmarshal(body, &patch)
			if patch.Schema != nil {
				t.Schema = patch.Schema
			}
			t.Description = cmp.Or(patch.Description, t.Description)
			maps.Copy(t.Labels, patch.Labels)
			f.touch(t)
		}
		send(&t.Table)
	case "POST tables":
		t := &fakeTable{partitions: map[string]string{}}
		_ = json.Unmarshal(body, &t.Table)
		id := t.TableReference.TableId
		if f.tables[id] != nil {
			fail(w, 409, "duplicate", "it is there")
			return
		}
		t.CreationTime = f.now
		f.touch(t)
		f.tables[id] = t
		send(&t.Table)
	case "POST jobs":
		f.insert(w, r, body)
	case "GET jobs":
		list := &bq.JobList{}
		for _, id := range f.order {
			j := f.jobs[id]
			f.look(j)
			if strings.EqualFold(j.Status.State, r.URL.Query().Get("stateFilter")) {
				list.Jobs = append(list.Jobs, &bq.JobListJobs{Id: j.Id, JobReference: j.JobReference, Configuration: j.Configuration, Status: j.Status, Statistics: j.Statistics})
			}
		}
		send(list)
	case "GET jobs/":
		j := f.jobs[name]
		if j == nil {
			fail(w, 404, "notFound", "no job "+name)
			return
		}
		f.look(j)
		send(&j.Job)
	case "GET queries/":
		page := *f.answer
		page.JobReference = f.jobs[name].JobReference
		// One row a page.
		n, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
		if r.URL.Query().Get("maxResults") == "0" {
			page.Rows = nil
		} else if len(page.Rows) > n+1 {
			page.Rows, page.PageToken = page.Rows[n:n+1], strconv.Itoa(n+1)
		} else if n > 0 {
			page.Rows = page.Rows[n:]
		}
		send(&page)
	default:
		fail(w, 501, "notImplemented", op)
	}
}

func (f *fakeService) touch(t *fakeTable) {
	f.now++
	t.LastModifiedTime = uint64(f.now)
	t.Etag = fmt.Sprintf("etag-%d", f.now)
}

func (f *fakeService) insert(w http.ResponseWriter, r *http.Request, body []byte) {
	j := &fakeJob{looks: 1}
	if strings.HasPrefix(r.URL.Path, "/upload/") {
		_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		parts := multipart.NewReader(strings.NewReader(string(body)), params["boundary"])
		meta, _ := parts.NextPart()
		body, _ = io.ReadAll(meta)
		media, _ := parts.NextPart()
		j.upload, _ = io.ReadAll(media)
	}
	_ = json.Unmarshal(body, &j.Job)
	id := j.JobReference.JobId
	if f.jobs[id] != nil {
		fail(w, 409, "duplicate", "there is a job "+id)
		return
	}
	j.Id = id
	j.Statistics = &bq.JobStatistics{CreationTime: f.now, TotalBytesProcessed: 4242}
	j.Status = &bq.JobStatus{State: "RUNNING"}
	switch {
	case j.Configuration.Query != nil:
		j.Status.State = "DONE"
		j.Statistics.Query = &bq.JobStatistics2{TotalBytesProcessed: 4242, TotalBytesBilled: 10485760, StatementType: "SELECT"}
		if j.Configuration.DryRun {
			_ = json.NewEncoder(w).Encode(&j.Job)
			return
		}
	case f.jobFails != nil:
		j.fault = f.jobFails()
		if j.fault != nil {
			j.looks = j.fault.looks + 1
		}
	}
	if f.early {
		j.read = maps.Clone(f.objects)
	}
	f.jobs[id] = j
	f.order = append(f.order, id)
	_ = json.NewEncoder(w).Encode(&j.Job)
}

// look brings a job on.
func (f *fakeService) look(j *fakeJob) {
	if j.looks--; j.looks > 0 || j.Status.State == "DONE" {
		return
	}
	j.Status.State = "DONE"
	f.now++
	failed := func(reason, message string) {
		e := &bq.ErrorProto{Reason: reason, Message: message}
		j.Status.ErrorResult, j.Status.Errors = e, []*bq.ErrorProto{e}
	}
	load := j.Configuration.Load
	name, date, _ := strings.Cut(load.DestinationTable.TableId, "$")
	t := f.tables[name]
	switch {
	case t == nil:
		failed("notFound", "no table "+name)
		return
	case len(date) != 8 || load.WriteDisposition != "WRITE_TRUNCATE" || load.SourceFormat != "PARQUET" || load.Schema == nil || load.CreateDisposition != "CREATE_NEVER" || !slices.Equal(load.DecimalTargetTypes, []string{"NUMERIC"}):
		failed("invalid", fmt.Sprintf("expected one partition to be replaced, found %+v", load))
		return
	case j.fault != nil && j.fault.reason != "":
		failed(j.fault.reason, "half of it was read")
		return
	}
	var content []string
	var rows int64
	objects := f.objects
	if j.read != nil {
		objects = j.read
	}
	for _, uri := range load.SourceUris {
		o, ok := objects[uri]
		if !ok {
			failed("notFound", "no object "+uri)
			return
		}
		content = append(content, o.content)
		rows += o.rows
	}
	if load.SourceUris == nil {
		file, err := parquet.OpenFile(bytes.NewReader(j.upload), int64(len(j.upload)))
		if err != nil {
			failed("invalid", err.Error())
			return
		}
		content = []string{fmt.Sprintf("%x", sha256.Sum256(j.upload))}
		rows = file.NumRows()
	}
	if j.fault != nil {
		rows -= j.fault.rows
	}
	j.Statistics.Load = &bq.JobStatistics3{OutputRows: rows, BadRecords: 0}
	t.partitions[date] = strings.Join(content, "+")
	f.touch(t)
}

// tb is what *testing.T and *rapid.T have.
type tb interface {
	Cleanup(func())
	Fatal(...any)
}
