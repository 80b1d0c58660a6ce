package duck

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/sql/sqltest"
)

// TestDamage damages each object of a lake in five ways: every table's answer is
// what it was, or an error that names the object. None is another answer.
func TestDamage(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	texts := map[string]string{
		"daily_sales":        "date, product_id, units\n2026-03-01, A, 3\n2026-03-02, B, 5\n",
		"order_lines":        "date, event_id\n2026-03-01, 1\n2026-03-02, 2\n",
		"demand_predictions": "date, series\n2026-03-01, A\n2026-03-03, B\n",
		"dead_letters":       "arrived, kafka_offset, reason\n2026-03-01T00:00:00Z, 1, bad_price\n2026-03-02T00:00:00Z, 2, bad_utf8\n",
		"metrics_5m":         "window_start, views\n2026-03-01T00:00:00Z, 7\n2026-03-02T00:00:00Z, 8\n",
	}
	if err := sqltest.WriteLake(t.Context(), whole, texts); err != nil {
		t.Fatal(err)
	}
	ask := func(folder string) (answers map[string]any, errs map[string]error) {
		answers, errs = map[string]any{}, map[string]error{}
		d := openAt(t, folder, Options{Threads: 1})
		for table := range texts {
			rows, err := d.Query(t.Context(), "SELECT * FROM "+table+" ORDER BY 1", nil)
			if err != nil {
				errs[table] = err
			} else {
				answers[table] = rows.Rows
			}
		}
		return answers, errs
	}
	want, errs := ask(whole)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var objects []string
	err := filepath.WalkDir(whole, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(whole, path)
			objects = append(objects, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// other is another object of the same kind.
	other := func(name string) string {
		for _, o := range objects {
			if o != name && filepath.Ext(o) == filepath.Ext(name) && strings.Split(o, "/date=")[0] == strings.Split(name, "/date=")[0] {
				return o
			}
		}
		for _, o := range objects { // of which there is one only
			if o != name && filepath.Ext(o) == filepath.Ext(name) {
				return o
			}
		}
		return name
	}
	damages := map[string]func(path, name string) error{
		"deleted":   func(path, _ string) error { return os.Remove(path) },
		"truncated": func(path, _ string) error { return os.Truncate(path, 40) },
		"one bit": func(path, _ string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)/2] ^= 4
			return os.WriteFile(path, data, 0o600)
		},
		"another of its kind": func(path, name string) error {
			data, err := os.ReadFile(filepath.Join(whole, other(name)))
			if err != nil {
				return err
			}
			return os.WriteFile(path, data, 0o600)
		},
		"renamed": func(path, _ string) error { return os.Rename(path, path[:len(path)-1]+"x") },
	}
	cases, noticed := 0, 0
	for _, name := range objects {
		for how, damage := range damages {
			folder := filepath.Join(t.TempDir(), "lake")
			if err := os.CopyFS(folder, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(folder, name), name); err != nil {
				t.Fatal(err)
			}
			answers, errs := ask(folder)
			for table, err := range errs {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s %s: the error of %s does not name it: %v", name, how, table, err)
				}
				answers[table] = want[table]
			}
			cases++
			if len(errs) > 0 {
				noticed++
			}
			if diff := cmp.Diff(want, answers, rats); diff != "" {
				t.Errorf("%s %s: another answer (-want +got):\n%s", name, how, diff)
			}
		}
	}
	t.Logf("%d cases: %d were errors that name the object, the others changed no answer", cases, noticed)
	if noticed < cases/2 {
		t.Errorf("only %d of %d were noticed", noticed, cases)
	}
}
