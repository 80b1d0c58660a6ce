package lake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/rtrackers/offsetrange"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx" // the runners
	"pgregory.net/rapid"

	"example.com/shopstream/internal/prism"
)

func init() {
	register.DoFn2x0[Events, func(int64)](&gatherFn{})
	register.Emitter1[int64]()
	register.DoFn1x0[[]byte](&gatherBrokenFn{})
}

func TestMain(m *testing.M) {
	beam.Init()
	os.Exit(prism.Tests(m))
}

// gathered are the elements that a job's DoFns have seen, by the job's key:
// they run in this process.
var gathered = struct {
	sync.Mutex
	rows   map[string][]LateRow
	broken map[string][]Broken
}{rows: map[string][]LateRow{}, broken: map[string][]Broken{}}

type gatherFn struct{ Key string }

func (fn *gatherFn) ProcessElement(e Events, emit func(int64)) {
	gathered.Lock()
	defer gathered.Unlock()
	gathered.rows[fn.Key] = append(gathered.rows[fn.Key], rowsOf(e)...)
	emit(int64(e.N))
}

type gatherBrokenFn struct{ Key string }

func (fn *gatherBrokenFn) ProcessElement(element []byte) {
	var b Broken
	if err := json.Unmarshal(element, &b); err != nil {
		panic(err)
	}
	gathered.Lock()
	defer gathered.Unlock()
	gathered.broken[fn.Key] = append(gathered.broken[fn.Key], b)
}

// readThroughBeam returns what a job on the runner reads, by partition and
// offset.
func readThroughBeam(t *testing.T, runner, uri string, files []File, o ReadOptions, materialise bool) ([]LateRow, []Broken, error) {
	t.Helper()
	key := fmt.Sprint(t.Name(), runner, uri, materialise, o)
	o.OneByOne = runner == "prism"
	p, s := beam.NewPipelineWithRoot()
	events, broken := ReadEvents(s, uri, files, o)
	if materialise {
		events = beam.Reshuffle(s, events)
	}
	beam.ParDo(s, &gatherFn{key}, events)
	beam.ParDo0(s, &gatherBrokenFn{key}, broken)
	if _, err := beam.Run(t.Context(), runner, p); err != nil {
		return nil, nil, err
	}
	gathered.Lock()
	defer gathered.Unlock()
	rows := gathered.rows[key]
	slices.SortFunc(rows, byOffset)
	return rows, gathered.broken[key], nil
}

func byOffset(a, b LateRow) int {
	return cmp.Or(cmp.Compare(a.KafkaPartition, b.KafkaPartition), cmp.Compare(a.KafkaOffset, b.KafkaOffset))
}

// manyFiles writes silver files of windows and categories, and a late file.
func manyFiles(t testing.TB, st Store) (files []File, want []LateRow) {
	rows := silverRows(3000)
	for i := range rows {
		rows[i].KafkaPartition, rows[i].KafkaOffset = 0, int64(i)
	}
	i := 0
	for window := range int64(10) {
		for _, category := range []string{"toys", "home & garden", "NULL"} {
			part := rows[i : i+90]
			i += 90
			for j := range part {
				part[j].EventTime = (w(window) + int64(j)) * 1000
				want = append(want, inCategory(part[j], category))
			}
			files = append(files, putFile(t, st, SilverName(w(window), category, 0), part, EncodeSilver))
		}
	}
	var late []LateRow
	for _, r := range rows[i:] {
		late = append(late, inCategory(r, []string{"toys", "books"}[r.KafkaOffset%2]))
	}
	files = append(files, putFile(t, st, LaneName(Late, w(3), 0), late, EncodeLate))
	return files, append(want, late...)
}

func TestReadEvents(t *testing.T) {
	bucket := startBucket(t) + "/lake"
	for _, c := range []struct {
		runner, uri string
		materialise bool
	}{
		{"prism", t.TempDir(), false},
		{"prism", t.TempDir(), true},
		{"direct", t.TempDir(), false},
		{"prism", bucket, false},
	} {
		t.Run(fmt.Sprint(c.runner, c.materialise, strings.HasPrefix(c.uri, "gs:")), func(t *testing.T) {
			files, want := manyFiles(t, mustOpen(t, c.uri))
			got, broken, err := readThroughBeam(t, c.runner, c.uri, files, ReadOptions{Columns: AllColumns}, c.materialise)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d rows, want these %d", len(got), len(want))
			}
			if len(broken) != 0 {
				t.Errorf("set aside: %v", broken)
			}
		})
	}
}

