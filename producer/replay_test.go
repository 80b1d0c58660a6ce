package producer

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
)

// dataFile is a file of the real data; without it the test is skipped, or
// fails where CI is set.
func dataFile(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SHOPSTREAM_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: set SHOPSTREAM_DATA to the folder that holds it", path)
		}
		t.Skipf("%s is missing: set SHOPSTREAM_DATA to the folder that holds it", path)
	}
	return path
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(name) == ".gz" {
		z := gzip.NewWriter(f)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	} else if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// all reads a source to its end.
func all(t testing.TB, s Source) []Record {
	t.Helper()
	var out []Record
	for {
		r, ok := s.Next()
		if !ok {
			break
		}
		out = append(out, r)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func open(t testing.TB, path string, o ReplayOptions) Source {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
