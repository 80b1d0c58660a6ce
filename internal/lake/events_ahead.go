package lake

import (
	"bytes"
	"context"
)

// aheadFiles is how many small files are fetched before they are opened.
const aheadFiles = 16

// ahead returns a store that fetches small files, in the order in which they
// are going to be opened, a few before it is their turn: on a bucket each
// request takes tens of milliseconds, all of them waiting. All of files must be
// opened in that order, by one goroutine, until ctx is done.
func ahead(ctx context.Context, st Store, files []File) Store {
	switch st.(type) {
	case *localStore, *aheadStore:
		return st
	}
	if len(files) < 2 {
		return st
	}
	a := &aheadStore{Store: st, waiting: map[string]*fetch{}, slots: make(chan struct{}, aheadFiles)}
	var all []*fetch
	for _, f := range files {
		if f.Bytes <= wholeFile && a.waiting[f.Name] == nil {
			one := &fetch{name: f.Name, done: make(chan struct{})}
			a.waiting[f.Name] = one
			all = append(all, one)
		}
	}
	go a.fetch(ctx, all)
	return a
}

type aheadStore struct {
	Store
	waiting map[string]*fetch // not opened yet
	slots   chan struct{}     // one taken for each file between its fetch and its opening
}

type fetch struct {
	name string
	done chan struct{} // closed when data and err are there
	data []byte
	err  error
}

func (a *aheadStore) fetch(ctx context.Context, all []*fetch) {
	for _, f := range all {
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			defer close(f.done)
			f.data, f.err = a.Get(ctx, f.name)
		}()
	}
}

func (a *aheadStore) Open(ctx context.Context, name string) (Object, error) {
	f := a.waiting[name]
	if f == nil {
		return a.Store.Open(ctx, name)
	}
	delete(a.waiting, name)
	select {
	case <-f.done:
		<-a.slots
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return memoryObject{bytes.NewReader(f.data)}, nil
}
