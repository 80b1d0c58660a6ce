package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/shopstream/internal/lake"
)

var (
	// ErrNoChampion is wrapped by the error of Champion where none was promoted.
	ErrNoChampion = errors.New("no version has been promoted")
	// ErrChanged is wrapped by the error of a change that was asked for under a
	// pointer that is not the newest any more.
	ErrChanged = errors.New("the champion or the challenger was changed meanwhile")
)

// anyNumber lets a change follow on whatever is the newest.
const anyNumber = -1

// Champion returns which version answers, which challenges it, and how it came to
// that. Without a champion it is ErrNoChampion. It costs a listing and one read.
func (r *Registry) Champion(ctx context.Context, name string) (Pointer, error) {
	p, err := r.Newest(ctx, name)
	if err == nil && p.Champion == "" {
		err = fmt.Errorf("model %q: %w: promote one", name, ErrNoChampion)
	}
	return p, err
}

// Newest is Champion where there need not be one: then Number is 0, or Champion
// is empty.
func (r *Registry) Newest(ctx context.Context, name string) (Pointer, error) {
	if err := checkName(name); err != nil {
		return Pointer{}, err
	}
	p, err := r.newest(ctx, name)
	if err != nil {
		return Pointer{}, fmt.Errorf("champion of model %q: %w", name, err)
	}
	return p, nil
}

func (r *Registry) newest(ctx context.Context, name string) (Pointer, error) {
	newest, copied := 0, 0
	// In the order of names: the copies first. What was copied when they are listed
	// was put before, and is listed after them.
	for info, err := range r.store.List(ctx, modelsDir+"/"+name+"/"+pointerDir) {
		if err != nil {
			return Pointer{}, err
		}
		switch n := changeNumber(info.Name); info.Name {
		case pointerName(name, n):
			newest = max(newest, n)
		case witnessName(name, n):
			copied = max(copied, n)
		}
	}
	switch {
	case copied > newest:
		return Pointer{}, r.lostChange(name, copied)
	case newest == 0:
		return Pointer{}, nil
	}
	return r.readChange(ctx, name, newest)
}

// readChange reads a change of the champion.
func (r *Registry) readChange(ctx context.Context, name string, number int) (Pointer, error) {
	at := pointerName(name, number)
	text, err := r.read(ctx, at, maxManifestBytes)
	if err != nil {
		return Pointer{}, err
	}
	p, err := parsePointer(at, text)
	if err == nil && p.Number != number {
		err = fmt.Errorf("expected change %d, found %d", number, p.Number)
	}
	if err != nil {
		return Pointer{}, r.fault(at, err, fmt.Sprintf("Copy %s to it, which is the same, or delete both: then the change before it holds again", witnessName(name, number)))
	}
	return p, nil
}

// lostChange is the error of a change whose copy is there.
func (r *Registry) lostChange(name string, number int) error {
	was := witnessName(name, number)
	return r.fault(pointerName(name, number), fmt.Errorf("%w, but %s says that it was", lake.ErrMissing, was),
		fmt.Sprintf("Copy %s to it; or delete that, too, and the newest change that is there holds", was))
}

// ensureCopy makes the copy of a change whose writer was killed before it did. Changes
// of older programs have none.
func (r *Registry) ensureCopy(ctx context.Context, name string, number int) error {
	if number == 0 {
		return nil
	}
	text, err := r.read(ctx, pointerName(name, number), maxManifestBytes)
	if err != nil || !hasSum(text) {
		return err
	}
	was := witnessName(name, number)
	for info, err := range r.store.List(ctx, was) {
		if err != nil || info.Name == was {
			return err
		}
	}
	return r.store.Put(ctx, was, text)
}

// hasSum reports whether the text of a change has a checksum.
func hasSum(text []byte) bool { return bytes.Contains(text, []byte(`"sum":`)) }

