package lake

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"cloud.google.com/go/storage"

	"example.com/shopstream/internal/filelock"
)

// leaseName is the object that holds a bucket's lease. Its generation, which
// the service gives out, is the only clock that two machines have in common:
// a writer lives as long as it changes.
const leaseName = "ledger/lease.json"

// leaseTTL is for how long a lease holds that is not renewed. Its holder stops
// a third before.
const leaseTTL = 15 * time.Second

// holder is the content of the lease.
type holder struct {
	ID   string `json:"holder"` // of one taking
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Machine is the boot of the kernel and the space in which PID counts, or ""
	// where the system does not tell.
	Machine string `json:"machine,omitempty"`
}

func (h holder) String() string { return fmt.Sprintf("%d on host %s", h.PID, h.Host) }

// dead reports whether the holder is known to have ended without releasing.
func (h holder) dead() bool {
	return h.Machine != "" && h.Machine == machine() && !alive(h.PID)
}

// bucketLease is the lease of a bucket while this process has it.
type bucketLease struct {
	st    *bucketStore // that has the object
	name  string       // of the object
	ttl   time.Duration
	retry retry
	me    holder

	held    context.Context // ends when the lease is lost
	lose    context.CancelCauseFunc
	running context.Context // of keep: ends with held, or by stop
	stop    context.CancelFunc
	done    chan struct{} // closed when keep has returned

	generation int64 // of the object; take's, then keep's, then release's

	mu      sync.Mutex
	renewed time.Time // when the newest renewal that succeeded was sent; guarded by mu

	covered []*bucketStore // that refuse to write once the lease is lost
}

// cover makes a store refuse to write once the lease is lost.
func (l *bucketLease) cover(st *bucketStore) {
	st.lease.Store(l)
	l.covered = append(l.covered, st)
}

func (s *bucketStore) lock(ctx context.Context, ttl time.Duration, name string) (*Lease, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	home := s
	if root, ok := rootOf(s).(*bucketStore); ok && name == leaseName {
		home = root
	}
	l := &bucketLease{
		st: home, name: name, ttl: ttl, me: holder{ID: rand.Text(), Host: host, PID: os.Getpid(), Machine: machine()},
		retry: retry{attempt: ttl / 5, total: ttl, wait: ttl / 150, longest: ttl / 15},
		done:  make(chan struct{}),
	}
	l.held, l.lose = context.WithCancelCause(context.Background())
	l.running, l.stop = context.WithCancel(l.held)
	if err := l.take(ctx); err != nil {
		return nil, inUse(err, func(err error) error { return s.explain("lock", name, err) })
	}
	if name == leaseName {
		l.cover(s)
		if l.st != s {
			l.cover(l.st)
		}
	}
	go l.keep()
	return &Lease{bucket: l, release: sync.OnceValue(l.release)}, nil
}

// take waits until the lease is free, or returns an error once its holder has
// given a sign of life.
func (l *bucketLease) take(ctx context.Context) error {
	var seen int64 // generation at the first look
	var since time.Time
	for {
		h, generation, err := l.read(ctx)
		if err != nil {
			return err
		}
		switch {
		case generation == 0, h.dead():
		case seen == 0:
			slog.Warn("the lake has a writer, or had one that was killed: waiting for a sign of life",
				"lake", l.st.URI(), "process", h.PID, "host", h.Host, "at_most", l.ttl)
			seen, since = generation, time.Now()
		case generation != seen:
			return &filelock.HeldError{Dir: l.st.URI(), Holder: h.String()}
		}
		if generation == 0 || h.dead() || time.Since(since) >= l.ttl {
			err := l.put(ctx, generation)
			if !errors.Is(err, errTaken) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(l.ttl / 10):
		}
	}
}

// read returns who has the lease, and its generation: 0 if nobody.
func (l *bucketLease) read(ctx context.Context) (h holder, generation int64, err error) {
	var data []byte
	err = l.retry.do(ctx, func(ctx context.Context) error {
		r, err := l.st.object(l.name).NewReader(ctx)
		if err != nil {
			return err
		}
		generation = r.Attrs.Generation
		data, err = io.ReadAll(r)
		return errors.Join(err, r.Close())
	})
	switch {
	case errors.Is(err, storage.ErrObjectNotExist):
		return h, 0, nil
	case err != nil:
		return h, 0, err
	}
	if err := json.Unmarshal(data, &h); err != nil {
		h = holder{Host: "unknown"} // whoever wrote that: it may be renewed, or not
	}
	return h, generation, nil
}

// errTaken is a put that came after somebody else's.
var errTaken = errors.New("another writer has taken it")

