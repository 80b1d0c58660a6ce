package registry

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// leftoverAge is how long an object without a manifest may be one of a version
// that is still being written.
const leftoverAge = 24 * time.Hour

// Removed is what Prune removed.
type Removed struct {
	Versions  []string // whole ones, oldest first
	Leftovers []string // versions that never got a manifest, or were removed by halves
}

// Prune removes all versions of a model but the newest ones, as many as keep says,
// and never the champion, the challenger or the champion that Rollback goes back
// to. It also removes what is left of writers that were killed more than a day ago.
//
// It writes what it is about to remove as a change of the pointer, so that no
// version can be promoted that goes, and none goes that was promoted. A Prune that
// was killed is completed by the next one. Who still reads a version that is
// removed gets errors.
func (r *Registry) Prune(ctx context.Context, name string, keep int) (removed Removed, err error) {
	if err := checkName(name); err != nil {
		return removed, err
	}
	if keep < 1 {
		return removed, fmt.Errorf("prune model %q: expected 1 or more versions to keep, found %d", name, keep)
	}
	versions, leftovers, err := r.scan(ctx, name)
	if err != nil {
		return removed, fmt.Errorf("prune model %q: %w", name, err)
	}
	for {
		batch, err := r.giveUp(ctx, name, versions, keep)
		if err != nil {
			return removed, err
		}
		if len(batch) == 0 {
			break
		}
		for _, version := range batch {
			if err := r.remove(ctx, name, version); err != nil {
				return removed, fmt.Errorf("prune model %q: %w", name, err)
			}
			removed.Versions = append(removed.Versions, version)
		}
		versions = slices.DeleteFunc(versions, func(v string) bool { return slices.Contains(batch, v) })
	}
	for version, newest := range leftovers {
		if r.now().Sub(newest) < leftoverAge {
			continue
		}
		if err := r.remove(ctx, name, version); err != nil {
			return removed, fmt.Errorf("prune model %q: %w", name, err)
		}
		removed.Leftovers = append(removed.Leftovers, version)
	}
	slices.Sort(removed.Versions)
	slices.Sort(removed.Leftovers)
	return removed, nil
}

// giveUp chooses versions, which are in order, to be removed, as many as a change
// may name, and writes the change. Those that an earlier Prune gave up and did not
// get to remove need no change.
func (r *Registry) giveUp(ctx context.Context, name string, versions []string, keep int) (batch []string, err error) {
	_, err = r.change(ctx, name, anyNumber, func(p *Pointer) (Entry, error) {
		batch = nil
		var fresh []string
		kept := 0
		for _, v := range slices.Backward(versions) {
			switch {
			case p.removed(v):
				batch = append(batch, v)
			case kept < keep:
				kept++
			case !p.needs(v) && len(fresh) < maxRemoved:
				fresh = append(fresh, v)
			}
		}
		batch = append(batch, fresh...)
		if len(fresh) == 0 {
			return Entry{}, errUnchanged
		}
		slices.Sort(fresh)
		return Entry{Action: Pruned, Reason: fmt.Sprintf("the newest %d are kept", keep), Removed: fresh}, nil
	})
	return batch, err
}

// needs reports whether a version has to stay.
func (p Pointer) needs(version string) bool {
	back := len(p.Earlier) > 0 && p.Earlier[len(p.Earlier)-1] == version
	return back || version == p.Champion || version == p.Challenger
}

// remove deletes the objects of a version, the manifest first: what is left of it
// then is no version.
func (r *Registry) remove(ctx context.Context, name, version string) error {
	if err := r.store.Delete(ctx, fileName(name, version, manifestName)); err != nil {
		return err
	}
	var objects []string
	for info, err := range r.store.List(ctx, fileName(name, version, "")) {
		if err != nil {
			return err
		}
		objects = append(objects, info.Name)
	}
	for _, object := range objects {
		if err := r.store.Delete(ctx, object); err != nil {
			return err
		}
	}
	return nil
}
