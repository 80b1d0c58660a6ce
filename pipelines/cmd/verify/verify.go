package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/ml/registry"
)

// verify holds a lake and its models to what they say, and reports it.
func verify(ctx context.Context, uri string, out *report, stderr io.Writer) (faulty bool, err error) {
	began := time.Now()
	st, err := lake.OpenStore(ctx, uri)
	if f, ok := lake.FindingOf(err); ok { // the pointer to the generation that is the lake
		out.found(f)
		return true, out.end(lake.Checked{}, time.Since(began))
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var objects, bytes, all atomic.Int64
	show := phase.Show(stderr, phase.Terminal(stderr), func(took time.Duration) string {
		return fmt.Sprintf("verify: %d objects and %s read, of which the lanes have %s, %s", objects.Load(), size(bytes.Load()), size(all.Load()), took.Round(time.Second))
	})
	defer show()
	done, err := lake.Verify(ctx, st, lake.VerifyOptions{Found: out.found, Progress: func(c lake.Checked, ofBytes int64) {
		objects.Store(c.Objects)
		bytes.Store(c.Bytes)
		all.Store(ofBytes)
	}})
	if err != nil {
		return out.faulty(), errors.Join(err, out.flush())
	}
	models, err := registry.Open(lake.Root(st)).Check(ctx, out.found)
	if err != nil {
		return out.faulty(), errors.Join(err, out.flush())
	}
	show()
	done.Objects += models.Objects
	done.Bytes += models.Bytes
	return out.faulty(), out.end(done, time.Since(began))
}
