package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
)

func full() Manifest {
	return Manifest{
		Name: "demand-units", Created: start, Kind: "recipe", Target: "units", Level: "product",
		DataFrom: "2024-03-01", DataTo: "2026-02-28", DataFingerprint: strings.Repeat("0a", 32),
		CodeVersion: "abc-dirty", GoVersion: "go1.26", Features: []string{"lag_7", "mean_14"},
		FeatureSpec: json.RawMessage(`{"lags":[7],"note":"a<b & c"}`), Parameters: json.RawMessage(`{"trees":150,"rate":0.06}`), Seed: math.MaxUint64,
		Origins: []string{"2026-02-14", "2026-02-21"}, Metrics: map[string]float64{"wape": 0.7551234567890123, "bias": -0.05},
		Baselines: map[string]map[string]float64{"tsb": {"wape": 0.8}}, Seconds: 12.5,
	}
}

func TestPutAndGet(t *testing.T) {
	for place, newStore := range stores {
		t.Run(place, func(t *testing.T) {
			uri := newStore(t)
			r, reader := Open(openStore(t, uri)), Open(openStore(t, uri))
			files := map[string][]byte{"forest.json": bytes.Repeat([]byte("tree"), 100_000), "empty.bin": {}}
			version, err := r.Put(t.Context(), full(), files)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(version, "20260301T120000Z-") || checkVersion(version) != nil {
				t.Errorf("version %q", version)
			}
			got, err := reader.Get(t.Context(), "demand-units", version)
			if err != nil {
				t.Fatal(err)
			}
			want := full()
			want.Version = version
			want.Files = []File{{"empty.bin", 0, hash(nil)}, {"forest.json", 400_000, hash(files["forest.json"])}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-put +got:\n%s", diff)
			}
			for name, data := range files {
				if read, err := reader.File(t.Context(), got, name); err != nil || !bytes.Equal(read, data) {
					t.Errorf("file %s: %d bytes, %v", name, len(read), err)
				}
			}
			if _, err := reader.File(t.Context(), got, "other.json"); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
				t.Errorf("a file that the version does not have: %v", err)
			}
			// The same again is refused; something else in the same second is another version.
			if _, err := r.Put(t.Context(), full(), files); !errors.Is(err, lake.ErrExists) {
				t.Errorf("put again: %v", err)
			}
			other := full()
			other.Created, other.Seed = start.Add(time.Hour), 1
			second, err := r.Put(t.Context(), other, files)
			if err != nil {
				t.Fatal(err)
			}
			list, err := reader.List(t.Context(), "demand-units")
			if err != nil || len(list) != 2 || list[0].Version != version || list[1].Version != second {
				t.Errorf("listed %v, %v", list, err)
			}
			if names, err := reader.Names(t.Context()); err != nil || !slices.Equal(names, []string{"demand-units"}) {
				t.Errorf("names %v, %v", names, err)
			}
			if list, err := reader.List(t.Context(), "demand"); err != nil || len(list) != 0 {
				t.Errorf("a model that is not there: %v, %v", list, err)
			}
			if _, err := reader.Get(t.Context(), "demand", version); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a model that is not there: %v", err)
			}
		})
	}
}

