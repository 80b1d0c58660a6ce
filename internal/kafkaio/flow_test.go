package kafkaio

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestFlowFull(t *testing.T) {
	for _, c := range []struct {
		name                          string
		read, written, sealed, report int64
		budget                        int64
		want                          bool
	}{
		{"within the budget", 100, 0, NoTime, 10, 100, false},
		{"over it, something can be written", 101, 0, NoTime, 10, 100, true},
		{"over it, written meanwhile", 101, 1, NoTime, 10, 100, false},
		{"over it, but all that was reported is final", 101, 0, 10, 10, 100, false},
		{"over it, nothing was reported yet", 101, 0, NoTime, NoTime, 100, false},
		{"no budget", 1 << 40, 0, NoTime, 10, 0, false},
	} {
		f := &flow{}
		f.reset()
		f.read.Store(c.read)
		f.written.Store(c.written)
		f.seal(c.sealed)
		if got := f.full(c.budget, c.report); got != c.want {
			t.Errorf("%s: full is %t", c.name, got)
		}
	}
}

// Whatever the budget, a source whose windows are written and sealed once the
// watermark has passed them comes to its end.
func TestFlowNeverDeadlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &flow{}
		f.reset()
		budget := rapid.Int64Range(1, 500).Draw(t, "budget")
		sizes := rapid.SliceOfN(rapid.Int64Range(1, 100), 1, 50).Draw(t, "windows")
		reported := rapid.SampledFrom([]int64{NoTime, 0}).Draw(t, "resumed at") // 0: as after a restart
		f.seal(reported)
		var held []int64 // windows read and not written
		for i := 0; i < len(sizes); {
			if f.full(budget, reported) { // the sinks work
				for len(held) > 0 && held[0] < reported {
					f.written.Add(sizes[held[0]])
					held = held[1:]
				}
				f.seal(reported)
				if f.full(budget, reported) {
					t.Fatalf("window %d is never read", i)
				}
				continue
			}
			f.read.Add(sizes[i])
			held = append(held, int64(i))
			i++
			if rapid.Bool().Draw(t, "report") {
				reported = max(reported, int64(i)-rapid.Int64Range(0, 5).Draw(t, "bound"))
			}
		}
	})
}

func TestSourceOpensAgain(t *testing.T) {
	const id = "opens again"
	Finish(id)
	Sealed(id, 5)
	sourceOf(id).open()
	s := sourceOf(id)
	if !s.finish.Load() || s.flow.sealed.Load() != 5 {
		t.Error("what was said before the job began is lost")
	}
	if err := Close(id); err != nil {
		t.Fatal(err)
	}
	if _, err := sourceOf(id).reader(&Options{}, nil, &restriction{}); !errors.Is(err, errClosed) {
		t.Errorf("a closed source opens connections: %v", err)
	}
	sourceOf(id).open()
	if s.finish.Load() || s.flow.sealed.Load() != NoTime || s.closed {
		t.Error("the second job starts with the first one's state")
	}
}