// changeNumber returns the number that the name of a change, or of its copy, ends
// with; 0 if it has none.
func changeNumber(object string) int {
	digits, _ := strings.CutSuffix(path.Base(object), ".json")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// Promote makes a version the champion, after its files were held to their hashes.
// A challenger of that version has won and is one no more. Promoting the champion
// changes nothing.
func (r *Registry) Promote(ctx context.Context, name, version, reason string) (Pointer, error) {
	return r.promote(ctx, name, anyNumber, version, reason)
}

// PromoteIf is Promote for a decision that was made over a pointer, such as that a
// version is better than its champion: it fails with ErrChanged unless the
// pointer's number still is the newest.
func (r *Registry) PromoteIf(ctx context.Context, name string, number int, version, reason string) (Pointer, error) {
	if number < 0 {
		return Pointer{}, fmt.Errorf("model %q: expected the number of a pointer, found %d", name, number)
	}
	return r.promote(ctx, name, number, version, reason)
}

func (r *Registry) promote(ctx context.Context, name string, number int, version, reason string) (Pointer, error) {
	if _, err := r.Verify(ctx, name, version); err != nil {
		return Pointer{}, err
	}
	return r.change(ctx, name, number, func(p *Pointer) (Entry, error) {
		if p.Champion == version {
			return Entry{}, errUnchanged
		}
		if p.Champion != "" {
			p.Earlier = append(slices.Clone(p.Earlier), p.Champion)
		}
		return Entry{Action: Promoted, Reason: reason}, crown(p, version)
	})
}

// Rollback makes the champion before the current one the champion again; called
// again, the one before that. It is refused (ErrChanged) if the champion changes
// meanwhile: look again, it may not be needed any more.
func (r *Registry) Rollback(ctx context.Context, name, reason string) (Pointer, error) {
	p, err := r.Champion(ctx, name)
	if err != nil {
		return Pointer{}, err
	}
	if len(p.Earlier) == 0 {
		return Pointer{}, fmt.Errorf("model %q: expected a champion before %s to go back to, found none: promote another version", name, p.Champion)
	}
	back := p.Earlier[len(p.Earlier)-1]
	if _, err := r.Verify(ctx, name, back); err != nil {
		return Pointer{}, fmt.Errorf("%w: promote another version", err)
	}
	return r.change(ctx, name, p.Number, func(p *Pointer) (Entry, error) {
		p.Earlier = append([]string(nil), p.Earlier[:len(p.Earlier)-1]...)
		return Entry{Action: RolledBack, Reason: reason}, crown(p, back)
	})
}

// crown makes a version the champion.
func crown(p *Pointer, version string) error {
	if p.removed(version) {
		return pruned(version)
	}
	p.Champion = version
	if p.Challenger == version {
		p.Challenger, p.Share = "", 0
	}
	return nil
}

func pruned(version string) error {
	return fmt.Errorf("version %s: %w: it was pruned: take another version", version, fs.ErrNotExist)
}

// SetChallenger lets a version answer a share of the requests, above 0 and below
// 1, after its files were held to their hashes. There is one challenger: it takes
// the place of another. With an empty version and share 0 there is none any more.
func (r *Registry) SetChallenger(ctx context.Context, name, version string, share float64, reason string) (Pointer, error) {
	if version == "" {
		if share != 0 {
			return Pointer{}, fmt.Errorf("model %q: expected share 0 without a challenger, found %g", name, share)
		}
	} else {
		if err := checkShare(share); err != nil {
			return Pointer{}, fmt.Errorf("model %q: %w", name, err)
		}
		if _, err := r.Verify(ctx, name, version); err != nil {
			return Pointer{}, err
		}
	}
	return r.change(ctx, name, anyNumber, func(p *Pointer) (Entry, error) {
		switch {
		case p.Challenger == version && p.Share == share:
			return Entry{}, errUnchanged
		case version != "" && p.Champion == "":
			return Entry{}, fmt.Errorf("%w: promote one before another challenges it", ErrNoChampion)
		case version != "" && p.Champion == version:
			return Entry{}, fmt.Errorf("version %s: expected another than the champion", version)
		case p.removed(version):
			return Entry{}, pruned(version)
		}
		p.Challenger, p.Share = version, share
		return Entry{Action: Challenged, Reason: reason}, nil
	})
}

// errUnchanged ends a change that is already so.
var errUnchanged = errors.New("unchanged")

// change writes the change that decide makes of the newest pointer, which it
// edits. Where another writer was faster it looks again, or fails with ErrChanged
// if number is not anyNumber. So decide sees every change before its own.
func (r *Registry) change(ctx context.Context, name string, number int, decide func(*Pointer) (Entry, error)) (Pointer, error) {
	fail := func(err error) (Pointer, error) { return Pointer{}, fmt.Errorf("change model %q: %w", name, err) }
	if err := checkName(name); err != nil {
		return fail(err)
	}
	for last := 0; ; {
		p, err := r.newest(ctx, name)
		if err != nil {
			return fail(err)
		}
		if number != anyNumber && p.Number != number {
			return fail(fmt.Errorf("%w: expected change %d to be the newest, found %d: look again", ErrChanged, number, p.Number))
		}
		if p.Number < last {
			return fail(fmt.Errorf("expected change %d, which another writer made, found %d as the newest: look for what is in the way of %s", last, p.Number, pointerName(name, last)))
		}
		if err := r.ensureCopy(ctx, name, p.Number); err != nil {
			return fail(err)
		}
		e, err := decide(&p)
		if errors.Is(err, errUnchanged) {
			return p, nil
		}
		if err != nil {
			return fail(err)
		}
		e.Changed = r.now().UTC().Truncate(time.Second)
		next := p.then(e)
		at := pointerName(name, next.Number)
		text, err := encodePointer(at, next)
		if err != nil {
			return fail(err)
		}
		err = r.store.PutNew(ctx, at, text)
		if errors.Is(err, lake.ErrExists) {
			last = next.Number
			continue
		}
		if err != nil {
			return fail(err)
		}
		if err := r.store.Sync(ctx); err != nil {
			return fail(err)
		}
		if err := r.store.Put(ctx, witnessName(name, next.Number), text); err != nil {
			return fail(fmt.Errorf("change %d is made, but not its copy: %w", next.Number, err))
		}
		return next, nil
	}
}