func TestPutFillsIn(t *testing.T) {
	r, _ := newFolder(t)
	version, err := r.Put(t.Context(), Manifest{Name: "m", Kind: "k"}, map[string][]byte{"f": nil})
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Get(t.Context(), "m", version)
	if err != nil || m.CodeVersion == "" || !strings.HasPrefix(m.GoVersion, "go") || !m.Created.Equal(start.Add(time.Second)) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestPutRefuses(t *testing.T) {
	one := map[string][]byte{"forest.json": []byte("x")}
	for name, c := range map[string]struct {
		change func(*Manifest)
		files  map[string][]byte
		want   string
	}{
		"no name":              {func(m *Manifest) { m.Name = "" }, one, "name of a model"},
		"a path for a name":    {func(m *Manifest) { m.Name = "../gold" }, one, "name of a model"},
		"a slash in the name":  {func(m *Manifest) { m.Name = "a/b" }, one, "name of a model"},
		"capitals":             {func(m *Manifest) { m.Name = "Demand" }, one, "name of a model"},
		"a long name":          {func(m *Manifest) { m.Name = strings.Repeat("a", 64) }, one, "name of a model"},
		"a version":            {func(m *Manifest) { m.Version = "20260301T120000Z-1a2b3c4d" }, one, "without a version"},
		"its files":            {func(m *Manifest) { m.Files = []File{{Name: "x"}} }, one, "without files"},
		"no kind":              {func(m *Manifest) { m.Kind = "" }, one, "kind"},
		"half a window":        {func(m *Manifest) { m.DataTo = "" }, one, "data_from, data_to"},
		"a window backwards":   {func(m *Manifest) { m.DataTo = "2024-02-29" }, one, "data_from, data_to"},
		"a day that is none":   {func(m *Manifest) { m.Origins = []string{"2026-02-30"} }, one, "origins"},
		"no fingerprint":       {func(m *Manifest) { m.DataFingerprint = "abc" }, one, "data_fingerprint"},
		"NaN":                  {func(m *Manifest) { m.Metrics["r2"] = math.NaN() }, one, "metrics: expected finite numbers, found r2"},
		"infinite":             {func(m *Manifest) { m.Baselines["tsb"]["r2"] = math.Inf(1) }, one, "baselines of tsb"},
		"a negative duration":  {func(m *Manifest) { m.Seconds = -1 }, one, "seconds"},
		"parameters not JSON":  {func(m *Manifest) { m.Parameters = json.RawMessage("{") }, one, "parameters"},
		"the year 1":           {func(m *Manifest) { m.Created = time.Time{}.Add(time.Hour) }, one, "created"},
		"no files":             {func(*Manifest) {}, nil, "files: expected one or more"},
		"a file out of place":  {func(*Manifest) {}, map[string][]byte{"../manifest.json": nil}, "file of a model"},
		"a hidden file":        {func(*Manifest) {}, map[string][]byte{".model": nil}, "file of a model"},
		"the manifest":         {func(*Manifest) {}, map[string][]byte{"manifest.json": nil}, "file of a model"},
		"too large a manifest": {func(m *Manifest) { m.Features = []string{strings.Repeat("a", maxManifestBytes)} }, one, "expected at most 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r, st := newFolder(t)
			m := full()
			c.change(&m)
			_, err := r.Put(t.Context(), m, c.files)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("expected an error with %q, found %v", c.want, err)
			}
			for _, name := range objects(t, st, "") {
				t.Errorf("wrote %s", name)
			}
		})
	}
}

func TestNamesOfOthersAreRefused(t *testing.T) {
	r, _ := newFolder(t)
	version := put(t, r, 1)
	good, err := r.Get(t.Context(), "m", version)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", ".", "..", "../m", "m/..", "m\x00", "pointer/../m", "-m", "m-"} {
		m := good
		m.Name = bad
		_, file := r.File(t.Context(), m, "forest.json")
		m = good
		m.Version = bad
		_, of := r.File(t.Context(), m, "forest.json")
		_, get := r.Get(t.Context(), bad, version)
		_, getVersion := r.Get(t.Context(), "m", bad)
		_, other := r.File(t.Context(), good, bad+"/x")
		_, list := r.List(t.Context(), bad)
		_, champion := r.Champion(t.Context(), bad)
		_, promote := r.Promote(t.Context(), bad, version, "why")
		_, challenge := r.SetChallenger(t.Context(), bad, "", 0, "why")
		_, prune := r.Prune(t.Context(), bad, 1)
		for i, err := range []error{file, of, get, getVersion, other, list, champion, promote, challenge, prune} {
			if err == nil || !strings.Contains(err.Error(), " of a model: expected") {
				t.Errorf("%q, call %d: %v", bad, i, err)
			}
		}
	}
}

