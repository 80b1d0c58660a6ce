package lake

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/shopstream/internal/kafkaio"
)

// TestSealsOnlyRise: bundles seal in any order and at once, and what a reader
// sees never goes back.
func TestSealsOnlyRise(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	const n = 60
	done := make(chan struct{})
	var reading, writing sync.WaitGroup
	reading.Go(func() {
		for last := kafkaio.NoTime; ; {
			now, _, err := readSeal(t.Context(), st, sealName)
			if err != nil || (last != kafkaio.NoTime && now < last) {
				t.Errorf("the seal is %d after %d, %v", now, last, err)
				return
			}
			last = now
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for _, i := range rand.Perm(n) {
		writing.Go(func() {
			if err := PutSeal(t.Context(), st, w(int64(i))); err != nil {
				t.Error(err)
			}
			if now, _, err := readSeal(t.Context(), st, sealName); err != nil || now < w(int64(i)) {
				t.Errorf("sealed up to %d, %v, after a seal of %d", now, err, w(int64(i)))
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	if now, _, err := readSeal(t.Context(), st, sealName); err != nil || now != w(n-1) {
		t.Errorf("sealed up to %d, %v, want %d", now, err, w(n-1))
	}
}

func TestLowerMetricsSeal(t *testing.T) {
	t.Parallel()
	st := newLake(t)
	for _, c := range []struct{ put, lower, want int64 }{
		{kafkaio.NoTime, w(0), kafkaio.NoTime},
		{w(5), w(7), w(5)},
		{w(5), w(5), w(5)},
		{w(6), w(2), w(2)},
		{w(6), kafkaio.NoTime, kafkaio.NoTime},
		{-60_000, kafkaio.NoTime, kafkaio.NoTime},
	} {
		if c.put != kafkaio.NoTime {
			if err := PutMetricsSeal(t.Context(), st, c.put); err != nil {
				t.Fatal(err)
			}
		}
		if err := lowerMetricsSeal(t.Context(), st, c.lower, nil); err != nil {
			t.Fatal(err)
		}
		if got, _, err := readSeal(t.Context(), st, metricsSealName); err != nil || got != c.want {
			t.Errorf("%d lowered to %d: %d, %v, want %d", c.put, c.lower, got, err, c.want)
		}
	}
}

// TestSealedRowIsMissing: what a seal promises has to be there.
func TestSealedRowIsMissing(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]state{
		"no row":  {rows: []int64{0}, marked: []int64{0}, seals: []int64{1}},
		"no mark": {rows: []int64{0, 1}, marked: []int64{0}, seals: []int64{1}},
	} {
		st := newLake(t)
		s.put(t, st)
		want := windowName(rowsDir, w(1), ".json")
		if _, err := ReadLedger(t.Context(), st); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "is sealed") {
			t.Errorf("%s: error %v, want one that names %s", name, err, want)
		}
	}
}

// TestSealedRowOfRunner: a runner that keeps the state writes rows again after a
// failover, so the sealed one may lack its mark, or not be there.
func TestSealedRowOfRunner(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state
		visible []int64
	}{
		"as sealed":     {state{rows: []int64{0, 1, 2}, marked: []int64{1}, seals: []int64{1}}, []int64{w(0), w(1)}},
		"no mark":       {state{rows: []int64{0, 1, 2}, seals: []int64{1}}, []int64{w(0), w(1)}},
		"no row":        {state{rows: []int64{0, 2}, seals: []int64{1}}, []int64{w(0)}},
		"only later":    {state{rows: []int64{2}, seals: []int64{1}}, nil},
		"no row at all": {state{seals: []int64{1}}, nil},
	} {
		st := newLocal(t)
		settings := anySettings
		settings.State = StateRunner
		if err := Init(t.Context(), st, settings); err != nil {
			t.Fatal(err)
		}
		c.put(t, st)
		l := readLedger(t, st)
		if row, ok := l.Sealed(); !ok || row.Window != w(1) || row.End != w(2) {
			t.Errorf("%s: sealed is [%d, %d), %v, want window %d", name, row.Window, row.End, ok, w(1))
		}
		var got []int64
		for _, r := range l.Visible() {
			got = append(got, r.Window)
		}
		if !slices.Equal(got, c.visible) {
			t.Errorf("%s: visible are %d, want %d", name, got, c.visible)
		}
	}
}

// TestStatesDoNotMix: who keeps a lake's state is fixed with its first job.
func TestStatesDoNotMix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have, want State
		expect     string // "": it is allowed
	}{
		{"", "", ""},
		{StateLedger, "", ""},
		{StateRunner, StateRunner, ""},
		{StateRunner, StateLedger, "restart it from its savepoint, or use another lake"},
		{StateLedger, StateRunner, "continue it with --runner=prism, or use another lake"},
	} {
		st := newLocal(t)
		s := anySettings
		s.State = c.have
		if err := Init(t.Context(), st, s); err != nil {
			t.Fatal(err)
		}
		s.State = c.want
		err := Init(t.Context(), st, s)
		if (err == nil) != (c.expect == "") || err != nil && (!strings.Contains(err.Error(), c.expect) || !strings.Contains(err.Error(), st.URI())) {
			t.Errorf("a lake of %q for %q: %v, want %q", c.have, c.want, err, c.expect)
		}
	}
}
