package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/lake/laketest"
)

// shortRetry is bucketRetry for tests: a hang is over soon.
var shortRetry = retry{attempt: 150 * time.Millisecond, total: 20 * time.Second, wait: time.Millisecond, longest: 20 * time.Millisecond}

// failingBucket opens a lake in a bucket whose requests fail as told.
func failingBucket(t *testing.T, faults *laketest.Faults, r retry) *bucketStore {
	t.Helper()
	host, _ := laketest.StartBucket(t, "shop", faults)
	t.Setenv("STORAGE_EMULATOR_HOST", host)
	st := mustOpenRoot(t, "gs://shop/lake").(*bucketStore) // OpenStore asks the bucket, with retries of its own
	st.retry = r
	return st
}

var allFaults = append([]laketest.Fault{laketest.HangBefore, laketest.HangAfter}, laketest.Quick...)

// TestBucketFaults lets every kind of call meet every fault, twice in a row.
func TestBucketFaults(t *testing.T) {
	small, large := []byte("content"), bytes.Repeat([]byte("0123456789abcdef"), (maxChunk+1<<20)/16) // two chunks
	faults := laketest.NewFaults(1, 0)
	st := failingBucket(t, faults, shortRetry)
	ctx := t.Context()
	if err := st.Put(ctx, "there", small); err != nil {
		t.Fatal(err)
	}
	want := func(name string, data []byte) error {
		got, err := st.Get(ctx, name)
		if err == nil && !bytes.Equal(got, data) {
			err = fmt.Errorf("%s has %d bytes, want the %d that were put", name, len(got), len(data))
		}
		return err
	}
	for _, fault := range allFaults {
		for call, do := range map[string]func(name string) (then func() error, err error){
			"Put": func(name string) (func() error, error) {
				return func() error { return want(name, small) }, st.Put(ctx, name, small)
			},
			"Put of two chunks": func(name string) (func() error, error) {
				return func() error { return want(name, large) }, st.Put(ctx, name, large)
			},
			"PutNew": func(name string) (func() error, error) {
				return func() error {
					if err := st.PutNew(ctx, name, small); !errors.Is(err, ErrExists) {
						return fmt.Errorf("the second PutNew: %w, want ErrExists", err)
					}
					return want(name, small)
				}, st.PutNew(ctx, name, small)
			},
			"Get": func(string) (func() error, error) { return nil, want("there", small) },
			"Open": func(string) (func() error, error) {
				o, err := st.Open(ctx, "there")
				if err != nil {
					return nil, err
				}
				faults.Next(fault, fault) // on the read, too
				got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
				if err == nil && !bytes.Equal(got, small) {
					err = fmt.Errorf("read %q", got)
				}
				return nil, errors.Join(err, o.Close())
			},
			"List": func(string) (func() error, error) {
				for _, err := range st.List(ctx, "there") {
					return nil, err
				}
				return nil, errors.New("nothing is listed")
			},
			"Delete": func(name string) (func() error, error) {
				return func() error {
					if _, err := st.Get(ctx, name); !errors.Is(err, fs.ErrNotExist) {
						return fmt.Errorf("after Delete: %w", err)
					}
					return nil
				}, st.Delete(ctx, name)
			},
		} {
			t.Run(call+", "+string(fault), func(t *testing.T) {
				hang := strings.HasPrefix(string(fault), "no answer")
				if call == "Put of two chunks" && hang {
					st.retry.attempt = time.Second // for the attempts that do not hang
					defer func() { st.retry.attempt = shortRetry.attempt }()
				}
				name := strings.NewReplacer(" ", "-", ",", "").Replace(call + "-" + string(fault))
				if call == "Delete" {
					put(t, st, name)
				}
				before := faults.Counts()[fault]
				faults.Next(fault, fault)
				then, err := do(name)
				if err != nil {
					t.Errorf("%v", err)
				}
				if n := faults.Counts()[fault] - before; n < 2 {
					t.Errorf("only %d faults", n)
				}
				if then != nil {
					if err := then(); err != nil {
						t.Errorf("afterwards: %v", err)
					}
				}
			})
		}
	}
}

// TestBucketGivesUp: a service that stays away is an error that says for how
// long it was tried, and one that hangs is one, too.
func TestBucketGivesUp(t *testing.T) {
	for fault, text := range map[laketest.Fault]string{laketest.Unavailable: "not available", laketest.HangBefore: "no answer in time"} {
		t.Run(string(fault), func(t *testing.T) {
			r := shortRetry
			r.total = 600 * time.Millisecond
			st := failingBucket(t, laketest.NewFaults(1, 1, fault), r)
			began := time.Now()
			err := st.Put(t.Context(), "silver/a", []byte("x"))
			if err == nil || !strings.HasPrefix(err.Error(), "lake gs://shop/lake: put silver/a: given up after ") || !strings.Contains(err.Error(), text) {
				t.Errorf("Put: %v", err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestBucketCancelledAtOnce cancels calls that wait for an answer, or for the
// next attempt.
func TestBucketCancelledAtOnce(t *testing.T) {
	for _, fault := range []laketest.Fault{laketest.Unavailable, laketest.HangBefore} {
		t.Run(string(fault), func(t *testing.T) {
			st := failingBucket(t, laketest.NewFaults(1, 1, fault), retry{attempt: time.Minute, total: time.Hour, wait: time.Minute, longest: time.Minute})
			for call, do := range map[string]func(ctx context.Context) error{
				"Put":    func(ctx context.Context) error { return st.Put(ctx, "a", []byte("x")) },
				"PutNew": func(ctx context.Context) error { return st.PutNew(ctx, "a", []byte("x")) },
				"Delete": func(ctx context.Context) error { return st.Delete(ctx, "a") },
				"Get":    func(ctx context.Context) error { _, err := st.Get(ctx, "a"); return err },
				"Open":   func(ctx context.Context) error { _, err := st.Open(ctx, "a"); return err },
				"List": func(ctx context.Context) error {
					for _, err := range st.List(ctx, "") {
						return err
					}
					return nil
				},
			} {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(50*time.Millisecond, cancel)
				began := time.Now()
				if err := do(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v, want context.Canceled", call, err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s took %s to see that it was cancelled", call, took)
				}
			}
		})
	}
}
