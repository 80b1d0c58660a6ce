// Package gcs is what people do with a lake's bucket besides reading and
// writing the lake (internal/lake): copying objects without moving them through
// this machine, and rules of how long objects are kept, and how.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

// Client reaches Google Cloud Storage, or the emulator that the environment's
// STORAGE_EMULATOR_HOST names. It may be used from many goroutines.
type Client struct{ client *storage.Client }

// maxAttempts bounds how often a request is sent.
const maxAttempts = 7

// Open connects. Close it after use.
func Open(ctx context.Context) (*Client, error) {
	client, err := storage.NewClient(ctx, storage.WithJSONReads())
	if err != nil {
		return nil, fmt.Errorf("connect to Cloud Storage: %w: run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file", err)
	}
	// What is sent again has a precondition, or changes nothing.
	client.SetRetry(storage.WithMaxAttempts(maxAttempts), storage.WithPolicy(storage.RetryAlways))
	return &Client{client}, nil
}

// Close releases connections.
func (c *Client) Close() error { return c.client.Close() }

// Object describes an object.
type Object struct {
	Name       string
	Size       int64
	Modified   time.Time // UTC
	Class      string    // storage class, such as STANDARD
	Generation int64
	crc        uint32
}

// List yields the objects below a URI, gs://bucket or gs://bucket/prefix, by
// name. It ends after the first error.
func (c *Client) List(ctx context.Context, uri string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		bucket, prefix, err := Split(uri)
		if err != nil {
			yield(Object{}, err)
			return
		}
		query := &storage.Query{Prefix: prefix, Projection: storage.ProjectionNoACL}
		if err := query.SetAttrSelection([]string{"Name", "Size", "Updated", "StorageClass", "Generation", "CRC32C"}); err != nil {
			yield(Object{}, explain("list", uri, err))
			return
		}
		objects := c.client.Bucket(bucket).Objects(ctx, query)
		for {
			attrs, err := objects.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(Object{}, explain("list", uri, err))
				return
			}
			if !yield(objectOf(attrs), nil) {
				return
			}
		}
	}
}

func objectOf(a *storage.ObjectAttrs) Object {
	return Object{Name: a.Name, Size: a.Size, Modified: a.Updated.UTC(), Class: a.StorageClass, Generation: a.Generation, crc: a.CRC32C}
}

// Split takes gs://bucket/prefix apart. A prefix ends with a slash, so that
// gs://b/lake does not mean gs://b/lake2, too.
func Split(uri string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(uri, "gs://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.ContainsAny(bucket, "?#* ") || strings.Contains(prefix, "//") || strings.HasPrefix(prefix, "/") {
		return "", "", fmt.Errorf("%q: expected gs://bucket or gs://bucket/prefix", uri)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return bucket, prefix, nil
}

func explain(op, uri string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, storage.ErrBucketNotExist), hasCode(err, http.StatusNotFound):
		hint = ": the bucket does not exist: create it, or name another one"
	case hasCode(err, http.StatusUnauthorized):
		hint = ": run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
	case hasCode(err, http.StatusForbidden):
		hint = ": give this account roles/storage.objectUser on the bucket, and for lifecycle rules roles/storage.admin"
	}
	return fmt.Errorf("%s %s: %w%s", op, uri, err, hint)
}

func hasCode(err error, code int) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == code
}
