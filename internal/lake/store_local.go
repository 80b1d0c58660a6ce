package lake

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// tempPrefix marks files that are being written. They are no .parquet files,
// so that no reader's glob finds them; a killed process leaves them behind, and
// the next writer removes them (sweep).
const tempPrefix = ".tmp-"

// localStore is a Store in a folder. A put writes a temporary file beside the
// object and renames it: the same folder is the same file system, where a
// rename is atomic.
type localStore struct {
	generations
	root   string        // absolute
	nonce  string        // of this store, part of temporary names: several processes may write
	serial atomic.Uint64 // of temporary names
	made   sync.Map      // folders known to exist, as a set of paths
	syncer *syncer
	locked atomic.Pointer[time.Time] // when the lease was taken, by the disk's clock; nil: it is not held

	create func(path string) (tempFile, error) // os.OpenFile; tests put a failing disk in its place
}

// tempFile is what a put needs of a file.
type tempFile interface {
	io.Writer
	io.Closer
	Sync() error
}

func openLocal(dir string) (Store, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lake %q: make it an absolute path: %w", dir, err)
	}
	switch info, err := os.Stat(root); {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("lake %s: expected a folder, found a file: name another folder or move the file away", root)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, explainDisk(root, "open", "", err)
	}
	return &localStore{root: root, nonce: rand.Text(), syncer: newSyncer(root), create: createTemp}, nil
}

func createTemp(path string) (tempFile, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
}

func (s *localStore) URI() string  { return s.root }
func (s *localStore) Close() error { return nil }

func (s *localStore) path(name string) string {
	return filepath.Join(s.root, filepath.FromSlash(name))
}

func (s *localStore) Put(ctx context.Context, name string, data []byte) error {
	return s.put(ctx, name, data, os.Rename)
}

func (s *localStore) PutNew(ctx context.Context, name string, data []byte) error {
	err := s.put(ctx, name, data, func(temp, path string) error {
		// Link, unlike Rename, fails when the name is taken.
		if err := os.Link(temp, path); err != nil {
			return err
		}
		return os.Remove(temp)
	})
	if errors.Is(err, fs.ErrExist) {
		return exists(s.root, name)
	}
	return err
}

// put writes data to a temporary file and hands it to publish, which gives it
// its name.
func (s *localStore) put(ctx context.Context, name string, data []byte, publish func(temp, path string) error) (err error) {
	if err := cmp.Or(ctx.Err(), checkName(name)); err != nil {
		return fmt.Errorf("lake %s: put: %w", s.root, err)
	}
	path := s.path(name)
	temp, err := s.writeTemp(filepath.Dir(path), data, inLedger(name))
	if err == nil {
		err = publish(temp, path)
	}
	if err != nil {
		if temp != "" {
			_ = os.Remove(temp) // the first error is the one to tell
		}
		return explainDisk(s.root, "put", name, err)
	}
	s.syncer.put(path)
	return nil
}

// writeTemp writes data to a new hidden file in dir and returns its path, also
// with an error if the file was created. With flush, its content is on the disk
// before it gets a name: after a power loss, an object of the ledger that is
// there must not be empty.
func (s *localStore) writeTemp(dir string, data []byte, flush bool) (string, error) {
	temp := filepath.Join(dir, fmt.Sprintf("%s%s-%d", tempPrefix, s.nonce, s.serial.Add(1)))
	if err := s.makeDir(dir); err != nil {
		return "", err
	}
	f, err := s.create(temp)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed a folder that was there: make it again, once.
		s.made.Delete(dir)
		if err := s.makeDir(dir); err != nil {
			return "", err
		}
		f, err = s.create(temp)
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if flush && err == nil {
		err = f.Sync()
	}
	return temp, cmp.Or(err, f.Close())
}

// makeDir creates a folder unless it did before: one system call less a put.
func (s *localStore) makeDir(dir string) error {
	if _, ok := s.made.Load(dir); ok {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	s.made.Store(dir, struct{}{})
	return nil
}

// localObject is an open file. A later Put renames another file over its name
// and leaves this one as it is.
type localObject struct {
	*os.File
	size int64
}

func (o localObject) Size() int64 { return o.size }

func (s *localStore) Open(ctx context.Context, name string) (Object, error) {
	if err := cmp.Or(ctx.Err(), checkName(name)); err != nil {
		return nil, fmt.Errorf("lake %s: open: %w", s.root, err)
	}
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, s.readError(name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, s.readError(name, err)
	}
	return localObject{f, info.Size()}, nil
}

func (s *localStore) Get(ctx context.Context, name string) ([]byte, error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	data := make([]byte, o.Size())
	if _, err := io.ReadFull(io.NewSectionReader(o, 0, o.Size()), data); err != nil {
		return nil, explainDisk(s.root, "read", name, err)
	}
	return data, nil
}

func (s *localStore) readError(name string, err error) error {
	// A file where the name wants a folder: a bucket has no such object either.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return notExist(s.root, name)
	}
	return explainDisk(s.root, "read", name, err)
}

