package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/shopstream/internal/kafkaio"
)

// A lake that was built again is a lake of its own in a folder of the first
// one. One object says which of them is the lake; OpenStore follows it:
//
//	generation.json     pointer; without it the lake is generation 0, the root
//	generations/1/…     a whole lake: lake.json, ledger, all lanes, gold
const (
	generationName = "generation.json"
	generationsDir = "generations"
)

// pointer is the content of generation.json.
type pointer struct {
	Generation int       `json:"generation"`
	Previous   int       `json:"previous"`
	Since      time.Time `json:"since"`
}

// ErrOldGeneration is wrapped by the error of Lock for a store that is not the
// lake any more.
var ErrOldGeneration = errors.New("the lake has a newer generation")

// generations is what both kinds of stores know of them.
type generations struct {
	root       Store // nil: the store is the root itself
	generation int   // 0 is the root
}

func (g *generations) of() *generations { return g }

func generationsOf(st Store) *generations {
	if st, ok := st.(interface{ of() *generations }); ok {
		return st.of()
	}
	return &generations{}
}

// rootOf returns the store that has the pointer, and the lease.
func rootOf(st Store) Store {
	if root := generationsOf(st).root; root != nil {
		return root
	}
	return st
}

// Generation is how often the lake of a store had been built again when it was
// opened.
func Generation(st Store) int { return generationsOf(st).generation }

// follow returns the current generation of the lake that was opened, or the
// store itself where it is one, by its URI.
func follow(ctx context.Context, st Store) (Store, error) {
	p, err := readPointer(ctx, st)
	switch {
	case err != nil:
		return nil, errors.Join(err, st.Close())
	case p != nil:
		return openCurrent(ctx, st, p.Generation)
	}
	rootURI, n, ok := cutGeneration(st.URI())
	if !ok {
		return st, nil
	}
	root, err := openRoot(ctx, rootURI)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	switch p, err = readPointer(ctx, root); {
	case err != nil:
		return nil, errors.Join(err, root.Close(), st.Close())
	case p == nil: // a lake that happens to be called so, or one that is being built
		return st, root.Close()
	}
	*generationsOf(st) = generations{root, n}
	return st, nil
}

func openCurrent(ctx context.Context, root Store, n int) (Store, error) {
	st, err := openGeneration(ctx, root, n)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	_, err = st.Get(ctx, settingsName)
	if errors.Is(err, fs.ErrNotExist) {
		err = damaged(root, generationName, fmt.Errorf("expected the lake in %s, found none", generationPath(n)))
	}
	if err != nil {
		return nil, errors.Join(err, st.Close(), root.Close())
	}
	return st, nil
}

// cutGeneration splits the URI of a generation.
func cutGeneration(uri string) (root string, n int, ok bool) {
	slashed := filepath.ToSlash(uri)
	dir, last := path.Split(slashed)
	n, err := strconv.Atoi(last)
	root, ok = strings.CutSuffix(dir, "/"+generationsDir+"/")
	return root, n, ok && err == nil && n > 0 && strconv.Itoa(n) == last && root != "" && !strings.HasSuffix(root, ":/")
}

func generationPath(n int) string { return generationsDir + "/" + strconv.Itoa(n) }

func generationURI(root Store, n int) string {
	if local, ok := root.(*localStore); ok {
		return local.path(generationPath(n))
	}
	return root.URI() + "/" + generationPath(n)
}

// openGeneration opens a generation, whether it is there or not. root stays
// open: the generation needs it.
func openGeneration(ctx context.Context, root Store, n int) (Store, error) {
	if n == 0 {
		return root, nil
	}
	st, err := openRoot(ctx, generationURI(root, n))
	if err != nil {
		return nil, err
	}
	*generationsOf(st) = generations{root, n}
	return st, nil
}

// readPointer returns nil where there is none.
func readPointer(ctx context.Context, root Store) (*pointer, error) {
	var p pointer
	switch err := getWitnessed(ctx, root, generationName, &p); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case p.Generation < 1:
		return nil, damaged(root, generationName, fmt.Errorf("expected a generation of 1 or more, found %d", p.Generation))
	}
	return &p, nil
}

// peekPointer returns what the pointer says, whether it has a checksum or not.
func peekPointer(ctx context.Context, root Store) (p pointer, ok bool) {
	data, err := root.Get(ctx, generationName)
	if err != nil {
		return p, false
	}
	_, err = decodeObject(generationName, data, &p)
	return p, errors.Is(err, errNoSum) && p.Generation > 0
}

// checkCurrent returns an error unless the store is the lake's current
// generation.
func checkCurrent(ctx context.Context, st Store) error {
	p, err := readPointer(ctx, rootOf(st))
	if err != nil {
		return err
	}
	now := 0
	if p != nil {
		now = p.Generation
	}
	if have := Generation(st); have != now {
		return fmt.Errorf("lake %s: this is generation %d, and %w, %d: start again, with --lake=%s", st.URI(), have, ErrOldGeneration, now, rootOf(st).URI())
	}
	return nil
}

