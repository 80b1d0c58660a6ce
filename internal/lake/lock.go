package lake

import (
	"context"
	"errors"
	"fmt"
	"os"

	"example.com/shopstream/internal/filelock"
)

// Lease is the sole right to write a lake: a second writer would remove what
// the first has not sealed.
//
// On a folder it ends with Release or with the process, however that ends. On
// a bucket it can be lost, when it cannot be renewed in time: writing is
// refused from then on.
type Lease struct {
	bucket  *bucketLease // nil on a folder
	release func() error
}

// ErrLeaseLost is wrapped by the error of a write, and the cause of a Bind
// context, after the lease was lost.
var ErrLeaseLost = errors.New("the lease of the lake was lost")

// Lock takes the lease of a lake. If another writer has it the error says who
// and what to do. The holder of a bucket's lease may be gone without a word: if
// that cannot be told at once, Lock waits up to 15 s for a sign of life.
//
// All generations of a lake have one lease. A store that is not the current one
// is refused: the error wraps ErrOldGeneration.
func Lock(ctx context.Context, st Store) (l *Lease, err error) {
	if l, err = lock(ctx, st); err != nil {
		return nil, err
	}
	if err := checkCurrent(ctx, st); err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

func lock(ctx context.Context, st Store) (*Lease, error) {
	switch st := st.(type) {
	case *localStore:
		return st.lock()
	case *bucketStore:
		return st.lock(ctx, leaseTTL, leaseName)
	}
	return nil, fmt.Errorf("lake %s: lock: expected a folder or a bucket, found a %T, which has no lease", st.URI(), st)
}

// LockGold takes the sole right to write a lake's gold, beside which its writer
// may go on. On a bucket, writes are not refused once it is lost: use Bind.
func LockGold(ctx context.Context, st Store) (l *Lease, err error) {
	switch st := st.(type) {
	case *localStore:
		var f *os.File
		if f, err = filelock.Lock(st.root, goldLockName); err == nil {
			if err = st.sweepGold(ctx, f); err == nil {
				return &Lease{release: f.Close}, nil
			}
			err = errors.Join(err, f.Close())
		}
	case *bucketStore:
		l, err = st.lock(ctx, leaseTTL, goldLeaseName)
	default:
		err = fmt.Errorf("expected a folder or a bucket, found a %T, which has no lock", st)
	}
	if err != nil {
		var held *filelock.HeldError
		if errors.As(err, &held) {
			return nil, fmt.Errorf("gold of the lake %w: wait until that one has ended", held)
		}
		return nil, fmt.Errorf("lock gold of the lake %s: %w", st.URI(), err)
	}
	return l, nil
}

// sweepGold removes what puts left behind that were killed with an earlier
// holder of the lock f.
func (s *localStore) sweepGold(ctx context.Context, f *os.File) error {
	info, err := f.Stat() // written just now, by the clock that dates all files of the lake
	if err != nil {
		return err
	}
	for _, dir := range [...]string{"gold", "quality", "inputs", publicationsDir, compactionsDir} {
		if _, err := s.sweepBefore(ctx, dir, "", true, info.ModTime()); err != nil {
			return err
		}
	}
	return nil
}

const (
	goldLockName  = ".gold.lock"
	goldLeaseName = "ledger/gold-lease.json"
)

// Release gives the lease back, for the next writer to take at once.
func (l *Lease) Release() error { return l.release() }

// Bind returns a context that ends when the lease is lost, with a cause that
// wraps ErrLeaseLost.
func (l *Lease) Bind(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.bucket == nil {
		return context.WithCancel(ctx)
	}
	return l.bucket.bind(ctx)
}

// cover extends the lease to another store of the lake: a generation that is
// being made.
func (l *Lease) cover(st Store) {
	if st, ok := st.(*bucketStore); ok && l.bucket != nil {
		l.bucket.cover(st)
	}
}

// check returns an error if the lease is lost.
func (l *Lease) check() error {
	if l.bucket == nil {
		return nil
	}
	return l.bucket.check()
}

// lockName is the file in a folder whose lock is the lease.
const lockName = ".lock"

func (s *localStore) lock() (*Lease, error) {
	root := rootOf(s).URI()
	f, err := filelock.Lock(root, lockName)
	if err != nil {
		return nil, inUse(err, func(err error) error { return explainDisk(root, "lock", lockName, err) })
	}
	// The file was written just now, by the clock that dates all files of the lake.
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(explainDisk(root, "lock", lockName, err), f.Close())
	}
	locked := info.ModTime()
	s.locked.Store(&locked)
	return &Lease{release: func() error {
		s.locked.Store(nil)
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			return explainDisk(root, "unlock", lockName, err)
		}
		return nil
	}}, nil
}

// inUse explains a lock that another writer has, and others by other.
func inUse(err error, other func(error) error) error {
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return fmt.Errorf("lake %w, which writes to it: stop that one, or use another lake", held)
	}
	return other(err)
}