// TestCorrupt changes what was put, on both kinds of stores.
func TestCorrupt(t *testing.T) {
	for place, newStore := range stores {
		for name, c := range map[string]struct {
			change func(file, manifest []byte) ([]byte, []byte) // nil: deleted
			want   string
		}{
			"a bit of the file": {func(f, m []byte) ([]byte, []byte) { f[3] ^= 1; return f, m }, "expected SHA-256"},
			"a shorter file":    {func(f, m []byte) ([]byte, []byte) { return f[:3], m }, "expected 7 bytes, found 3"},
			"an empty file":     {func(_, m []byte) ([]byte, []byte) { return []byte{}, m }, "expected 7 bytes, found 0"},
			"a longer file":     {func(f, m []byte) ([]byte, []byte) { return append(f, 0), m }, "expected at most 7 bytes, found 8"},
			"no file":           {func(_, m []byte) ([]byte, []byte) { return nil, m }, "it is missing"},
			"an empty manifest": {func(f, _ []byte) ([]byte, []byte) { return f, []byte{} }, "expected a JSON object"},
			"half a manifest":   {func(f, m []byte) ([]byte, []byte) { return f, m[:len(m)/2] }, "expected a JSON object"},
			"two manifests":     {func(f, m []byte) ([]byte, []byte) { return f, append(m, m...) }, "expected a JSON object"},
			"another seed": {func(f, m []byte) ([]byte, []byte) {
				return f, bytes.Replace(m, []byte(`"seed": 1`), []byte(`"seed": 2`), 1)
			}, "expected content whose version is"},
			"another model":          {func(f, m []byte) ([]byte, []byte) { return f, bytes.Replace(m, []byte(`"m"`), []byte(`"n"`), 1) }, `expected the model "m", found "n"`},
			"a newer format":         {func(f, m []byte) ([]byte, []byte) { return f, []byte(`{"format": 2, "new": 1}`) }, "use a newer program"},
			"no format":              {func(f, m []byte) ([]byte, []byte) { return f, []byte(`{}`) }, "expected format 1, found 0"},
			"something else":         {func(f, m []byte) ([]byte, []byte) { return f, []byte(`{"format": 1, "learner": {}}`) }, "unknown field"},
			"a manifest of 1 MB + 1": {func(f, m []byte) ([]byte, []byte) { return f, make([]byte, 1<<20+1) }, "expected at most 1048576 bytes, found 1048577"},
		} {
			t.Run(place+"/"+name, func(t *testing.T) {
				st := openStore(t, newStore(t))
				r := ticking(st)
				sound, version := put(t, r, 7), put(t, r, 1)
				file, manifest := fileName("m", version, "forest.json"), fileName("m", version, manifestName)
				objects := map[string][]byte{}
				for _, at := range []string{file, manifest} {
					data, err := st.Get(t.Context(), at)
					if err != nil {
						t.Fatal(err)
					}
					objects[at] = data
				}
				objects[file], objects[manifest] = c.change(objects[file], objects[manifest])
				for at, data := range objects {
					err := st.Put(t.Context(), at, data)
					if data == nil {
						err = st.Delete(t.Context(), at)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				for _, call := range []func() error{
					func() error { _, err := r.Verify(t.Context(), "m", version); return err },
					func() error { _, err := r.Promote(t.Context(), "m", version, "why"); return err },
				} {
					err := call()
					if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "train and promote another version") {
						t.Errorf("expected a corrupt version, %q, found %v", c.want, err)
					}
				}
				if _, err := r.Champion(t.Context(), "m"); !errors.Is(err, ErrNoChampion) {
					t.Errorf("a damaged version was promoted: %v", err)
				}
				list, err := r.List(t.Context(), "m")
				if bad := !strings.Contains(name, "file"); bad != errors.Is(err, ErrCorrupt) || !bad && err != nil {
					t.Errorf("list: %v", err)
				}
				if len(list) == 0 || list[0].Version != sound {
					t.Errorf("the sound version is missing: %v", list)
				}
			})
		}
	}
}

// TestBoundedReads: sizes are looked at before anything is read or allocated.
func TestBoundedReads(t *testing.T) {
	r, st := newFolder(t)
	version := put(t, r, 1)
	m, err := r.Promote(t.Context(), "m", version, "first")
	if err != nil {
		t.Fatal(m, err)
	}
	manifest, err := r.Get(t.Context(), "m", version)
	if err != nil {
		t.Fatal(err)
	}
	foreign := manifest
	foreign.Files = []File{{"forest.json", 1 << 50, strings.Repeat("0", 64)}}
	r = Open(huge{st, t})
	_, get := r.Get(t.Context(), "m", version)
	_, file := r.File(t.Context(), manifest, "forest.json")
	_, champion := r.Champion(t.Context(), "m")
	for _, err := range []error{get, file, champion} {
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "expected at most") {
			t.Errorf("expected a corrupt object, found %v", err)
		}
	}
	if _, err := r.File(t.Context(), foreign, "forest.json"); err == nil || !strings.Contains(err.Error(), "expected 0 to") {
		t.Errorf("a file that is said to be huge: %v", err)
	}
}