// NewGeneration begins the next generation of a lake whose Lease the caller
// has: an empty store, which nobody sees before Switch. What is left of
// generations that were begun and never became the lake is removed.
func NewGeneration(ctx context.Context, lease *Lease, st Store) (fresh Store, err error) {
	root := rootOf(st)
	all, err := listGenerations(ctx, root)
	if err != nil {
		return nil, err
	}
	next := Generation(st) + 1
	for _, n := range all {
		// Its number is not used again: a writer that is believed dead may still be writing there.
		next = max(next, n+1)
		if n > Generation(st) {
			if err := removeGeneration(ctx, root, n); err != nil {
				return nil, err
			}
		}
	}
	// The store that DoFns of this process will find.
	if fresh, err = Shared(ctx, generationURI(root, next)); err != nil {
		return nil, err
	}
	*generationsOf(fresh) = generations{root, next}
	lease.cover(fresh)
	track(fresh, kafkaio.NoTime, kafkaio.NoTime)
	return fresh, nil
}

// Switch makes a generation of NewGeneration, which is complete, the lake: at
// once, for everybody who opens it from now on.
func Switch(ctx context.Context, lease *Lease, fresh Store) error {
	root := rootOf(fresh)
	if err := lease.check(); err != nil {
		return err
	}
	p := pointer{Generation: Generation(fresh), Since: time.Now().UTC().Truncate(time.Second)}
	switch old, err := readPointer(ctx, root); {
	case err != nil:
		return err
	case old != nil:
		p.Previous = old.Generation
	}
	if err := fresh.Sync(ctx); err != nil {
		return err
	}
	if err := putWitnessed(ctx, root, generationName, p); err != nil {
		return err
	}
	return root.Sync(ctx)
}

// Prune removes all generations but the current one, which st must be and whose
// Lease the caller has. It returns their numbers. Who still reads one of them
// gets errors.
func Prune(ctx context.Context, st Store) (removed []int, err error) {
	root := rootOf(st)
	all, err := listGenerations(ctx, root)
	if err != nil {
		return nil, err
	}
	if Generation(st) != 0 {
		switch data, err := root.Get(ctx, settingsName); {
		case err == nil && len(data) > 0:
			all = append([]int{0}, all...)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	for _, n := range all {
		if n == Generation(st) {
			continue
		}
		if err := removeGeneration(ctx, root, n); err != nil {
			return removed, err
		}
		removed = append(removed, n)
	}
	return removed, nil
}

// listGenerations returns the numbers in the folder of generations, whole ones
// or not, in order.
func listGenerations(ctx context.Context, root Store) (all []int, err error) {
	const dir = generationsDir + "/"
	if local, ok := root.(*localStore); ok {
		entries, err := os.ReadDir(local.path(generationsDir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, explainDisk(local.root, "list", generationsDir, err)
		}
		for _, e := range entries {
			if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 {
				all = append(all, n)
			}
		}
		slices.Sort(all)
		return all, nil
	}
	for from := ""; ; {
		next := ""
		for info, err := range root.ListFrom(ctx, dir, from) {
			if err != nil {
				return nil, err
			}
			next = info.Name
			break
		}
		if next == "" {
			slices.Sort(all)
			return all, nil
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(next, dir), "/")
		if n, err := strconv.Atoi(name); err == nil && n > 0 {
			all = append(all, n)
		}
		from = dir + name + "0" // '0' comes after '/': behind all of the generation
	}
}

// ofTheLake are the folders of the root that belong to generation 0.
var ofTheLake = []string{"ledger", string(Bronze), string(Silver), string(Late), string(Dead), metricsDir, "gold", "quality", "inputs"}

// removeGeneration removes a generation that is not the lake. Of the root it
// leaves what is not generation 0's: the lease, the pointer, what others keep
// there.
func removeGeneration(ctx context.Context, root Store, n int) error {
	if n > 0 {
		return removeFolder(ctx, root, generationPath(n))
	}
	if err := deleteWitnessed(ctx, root, settingsName); err != nil { // first: what is left is no lake
		return err
	}
	for _, dir := range ofTheLake {
		if err := removeFolder(ctx, root, dir); err != nil {
			return err
		}
	}
	return nil
}

// removeFolder removes a folder with all that is in it, but the root's leases.
func removeFolder(ctx context.Context, root Store, dir string) error {
	if local, ok := root.(*localStore); ok {
		if err := os.RemoveAll(local.path(dir)); err != nil {
			return explainDisk(local.root, "delete", dir, err)
		}
		local.made.Clear()
		return nil
	}
	var names []string
	remove := func() error {
		defer func() { names = names[:0] }()
		return Parallel(len(names), readers, func(i int) error { return root.Delete(ctx, names[i]) })
	}
	for info, err := range root.List(ctx, dir+"/") {
		if err != nil {
			return err
		}
		if info.Name == leaseName || info.Name == goldLeaseName {
			continue
		}
		if names = append(names, info.Name); len(names) == listPage {
			if err := remove(); err != nil {
				return err
			}
		}
	}
	return remove()
}

// Root returns the store that all generations of a lake share: what is not made
// from bronze, such as trained models, lies there. It is st where that is no
// generation's.
func Root(st Store) Store { return rootOf(st) }