// put writes the lease over the one of a generation (0: over none).
func (l *bucketLease) put(ctx context.Context, over int64) error {
	data, err := json.Marshal(l.me)
	if err != nil {
		return err
	}
	condition := storage.Conditions{GenerationMatch: over}
	if over == 0 {
		condition = storage.Conditions{DoesNotExist: true}
	}
	first := time.Now()
	sent := first
	var generation int64
	err = l.retry.do(ctx, func(ctx context.Context) error {
		sent = time.Now()
		w := l.st.object(l.name).If(condition).NewWriter(ctx)
		w.ChunkSize = 0 // one request
		w.ContentType = "application/json"
		w.CacheControl = noStore
		if _, err := w.Write(data); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		generation = w.Attrs().Generation
		return nil
	})
	if hasCode(err, http.StatusPreconditionFailed) {
		// Perhaps it was this very put, whose answer got lost: any of its attempts.
		h, now, readErr := l.read(ctx)
		switch {
		case readErr != nil:
			return readErr
		case h.ID != l.me.ID || now == over:
			return fmt.Errorf("%w: process %s", errTaken, h)
		}
		generation, sent, err = now, first, nil
	}
	if err != nil {
		return err
	}
	l.generation = generation
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = sent
	return nil
}

// deadline is when the holder has to stop writing unless it renews before.
func (l *bucketLease) deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed.Add(l.ttl * 2 / 3)
}

// keep renews the lease until it is released or lost.
func (l *bucketLease) keep() {
	defer close(l.done)
	tick := time.NewTicker(l.ttl / 3)
	defer tick.Stop()
	for {
		select {
		case <-l.running.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithDeadline(l.running, l.deadline())
		err := l.put(ctx, l.generation)
		cancel()
		switch {
		case errors.Is(err, errTaken):
			l.lost(err)
		case l.running.Err() != nil:
			return
		case err != nil && !time.Now().Before(l.deadline()):
			l.lost(fmt.Errorf("it could not be renewed in time, and another writer may take it: %w", err))
		case err != nil:
			slog.Warn("the lease of the lake was not renewed, trying again", "lake", l.st.URI(), "error", err)
		}
	}
}

func (l *bucketLease) lost(why error) {
	l.lose(fmt.Errorf("lake %s: %w: %w", l.st.URI(), ErrLeaseLost, why))
}

// check returns an error if the lease is lost. The time counts, too: a process
// that was stopped for a while has renewed nothing and knows of nothing.
func (l *bucketLease) check() error {
	if l.held.Err() == nil && time.Now().After(l.deadline()) {
		l.lost(errors.New("it was not renewed in time, and another writer may take it"))
	}
	return context.Cause(l.held)
}

func (l *bucketLease) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(l.held, func() { cancel(context.Cause(l.held)) })
	return ctx, func() {
		unbind()
		cancel(nil)
	}
}

// release stops renewing and removes the object, unless it is another's now.
// After a loss, the store goes on refusing to write until it is locked again.
func (l *bucketLease) release() error {
	l.stop()
	<-l.done
	if l.check() != nil {
		return nil
	}
	for _, st := range l.covered {
		st.lease.CompareAndSwap(l, nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl)
	defer cancel()
	err := l.remove(ctx, l.generation)
	if hasCode(err, http.StatusPreconditionFailed) {
		// Perhaps a renewal that was under way has arrived.
		if h, now, readErr := l.read(ctx); readErr == nil && h.ID == l.me.ID {
			err = l.remove(ctx, now)
		}
	}
	if err == nil || errors.Is(err, storage.ErrObjectNotExist) || hasCode(err, http.StatusPreconditionFailed) {
		return nil
	}
	return l.st.explain("unlock", l.name, err)
}

func (l *bucketLease) remove(ctx context.Context, generation int64) error {
	return l.retry.do(ctx, func(ctx context.Context) error {
		return l.st.object(l.name).If(storage.Conditions{GenerationMatch: generation}).Delete(ctx)
	})
}

// writing is retry.do for calls that write: they end when the lease is lost.
// Without a lease they go on: jobs on a cluster have none.
func (s *bucketStore) writing(ctx context.Context, what func(ctx context.Context) error) error {
	l := s.lease.Load()
	if l == nil {
		return s.retry.do(ctx, what)
	}
	if err := l.check(); err != nil {
		return err
	}
	ctx, cancel := l.bind(ctx)
	defer cancel()
	err := s.retry.do(ctx, what)
	if lost := l.check(); err != nil && lost != nil {
		return lost
	}
	return err
}
