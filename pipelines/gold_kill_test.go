package pipelines

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
)

// TestKilledGold kills the program with SIGKILL at random moments while it
// replaces gold by other rows: each table of each date is the old one or the new
// one, whole, a date that is published as new is new in all its tables, and the
// next run brings the rest. SHOPSTREAM_GOLD_KILLS sets how often (4).
func TestKilledGold(t *testing.T) {
	kills := int(setting(t, "SHOPSTREAM_GOLD_KILLS", 4))
	program := build(t, "./cmd/gold")
	gold := func(dir string, after time.Duration, more ...string) (killed bool) {
		t.Helper()
		cmd := exec.Command(program, append(more, "--lake="+dir)...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if after > 0 {
			timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
			defer timer.Stop()
		}
		err := cmd.Wait()
		if err != nil && after == 0 {
			t.Fatalf("gold: %v\n%s", err, out.String())
		}
		return err != nil
	}
	before := newSmallLake(t, t.TempDir())
	day := civil.DateOf(firstDay)
	const days = 12
	for i := range days {
		before.day(day.AddDays(i))
	}
	gold(before.uri, 0)
	old := goldFiles(t, before.uri)
	// The new rows: an hour later, each day has got a late event.
	var late []lake.SilverRow
	for i := range days {
		late = append(late, before.order(day.AddDays(i).In(time.UTC).Add(time.Minute)))
	}
	before.hour(day.AddDays(days).In(time.UTC), nil, late)

	copyOf := func(of string) string {
		dir := filepath.Join(t.TempDir(), "lake")
		if err := os.CopyFS(dir, os.DirFS(of)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	undisturbed := copyOf(before.uri)
	began := time.Now()
	gold(undisturbed, 0)
	took := time.Since(began)
	fresh := goldFiles(t, undisturbed)
	changed := 0
	for name := range fresh {
		if fresh[name] != old[name] {
			changed++
		}
	}
	if changed < 3*days {
		t.Fatalf("only %d files are others than before", changed)
	}

	rnd := randomly(t, "gold")
	killed, amid, longest := 0, 0, took
	for rounds := 0; killed < kills; rounds++ {
		if rounds > 5+3*kills {
			t.Fatalf("%d kills in %d rounds", killed, rounds)
		}
		dir := copyOf(before.uri)
		// The time that a run takes changes with what else the machine does.
		if gold(dir, between(rnd, longest/3, longest)) {
			killed++
			longest += longest / 20
		} else {
			longest -= longest / 10
		}
		now := goldFiles(t, dir)
		news := 0
		for name, content := range now {
			if strings.HasPrefix(filepath.Base(name), ".") {
				continue // of a put that was killed; no reader sees it, and the next run removes it
			}
			switch content {
			case old[name]:
			case fresh[name]:
				news++
			default:
				t.Errorf("%s is neither the old file nor the new one", name)
			}
		}
		for name := range old {
			if _, ok := now[name]; !ok {
				t.Errorf("%s is gone", name)
			}
		}
		if news > 0 && news < changed {
			amid++
		}
		for date, number := range published(t, mustStore(t, dir)) {
			for name := range fresh {
				if number > 1 && strings.Contains(name, date.String()) && now[name] != fresh[name] {
					t.Errorf("%s is published, but %s is the old file", date, name)
				}
			}
		}
		gold(dir, 0)
		if got := goldFiles(t, dir); !maps.Equal(got, fresh) {
			for name := range fresh {
				if got[name] != fresh[name] {
					t.Errorf("after a kill and another run, %s is not that of an undisturbed run (it is the old one: %v)", name, got[name] == old[name])
				}
			}
		}
	}
	// And a run with a catalogue that is killed, after which it is made without one
	// again: the lake keeps a catalogue from when its run has begun, so the next run
	// has it too, unless it is dropped.
	catalogue := filepath.Join(t.TempDir(), "catalogue.csv")
	if err := os.WriteFile(catalogue, []byte("product_id,product_name\np1,One\np2,Two\np3,Three\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	undisturbedToo := copyOf(undisturbed)
	gold(undisturbedToo, 0, "--catalogue="+catalogue)
	named := goldFiles(t, undisturbedToo)
	if maps.Equal(named, fresh) {
		t.Fatal("the catalogue changes no file")
	}
	keeping := 0
	for range max(2, kills/5) {
		dir := copyOf(undisturbed)
		gold(dir, between(rnd, longest/3, longest), "--catalogue="+catalogue)
		kept, _, err := lake.ReadGoldSettings(t.Context(), mustStore(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		want := fresh
		if kept.Catalogue != nil {
			want = named
			keeping++
		}
		again := copyOf(dir)
		gold(again, 0)
		if got := goldFiles(t, again); !maps.Equal(got, want) {
			t.Errorf("after a killed run with other inputs, the next run does not make the gold of what the lake keeps (a catalogue: %v)", kept.Catalogue != nil)
		}
		gold(dir, 0, "--drop-catalogue")
		if got := goldFiles(t, dir); !maps.Equal(got, fresh) {
			t.Error("after a killed run with other inputs, the old inputs do not make the old gold")
		}
	}
	t.Logf("%d kills of a run of %s, %d of them between the first file and the last; a catalogue was kept after %d", killed, took.Round(time.Millisecond), amid, keeping)
}
