//go:build integration

package pipelines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
)

// flinkCluster is what .ci/flink has started.
type flinkCluster struct {
	t              *testing.T
	endpoint, rest string
	taskManager    string // the program that starts one
	worker, boot   string
}

func startFlink(t *testing.T) *flinkCluster {
	t.Helper()
	f := &flinkCluster{
		t: t, endpoint: os.Getenv("SHOPSTREAM_TEST_FLINK_ENDPOINT"), rest: os.Getenv("SHOPSTREAM_TEST_FLINK_REST"),
		taskManager: os.Getenv("SHOPSTREAM_TEST_FLINK_TASKMANAGER"),
	}
	if f.endpoint == "" || f.rest == "" || f.taskManager == "" || os.Getenv("SHOPSTREAM_TEST_BROKERS") == "" {
		t.Fatal("no Flink, or no Kafka: run this under .ci/kafka DIR .ci/flink DIR")
	}
	f.worker, f.boot = build(t, "./cmd/streaming"), build(t, "./cmd/boot")
	return f
}

func testBrokers() kafkaio.Cluster {
	return kafkaio.Cluster{Brokers: strings.Split(os.Getenv("SHOPSTREAM_TEST_BROKERS"), ",")}
}

// flinkRun is a streaming program that waits for its job.
type flinkRun struct {
	f     *flinkCluster
	cmd   *exec.Cmd
	out   bytes.Buffer
	ended chan error
}

// start submits a job with the flags of a case.
func (f *flinkCluster) start(topic, lakeURI string, args ...string) *flinkRun {
	f.t.Helper()
	environment, err := json.Marshal(map[string]any{"command": f.boot, "env": map[string]string{"SHOPSTREAM_BOOT_WORKER": f.worker}})
	if err != nil {
		f.t.Fatal(err)
	}
	r := &flinkRun{f: f, ended: make(chan error, 1)}
	r.cmd = exec.Command(f.worker, append([]string{
		"--runner=flink-cluster", "--endpoint=" + f.endpoint, "--environment_type=PROCESS", "--environment_config=" + string(environment),
		"--brokers=" + strings.Join(testBrokers().Brokers, ","), "--topic=" + topic, "--lake=" + lakeURI, "--log-format=text",
		"--flink-parallelism=2", "--flink-checkpoint=1s",
	}, args...)...)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	if err := r.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	f.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // it has ended, unless the test failed
		for _, job := range f.jobs("RUNNING", "RESTARTING", "CREATED") {
			f.call(http.MethodPatch, "/jobs/"+job+"?mode=cancel", nil, nil)
		}
	})
	return r
}

// wait waits for the end of the program and returns what it printed.
func (r *flinkRun) wait(atMost time.Duration) string {
	r.f.t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			r.f.t.Fatalf("streaming: %v\n%s", err, r.out.String())
		}
	case <-time.After(atMost):
		r.f.t.Fatalf("the job has not ended after %s; the logs are in %s", atMost, filepath.Dir(r.f.taskManager))
	}
	return r.out.String()
}

// call asks the job manager. It returns false where it did not answer well.
func (f *flinkCluster) call(method, path string, in, out any) bool {
	f.t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			f.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, f.rest+path, bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Logf("%s %s: %v", method, path, err)
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		f.t.Logf("%s %s: %s", method, path, resp.Status)
		return false
	}
	if out == nil {
		return true
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		f.t.Logf("%s %s: %v", method, path, err)
		return false
	}
	return true
}

// jobs are the ids of the jobs in one of the states.
func (f *flinkCluster) jobs(states ...string) []string {
	f.t.Helper()
	var all struct {
		Jobs []struct{ ID, Status string }
	}
	f.call(http.MethodGet, "/jobs", nil, &all)
	var ids []string
	for _, j := range all.Jobs {
		for _, s := range states {
			if j.Status == s {
				ids = append(ids, j.ID)
			}
		}
	}
	return ids
}

// running waits for the one running job.
func (f *flinkCluster) running() (id string) {
	f.t.Helper()
	f.eventually(2*time.Minute, "a running job", func() bool {
		if ids := f.jobs("RUNNING"); len(ids) == 1 {
			id = ids[0]
		}
		return id != ""
	})
	return id
}

// restarted waits until the job has failed after a time and runs again.
func (f *flinkCluster) restarted(job string, after time.Time) {
	f.t.Helper()
	f.eventually(2*time.Minute, "a restart of the job", func() bool {
		var j struct {
			State      string
			Timestamps map[string]int64 // when the job came into a state, ms
		}
		return f.call(http.MethodGet, "/jobs/"+job, nil, &j) && j.State == "RUNNING" && j.Timestamps["RESTARTING"] >= after.UnixMilli()
	})
}

func (f *flinkCluster) eventually(atMost time.Duration, what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(atMost); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: not within %s; the logs are in %s", what, atMost, filepath.Dir(f.taskManager))
		}
	}
}

// checkpointed is the size and number of the newest checkpoint.
func (f *flinkCluster) checkpointed(job string) (bytes, count int64) {
	f.t.Helper()
	var c struct {
		Counts struct{ Completed int64 }
		Latest struct {
			Completed struct {
				StateSize int64 `json:"state_size"`
			}
		}
	}
	f.call(http.MethodGet, "/jobs/"+job+"/checkpoints", nil, &c)
	return c.Latest.Completed.StateSize, c.Counts.Completed
}

// stop stops the job with a savepoint and returns where that is.
func (f *flinkCluster) stop(job string) (savepoint string) {
	f.t.Helper()
	var trigger struct {
		ID string `json:"request-id"`
	}
	f.eventually(time.Minute, "a savepoint is begun", func() bool {
		return f.call(http.MethodPost, "/jobs/"+job+"/stop", map[string]any{"drain": false}, &trigger)
	})
	f.eventually(2*time.Minute, "the savepoint", func() bool {
		var s struct {
			Operation struct {
				Location string
				Failure  map[string]any `json:"failure-cause"`
			}
		}
		if f.call(http.MethodGet, "/jobs/"+job+"/savepoints/"+trigger.ID, nil, &s) && s.Operation.Failure != nil {
			f.t.Fatalf("savepoint: %v", s.Operation.Failure)
		}
		savepoint = s.Operation.Location
		return savepoint != ""
	})
	return savepoint
}

// workers are the processes of the streaming program that are workers.
func (f *flinkCluster) workers() (pids []int) {
	f.t.Helper()
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		args, _ := os.ReadFile(filepath.Join("/proc", d.Name(), "cmdline")) // it may have ended just now
		if bytes.HasPrefix(args, []byte(f.worker+"\x00--worker=true")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (f *flinkCluster) taskManagerPid() int {
	f.t.Helper()
	text, err := os.ReadFile(f.taskManager + ".pid")
	if err != nil {
		f.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		f.t.Fatal(err)
	}
	return pid
}

func (f *flinkCluster) startTaskManager() {
	f.t.Helper()
	if out, err := exec.Command(f.taskManager).CombinedOutput(); err != nil {
		f.t.Fatalf("start a task manager: %v\n%s", err, out)
	}
}

func (f *flinkCluster) kill(pids ...int) {
	f.t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			f.t.Errorf("kill %d: %v", pid, err)
		}
	}
}

// cpu is the CPU time of a process so far, or 0 if there is none.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var ticks int64
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on all that Go runs on
}
