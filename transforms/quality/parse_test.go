package quality

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got); if it is meant, run with -update:\n%s", name, diff)
	}
}

// TestMistakes has a file a mistake, beside the error that it gives.
func TestMistakes(t *testing.T) {
	names, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(names) < 50 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(files(string(text)), thingsTable)
			if err == nil {
				t.Fatal("expected an error")
			}
			golden(t, strings.TrimSuffix(name, "yaml")+"txt", err.Error()+"\n")
		})
	}
}

// TestWithoutRules: a table without a file has none, and holds.
func TestWithoutRules(t *testing.T) {
	fsys := files("")
	delete(fsys, "things/quality.yaml")
	r, err := Load(fsys, thingsTable)
	if err != nil || r.Table != "things" || len(r.Rules) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := r.Evaluate(RowsOf([]thing{good("a")}), Context{Date: day}); got.Failed || got.Results != nil {
		t.Errorf("%+v", got)
	}
}

// TestHugeFile is refused before it is parsed.
func TestHugeFile(t *testing.T) {
	if _, err := Load(files(strings.Repeat("#", maxFileBytes+1)), thingsTable); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
}

// FuzzLoad: any text gives rules that can be evaluated, or an error.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil {
		f.Fatal(err)
	}
	more, err := filepath.Glob("../../sql/tables/*/quality.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(names, more...) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, c := range rowCases {
		f.Add("rules:\n  - name: r\n    severity: warn\n    " + c.kind + "\n")
	}
	for _, c := range dayCases() {
		f.Add("rules:\n  - name: r\n    severity: fail\n    " + c.kind + "\n")
	}
	rows := RowsOf([]thing{good("a"), {}, good("a")})
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Load(files(text), thingsTable)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "things/quality.yaml:") {
				t.Errorf("an error without its place: %v", err)
			}
			return
		}
		if len(r.Rules) == 0 {
			t.Error("no rules, and no error")
		}
		for _, kind := range r.Rules {
			if kind.SQL != "" {
				if _, err := fs.Stat(files(text), "things/checks/"+kind.SQL+".sql"); err != nil {
					t.Error(err)
				}
			}
		}
		got := r.Evaluate(rows, Context{Date: day, Complete: true, Tables: map[string]Rows{"others": RowsOf([]other{{ID: "a"}})}, Control: map[string]int64{}})
		if len(got.Results) < len(r.Rules)-len(r.SQL()) {
			t.Errorf("%d results of %d rules", len(got.Results), len(r.Rules))
		}
	})
}
