//go:build unix

package lake

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What a lake holds is its user's and its group's, whatever the umask allows.
func TestModes(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	root := filepath.Join(t.TempDir(), "of", "a", "shop", "lake")
	st, err := OpenStore(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // a test's
	for _, name := range []string{"a", "silver/date=2026-03-01/b", "ledger/c"} {
		if err := st.Put(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := Lock(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release() //nolint:errcheck // a test's
	seen := 0
	if err := filepath.WalkDir(filepath.Dir(filepath.Dir(filepath.Dir(root))), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o640)
		if d.IsDir() {
			want = 0o750
		}
		if seen++; info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Errorf("%d files and folders looked at", seen)
	}
}
