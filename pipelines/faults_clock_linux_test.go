//go:build integration

package pipelines

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClockJumps runs the job, killed now and then, on a clock that jumps by
// an hour and a day, forwards and back, several times a second: the lake is as
// ever. The program is built with another time.Now, whose wall clock jumps and
// whose monotonic one does not, as on a machine whose clock is set.
func TestClockJumps(t *testing.T) {
	rnd := randomly(t, t.Name())
	d := undisturbed(t, 60_000)
	program := buildWithJumps(t, "./cmd/streaming")
	dir, killed := filepath.Join(t.TempDir(), "lake"), 0
	for range 3 {
		if startJob(t, program, nil, streaming(d.cluster, dir)...).killAfter(between(rnd, d.took/4, d.took)) {
			killed++
		}
	}
	j := startJob(t, program, nil, streaming(d.cluster, dir)...)
	if err := j.wait(t, 5*time.Minute); err != nil {
		t.Fatalf("%v\n%.3000s", err, j.output())
	}
	t.Logf("%d kills", killed)
	same(t, d.want, read(t, dir))
	onlyNamed(t, dir)
}

func buildWithJumps(t testing.TB, pkg string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const reading = "sec, nsec, mono := runtimeNow()"
	if bytes.Count(source, []byte(reading)) != 1 {
		t.Fatalf("%s reads the clock in another way than this test knows (%s)", original, reading)
	}
	source = bytes.Replace(source, []byte(reading), []byte(reading+"\n\tsec += jump(mono)"), 1)
	source = append(source, "\nfunc jump(mono int64) int64 { return [...]int64{0, 3600, -3600, 86400, -86400}[mono/300_000_000%5] }\n"...)
	jumping, overlay, out := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: jumping}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{jumping: source, overlay: replace} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-overlay="+overlay, "-o", out, pkg)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	return out
}