func TestReadNoEvents(t *testing.T) {
	for _, runner := range []string{"prism", "direct"} {
		if got, broken, err := readThroughBeam(t, runner, t.TempDir(), nil, ReadOptions{Columns: AllColumns}, false); err != nil || len(got)+len(broken) != 0 {
			t.Errorf("%s: %d rows, %v, %v", runner, len(got), broken, err)
		}
	}
}

// TestQuarantine breaks files in several ways: they fail the job by name, or
// are set aside whole and once.
func TestQuarantine(t *testing.T) {
	for _, runner := range []string{"prism", "direct"} {
		t.Run(runner, func(t *testing.T) {
			dir := t.TempDir()
			files, want := manyFiles(t, mustOpen(t, dir))
			breakFile := func(i int, change func(data []byte) []byte) string {
				path := filepath.Join(dir, files[i].Name)
				data, err := os.ReadFile(path)
				if err == nil {
					err = os.WriteFile(path, change(data), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				return files[i].Name
			}
			names := []string{
				breakFile(1, func(data []byte) []byte { return data[:len(data)-100] }), // half copied
				breakFile(4, func(data []byte) []byte { data[200] ^= 4; return data }),
				breakFile(7, func([]byte) []byte { return nil }),
				files[9].Name,
				files[12].Name,
			}
			if err := os.Remove(filepath.Join(dir, files[9].Name)); err != nil {
				t.Fatal(err)
			}
			files[12].Rows++ // another file than the ledger's
			_, _, err := readThroughBeam(t, runner, dir, files, ReadOptions{Columns: AllColumns}, false)
			if err == nil || !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(err.Error(), n) }) {
				t.Errorf("without quarantine: %v, want an error that names one of %q", err, names)
			}
			got, broken, err := readThroughBeam(t, runner, dir, files, ReadOptions{Columns: AllColumns, Quarantine: true}, false)
			if err != nil {
				t.Fatal(err)
			}
			var aside []string
			for _, b := range broken {
				aside = append(aside, b.Name)
				if !strings.Contains(b.Error, b.Name) {
					t.Errorf("the error %q does not name %s", b.Error, b.Name)
				}
			}
			slices.Sort(aside)
			if slices.Sort(names); !slices.Equal(aside, names) {
				t.Errorf("set aside %q, want %q", aside, names)
			}
			for i := 12; i >= 0; i-- {
				if slices.Contains(names, files[i].Name) {
					want = slices.Delete(want, i*90, i*90+90)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d rows, want these %d", len(got), len(want))
			}
		})
	}
}

// failingReads is a store whose objects open, but cannot be read.
type failingReads struct{ Store }

type unreadable struct{ Object }

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }

func (s failingReads) Open(ctx context.Context, name string) (Object, error) {
	o, err := s.Store.Open(ctx, name)
	return unreadable{o}, err
}

// TestStoreFailsInQuarantine: a store that cannot be read is no broken file.
func TestStoreFailsInQuarantine(t *testing.T) {
	st := newLocal(t)
	f := putFile(t, st, SilverName(0, "toys", 0), silverRows(10), EncodeSilver)
	failing := failingReads{st}
	_, err := scan(t, failing, []File{f}, ReadOptions{Columns: AllColumns, Quarantine: true})
	if err == nil || errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), f.Name) {
		t.Errorf("%v, want the disk's error with the file's name", err)
	}
}

