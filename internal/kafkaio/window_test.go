package kafkaio

import (
	"testing"

	"pgregory.net/rapid"
)

func TestWindowing(t *testing.T) {
	w := Windowing{Base: 10, Bound: 25}
	for _, c := range []struct {
		time, high int64
		late       bool
	}{
		{100, 100, false},
		{100, 134, false}, // window [100, 110) is open until 135
		{100, 135, true},
		{109, 135, true},
		{110, 135, false},
		{0, NoTime, false},
	} {
		if got := w.Late(c.time, c.high); got != c.late {
			t.Errorf("Late(%d, %d) = %t", c.time, c.high, got)
		}
	}
	for high, want := range map[int64]int64{NoTime: NoTime, 134: 100, 135: 110, 25: 0, 24: NoTime, 0: NoTime} {
		if got := w.Watermark(high); got != want {
			t.Errorf("Watermark(%d) = %d, want %d", high, got, want)
		}
	}
	for high, want := range map[int64]int64{NoTime: 0, 0: 0, 9: 0, 10: 10, 99: 90} {
		if got := w.Arrival(high); got != want {
			t.Errorf("Arrival(%d) = %d, want %d", high, got, want)
		}
	}
}

func TestWindowingProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Windowing{Base: rapid.Int64Range(1, 100_000).Draw(t, "base"), Bound: rapid.Int64Range(0, 100_000).Draw(t, "bound")}
		at := rapid.Int64Range(0, 1<<40).Draw(t, "time")
		high := rapid.Int64Range(at, 1<<41).Draw(t, "high")
		start := w.Start(at)
		if start > at || at-start >= w.Base || start%w.Base != 0 {
			t.Fatalf("Start(%d) = %d with base %d", at, start, w.Base)
		}
		// A record is late exactly if the runner, at this watermark, would have dropped it.
		if dropped := start+w.Base <= w.Watermark(high); w.Late(at, high) != dropped {
			t.Fatalf("late is %t, dropped %t", !dropped, dropped)
		}
		if w.Arrival(high) < w.Watermark(high) {
			t.Fatalf("arrival window %d is behind the watermark %d", w.Arrival(high), w.Watermark(high))
		}
	})
}
