package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestLock: one holder at a time, who is named; closing the file frees it.
func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	f, err := Lock(dir, ".lock")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Lock(dir, ".lock")
	var held *HeldError
	if !errors.As(err, &held) || second != nil {
		t.Fatalf("a second lock: %v, %v, want a *HeldError", second, err)
	}
	if want := strconv.Itoa(os.Getpid()); held.Holder != want || held.Dir != dir {
		t.Errorf("held by %q in %q, want %s in %s", held.Holder, held.Dir, want, dir)
	}
	other, err := Lock(dir, ".other")
	if err != nil {
		t.Fatalf("another name: %v", err)
	}
	for _, f := range []*os.File{other, f} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if f, err = Lock(dir, ".lock"); err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
