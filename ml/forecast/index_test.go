package forecast

import (
	"math"
	"testing"
)

// TestIndexOf holds the index to what an independent program in Python gave.
func TestIndexOf(t *testing.T) {
	values := []float64{10, 20, 30, 40, 50, 60, 11, 22, 33, 44, 55, 66, 12, 24, 36, 48, 60, 72}
	weekdays := make([]int, len(values))
	for i := range weekdays {
		weekdays[i] = []int{1, 2, 3, 4, 5, 0}[i%6]
	}
	level, index := indexOf(values, weekdays, 6)
	want := [7]float64{1.6804011213, 0.3027267062, 0.5949233971, 0.8733989917, 1.1355433220, 1.4130064618, 1}
	for w := range want {
		if math.Abs(index[w]-want[w]) > 1e-9 {
			t.Errorf("the index of weekday %d is %.10f, expected %.10f", w, index[w], want[w])
		}
	}
	if math.Abs(level-38.8033877472) > 1e-9 {
		t.Errorf("the level is %.10f", level)
	}
}
