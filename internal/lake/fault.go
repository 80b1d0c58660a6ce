package lake

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrDamaged is wrapped by the error of an object that is not
// what was written.
var ErrDamaged = errors.New("damaged")

// ErrMissing is wrapped by the error of an object that another says is there.
var ErrMissing = errors.New("it is missing")

// Fault is the error of one object of the lake that is not as it was written.
type Fault struct {
	Object string
	Lake   string // URI
	Kind   error  // such as ErrDamaged
	Err    error  // what was expected, and what was found
	Do     string // what to do about it: a sentence without its stop
}

// Error implements error.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s in %s is %v: %v. %s", f.Object, f.Lake, f.Kind, f.Err, f.Do)
}

// Unwrap makes errors.Is find the kind and the cause.
func (f *Fault) Unwrap() []error { return []error{f.Kind, f.Err} }

// Missing reports whether the object is not there.
func (f *Fault) Missing() bool {
	return errors.Is(f.Err, ErrMissing) || errors.Is(f.Err, fs.ErrNotExist)
}

// faults decides what a fault of an object does: what it returns ends the reading,
// with nil it goes on without the object.
type faults func(*Fault) error

// readersStop is that of everybody but Verify.
func readersStop(f *Fault) error { return f }

// take hands on the faults, and returns every other error.
func (t faults) take(err error) error {
	var f *Fault
	if errors.As(err, &f) {
		return t(f)
	}
	return err
}

func fault(st Store, name string, err error, do string) error {
	return &Fault{Object: name, Lake: st.URI(), Kind: ErrDamaged, Err: err, Do: do}
}

// damaged is the error of an object of the ledger, and of what else nobody makes again.
func damaged(st Store, name string, err error) error {
	return fault(st, name, err, "It was written whole, so the storage has changed it since: restore it from a copy")
}
