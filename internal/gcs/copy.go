package gcs

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"cloud.google.com/go/storage"
)

// Copied sums a copy up.
type Copied struct {
	Objects, Same int   // copied; there already with the same content
	Bytes         int64 // of the copied ones
}

// copiesAtOnce is how many objects are copied at the same time: each is one
// request or a few, all of them waiting.
const copiesAtOnce = 16

// Copy copies all objects below one URI to below another, inside of the
// service. An object that is there with the same content stays; tell, if any, is
// told of each that is copied. Each object is copied as it was when it was listed
// and replaces only what was there then: objects that somebody else writes
// meanwhile are an error. Copied again, it goes on.
func (c *Client) Copy(ctx context.Context, from, to string, tell func(Object)) (Copied, error) {
	fromBucket, fromPrefix, err := Split(from)
	if err != nil {
		return Copied{}, err
	}
	toBucket, toPrefix, err := Split(to)
	if err != nil {
		return Copied{}, err
	}
	if fromBucket == toBucket && (strings.HasPrefix(toPrefix, fromPrefix) || strings.HasPrefix(fromPrefix, toPrefix)) {
		return Copied{}, fmt.Errorf("copy %s to %s: one is within the other: expected two folders apart", from, to)
	}
	there := map[string]Object{}
	for o, err := range c.List(ctx, to) {
		if err != nil {
			return Copied{}, err
		}
		there[strings.TrimPrefix(o.Name, toPrefix)] = o
	}
	var todo []Object
	var done Copied
	for o, err := range c.List(ctx, from) {
		if err != nil {
			return Copied{}, err
		}
		if old, ok := there[strings.TrimPrefix(o.Name, fromPrefix)]; ok && old.same(o) {
			done.Same++
		} else {
			todo = append(todo, o)
		}
	}
	var (
		mu   sync.Mutex
		errs []error
		wg   sync.WaitGroup
	)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	next := make(chan Object)
	for range copiesAtOnce {
		wg.Go(func() {
			for o := range next {
				name := strings.TrimPrefix(o.Name, fromPrefix)
				source := c.client.Bucket(fromBucket).Object(o.Name).Generation(o.Generation)
				target := c.client.Bucket(toBucket).Object(toPrefix + name)
				err := c.copy(ctx, source, target, o, there[name].Generation)
				mu.Lock()
				switch {
				case err != nil:
					errs = append(errs, explain("copy "+o.Name+" to", "gs://"+toBucket+"/"+toPrefix+name, err))
					stop() // the others need not go on
				default:
					done.Objects++
					done.Bytes += o.Size
					if tell != nil {
						tell(o)
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, o := range todo {
		if ctx.Err() != nil {
			break
		}
		next <- o
	}
	close(next)
	wg.Wait()
	if len(errs) > 0 {
		return done, errs[0] // the others follow from it
	}
	return done, ctx.Err()
}

func (o Object) same(p Object) bool { return o.Size == p.Size && o.crc == p.crc }

// copy copies one object, if the target still has that generation (0: there is
// none).
func (c *Client) copy(ctx context.Context, source, target *storage.ObjectHandle, o Object, generation int64) error {
	condition := storage.Conditions{GenerationMatch: generation, DoesNotExist: generation == 0}
	_, err := target.If(condition).CopierFrom(source).Run(ctx)
	if !hasCode(err, http.StatusPreconditionFailed) {
		return err
	}
	// Somebody wrote it: perhaps this very copy, whose answer got lost.
	attrs, now := target.Attrs(ctx)
	if now == nil && objectOf(attrs).same(o) {
		return nil
	}
	return fmt.Errorf("it was written meanwhile: %w", err)
}
