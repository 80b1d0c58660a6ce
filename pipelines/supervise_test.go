package pipelines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/lake/laketest"
)

var (
	errAway  = fmt.Errorf("topic: %w", kafkaio.ErrNoBroker)
	errFatal = errors.New("the ledger is damaged")
)

// TestSupervise runs scripts of attempts: each ends with an error after making
// some progress.
func TestSupervise(t *testing.T) {
	type attempt struct {
		err      error
		progress int64
	}
	away, progress := attempt{errAway, 0}, attempt{errAway, 1}
	const second = time.Second
	for name, c := range map[string]struct {
		restarts int
		script   []attempt
		want     error
		waits    []time.Duration // the longest of each
	}{
		"well at once":                {3, []attempt{{}}, nil, nil},
		"fatal at once":               {3, []attempt{{errFatal, 1}}, errFatal, nil},
		"away, then well":             {3, []attempt{away, away, {}}, nil, []time.Duration{second, 2 * second}},
		"away, then fatal":            {3, []attempt{away, {errFatal, 0}}, errFatal, []time.Duration{second}},
		"given up":                    {2, []attempt{away, away, away}, errAway, []time.Duration{second, 2 * second}},
		"never again":                 {0, []attempt{away}, errAway, nil},
		"progress starts afresh":      {1, []attempt{progress, progress, progress, away}, errAway, []time.Duration{second, second, second}},
		"the longest wait":            {8, []attempt{away, away, away, away, away, away, away, away, {}}, nil, []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second, 60 * second, 60 * second}},
		"progress in the middle":      {2, []attempt{away, away, progress, away, away}, errAway, []time.Duration{second, 2 * second, second, 2 * second}},
		"an interruption of its own":  {3, []attempt{{context.Canceled, 0}}, context.Canceled, nil},
		"with an interruption joined": {3, []attempt{{errors.Join(errAway, context.Canceled), 0}}, context.Canceled, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var made int64
				var waits []time.Duration
				ran, last := 0, time.Now()
				s := Supervision{Restarts: c.restarts, Waiting: func(d time.Duration) { waits = append(waits, d) }}
				err := s.supervise(t.Context(), func(context.Context) error {
					if ran > 0 && time.Since(last) != waits[ran-1] {
						t.Errorf("attempt %d began %s after the one before, but a wait of %s was told", ran, time.Since(last), waits[ran-1])
					}
					a := c.script[ran]
					ran++
					made += a.progress
					last = time.Now()
					return a.err
				}, func() int64 { return made })
				if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || ran != len(c.script) {
					t.Errorf("%v after %d attempts, want %v after %d", err, ran, c.want, len(c.script))
				}
				if len(waits) != len(c.waits) {
					t.Fatalf("waits %s, want at most %s", waits, c.waits)
				}
				for i, longest := range c.waits {
					if waits[i] < longest/2 || waits[i] > longest {
						t.Errorf("wait %d is %s, want half of %s to all of it", i, waits[i], longest)
					}
				}
			})
		})
	}
}

// TestSuperviseEndsWhileItWaits: an interruption is not slept through.
func TestSuperviseEndsWhileItWaits(t *testing.T) {
	for _, by := range []string{"context", "stop"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := make(chan struct{})
			began := time.Now()
			s := Supervision{Restarts: 5, Stop: stop, Waiting: func(d time.Duration) {
				time.AfterFunc(d/2, func() {
					if by == "stop" {
						close(stop)
					} else {
						cancel()
					}
				})
			}}
			ran := 0
			err := s.supervise(ctx, func(context.Context) error { ran++; return errAway }, func() int64 { return 0 })
			if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrWaiting) || !errors.Is(err, errAway) || ran != 1 || time.Since(began) > firstWait {
				t.Errorf("%s: %v after %d attempts in %s, want context.Canceled with the error during the first wait", by, err, ran, time.Since(began))
			}
		})
	}
}

// TestRetryable tells what may go away from what stays, also where a runner has
// made text of it.
func TestRetryable(t *testing.T) {
	st := mustStore(t, filepath.Join(t.TempDir(), strings.Repeat("n", 250))) // room for no longer name
	stays := st.Put(t.Context(), strings.Repeat("x", 300), nil)
	if stays == nil {
		t.Fatal("a name of 300 bytes is no error")
	}
	text := func(err error) error { return errors.New("bundle failed: " + err.Error() + "; plan: …") }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errFatal, false},
		{context.Canceled, false},
		{stays, false},
		{text(stays), false},
		{errors.New("the text of no store: no space left on device"), false},
		{fmt.Errorf("lake: %w", syscall.ENOSPC), true},
		{fmt.Errorf("lake: %w", syscall.EROFS), true},
		{fmt.Errorf("lake: %w", syscall.EACCES), false},
		{fmt.Errorf("lake: %w", lake.ErrLeaseLost), true},
		{fmt.Errorf("seal.json is %w: %w", lake.ErrDamaged, syscall.EIO), false},
		{errAway, true},
		{text(errAway), true},
		{fmt.Errorf("kafka: %w", sarama.ErrLeaderNotAvailable), true},
		{fmt.Errorf("kafka: %w", io.EOF), true},
		{fmt.Errorf("kafka: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), true},
		{fmt.Errorf("kafka: %w", sarama.ErrOffsetOutOfRange), false},
		{fmt.Errorf("kafka: %w", sarama.ErrSASLAuthenticationFailed), false},
	} {
		if got := retryable(c.err); got != c.want {
			t.Errorf("%v: retryable is %v, want %v", c.err, got, c.want)
		}
	}
}

// TestSupervisedJobTakesItsLeaseAgain: the lease of a bucket was lost, and the
// job goes on in the same process, with the same store.
func TestSupervisedJobTakesItsLeaseAgain(t *testing.T) {
	_, direct := laketest.StartBucket(t, "lost-lease", laketest.NewFaults(1, 0))
	t.Setenv("STORAGE_EMULATOR_HOST", direct)
	o := options(startBroker(t, 1), "gs://lost-lease/lake")
	if err := o.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	held, unbind := o.lease.Bind(t.Context())
	defer unbind()
	const lease = "ledger/lease.json"
	thief := mustStore(t, o.Lake)
	if err := thief.Put(t.Context(), lease, []byte(`{"holder":"thief"}`)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the lease is not lost")
	}
	if err := errors.Join(o.lease.Release(), thief.Delete(t.Context(), lease)); err != nil {
		t.Fatal(err)
	}
	if err := o.Resume(t.Context()); err != nil {
		t.Fatalf("after the loss: %v", err)
	}
	if err := o.lease.Release(); err != nil {
		t.Error(err)
	}
}

// TestOutcome: what is shown of a run during which it was interrupted.
func TestOutcome(t *testing.T) {
	running := t.Context()
	interrupted, cancel := context.WithCancel(running)
	cancel()
	lostErr := fmt.Errorf("lake gs://b: %w", lake.ErrLeaseLost)
	lost, lose := context.WithCancelCause(running)
	lose(lostErr)
	broken := errors.New("lake: put: no space left on device")
	for name, c := range map[string]struct {
		ctx       context.Context
		err, want error
	}{
		"well":                         {running, nil, nil},
		"failed":                       {running, broken, broken},
		"interrupted":                  {interrupted, nil, context.Canceled},
		"a consequence":                {interrupted, errors.New("rpc error: context canceled"), context.Canceled},
		"failed while interrupted":     {interrupted, broken, broken},
		"the lease is lost":            {lost, nil, lostErr},
		"the lease is lost, with text": {lost, broken, lostErr},
	} {
		if got := outcome(c.ctx, c.err); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
