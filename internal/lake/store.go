// Package lake keeps what the pipelines write: objects in a folder or a bucket
// (Store), the names of data files (Key), their Parquet rows, and the ledger
// that says which of them count.
//
// Putting an object is atomic, and its name follows from what is in it, so that
// writing it again changes nothing. On a local disk an object survives a power
// loss from the next Sync on.
package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrExists is what PutNew returns (errors.Is) for a name that is taken.
var ErrExists = errors.New("there is an object of that name already")

// Store keeps named objects: a folder of the local disk, or a bucket. Names
// are slash-separated, relative and case-sensitive; no part of one is empty or
// starts with a dot (see checkName), so a store's own hidden files never
// collide with an object.
//
// All methods may be used from many goroutines at once, also for one name.
// Errors name the lake and the object and say what to do.
type Store interface {
	// Put writes an object, replacing one of that name. Readers see the old
	// content or the new one, never a part; of several writers the last wins.
	Put(ctx context.Context, name string, data []byte) error
	// PutNew is Put for a name that must not exist: ErrExists (errors.Is) if it
	// does. Of several writers exactly one succeeds.
	PutNew(ctx context.Context, name string, data []byte) error
	// Open returns an object for reading, or fs.ErrNotExist (errors.Is). What
	// it reads is the content at the time of Open, whatever is put later. The
	// context must outlive the object.
	Open(ctx context.Context, name string) (Object, error)
	// Get returns the whole content of an object, or fs.ErrNotExist.
	Get(ctx context.Context, name string) ([]byte, error)
	// List yields the objects whose names start with prefix, in the order of
	// their names (bytes). The prefix is a plain string prefix; "" is all. The
	// sequence ends after the first error. An object that is put or deleted
	// meanwhile may be in it or not.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// ListFrom is List without the objects whose names are before from: it costs
	// what it yields.
	ListFrom(ctx context.Context, prefix, from string) iter.Seq2[Info, error]
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Sync returns once everything that was put before the call would survive a
	// power loss. It does nothing on a bucket, whose puts are durable.
	Sync(ctx context.Context) error
	// URI is what OpenStore takes to open this store, a local one as an
	// absolute path.
	URI() string
	// Close releases connections. Objects in use stay readable on a local store.
	Close() error
}

// Object is the content of one stored object at the time of Open. ReadAt may
// be called from several goroutines.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Info describes an object in a listing. Modified is the time of the last put
// in UTC.
type Info struct {
	Name     string
	Size     int64
	Modified time.Time
}

// OpenStore opens the lake at a URI: a folder ("/data/lake", "lake",
// "file:///data/lake"), which need not exist yet, or a bucket
// ("gs://bucket/prefix"). For gs:// the environment variable
// STORAGE_EMULATOR_HOST names an emulator to use in place of Google's service.
//
// Where the lake was built again, this is its newest generation (see Switch),
// and stays that one.
func OpenStore(ctx context.Context, uri string) (Store, error) {
	st, err := openRoot(ctx, uri)
	if err != nil {
		return nil, err
	}
	return follow(ctx, st)
}

func openRoot(ctx context.Context, uri string) (Store, error) {
	const allowed = `a folder ("/data/lake", "lake", "file:///data/lake") or a bucket ("gs://bucket/prefix")`
	scheme, rest, isURI := strings.Cut(uri, "://")
	switch {
	case uri == "":
		return nil, fmt.Errorf("no lake is given: expected %s", allowed)
	case !isURI:
		return openLocal(uri)
	case scheme == "file":
		u, err := url.Parse(uri)
		if err != nil || (u.Host != "" && u.Host != "localhost") || u.Path == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("lake %q: expected file:/// and an absolute path, such as file:///data/lake", uri)
		}
		return openLocal(filepath.FromSlash(u.Path))
	case scheme == "gs":
		bucket, prefix, _ := strings.Cut(rest, "/")
		prefix = strings.Trim(prefix, "/")
		if bucket == "" {
			return nil, fmt.Errorf("lake %q: no bucket is named: expected gs://bucket or gs://bucket/prefix", uri)
		}
		if prefix != "" {
			if err := checkName(prefix); err != nil {
				return nil, fmt.Errorf("lake %q: prefix: %w", uri, err)
			}
		}
		return openBucket(ctx, bucket, prefix)
	default:
		return nil, fmt.Errorf("lake %q: the scheme %q is not known: expected %s", uri, scheme+"://", allowed)
	}
}

// checkName refuses names that mean different things to a disk and a bucket.
func checkName(name string) error {
	if name == "" {
		return errors.New("the name of an object is empty")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return fmt.Errorf("object name %q: expected parts separated by single slashes, none at the start or the end", name)
		case part[0] == '.':
			return fmt.Errorf("object name %q: expected no part that starts with a dot, found %q", name, part)
		}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == utf8.RuneError }) {
		return fmt.Errorf("object name %q: expected valid UTF-8 without control characters and backslashes", name)
	}
	return nil
}

// checkPrefix is checkName for a prefix of a name.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	// A prefix may end anywhere: complete its last part.
	return checkName(prefix + "x")
}

// hidden reports whether an object found in a store is one that no Put has
// written: a temporary file, a folder marker, a tool's dot file.
func hidden(name string) bool { return checkName(name) != nil }

// notExist is the error of a missing object in any store.
func notExist(uri, name string) error {
	return fmt.Errorf("lake %s: %s: %w", uri, name, fs.ErrNotExist)
}

func exists(uri, name string) error {
	return fmt.Errorf("lake %s: %s: %w", uri, name, ErrExists)
}
