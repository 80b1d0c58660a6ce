// Package registry keeps trained models in a lake: immutable versions, and which
// of them is the champion.
//
//	models/<name>/<version>/model.json      files of a version, and last of all
//	models/<name>/<version>/manifest.json   what it is (Manifest)
//	models/<name>/pointer/000007.json       the seventh change of champion or challenger
//	models/<name>/pointer.was/000007.json   its copy
//
// A version is a UTC time and the hash of its manifest, which has the hashes of
// its files: 20260301T120000Z-1a2b3c4d. It is written once and never changed. A
// version without a manifest is not there; it is what a writer left that was
// killed, until Prune removes it.
//
// Changes of the champion are numbered objects, each put only if there is none of
// its number: of several writers one succeeds, and the others look again. So none
// is lost, on a folder as in a bucket, and no lock is needed. Each is copied after it
// was put: where storage loses the newest change, or all of them, its copy says so,
// and no change before it holds again (ErrCorrupt).
//
// What is read is bounded by sizes that are checked before, and held to its hash
// after: a damaged or foreign file is an error (ErrCorrupt), never a wrong model.
//
// All methods may be called from many goroutines and processes. Times are UTC.
package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/shopstream/internal/lake"
)

// readers is how many objects are read at once.
const readers = 8

// Registry is the models of a lake.
type Registry struct {
	store lake.Store
	now   func() time.Time
}

// Open returns the registry in a lake. It reads nothing, and leaves the store to
// its owner to close.
func Open(st lake.Store) *Registry { return &Registry{store: st, now: time.Now} }

// Put writes a new version and returns it. Version and Files of the manifest are
// filled in and have to be empty; so are Created (now), GoVersion and CodeVersion
// where they are. The same manifest of the same second with the same files is the
// same version, and an error (lake.ErrExists).
//
// The files are written first and the manifest last: whatever ends Put before, the
// version is not there.
func (r *Registry) Put(ctx context.Context, m Manifest, files map[string][]byte) (version string, err error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("put a version of model %q: %w", m.Name, err) }
	if m.Version != "" || len(m.Files) > 0 {
		return fail(errors.New("expected a manifest without a version and without files, which are filled in, found some: put a version under a new one"))
	}
	if m.Created.IsZero() {
		m.Created = r.now()
	}
	m.Created = m.Created.UTC().Truncate(time.Second)
	if m.GoVersion == "" {
		m.GoVersion = runtime.Version()
	}
	if m.CodeVersion == "" {
		m.CodeVersion = CodeVersion()
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		m.Files = append(m.Files, File{Name: name, Bytes: int64(len(files[name])), SHA256: hash(files[name])})
	}
	text, err := encodeManifest(m)
	if err != nil {
		return fail(err)
	}
	version = versionOf(m.Created, text)
	for _, name := range names {
		if err := r.putOnce(ctx, fileName(m.Name, version, name), files[name]); err != nil {
			return fail(err)
		}
	}
	// A manifest must not survive a power loss that its files do not.
	if err := r.store.Sync(ctx); err != nil {
		return fail(err)
	}
	if err := r.store.PutNew(ctx, fileName(m.Name, version, manifestName), text); err != nil {
		return fail(err)
	}
	if err := r.store.Sync(ctx); err != nil {
		return fail(err)
	}
	return version, nil
}

// putOnce writes an object that is not there, or is there with this content, as a
// writer left it that was killed.
func (r *Registry) putOnce(ctx context.Context, name string, data []byte) error {
	err := r.store.PutNew(ctx, name, data)
	if !errors.Is(err, lake.ErrExists) {
		return err
	}
	found, readErr := r.read(ctx, name, int64(len(data)))
	if readErr == nil && bytes.Equal(found, data) {
		return nil
	}
	return err
}

// Get returns the manifest of a version. The error of one that is not there wraps
// fs.ErrNotExist, that of a damaged one ErrCorrupt.
func (r *Registry) Get(ctx context.Context, name, version string) (Manifest, error) {
	m, err := r.manifest(ctx, name, version)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no such version: %w: list those that are there", err)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("model %q, version %q: %w", name, version, err)
	}
	return m, nil
}

