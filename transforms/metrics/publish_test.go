package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
)

func init() {
	register.DoFn2x0[[]byte, func(beam.EventTime, int64, []byte)](&sourceFn{})
	register.DoFn1x0[int64](&endFn{})
}

// sourceFn emits increments as Commit does.
type sourceFn struct{ Windows map[string]Increments } // by end

func (fn *sourceFn) ProcessElement(_ []byte, emit func(beam.EventTime, int64, []byte)) {
	for end, in := range fn.Windows {
		var ms int64
		if _, err := fmt.Sscan(end, &ms); err != nil {
			panic(err)
		}
		Emit(in, ms, emit)
	}
}

type endFn struct{}

func (endFn) ProcessElement(int64) {}

// publish runs Publish over increments by window, and again over files.
func publish(t testing.TB, runner string, st lake.Store, windows map[int64]Increments, baseMs, done int64, again []lake.IncrementsFile) {
	t.Helper()
	src := &sourceFn{Windows: map[string]Increments{}}
	for w, in := range windows {
		src.Windows[fmt.Sprint(w+baseMs)] = in
	}
	run(t, runner, func(s beam.Scope) {
		base := window.NewFixedWindows(time.Duration(baseMs) * time.Millisecond)
		increments := beam.WindowInto(s, base, beam.ParDo(s, src, beam.Impulse(s)))
		if again != nil {
			increments = beam.Flatten(s, increments, Again(s, st.URI(), baseMs, again))
		}
		beam.ParDo0(s, &endFn{}, beam.Reshuffle(s, Publish(s, increments, st.URI(), baseMs, done)))
	})
}

// published reads what the metrics ledger names, by kind.
func published(t testing.TB, st lake.Store, baseMs int64) map[string][]lake.MetricRow {
	t.Helper()
	l, err := lake.ReadLedger(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]lake.MetricRow{}
	for _, row := range l.Metrics {
		if row.End-row.Window != period(baseMs) || mod(row.End, period(baseMs)) != 0 {
			t.Errorf("base %d: a row of [%d, %d)", baseMs, row.Window, row.End)
		}
		for _, f := range row.Files {
			k, err := lake.ParseName(f.Name)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := lake.ReadAll[lake.MetricRow](t.Context(), st, f.Name)
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(rows)) != f.Rows {
				t.Errorf("%s has %d rows, the ledger says %d", f.Name, len(rows), f.Rows)
			}
			for _, r := range rows {
				if end := r.WindowEnd / 1000; end <= row.Window || end > row.End {
					t.Errorf("%s has a window that ends at %d", f.Name, end)
				}
			}
			out[k.Kind] = append(out[k.Kind], rows...)
		}
	}
	return out
}

// TestPublish sends increments through the graph: every window is there once,
// at its level, with the right sums.
func TestPublish(t *testing.T) {
	t.Parallel()
	events := randomEvents(3, 400, 4*hour)
	for _, base := range baseWindows {
		for _, runner := range []string{"direct", "prism"} {
			if runner == "prism" && (base == 10_000 || base == 2_400_000) {
				continue // the same as others, and slow
			}
			t.Run(fmt.Sprint(runner, "/", base), func(t *testing.T) {
				t.Parallel()
				st := openLake(t)
				publish(t, runner, st, incrementsOf(events, base), base, kafkaio.NoTime, nil)
				got := published(t, st, base)
				for _, k := range kinds {
					want := expected(naiveRows(events, k.length, k.every), k.length)
					if diff := cmp.Diff(want, byKey(t, got[k.name])); diff != "" {
						t.Errorf("%s (-want +got):\n%s", k.name, diff)
					}
				}
				checkSeals(t, st)
			})
		}
	}
}

// checkSeals wants the newest row to be sealed.
func checkSeals(t *testing.T, st lake.Store) {
	t.Helper()
	newest := ""
	for info, err := range st.List(t.Context(), "ledger/metrics/") {
		if err != nil {
			t.Fatal(err)
		}
		newest = info.Name
	}
	var row lake.MetricsRow
	var seal struct{ Window int64 }
	for name, v := range map[string]any{newest: &row, "ledger/metrics-seal.json": &seal} {
		data, err := st.Get(t.Context(), name)
		if err == nil {
			err = json.Unmarshal(data, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if seal.Window != row.Window {
		t.Errorf("sealed up to %d, the newest row is %d", seal.Window, row.Window)
	}
}

// TestAgain stops after some windows and goes on with files of increments: the
// metrics are those of one run.
func TestAgain(t *testing.T) {
	t.Parallel()
	for _, base := range []int64{60_000, 600_000, 24 * hour} {
		t.Run(fmt.Sprint(base), func(t *testing.T) {
			t.Parallel()
			events := randomEvents(uint64(base), 300, 3*max(hour, base))
			windows := incrementsOf(events, base)
			whole := openLake(t)
			publish(t, "direct", whole, windows, base, kafkaio.NoTime, nil)
			want := contents(t, whole)

			ends := slices.Sorted(maps.Keys(windows))
			for cut := 0; cut < len(ends); cut += 1 + len(ends)/4 {
				st := openLake(t)
				// What the run that was stopped had committed, and published in part.
				before := maps.Clone(windows)
				maps.DeleteFunc(before, func(w int64, _ Increments) bool { return w > ends[cut] })
				publish(t, "direct", st, before, base, kafkaio.NoTime, nil)
				var again []lake.IncrementsFile
				done := ends[cut] + base - mod(ends[cut]+base, period(base)) // the newest period that is final
				for w, in := range before {
					if w+base <= done-hour {
						continue
					}
					name, crc, err := lake.PutIncrements(t.Context(), st, w, in.Encode())
					if err != nil {
						t.Fatal(err)
					}
					again = append(again, lake.IncrementsFile{Name: name, End: w + base, CRC: crc})
				}
				rest := maps.Clone(windows)
				maps.DeleteFunc(rest, func(w int64, _ Increments) bool { return w <= ends[cut] })
				publish(t, []string{"direct", "prism"}[cut%2], st, rest, base, done, again)
				if diff := cmp.Diff(want, contents(t, st)); diff != "" {
					t.Fatalf("stopped after window %d (-one run +two):\n%s", cut, diff)
				}
			}
		})
	}
}

// contents are the objects of a lake without increments.
func contents(t testing.TB, st lake.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, prefix := range []string{"metrics/", "ledger/metrics/", "ledger/metrics-seal.json"} {
		for info, err := range st.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			data, err := st.Get(t.Context(), info.Name)
			if err != nil {
				t.Fatal(err)
			}
			out[info.Name] = string(data)
		}
	}
	return out
}

// TestAgainDamaged: a file that is damaged or gone is an error that names it.
func TestAgainDamaged(t *testing.T) {
	t.Parallel()
	st := openLake(t)
	if err := st.Put(t.Context(), "ledger/increments/bad.bin", []byte("SSI1, but not really")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ledger/increments/bad.bin", "ledger/increments/gone.bin"} {
		fn := &againFn{Lake: st.URI()}
		err := fn.ProcessElement(context.Background(), lake.IncrementsFile{Name: name, End: 60_000}, func(beam.EventTime, int64, []byte) {
			t.Error("increments of a damaged file")
		})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), st.URI()) {
			t.Errorf("%s: error %v, want one that names the file and the lake", name, err)
		}
	}
}
