//go:build unix

package cmdtest

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/producer"
)

// TestLocalContinues replays a file twice into the same folder, then a longer
// one: nothing is lost or doubled, and the lake is that of one run over the
// longer file, row for row.
func TestLocalContinues(t *testing.T) {
	const part, all = 20_000, 30_000 // several reads of each partition: the source takes 2,048 records at once
	lines := eventLines(t, all)
	short := writeFile(t, "part.jsonl", bytes.Join(lines[:part], nil))
	long := writeFile(t, "all.jsonl", bytes.Join(lines, nil))
	data, once := t.TempDir(), t.TempDir()

	local := func(source, data string, read, sent, skipped string) {
		t.Helper()
		cmd := program(t, "local", "--source="+source, "--data="+data)
		// Small bundles, so that a watermark is reported, and windows become final, before the end of the file.
		cmd.Env = append(cmd.Env, "SHOPSTREAM_STREAM_BUNDLE_RECORDS=500")
		r := run(t, cmd)
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("exit code %d: %s", r.code, r.stderr)
		}
		for _, want := range []string{
			sent + " records sent to topic ecommerce_events in ", " (" + skipped + " were there already)\n",
			"\nThe ledger: " + read + " records read = ", " late. The identity holds.\n",
			"\nThe lake is " + data + "/lake\n",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("expected %q in\n%s", want, r.stdout)
			}
		}
	}
	lake := filepath.Join(data, "lake")

	local(short, data, "20,000", "20,000", "0")
	wantClosed(t, lake, part)
	if _, ledger := ledgerOf(t, lake); len(ledger.Resume().Increments) == 0 {
		t.Fatal("no window is final yet, so that there is nothing to continue: a longer file is needed")
	}
	first := rowsOf(t, lake)

	local(short, data, "20,000", "0", "20,000")
	wantClosed(t, lake, part)
	sameRows(t, first, rowsOf(t, lake))

	local(long, data, "30,000", "10,000", "20,000")
	wantClosed(t, lake, all)
	local(long, once, "30,000", "30,000", "0")
	sameRows(t, rowsOf(t, filepath.Join(once, "lake")), rowsOf(t, lake))
}

// eventLines are the events of a simulated shop as lines of JSON, with
// duplicates, such as are out of order as far as the bound goes, and broken ones.
func eventLines(t *testing.T, n int) [][]byte {
	t.Helper()
	sim := simulator(t, producer.SimulateOptions{
		Seed: 5, Start: time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), Partitions: 4, Density: 10, Flat: true, Foreign: 0.2,
		Duplicates: 0.03, OutOfOrder: 0.3, MaxDelay: 25 * time.Second,
	})
	lines := make([][]byte, 0, n)
	for len(lines) < n {
		rec, ok := sim.Next()
		if !ok {
			t.Fatalf("the simulator ended after %d events: %v", len(lines), sim.Err())
		}
		line := rec.Value
		if len(lines)%50 == 49 {
			line = bytes.Replace(line, []byte(`"event_id"`), fmt.Appendf(nil, `"id%d"`, len(lines)), 1)
		}
		lines = append(lines, append(bytes.Clone(line), '\n'))
	}
	return lines
}