func (r *Registry) manifest(ctx context.Context, name, version string) (Manifest, error) {
	if err := errors.Join(checkName(name), checkVersion(version)); err != nil {
		return Manifest{}, err
	}
	at := fileName(name, version, manifestName)
	text, err := r.read(ctx, at, maxManifestBytes)
	if err != nil {
		return Manifest{}, err
	}
	m, err := parseManifest(text)
	switch {
	case err != nil:
		return Manifest{}, r.corrupt(at, err)
	case m.Name != name:
		return Manifest{}, r.corrupt(at, fmt.Errorf("expected the model %q, found %q", name, m.Name))
	case versionOf(m.Created, text) != version:
		return Manifest{}, r.corrupt(at, fmt.Errorf("expected content whose version is %s, found that of %s", version, versionOf(m.Created, text)))
	}
	m.Version = version
	return m, nil
}

// File returns the content of a file of a version: exactly what was put, or an
// error, which wraps ErrCorrupt where it is damaged. Its size is checked before it
// is read.
func (r *Registry) File(ctx context.Context, m Manifest, file string) ([]byte, error) {
	data, err := r.file(ctx, m, file)
	if err != nil {
		return nil, fmt.Errorf("model %q, version %q: %w", m.Name, m.Version, err)
	}
	return data, nil
}

func (r *Registry) file(ctx context.Context, m Manifest, file string) ([]byte, error) {
	// m need not come from Get.
	if err := errors.Join(checkName(m.Name), checkVersion(m.Version), checkFile(file)); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Name == file })
	if i < 0 {
		var names []string
		for _, f := range m.Files {
			names = append(names, f.Name)
		}
		return nil, fmt.Errorf("file %q: %w: the version has %s", file, fs.ErrNotExist, strings.Join(names, ", "))
	}
	f, at := m.Files[i], fileName(m.Name, m.Version, file)
	if err := f.validate(); err != nil {
		return nil, err
	}
	data, err := r.read(ctx, at, f.Bytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, r.corrupt(at, fmt.Errorf("%w, but the manifest names it", lake.ErrMissing))
	case err != nil:
		return nil, err
	case int64(len(data)) != f.Bytes:
		return nil, r.corrupt(at, fmt.Errorf("expected %d bytes, found %d", f.Bytes, len(data)))
	case hash(data) != f.SHA256:
		return nil, r.corrupt(at, fmt.Errorf("expected SHA-256 %s, found %s", f.SHA256, hash(data)))
	}
	return data, nil
}

// Verify reads every file of a version and holds it to its hash.
func (r *Registry) Verify(ctx context.Context, name, version string) (Manifest, error) {
	m, err := r.Get(ctx, name, version)
	if err != nil {
		return m, err
	}
	for _, f := range m.Files {
		if _, err := r.File(ctx, m, f.Name); err != nil {
			return m, err
		}
	}
	return m, nil
}

// List returns the versions of a model, oldest first; none of a model that is not
// there. With an error that wraps ErrCorrupt it has all but the damaged ones,
// which the error names.
func (r *Registry) List(ctx context.Context, name string) ([]Manifest, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	versions, _, err := r.scan(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("list model %q: %w", name, err)
	}
	found := make([]Manifest, len(versions))
	damage := make([]error, len(versions))
	err = lake.Parallel(len(versions), readers, func(i int) (err error) {
		found[i], err = r.Get(ctx, name, versions[i])
		if errors.Is(err, ErrCorrupt) {
			damage[i], err = err, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(m Manifest) bool { return m.Version == "" })
	return found, errors.Join(damage...)
}

// Names returns the models that have a version, in order.
func (r *Registry) Names(ctx context.Context) ([]string, error) {
	found := map[string]bool{}
	for info, err := range r.store.List(ctx, modelsDir+"/") {
		if err != nil {
			return nil, fmt.Errorf("list models: %w", err)
		}
		if name, version, file, ok := splitName(info.Name); ok && file == manifestName && checkVersion(version) == nil {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// scan returns the versions of a model, and the time of the newest object of each
// that is without a manifest.
func (r *Registry) scan(ctx context.Context, name string) (versions []string, leftovers map[string]time.Time, err error) {
	leftovers = map[string]time.Time{}
	for info, err := range r.store.List(ctx, modelsDir+"/"+name+"/") {
		if err != nil {
			return nil, nil, err
		}
		_, version, file, ok := splitName(info.Name)
		switch {
		case !ok || checkVersion(version) != nil:
		case file == manifestName:
			versions = append(versions, version)
		case info.Modified.After(leftovers[version]):
			leftovers[version] = info.Modified
		}
	}
	for _, v := range versions {
		delete(leftovers, v)
	}
	return versions, leftovers, nil
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
