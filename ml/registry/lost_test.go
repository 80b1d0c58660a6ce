package registry

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/shopstream/internal/lake"
)

// TestNoChangeIsLostSilently damages each object of a model's changes: who asks for the
// champion gets the right one, or an error that names the object. So it is where all
// of a folder is gone.
func TestNoChangeIsLostSilently(t *testing.T) {
	t.Parallel()
	type edit = func(st lake.Store, name string, data []byte) error
	edited := func(change func(b []byte) []byte) edit {
		return func(st lake.Store, name string, data []byte) error {
			return st.Put(t.Context(), name, change(slices.Clone(data)))
		}
	}
	move := func(to func(name string) string) edit {
		return func(st lake.Store, name string, data []byte) error {
			return errors.Join(st.Put(t.Context(), to(name), data), st.Delete(t.Context(), name))
		}
	}
	damages := map[string]edit{
		"deleted":   func(st lake.Store, name string, _ []byte) error { return st.Delete(t.Context(), name) },
		"truncated": edited(func(b []byte) []byte { return b[:len(b)/2] }),
		"empty":     edited(func([]byte) []byte { return nil }),
		"renamed":   move(func(name string) string { return name + "x" }),
		"moved on":  move(func(name string) string { return strings.Replace(name, "/00000", "/00001", 1) }),
		"another's": func(st lake.Store, name string, _ []byte) error {
			of := map[bool]string{true: "000001", false: "000002"}[strings.Contains(name, "000002")]
			data, err := st.Get(t.Context(), name[:strings.LastIndexByte(name, '/')+1]+of+".json")
			return errors.Join(err, st.Put(t.Context(), name, data))
		},
	}
	build := func(t *testing.T) (*Registry, lake.Store, Pointer) {
		r, st := newFolder(t)
		var p Pointer
		for i := range uint64(3) {
			var err error
			if p, err = r.Promote(t.Context(), "m", put(t, r, i), "why"); err != nil {
				t.Fatal(err)
			}
		}
		return r, st, p
	}
	_, st, _ := build(t)
	names := objects(t, st, "models/m/"+pointerDir)
	if len(names) != 6 {
		t.Fatalf("expected three changes and their copies, found %v", names)
	}
	check := func(t *testing.T, r *Registry, want Pointer, object string) {
		t.Helper()
		have, err := r.Champion(t.Context(), "m")
		switch {
		case err == nil && have.Champion == want.Champion && have.Number == want.Number:
		case err == nil:
			t.Errorf("silently wrong: champion %s by change %d, want %s by %d", have.Champion, have.Number, want.Champion, want.Number)
		case !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), object) || !strings.Contains(err.Error(), "Copy "):
			t.Errorf("expected an error that names %s and says what to do, found %v", object, err)
		}
	}
	for how, damage := range damages {
		for _, name := range names {
			r, st, want := build(t)
			data, err := st.Get(t.Context(), name)
			if err == nil {
				err = damage(st, name, data)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Run(how+" "+name, func(t *testing.T) {
				object := name
				if how == "moved on" { // the name it has got is what is wrong
					object = strings.Replace(name, "/00000", "/00001", 1)
					object = strings.Replace(object, witnessDir, pointerDir, 1)
				}
				check(t, r, want, object)
			})
		}
	}
	t.Run("every bit", func(t *testing.T) {
		r, st, want := build(t)
		at := pointerName("m", want.Number)
		data, err := st.Get(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(data) {
			b := slices.Clone(data)
			b[i/8] ^= 1 << (i % 8)
			if err := st.Put(t.Context(), at, b); err != nil {
				t.Fatal(err)
			}
			check(t, r, want, at)
		}
	})
	t.Run("all changes", func(t *testing.T) {
		r, st, want := build(t)
		for n := range want.Number {
			if err := st.Delete(t.Context(), pointerName("m", n+1)); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := r.Champion(t.Context(), "m"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a model that had a champion has %+v, %v", p, err)
		}
		if p, err := r.Promote(t.Context(), "m", want.Champion, "why"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the changes begin again: %+v, %v", p, err)
		}
	})
}

// TestCopyIsMadeLater: a change whose writer was killed before it made the copy has
// one after the next change.
func TestCopyIsMadeLater(t *testing.T) {
	t.Parallel()
	r, st := newFolder(t)
	for i := range uint64(3) {
		if i > 0 {
			if err := st.Delete(t.Context(), witnessName("m", int(i))); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Promote(t.Context(), "m", put(t, r, i), "why"); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= 3; n++ {
		text, err := st.Get(t.Context(), pointerName("m", n))
		if err != nil {
			t.Fatal(err)
		}
		if was, err := st.Get(t.Context(), witnessName("m", n)); err != nil || string(was) != string(text) {
			t.Errorf("the copy of change %d is %q (%v), expected %q", n, was, err, text)
		}
	}
}
