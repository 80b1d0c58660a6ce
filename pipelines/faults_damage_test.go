package pipelines

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/producer"
)

// TestDamagedLake damages one file of a lake after the other. A run that would
// go on says which file it is, and changes nothing: a copy of that file put in
// its place has to make the lake whole again.
func TestDamagedLake(t *testing.T) {
	cluster := startBroker(t, 4)
	sim := simulate(t, producer.SimulateOptions{Seed: 41, Density: 200, Count: 30_000})
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	o := options(cluster, filepath.Join(t.TempDir(), "lake"))
	o.Source.BundleRecords = 500 // windows get final before the end
	run(t, o)
	_, ledger := openLake(t, o.Lake)
	start := ledger.Resume()
	if start.Source == nil || len(start.Increments) == 0 || len(ledger.Metrics) == 0 {
		t.Fatal("the lake has nothing to go on from: more events are needed")
	}
	damages := map[string]func(b []byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"zeros":     func(b []byte) []byte { return make([]byte, len(b)) },
		"foreign":   func([]byte) []byte { return []byte("PAR1{\"hello\": [1]}PAR1") },
	}
	files := map[string]string{
		"settings": "lake.json", "end": "ledger/closed.json", "seal": "ledger/seal.json", "metrics seal": "ledger/metrics-seal.json",
		"row": firstFile(t, o.Lake, "ledger/rows"), "metrics row": firstFile(t, o.Lake, "ledger/metrics"),
		"increments": start.Increments[len(start.Increments)-1].Name,
	}
	for what, name := range files {
		for how, damage := range damages {
			t.Run(what+", "+how, func(t *testing.T) {
				o, whole := o, o.Lake
				o.Lake = filepath.Join(t.TempDir(), "lake")
				if err := os.CopyFS(o.Lake, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(o.Lake, name)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, damage(b), 0o666); err != nil {
					t.Fatal(err)
				}
				before := snapshot(t, o.Lake)
				err = o.Resume(t.Context())
				if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
					t.Errorf("resume: %v, want one line that names %s", err, name)
				}
				if diff := cmp.Diff(before, snapshot(t, o.Lake)); diff != "" {
					t.Errorf("the lake was changed (-before +after):\n%.1000s", diff)
				}
			})
		}
	}
}

// TestDamagedData: a data file that the ledger names and that is not what was
// written is an error that names it.
func TestDamagedData(t *testing.T) {
	cluster := startBroker(t, 4)
	sim := simulate(t, producer.SimulateOptions{Seed: 42, Density: 200, Count: 5_000})
	if _, err := producer.Deliver(t.Context(), cluster, topic, sim, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
	o := options(cluster, t.TempDir())
	run(t, o)
	st, ledger := openLake(t, o.Lake)
	foreign := laneFiles(ledger, lake.Bronze)[0].Name
	other, err := st.Get(t.Context(), foreign)
	if err != nil {
		t.Fatal(err)
	}
	f := laneFiles(ledger, lake.Silver)[0]
	b, err := st.Get(t.Context(), f.Name)
	if err != nil {
		t.Fatal(err)
	}
	for how, data := range map[string][]byte{
		"empty": nil, "truncated": b[:len(b)-10], "half": b[:len(b)/2], "zeros": make([]byte, len(b)), "another table": other,
	} {
		if err := st.Put(t.Context(), f.Name, data); err != nil {
			t.Fatal(err)
		}
		if _, err := lake.ReadAll[lake.SilverRow](context.Background(), st, f.Name); err == nil || !strings.Contains(err.Error(), f.Name) {
			t.Errorf("%s: %v, want an error that names %s", how, err, f.Name)
		}
	}
}

func firstFile(t testing.TB, dir, sub string) string {
	t.Helper()
	return sub + "/" + filesOf(t, filepath.Join(dir, sub))[0]
}

// snapshot is what a lake consists of, besides the lock.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range filesOf(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name != ".lock" {
			out[name] = string(b)
		}
	}
	return out
}
