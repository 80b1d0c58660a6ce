package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"example.com/shopstream/internal/lake"
)

// ErrCorrupt is wrapped by the error of an object that is not what was put.
var ErrCorrupt = errors.New("corrupt")

// read returns the content of an object, which may have that many bytes: more are
// refused before anything is read.
func (r *Registry) read(ctx context.Context, name string, most int64) (data []byte, err error) {
	o, err := r.store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if o.Size() > most {
		return nil, r.corrupt(name, fmt.Errorf("expected at most %d bytes, found %d", most, o.Size()))
	}
	data = make([]byte, o.Size())
	if _, err := io.ReadFull(io.NewSectionReader(o, 0, o.Size()), data); err != nil {
		return nil, fmt.Errorf("lake %s: read %s: %w", r.store.URI(), name, err)
	}
	return data, nil
}

func (r *Registry) corrupt(name string, err error) error {
	return r.fault(name, err, "It is written once, so something changed it since, or it is no model of this registry: restore it from a copy, or train and promote another version")
}

// fault is the error of an object that is not as it was put; do says what to do.
func (r *Registry) fault(name string, err error, do string) error {
	return &lake.Fault{Object: name, Lake: r.store.URI(), Kind: ErrCorrupt, Err: err, Do: do}
}
