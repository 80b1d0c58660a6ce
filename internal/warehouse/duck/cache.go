package duck

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/shopstream/internal/lake"
)

// fetches is how many objects are fetched at once: each waits for the network.
const fetches = 8

// cacheFolder makes the folder that keeps the files of a lake in a bucket.
func cacheFolder(dir, uri string) (string, error) {
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("folder that keeps files of %s: %w: name one in the options", uri, err)
		}
		dir = filepath.Join(user, "shopstream")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("folder that keeps files of %s: %w", uri, err)
	}
	sum := sha256.Sum256([]byte(uri))
	dir = filepath.Join(dir, hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("folder that keeps files of %s: %w", uri, err)
	}
	return dir, nil
}

// fetch returns the paths of copies of the objects. A copy is named by what it
// is of, so a replaced object gets another; copies that no object has any more
// are removed on the next replacement.
func (d *Duck) fetch(ctx context.Context, objects []lake.Info) ([]string, error) {
	paths := make([]string, len(objects))
	for i, o := range objects {
		version := sha256.Sum256(fmt.Appendf(nil, "%d %d", o.Size, o.Modified.UnixNano()))
		paths[i] = filepath.Join(d.cache, filepath.FromSlash(o.Name)+"@"+hex.EncodeToString(version[:8])+".parquet")
	}
	err := lake.Parallel(len(objects), fetches, func(i int) error {
		if _, err := os.Stat(paths[i]); err == nil {
			return nil
		}
		return d.fetchOne(ctx, objects[i].Name, paths[i])
	})
	return paths, err
}

func (d *Duck) fetchOne(ctx context.Context, name, path string) error {
	data, err := d.store.Get(ctx, name)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		return fmt.Errorf("copy of %s from %s: %w", name, d.store.URI(), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fail(err)
	}
	// Several programs may fetch it at once: each renames a whole copy.
	f, err := os.CreateTemp(filepath.Dir(path), ".fetch-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	if _, err := f.Write(data); err != nil {
		return fail(fmt.Errorf("%w, then %w", err, f.Close()))
	}
	if err := f.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fail(err)
	}
	return removeOld(path)
}

// keep is how long a copy of a replaced object stays for queries that began
// before.
const keep = time.Hour

// removeOld removes copies of other versions of the object that path is a copy of.
func removeOld(path string) error {
	dir, name := filepath.Split(path)
	name = name[:strings.LastIndexByte(name, '@')+1]
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("copies of replaced files: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), name) || e.Name() == filepath.Base(path) || time.Since(info.ModTime()) < keep {
			continue // gone, another object's, or in use
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("copies of replaced files: %w", err)
		}
	}
	return nil
}
