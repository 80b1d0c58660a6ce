package lake

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

const (
	// putTimeout bounds one put with all its retries: a bundle that waits for
	// ever would look like a pipeline without input.
	putTimeout = 5 * time.Minute
	// callTimeout does so for the retries of the other calls.
	callTimeout = 2 * time.Minute
	// maxChunk is how much of an upload is kept in memory to send it again.
	maxChunk = 16 << 20
	// putKey names the metadata by which a put recognises its own object.
	putKey = "shopstream-put"
)

// bucketStore is a Store in a bucket of Google Cloud Storage. A put is atomic
// and durable there.
type bucketStore struct {
	client *storage.Client
	bucket string
	prefix string // "" or with a slash at the end
}

func openBucket(ctx context.Context, bucket, prefix string) (Store, error) {
	// Reads by JSON as all else is: emulators serve the older XML reads under
	// another host name.
	client, err := storage.NewClient(ctx, storage.WithJSONReads())
	if err != nil {
		return nil, fmt.Errorf("lake gs://%s: connect: %w: run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file", bucket, err)
	}
	// Every call here may be sent twice: puts replace with the same content,
	// deletes of nothing are no error, and PutNew recognises its own object.
	client.SetRetry(storage.WithPolicy(storage.RetryAlways), storage.WithMaxRetryDuration(callTimeout))
	if prefix != "" {
		prefix += "/"
	}
	return &bucketStore{client: client, bucket: bucket, prefix: prefix}, nil
}

func (s *bucketStore) URI() string {
	return strings.TrimSuffix("gs://"+s.bucket+"/"+s.prefix, "/")
}

func (s *bucketStore) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("lake %s: close: %w", s.URI(), err)
	}
	return nil
}

func (s *bucketStore) Sync(context.Context) error { return nil }

func (s *bucketStore) object(name string) *storage.ObjectHandle {
	return s.client.Bucket(s.bucket).Object(s.prefix + name)
}

func (s *bucketStore) Put(ctx context.Context, name string, data []byte) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("lake %s: put: %w", s.URI(), err)
	}
	if err := upload(ctx, s.object(name), data, ""); err != nil {
		return s.explain("put", name, err)
	}
	return nil
}

func (s *bucketStore) PutNew(ctx context.Context, name string, data []byte) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("lake %s: put: %w", s.URI(), err)
	}
	id := rand.Text()
	err := upload(ctx, s.object(name).If(storage.Conditions{DoesNotExist: true}), data, id)
	if hasCode(err, http.StatusPreconditionFailed) {
		// Somebody has it: perhaps this very put, whose answer got lost and
		// which the client then sent again.
		attrs, err := s.object(name).Attrs(ctx)
		switch {
		case err == nil && attrs.Metadata[putKey] == id:
			return nil
		case err == nil || errors.Is(err, storage.ErrObjectNotExist):
			return exists(s.URI(), name)
		default:
			return s.explain("put", name, err)
		}
	}
	if err != nil {
		return s.explain("put", name, err)
	}
	return nil
}

// upload writes one object; id, if any, marks it as made by this put.
func upload(ctx context.Context, o *storage.ObjectHandle, data []byte, id string) error {
	// To end an upload without making an object its context must be cancelled:
	// Close would commit the part that was written.
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	w := o.NewWriter(ctx)
	// The writer allocates a whole chunk: for a small object, a small one.
	w.ChunkSize = min(len(data)+1, maxChunk)
	w.ChunkRetryDeadline = putTimeout
	w.ContentType = "application/octet-stream"
	if id != "" {
		w.Metadata = map[string]string{putKey: id}
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

func (s *bucketStore) Open(ctx context.Context, name string) (Object, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("lake %s: open: %w", s.URI(), err)
	}
	attrs, err := s.object(name).Attrs(ctx)
	if err != nil {
		return nil, s.explain("open", name, err)
	}
	// The generation keeps later reads on the content found now.
	handle := s.object(name).Generation(attrs.Generation)
	return newBlockReader(attrs.Size, func(p []byte, off int64) error {
		r, err := handle.NewRangeReader(ctx, off, int64(len(p)))
		if err != nil {
			return s.explain("read", name, err)
		}
		_, err = io.ReadFull(r, p)
		if err := cmp.Or(err, r.Close()); err != nil {
			return s.explain("read", name, err)
		}
		return nil
	}), nil
}

func (s *bucketStore) Get(ctx context.Context, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("lake %s: get: %w", s.URI(), err)
	}
	r, err := s.object(name).NewReader(ctx)
	if err != nil {
		return nil, s.explain("get", name, err)
	}
	data := make([]byte, max(0, r.Attrs.Size))
	_, err = io.ReadFull(r, data)
	if err := cmp.Or(err, r.Close()); err != nil {
		return nil, s.explain("get", name, err)
	}
	return data, nil
}

func (s *bucketStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("lake %s: list: %w", s.URI(), err))
			return
		}
		query := &storage.Query{Prefix: s.prefix + prefix, Projection: storage.ProjectionNoACL}
		if err := query.SetAttrSelection([]string{"Name", "Size", "Updated"}); err != nil {
			yield(Info{}, s.explain("list", prefix, err))
			return
		}
		objects := s.client.Bucket(s.bucket).Objects(ctx, query)
		for {
			attrs, err := objects.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(Info{}, s.explain("list", prefix, err))
				return
			}
			name := strings.TrimPrefix(attrs.Name, s.prefix)
			if hidden(name) {
				continue
			}
			if !yield(Info{Name: name, Size: attrs.Size, Modified: attrs.Updated.UTC()}, nil) {
				return
			}
		}
	}
}

func (s *bucketStore) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("lake %s: delete: %w", s.URI(), err)
	}
	if err := s.object(name).Delete(ctx); err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
		return s.explain("delete", name, err)
	}
	return nil
}

// explain turns an error of the service into one line that says what to do.
func (s *bucketStore) explain(op, name string, err error) error {
	if name != "" {
		op += " " + name
	}
	hint := ""
	switch {
	case errors.Is(err, storage.ErrObjectNotExist):
		return notExist(s.URI(), name)
	case errors.Is(err, storage.ErrBucketNotExist), hasCode(err, http.StatusNotFound):
		hint = ": the bucket does not exist: create it, or name another one"
	case hasCode(err, http.StatusUnauthorized):
		hint = ": run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
	case hasCode(err, http.StatusForbidden):
		hint = ": give this account roles/storage.objectUser on the bucket " + s.bucket
	}
	return fmt.Errorf("lake %s: %s: %w%s", s.URI(), op, err, hint)
}

func hasCode(err error, code int) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == code
}
