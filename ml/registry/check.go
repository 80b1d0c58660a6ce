package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"example.com/shopstream/internal/lake"
)

// Check holds all models to what was put: each change of champion and challenger with
// its copy, each version with all its files, by what readers check. It changes nothing,
// tells each finding once, and counts the objects and bytes that it read whole.
func (r *Registry) Check(ctx context.Context, found func(lake.Finding)) (checked lake.Checked, err error) {
	c := checking{Registry: r, ctx: ctx, found: found}
	models := map[string]bool{}
	for info, err := range r.store.List(ctx, modelsDir+"/") {
		if err != nil {
			return c.done, fmt.Errorf("list models: %w", err)
		}
		name, folder, file, ok := splitName(info.Name)
		change := folder == pointerDir || folder == witnessDir
		if !ok || !change && (checkVersion(folder) != nil || file != manifestName && checkFile(file) != nil) || change && changeNumber(info.Name) == 0 {
			found(lake.Finding{Verdict: lake.Extra, Object: info.Name, Found: "it is not a file of the models", Do: "It does not count. Move it away if you do not need it there"})
			continue
		}
		models[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(models)) {
		if err := c.model(name); err != nil {
			return c.done, err
		}
	}
	return c.done, nil
}

type checking struct {
	*Registry
	ctx   context.Context
	found func(lake.Finding)
	done  lake.Checked
}

// take tells a fault, and returns every other error.
func (c *checking) take(err error) error {
	f, ok := lake.FindingOf(err)
	if !ok {
		return err
	}
	c.found(f)
	return nil
}

func (c *checking) model(name string) error {
	newest, err := c.changes(name)
	if err != nil {
		return err
	}
	versions, leftovers, err := c.scan(c.ctx, name)
	if err != nil {
		return err
	}
	for _, v := range slices.Sorted(maps.Keys(leftovers)) {
		if newest.needs(v) {
			continue // told below
		}
		c.found(lake.Finding{
			Verdict: lake.Extra, Object: fileName(name, v, ""), Found: "it has no " + manifestName + ": it was never whole, or was removed by halves",
			Do: "It does not count. train --keep removes it after a day",
		})
	}
	for _, v := range versions {
		if err := c.version(name, v); err != nil {
			return err
		}
	}
	for _, v := range []string{newest.Champion, newest.Challenger} {
		if v == "" || slices.Contains(versions, v) {
			continue
		}
		err := c.fault(fileName(name, v, manifestName), fmt.Errorf("%w, but change %d of the champion names it", lake.ErrMissing, newest.Number), "Restore it from a copy, or train and promote another version")
		if err := c.take(err); err != nil {
			return err
		}
	}
	return nil
}

// changes looks at all changes of a model, and returns the newest that can be read.
func (c *checking) changes(name string) (newest Pointer, err error) {
	there, copies := map[int]bool{}, map[int]bool{}
	for info, err := range c.store.List(c.ctx, modelsDir+"/"+name+"/"+pointerDir) {
		if err != nil {
			return newest, err
		}
		n := changeNumber(info.Name)
		switch info.Name {
		case pointerName(name, n):
			there[n] = true
		case witnessName(name, n):
			copies[n] = true
		}
		c.done.Objects++
		c.done.Bytes += info.Size
	}
	for _, n := range slices.Sorted(maps.Keys(copies)) {
		if !there[n] {
			if err := c.take(c.lostChange(name, n)); err != nil {
				return newest, err
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(there)) {
		p, err := c.readChange(c.ctx, name, n)
		if err == nil {
			newest, err = p, c.copied(name, n, copies[n])
		}
		if err := c.take(err); err != nil {
			return newest, err
		}
	}
	return newest, nil
}

// copied holds the copy of a change to it. Changes of older programs have none.
func (c *checking) copied(name string, number int, there bool) error {
	at, was := pointerName(name, number), witnessName(name, number)
	text, err := c.read(c.ctx, at, maxManifestBytes)
	if err != nil {
		return err
	}
	do := fmt.Sprintf("Copy %s to it, or the loss of that would not be noticed", at)
	if !there {
		if !hasSum(text) {
			return nil
		}
		return c.fault(was, fmt.Errorf("%w, but %s is there", lake.ErrMissing, at), do)
	}
	if have, err := c.read(c.ctx, was, maxManifestBytes); err != nil || string(have) != string(text) {
		return c.fault(was, errors.Join(err, fmt.Errorf("expected the copy of %s, found another content", at)), do)
	}
	return nil
}

// version holds a version's files to its manifest.
func (c *checking) version(name, version string) error {
	m, err := c.Get(c.ctx, name, version)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed meanwhile
	}
	c.done.Objects++
	if err != nil {
		return c.take(err)
	}
	for _, f := range m.Files {
		_, err := c.File(c.ctx, m, f.Name)
		if err := c.take(err); err != nil {
			return err
		}
		c.done.Objects++
		c.done.Bytes += f.Bytes
	}
	return nil
}