// TestKilledPut ends Put before each of its writes: the version is not there, and
// putting it again succeeds; Prune removes what was left of others, named.
func TestKilledPut(t *testing.T) {
	files := map[string][]byte{"a.bin": []byte("a"), "b.bin": []byte("b")}
	for writes := range 3 {
		t.Run(fmt.Sprint(writes), func(t *testing.T) {
			r, st := newFolder(t)
			left := writes
			killed := Open(hooked{st, func(op, _ string) error {
				if op != "put" {
					return nil
				}
				if left--; left < 0 {
					return errKilled
				}
				return nil
			}})
			if _, err := killed.Put(t.Context(), full(), files); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			list, err := r.List(t.Context(), "demand-units")
			names, errNames := r.Names(t.Context())
			if err := errors.Join(err, errNames); err != nil || len(list) != 0 || len(names) != 0 {
				t.Errorf("half a version: %v, %v, %v", list, names, err)
			}
			later := func(age time.Duration) Removed {
				r.now = func() time.Time { return time.Now().Add(age) }
				removed, err := r.Prune(t.Context(), "demand-units", 1)
				if err != nil {
					t.Fatal(err)
				}
				return removed
			}
			if removed := later(23 * time.Hour); len(removed.Leftovers) != 0 {
				t.Errorf("removed what may still be written: %v", removed)
			}
			version, err := r.Put(t.Context(), full(), files)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Verify(t.Context(), "demand-units", version); err != nil {
				t.Error(err)
			}
			if removed := later(25 * time.Hour); len(removed.Leftovers) != 0 {
				t.Errorf("removed of a whole version: %v", removed)
			}
			if err := st.Delete(t.Context(), fileName("demand-units", version, manifestName)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Removed{Leftovers: []string{version}}, later(25*time.Hour)); diff != "" {
				t.Error(diff)
			}
			for _, name := range objects(t, st, "") {
				t.Errorf("%s is left", name)
			}
		})
	}
}

// TestPutKeepsOthers: a file that is there with other content is not replaced.
func TestPutKeepsOthers(t *testing.T) {
	r, st := newFolder(t)
	scratch, _ := newFolder(t)
	files := map[string][]byte{"a.bin": []byte("a")}
	version, err := scratch.Put(t.Context(), full(), files)
	if err != nil {
		t.Fatal(err)
	}
	at := fileName("demand-units", version, "a.bin")
	if err := st.Put(t.Context(), at, []byte("z")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Put(t.Context(), full(), files); !errors.Is(err, lake.ErrExists) {
		t.Errorf("put over another file: %v", err)
	}
	if data, err := st.Get(t.Context(), at); err != nil || string(data) != "z" {
		t.Errorf("the file is %q now, %v", data, err)
	}
}

// TestDurable: what names something is written when that is on the disk, and calls
// return when what they wrote is.
func TestDurable(t *testing.T) {
	_, st := newFolder(t)
	var ops []string
	r := ticking(hooked{st, func(op, name string) error {
		ops = append(ops, strings.TrimSuffix(op+" "+path.Base(name), " ."))
		return nil
	}})
	version := put(t, r, 1)
	if _, err := r.Promote(t.Context(), "m", version, "first"); err != nil {
		t.Fatal(err)
	}
	want := []string{"put forest.json", "sync", "put manifest.json", "sync", "put 000001.json", "sync"}
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Error(diff)
	}
}
