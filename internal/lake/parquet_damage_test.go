//go:build !race

// With the race detector Go also checks unsafe code, and ends the program where
// the library's reads values of a damaged page that are not there. Without it
// that is a panic, which ReadAll turns into an error.

package lake

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// TestReadAllDamaged cuts a file at every place and flips bits everywhere: an
// error or rows, but no panic, no hang and no absurd memory.
func TestReadAllDamaged(t *testing.T) {
	st := newLocal(t)
	file, err := EncodeBronze(nil, append(bronzeRows(5), BronzeRow{Headers: []Header{{Key: "a"}, {Key: "b", Value: []byte("c")}}}))
	if err != nil {
		t.Fatal(err)
	}
	read := func(damage string, data []byte) {
		if err := st.Put(t.Context(), "file", data); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		rows, err := ReadAll[BronzeRow](t.Context(), st, "file")
		runtime.ReadMemStats(&after)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", damage, d)
		}
		// A page's size is an int32 that nothing guards.
		if n := after.TotalAlloc - before.TotalAlloc; n > 5<<29 {
			t.Errorf("%s: took %d MB of memory", damage, n>>20)
		}
		if err == nil && len(rows) > 1<<20 {
			t.Errorf("%s: %d rows from a file of %d bytes", damage, len(rows), len(data))
		}
	}
	for n := range file {
		read(fmt.Sprintf("cut after %d bytes", n), file[:n])
	}
	for i := range file {
		for _, bit := range []int{0, 6} {
			changed := bytes.Clone(file)
			changed[i] ^= 1 << bit
			read(fmt.Sprintf("bit %d of byte %d of %d flipped", bit, i, len(file)), changed)
		}
	}
}
