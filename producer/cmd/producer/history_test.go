package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/config"
)

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "past.parquet")
	args := []string{"history", "--days=3", "--until=2026-03-01", "--density=1", "--seed=4"}
	r := mustRun(t, append(args, "--out="+path)...)
	if !strings.Contains(r.stderr, "rows of daily sales, 2026-02-26 to 2026-02-28, written to "+path) || r.stdout != "" {
		t.Errorf("got %s%s", r.stdout, r.stderr)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("it is there", func(t *testing.T) {
		r := runFor(t.Context(), append(args, "--out="+path, "--days=2")...)
		if r.code != 2 || r.stderr != "producer: "+path+" is there already: use --force to replace it, or another --out\n" {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, first) {
			t.Errorf("the file has changed (%v)", err)
		}
	})
	t.Run("the same again", func(t *testing.T) {
		mustRun(t, append(args, "--out="+path, "--force")...)
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, first) {
			t.Errorf("the same options made another file (%v)", err)
		}
	})
	t.Run("csv", func(t *testing.T) {
		path := filepath.Join(dir, "past.csv")
		mustRun(t, append(args, "--out="+path)...)
		got, err := os.ReadFile(path)
		const want = "date,product_id,category,currency,order_lines,orders,units,revenue,cancelled_lines,cancelled_units,cancelled_revenue\n2026-02-26,P0"
		if err != nil || !bytes.HasPrefix(got, []byte(want)) {
			t.Errorf("%v: got %.200s", err, got)
		}
	})
}

func TestHistoryMistakes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "--out is missing"},
		{[]string{"--out=x.txt"}, "expected a name that ends in .parquet or .csv"},
		{[]string{"--out=x.csv", "--until=tomorrow"}, `--until "tomorrow": expected a day such as 2026-03-01`},
		{[]string{"--out=x.csv", "--until=2026-02-30"}, `--until "2026-02-30"`},
		{[]string{"--out=x.csv", "--days=0"}, "--days is 0: expected 1 or more"},
		{[]string{"--out=x.csv", "--days=-3"}, "days is -3: expected 1 to"},
		{[]string{"--out=x.csv", "--foreign=2"}, "foreign share is 2"},
		{[]string{"--out=x.csv", "--density=-1"}, "density is -1"},
		{[]string{"more"}, `unknown command "more"`},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			r := runFor(t.Context(), append([]string{"history"}, tc.args...)...)
			if r.code != 2 || !strings.Contains(r.stderr, tc.want) || strings.Count(r.stderr, "\n") != 1 || r.stdout != "" {
				t.Errorf("exit code %d:\n%s%s\nwant 2 and one line with %s", r.code, r.stdout, r.stderr, tc.want)
			}
		})
	}
	if _, err := os.Stat("x.csv"); err == nil {
		t.Error("a mistake has written a file")
	}
}

func TestHistoryOptionsOfConfiguration(t *testing.T) {
	cfg := config.Config{}
	cfg.Simulate.Seed, cfg.Simulate.Rate, cfg.Simulate.Speedup, cfg.Gold.TimeZone = 9, 2000, 50, "Pacific/Auckland"
	o, err := historyOptions(cfg, historyFlags{days: 10}, time.Date(2026, time.March, 1, 20, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	// In Auckland it is the next day already.
	if want := (civil.Date{Year: 2026, Month: time.March, Day: 2}); o.Until != want || o.Density != 40 || o.Seed != 9 || o.Days != 10 {
		t.Errorf("got %+v", o)
	}
	if o, err = historyOptions(cfg, historyFlags{days: 10, density: 3}, time.Now()); err != nil || o.Density != 3 {
		t.Errorf("a density that is given: got %+v, %v", o, err)
	}
}
