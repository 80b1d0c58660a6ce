package lake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"

	"cloud.google.com/go/storage"
)

// Temporary reports whether an error of a store may go away by itself: a disk
// that is full or mounted read-only, a service that is not there, a lease that
// was not renewed in time.
//
// A runner hands on the error of a DoFn as text, without its type. Stores of
// this process therefore remember the newest of these errors, and one is
// recognised by its text, too.
func Temporary(err error) bool {
	return err != nil && (temporary(err) || remembered.in(err.Error()))
}

func temporary(err error) bool {
	for _, cause := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
		syscall.ESTALE, syscall.ETIMEDOUT, syscall.EBUSY,
		context.DeadlineExceeded, errNoAnswer, ErrLeaseLost,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return storage.ShouldRetry(err)
}

// remember keeps a temporary error of a store, and returns it.
func remember(err error) error {
	if temporary(err) {
		remembered.add(err.Error())
	}
	return err
}

// memory holds the newest texts.
type memory struct {
	mu    sync.Mutex
	texts []string
}

const maxRemembered = 100

var remembered memory

func (m *memory) add(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.texts, text) {
		return
	}
	if len(m.texts) == maxRemembered {
		m.texts = slices.Delete(m.texts, 0, 1)
	}
	m.texts = append(m.texts, text)
}

// in reports whether a text contains one that is remembered.
func (m *memory) in(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.texts, func(t string) bool { return strings.Contains(text, t) })
}