// TestSplits reads units of a large file and of small ones, split at every
// point: each row once.
func TestSplits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var files []File
		for i := range rapid.IntRange(1, 6).Draw(rt, "files") {
			files = append(files, File{Lane: Silver, Name: SilverName(w(int64(i)), "toys", 0), Rows: rapid.Int64Range(1, 4*maxRowsPerRowGroup).Draw(rt, "rows"), Bytes: rapid.Int64Range(1, 3*shareBytes).Draw(rt, "bytes")})
		}
		fn := &readEventsFn{Options: ReadOptions{Quarantine: rapid.Bool().Draw(rt, "quarantine")}}
		var sum int64
		total := 0.0
		for _, packed := range share(files, &fn.Options) {
			whole, err := fn.CreateInitialRestriction(packed)
			if err != nil {
				rt.Fatal(err)
			}
			parts, err := fn.SplitRestriction(packed, whole)
			if err != nil {
				rt.Fatal(err)
			}
			next := whole.Start
			for _, part := range parts {
				if part.Start != next || part.End <= part.Start {
					rt.Fatalf("parts %v of %v", parts, whole)
				}
				next = part.End
				size, err := fn.RestrictionSize(packed, part)
				if err != nil || (size > shareBytes+1 && part.End-part.Start > 1) {
					rt.Fatalf("part %v of %.0f bytes, %v", part, size, err)
				}
				total += size
			}
			if next != whole.End {
				rt.Fatalf("parts %v of %v", parts, whole)
			}
			sum += whole.End
		}
		var want int64
		bytes := 0.0
		for _, f := range files {
			want += units(f, fn.Options.Quarantine)
			bytes += float64(f.Bytes)
		}
		if sum != want || total < bytes-1 || total > bytes+1 {
			rt.Fatalf("%d units of %.0f bytes, want %d of %.0f", sum, total, want, bytes)
		}
	})
}

// TestReadPartOfElement splits an element of several files at every point and
// while it is read.
func TestReadPartOfElement(t *testing.T) {
	dir := t.TempDir()
	files, want := manyFiles(t, mustOpen(t, dir))
	fn := &readEventsFn{URI: dir, Options: ReadOptions{Columns: AllColumns}}
	packed := share(files, &fn.Options)[0]
	whole, err := fn.CreateInitialRestriction(packed)
	if err != nil || whole.End != int64(len(files)) {
		t.Fatalf("%v, %v", whole, err)
	}
	read := func(rt *sdf.LockRTracker, during func()) (rows []LateRow) {
		err := fn.ProcessElement(t.Context(), rt, packed, func(e Events) { rows = append(rows, rowsOf(e)...); during() }, func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		if !rt.IsDone() || rt.GetError() != nil {
			t.Fatalf("not done: %v", rt.GetError())
		}
		return rows
	}
	for at := range whole.End + 1 {
		got := read(fn.CreateTracker(offsetrange.Restriction{Start: 0, End: at}), func() {})
		got = append(got, read(fn.CreateTracker(offsetrange.Restriction{Start: at, End: whole.End}), func() {})...)
		slices.SortFunc(got, byOffset)
		if !slices.Equal(got, want) {
			t.Fatalf("split at %d: %d rows, want these %d", at, len(got), len(want))
		}
		// The runner splits while the at-th file is read.
		rt := fn.CreateTracker(whole)
		var rest []LateRow
		n := int64(0)
		got = read(rt, func() {
			if n++; n != at {
				return
			}
			if _, residual, err := rt.TrySplit(0.5); err != nil {
				t.Fatal(err)
			} else if residual != nil {
				rest = read(fn.CreateTracker(residual.(offsetrange.Restriction)), func() {})
			}
		})
		got = append(got, rest...)
		slices.SortFunc(got, byOffset)
		if !slices.Equal(got, want) {
			t.Fatalf("split after %d files: %d rows, want these %d", at, len(got), len(want))
		}
	}
}

func TestPackFiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		files := rapid.SliceOf(rapid.Custom(func(t *rapid.T) File {
			return File{Lane: Late, Name: anyText.Draw(t, "name"), Rows: rapid.Int64Range(1, 1e9).Draw(t, "rows"), Bytes: rapid.Int64Range(0, 1e12).Draw(t, "bytes")}
		})).Draw(rt, "files")
		var got []File
		for _, packed := range share(files, &ReadOptions{}) {
			part, err := unpackFiles(packed)
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, part...)
		}
		if !slices.Equal(got, files) {
			rt.Fatalf("got %v, want %v", got, files)
		}
	})
}

func TestEventsCoder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(anyLate, 1, 20).Draw(rt, "rows")
		st := newLocal(t)
		f := putFile(t, st, LaneName(Late, 0, 0), rows, EncodeLate)
		for e, err := range ScanEvents(t.Context(), st, []File{f}, ReadOptions{Columns: Columns(rapid.Uint32Range(0, uint32(AllColumns)).Draw(rt, "columns"))}) {
			if err != nil {
				rt.Fatal(err)
			}
			got, err := decodeEvents(encodeEvents(e))
			if err != nil || !reflect.DeepEqual(got, e) {
				rt.Fatalf("got %+v, %v, want %+v", got, err, e)
			}
		}
	})
}
