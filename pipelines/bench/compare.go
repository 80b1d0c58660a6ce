package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// sameFiles compares the data files of two lakes, byte for byte, and returns
// how many there are.
func sameFiles(a, b string) (int, error) {
	n := 0
	for _, dir := range []string{"bronze", "silver", "late", "dead_letters", "metrics"} {
		of, err := files(filepath.Join(a, dir))
		if err != nil {
			return n, err
		}
		other, err := files(filepath.Join(b, dir))
		if err != nil {
			return n, err
		}
		if len(of) != len(other) {
			return n, fmt.Errorf("%s: the job wrote %d files, the plain program %d", dir, len(of), len(other))
		}
		for i, name := range of {
			if other[i] != name {
				return n, fmt.Errorf("%s: the job wrote %s, the plain program %s", dir, name, other[i])
			}
			x, err := os.ReadFile(filepath.Join(a, dir, name))
			if err != nil {
				return n, err
			}
			y, err := os.ReadFile(filepath.Join(b, dir, name))
			if err != nil {
				return n, err
			}
			if !bytes.Equal(x, y) {
				return n, fmt.Errorf("%s/%s: the job and the plain program wrote different bytes", dir, name)
			}
		}
		n += len(of)
	}
	return n, nil
}

// files are the paths of the files below dir, in order.
func files(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out = append(out, name)
		return err
	})
	return out, err
}
