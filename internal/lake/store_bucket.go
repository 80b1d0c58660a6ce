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
	"sync/atomic"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

const (
	// maxChunk is how much is sent in one request.
	maxChunk = 16 << 20
	// listPage is how many objects are listed in one request.
	listPage = 1000
	// putKey names the metadata by which a put recognises its own object.
	putKey = "shopstream-put"
	// noStore keeps caches from answering for objects that change or go: those of
	// a public bucket are cached for an hour otherwise.
	noStore = "no-store"
)

// bucketStore is a Store in a bucket of Google Cloud Storage. A put is atomic
// and durable there.
type bucketStore struct {
	generations
	client *storage.Client
	bucket string
	prefix string // "" or with a slash at the end
	retry  retry
	lease  atomic.Pointer[bucketLease] // nil: none was taken
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
	client.SetRetry(storage.WithPolicy(storage.RetryNever)) // retry.do does
	if prefix != "" {
		prefix += "/"
	}
	return &bucketStore{client: client, bucket: bucket, prefix: prefix, retry: bucketRetry}, nil
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
	if err := s.upload(ctx, name, s.object(name), data, ""); err != nil {
		return s.explain("put", name, err)
	}
	return nil
}

func (s *bucketStore) PutNew(ctx context.Context, name string, data []byte) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("lake %s: put: %w", s.URI(), err)
	}
	id := rand.Text()
	err := s.upload(ctx, name, s.object(name).If(storage.Conditions{DoesNotExist: true}), data, id)
	if hasCode(err, http.StatusPreconditionFailed) {
		// Somebody has it: perhaps this very put, whose answer got lost and
		// which was then sent again.
		attrs, err := s.attrs(ctx, name)
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

// upload writes the object o of that name; id, if any, marks it as made by this
// put.
func (s *bucketStore) upload(ctx context.Context, name string, o *storage.ObjectHandle, data []byte, id string) error {
	return s.writing(ctx, func(ctx context.Context) error {
		// An attempt that fails must not make an object of the part that was
		// written: its context ends with it, and Close would commit.
		w := o.NewWriter(ctx)
		// The writer allocates a whole chunk: for a small object, a small one.
		w.ChunkSize = min(len(data)+1, maxChunk)
		w.ContentType = "application/octet-stream"
		if inLedger(name) {
			w.CacheControl = noStore
		}
		if id != "" {
			w.Metadata = map[string]string{putKey: id}
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		return w.Close()
	})
}

func (s *bucketStore) attrs(ctx context.Context, name string) (attrs *storage.ObjectAttrs, err error) {
	err = s.retry.do(ctx, func(ctx context.Context) error {
		attrs, err = s.object(name).Attrs(ctx)
		return err
	})
	return attrs, err
}

func (s *bucketStore) Open(ctx context.Context, name string) (Object, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("lake %s: open: %w", s.URI(), err)
	}
	attrs, err := s.attrs(ctx, name)
	if err != nil {
		return nil, s.explain("open", name, err)
	}
	// The generation keeps later reads on the content found now.
	handle := s.object(name).Generation(attrs.Generation)
	return newBlockReader(attrs.Size, func(p []byte, off int64) error {
		if err := s.read(ctx, handle, p, off); err != nil {
			return s.explain("read", name, err)
		}
		return nil
	}), nil
}

// read fills p with what the object has at an offset.
func (s *bucketStore) read(ctx context.Context, o *storage.ObjectHandle, p []byte, off int64) error {
	return s.retry.do(ctx, func(ctx context.Context) error {
		r, err := o.NewRangeReader(ctx, off, int64(len(p)))
		if err != nil {
			return err
		}
		return readAndClose(r, p)
	})
}

// readAndClose fills p. An answer that ends too soon is io.ErrUnexpectedEOF,
// also where it ends at once.
func readAndClose(r io.ReadCloser, p []byte) error {
	_, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return cmp.Or(err, r.Close())
}

func (s *bucketStore) Get(ctx context.Context, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("lake %s: get: %w", s.URI(), err)
	}
	var data []byte
	err := s.retry.do(ctx, func(ctx context.Context) error {
		r, err := s.object(name).NewReader(ctx)
		if err != nil {
			return err
		}
		data = make([]byte, max(0, r.Attrs.Size))
		return readAndClose(r, data)
	})
	if err != nil {
		return nil, s.explain("get", name, err)
	}
	return data, nil
}

func (s *bucketStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return s.ListFrom(ctx, prefix, "")
}

func (s *bucketStore) ListFrom(ctx context.Context, prefix, from string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("lake %s: list: %w", s.URI(), err))
			return
		}
		query := &storage.Query{Prefix: s.prefix + prefix, Projection: storage.ProjectionNoACL}
		if from != "" {
			query.StartOffset = s.prefix + from
		}
		if err := query.SetAttrSelection([]string{"Name", "Size", "Updated"}); err != nil {
			yield(Info{}, s.explain("list", prefix, err))
			return
		}
		for token := ""; ; {
			var page []*storage.ObjectAttrs
			next := ""
			err := s.retry.do(ctx, func(ctx context.Context) (err error) {
				page = nil
				objects := s.client.Bucket(s.bucket).Objects(ctx, query)
				next, err = iterator.NewPager(objects, listPage, token).NextPage(&page)
				return err
			})
			if err != nil {
				yield(Info{}, s.explain("list", prefix, err))
				return
			}
			for _, attrs := range page {
				name := strings.TrimPrefix(attrs.Name, s.prefix)
				if !hidden(name) && !yield(Info{Name: name, Size: attrs.Size, Modified: attrs.Updated.UTC()}, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

func (s *bucketStore) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("lake %s: delete: %w", s.URI(), err)
	}
	err := s.writing(ctx, func(ctx context.Context) error { return s.object(name).Delete(ctx) })
	if err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
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
	return remember(fmt.Errorf("lake %s: %s: %w%s", s.URI(), op, err, hint))
}

func hasCode(err error, code int) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == code
}