func (s *localStore) Delete(ctx context.Context, name string) error {
	if err := cmp.Or(ctx.Err(), checkName(name)); err != nil {
		return fmt.Errorf("lake %s: delete: %w", s.root, err)
	}
	path := s.path(name)
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return nil // a folder is no object
	}
	err := os.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return explainDisk(s.root, "delete", name, err)
}

func (s *localStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return s.ListFrom(ctx, prefix, "")
}

func (s *localStore) ListFrom(ctx context.Context, prefix, from string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("lake %s: list: %w", s.root, err))
			return
		}
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		s.list(ctx, dir, prefix, from, yield)
	}
}

// list yields what is in one folder ("" or with a slash at the end) and below;
// false ends it. Symbolic links are not followed: they can form circles.
func (s *localStore) list(ctx context.Context, dir, prefix, from string, yield func(Info, error) bool) bool {
	entries, err := os.ReadDir(s.path(dir))
	err = cmp.Or(ctx.Err(), err)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true
	}
	if err != nil {
		yield(Info{}, explainDisk(s.root, "list", dir, err))
		return false
	}
	key := func(e fs.DirEntry) string {
		if e.IsDir() {
			return dir + e.Name() + "/"
		}
		return dir + e.Name()
	}
	// "a-b" sorts before "a/b": the slash counts.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(key(a), key(b)) })
	for _, e := range entries {
		name := key(e)
		switch {
		case hidden(strings.TrimSuffix(name, "/")):
		case name < from && !(e.IsDir() && strings.HasPrefix(from, name)):
		case e.IsDir() && (strings.HasPrefix(name, prefix) || strings.HasPrefix(prefix, name)):
			if !s.list(ctx, name, prefix, from, yield) {
				return false
			}
		case e.Type().IsRegular() && strings.HasPrefix(name, prefix):
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile
			}
			if err != nil {
				yield(Info{}, explainDisk(s.root, "list", name, err))
				return false
			}
			if !yield(Info{Name: name, Size: info.Size(), Modified: info.ModTime().UTC()}, nil) {
				return false
			}
		}
	}
	return true
}

func (s *localStore) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("lake %s: sync: %w", s.root, err)
	}
	if err := s.syncer.sync(); err != nil {
		return explainDisk(s.root, "sync", "", err)
	}
	return nil
}

// explainDisk turns a disk's error into one line that says what to do. The
// temporary path in it helps nobody, so only its cause stays.
func explainDisk(root, op, name string, err error) error {
	var (
		path *fs.PathError
		link *os.LinkError
	)
	if errors.As(err, &path) {
		err = path.Err
	} else if errors.As(err, &link) {
		err = link.Err
	}
	if name != "" {
		op += " " + name
	}
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOSPC):
		hint = ": free some space or put the lake on another disk"
	case errors.Is(err, syscall.EDQUOT):
		hint = ": ask for a larger quota or put the lake on another disk"
	case errors.Is(err, fs.ErrPermission):
		hint = ": give this user the right to read and write the folder, or name another folder"
	case errors.Is(err, syscall.EROFS):
		hint = ": mount the disk writable or name another folder"
	case errors.Is(err, syscall.ENOTDIR):
		hint = ": a part of the path is a file: move it away or name another folder"
	case errors.Is(err, syscall.EISDIR):
		hint = ": there is a folder of that name: move it away"
	case errors.Is(err, syscall.ENAMETOOLONG):
		hint = ": a part of the name is longer than the disk allows (255 bytes as a rule): shorten the category"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		hint = ": raise the limit of open files (ulimit -n)"
	case errors.Is(err, syscall.EIO):
		hint = ": the disk is failing: check it, then put the lake on another disk"
	}
	return remember(fmt.Errorf("lake %s: %s: %w%s", root, op, err, hint))
}
